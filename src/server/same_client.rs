//! One client that IPsec took for two, because its NAT gave it another port in the very moment in which it renewed its first
//! phase: what proves it, and making it one again.
//!
//! That both know a key and say they are the same is no proof: the key may be everybody's, and behind a NAT many are
//! 192.168.1.2. It is proved by whoever holds the secrets of both, which are
//!
//! - the ISAKMP SA of the new one, whose first phase was answered at that address and went on from there, and the old one's keys,
//!   used from one and the same port of the NAT, or
//! - the new one's ESP keys, and the ids that we gave to a session of the old one, which were sent encrypted only.

use std::time::Instant;

use ipsec::PeerId;
use l2tp::SessionKey;

use super::{Lac, Level, Server};
use crate::datapath::SessionIndex;

impl Server {
    /// Authentic packets of both came from one address and port.
    pub(super) fn met(&mut self, now: Instant, peer: PeerId, other: PeerId) {
        if peer == other {
            return;
        }
        for (newer, older) in [(other, peer), (peer, other)] {
            if self.may_be_one(newer, older) {
                return self.make_one(now, newer, older);
            }
        }
    }

    /// Whose session it is that a client without sessions sends data for: its own, from when it was taken for somebody else.
    pub(super) fn session_elsewhere(
        &mut self,
        now: Instant,
        lac: Lac,
        key: SessionKey,
    ) -> Option<(PeerId, SessionIndex)> {
        let connection = self.connections.get_mut(&lac.peer)?;
        // Ids have 32 random bits: not to be guessed in so few attempts.
        if connection.strays == MAX_STRAYS {
            return None;
        }
        connection.strays += 1;
        let alike = self.by_key.range((key, SessionIndex::MIN)..=(key, SessionIndex::MAX));
        let mut theirs = alike.filter_map(|(_, index)| {
            let other = self.sessions.get(index).filter(|session| session.lac.port == lac.port)?;
            self.may_be_one(lac.peer, other.lac.peer).then_some((other.lac.peer, *index))
        });
        let (older, index) = theirs.next().filter(|_| theirs.next().is_none())?;
        self.make_one(now, lac.peer, older);
        Some((older, index))
    }

    /// Whether nothing tells against it: a client that has forgotten what it had says so, or dials anew.
    fn may_be_one(&self, newer: PeerId, older: PeerId) -> bool {
        let (Some(new), Some(old)) = (self.connections.get(&newer), self.connections.get(&older)) else {
            return false;
        };
        let dials = new.ports.iter().any(|port| self.lns.knows(Lac { peer: newer, port: *port }));
        let alike = new.phase1.identity == old.phase1.identity
            && new.phase1.credential == old.phase1.credential
            && new.path.remote.ip() == old.path.remote.ip()
            && new.times.first >= old.times.first;
        alike && !dials && !new.contacted && !old.sessions.is_empty()
    }

    fn make_one(&mut self, now: Instant, newer: PeerId, older: PeerId) {
        let Some(new) = self.connections.remove(&newer) else { return };
        self.timers.stop(super::Timer::Farewell(newer));
        self.timers.stop(super::Timer::Care(newer));
        self.timers.stop(super::Timer::NativeLost(newer));
        self.merge_keys(now, newer, older);
        self.ike.merge(now, newer, older);
        if let Some(old) = self.connections.get_mut(&older) {
            old.phase1 = new.phase1;
            if new.esp.is_some() {
                old.encapsulation = new.encapsulation;
                old.esp = new.esp;
                old.keyed = new.keyed;
            }
        }
        self.heard(now, older);
        let text = format!("is {newer} too: its NAT changed while it renewed its keys");
        self.say(Level::Info, Some(older), text);
    }
}

/// A client's first packets through new keys may be several.
const MAX_STRAYS: u8 = 16;
