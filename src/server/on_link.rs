//! Packets that end here: what a client asks its neighbour on the link.

use std::time::Instant;

use ipsec::PeerId;

use super::{Level, Server, session::Stage};
use crate::{
    datapath::{Discard, Order, SessionIndex},
    onlink::dhcp::{self, Ends},
};

impl Server {
    /// Takes an IPv4 packet for our end of the link, from the client's own address.
    pub(super) fn handle_on_link(&mut self, now: Instant, peer: PeerId, index: SessionIndex, packet: &[u8]) {
        // The session may have ended since its batch came up.
        let Some(session) = self.sessions.get(&index).filter(|session| session.lac.peer == peer) else {
            return;
        };
        let Stage::Up { login, .. } = &session.stage else { return };
        let (user, client) = (login.user.clone(), login.address);
        let ends = Ends { client, server: self.local_address(client) };
        let Some(answer) = dhcp::answer(packet, ends, &self.directions) else {
            return self.plane.local.discards.count(Discard::OnLink);
        };
        let routes = self.directions.routes.len();
        self.say_of_client(
            now,
            Level::Debug,
            peer,
            format!("{user:?} asked by DHCP what to send here: {}", told(routes)),
        );
        let frame = [&ppp::DATA_HEADER_IPV4[..], &answer].concat();
        self.order(now, peer, Order::Frame { session: index, frame });
    }
}

/// What a client was told, for a line.
fn told(routes: usize) -> String {
    match routes {
        0 => "everything".to_owned(),
        1 => "one network".to_owned(),
        many => format!("{many} networks"),
    }
}
