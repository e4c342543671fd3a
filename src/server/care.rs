//! Signs of life, and what is done for a client that gives none.
//!
//! Any authentic packet of a client is a sign of life for all that it has: its links, its tunnels, its keys. A silent one is kept
//! reachable (a NAT forgets a mapping that nothing passes through) and asked whether it is there. Who ends it are the layers
//! that own its sessions, L2TP and PPP, once it has been silent for as long as the operator lets it.

use std::time::{Duration, Instant};

use ipsec::{NAT_T_PORT, PeerId, Transmit};

use super::{Lac, Level, Server, Session, engines::ECHO_INTERVAL, timer::Timer};
use crate::datapath::SessionIndex;

impl Server {
    /// An authentic packet came from that client.
    pub(super) fn heard(&mut self, now: Instant, peer: PeerId) {
        let Some(connection) = self.connections.get_mut(&peer) else { return };
        connection.heard = now;
        for index in &connection.sessions {
            // Of two tunnels one may be what a vanished device left behind: its links answer for themselves.
            if connection.tunnels < 2
                && let Some(session) = self.sessions.get_mut(index)
            {
                session.link.note_inbound(now);
            }
        }
        for port in &connection.ports {
            self.lns.note_inbound(now, Lac { peer, port: *port });
        }
    }

    /// Something came out of one of that client's sessions.
    pub(super) fn heard_session(&mut self, now: Instant, peer: PeerId, index: SessionIndex) {
        // The session may have ended since its batch came up.
        let Some(session) = self.sessions.get_mut(&index).filter(|session| session.lac.peer == peer) else {
            return;
        };
        session.heard = now;
        session.link.note_inbound(now);
        self.heard(now, peer);
    }

    /// Looks after a client that may have been silent for a while.
    pub(super) fn care(&mut self, now: Instant, peer: PeerId) {
        let Some(connection) = self.connections.get_mut(&peer) else { return };
        let silent_since = |interval: Duration| connection.heard + interval <= now;
        // RFC 3948 §4. The client ought to do it, and Android does no longer once its ISAKMP SA is over.
        let mapped = connection.is_behind_nat() && connection.path.local.port() == NAT_T_PORT;
        if mapped && silent_since(KEEPALIVE) {
            self.transmits.push_back(Transmit { path: connection.path, payload: vec![0xff] });
        }
        if silent_since(self.hello_interval) && connection.probed + self.hello_interval <= now {
            connection.probed = now;
            self.ike.probe(peer);
        }
        self.timers.set(Timer::Care(peer), now + KEEPALIVE);
    }

    /// The client let the time of its keys pass. One whose sessions live is asked for new ones before they end: who is gone does
    /// not answer.
    pub(super) fn overdue(&mut self, now: Instant, peer: PeerId) {
        if self.connections.get(&peer).is_none_or(|connection| connection.sessions.is_empty()) {
            return;
        }
        let text = if self.ike.renew(now, peer) {
            "did not renew its ESP keys in time: asking it for new ones"
        } else {
            "did not renew its ESP keys in time, and has no ISAKMP SA under which it could be asked to: they end soon"
        };
        self.say(Level::Info, Some(peer), text);
    }

    /// A device that vanished and dials again by the same port of its NAT is the same IPsec peer, if it does not say
    /// INITIAL-CONTACT (Windows never does), and has one more tunnel there, through newer keys. The user's session in an older
    /// tunnel is its last one if nothing came out of it since those keys were made. A device with several sessions in one
    /// tunnel, or with several tunnels at once, keeps them: it does not make new keys to dial.
    pub(super) fn end_forgotten(&mut self, now: Instant, index: SessionIndex, user: &str) {
        let Some(session) = self.sessions.get(&index) else { return };
        let Some(connection) = self.connections.get(&session.lac.peer) else { return };
        let keyed = connection.keyed;
        if session.opened < keyed {
            return;
        }
        let tunnel = |session: &Session| (session.lac, session.key.tunnel_id);
        let forgotten = |other: &&SessionIndex| {
            self.sessions.get(other).is_some_and(|other| {
                tunnel(other) != tunnel(session) && other.heard <= keyed && other.user() == Some(user)
            })
        };
        let old: Vec<SessionIndex> = connection.sessions.iter().filter(forgotten).copied().collect();
        for other in old {
            self.replace(now, other);
        }
    }

    /// The device says that it knows of no other connection of its own: if the same user had one with the same identity behind
    /// the same address, and that one has fallen silent, it was this device's last one, whichever port of the NAT it came from.
    /// Others behind that NAT stay, were they like it in everything: who is there answers an echo before it is that silent.
    pub(super) fn end_stale(&mut self, now: Instant, index: SessionIndex, user: &str) {
        let Some(peer) = self.sessions.get(&index).map(|session| session.lac.peer) else { return };
        if self.connections.get(&peer).is_none_or(|connection| !connection.contacted) {
            return;
        }
        let silent = self.ike.namesakes(peer).filter_map(|other| {
            self.connections.get(&other).filter(|connection| connection.heard + STALE <= now)
        });
        let theirs = |index: &SessionIndex| {
            self.sessions.get(index).is_some_and(|session| session.user() == Some(user))
        };
        let stale: Vec<SessionIndex> =
            silent.flat_map(|other| &other.sessions).copied().filter(theirs).collect();
        for other in stale {
            if let Some(peer) = self.sessions.get(&other).map(|session| session.lac.peer) {
                self.say(Level::Debug, Some(peer), "its device came back by another port");
            }
            self.replace(now, other);
        }
    }
}

/// Somebody who is there has answered an echo by then.
const STALE: Duration = ECHO_INTERVAL.saturating_add(Duration::from_secs(5));

/// How long a NAT is trusted to remember a mapping, RFC 3948 §4.
pub(super) const KEEPALIVE: Duration = Duration::from_secs(20);
