//! What the data path finds among the packets that is not data, and hands up in the order of arrival.

use std::time::Instant;

use ipsec::{EspSuite, PeerId};
use l2tp::SessionKey;

use super::{Lac, Level, Server};
use crate::datapath::{Control, Datagram, Discard, SessionIndex};

impl Server {
    /// Takes one of those that were found in `datagrams`.
    pub(super) fn handle_control(&mut self, now: Instant, datagrams: &[Datagram<'_>], item: Control) {
        match item {
            Control::Ike { datagram, message } => {
                let Some(datagram) = datagrams.get(datagram) else { return };
                if let Some(message) = datagram.bytes.get(message) {
                    self.ike.handle_datagram(now, datagram.path, message);
                }
            }
            Control::L2tp { peer, port, datagram, message } => {
                let Some(message) = datagrams.get(datagram).and_then(|datagram| datagram.bytes.get(message))
                else {
                    return;
                };
                self.heard(now, peer);
                self.handle_l2tp_control(now, Lac { peer, port }, message);
            }
            Control::OnLink { peer, session, datagram, packet } => {
                if let Some(packet) = datagrams.get(datagram).and_then(|datagram| datagram.bytes.get(packet))
                {
                    self.handle_on_link(now, peer, session, packet);
                }
            }
            Control::Ppp { peer, session, datagram, frame } => {
                if let Some(frame) = datagrams.get(datagram).and_then(|datagram| datagram.bytes.get(frame)) {
                    self.heard_session(now, peer, session);
                    self.handle_ppp_control(now, peer, session, frame);
                }
            }
            Control::Early { peer, port, datagram, message } => {
                let Some(message) = datagrams.get(datagram).and_then(|datagram| datagram.bytes.get(message))
                else {
                    return;
                };
                self.handle_early_data(now, Lac { peer, port }, message);
            }
            Control::Confirmed { inbound } => self.ike.confirm(now, inbound),
            Control::Moved { peer, path } => {
                if let Some(connection) = self.connections.get(&peer) {
                    self.ike.handle_path_change(now, peer, connection.ike_path(path));
                }
            }
            Control::Truncated { peer, suite } => self.handle_truncated(peer, suite),
            Control::Heard { peer, session } => self.heard_session(now, peer, session),
        }
        // What came first has its effect before what came next is looked at: an SA confirmed by a packet carries the answer
        // to that packet, and a session opened by one datagram owns the frame in the next.
        self.drain(now);
    }

    /// A data message that had no session when its batch came up: perhaps it has one now.
    fn handle_early_data(&mut self, now: Instant, lac: Lac, message: &[u8]) {
        let Ok(data) = l2tp::parse_data(message) else { return };
        let key = SessionKey { tunnel_id: data.tunnel_id, session_id: data.session_id };
        let here = self.session_of(lac, key).map(|session| (lac.peer, session));
        match here.or_else(|| self.session_elsewhere(now, lac, key)) {
            Some((peer, session)) => self.handle_ppp_control(now, peer, session, data.payload),
            None => self.plane.local.discards.count(Discard::NoSession),
        }
    }

    /// The session that these ids name for this client and port.
    pub(super) fn session_of(&self, lac: Lac, key: SessionKey) -> Option<SessionIndex> {
        let alike = self.by_key.range((key, SessionIndex::MIN)..=(key, SessionIndex::MAX));
        let mut alike = alike.map(|(_, index)| *index);
        alike.find(|index| self.sessions.get(index).is_some_and(|session| session.lac == lac))
    }

    /// The client's kernel cuts HMAC-SHA2-256 as it pleases; from its first packet on we know how.
    fn handle_truncated(&mut self, peer: PeerId, suite: EspSuite) {
        if let Some(connection) = self.connections.get_mut(&peer) {
            connection.esp = Some(suite);
            self.say(Level::Debug, Some(peer), format!("its packets are of {suite}"));
        }
    }
}
