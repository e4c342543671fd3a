//! Packets that end here: what a client asks its neighbour on the link, and what that one says by itself.

use std::{net::Ipv6Addr, time::Instant};

use ipsec::PeerId;

use super::{
    Level, Server,
    session::{Login, Stage},
    timer::Timer,
};
use crate::{
    datapath::{Discard, Order, SessionIndex},
    onlink::{
        self, Answer, Link6,
        dhcp::{self, Ends},
    },
};

impl Server {
    /// Takes an IP packet for our end of the link, from the client's own address.
    pub(super) fn handle_on_link(&mut self, now: Instant, peer: PeerId, index: SessionIndex, packet: &[u8]) {
        // The session may have ended since its batch came up.
        let Some(session) = self.sessions.get(&index).filter(|session| session.lac.peer == peer) else {
            return;
        };
        if packet.first().is_some_and(|byte| byte >> 4 == 6) {
            return self.answer6(now, index, packet);
        }
        let Stage::Up { login, .. } = &session.stage else { return };
        let (user, client) = (login.user.clone(), login.address);
        let ends = Ends { client, server: self.local_address(client) };
        let directions = session.directions(&self.directions);
        let Some(answer) = dhcp::answer(packet, ends, &directions) else {
            return self.plane.local.discards.count(Discard::OnLink);
        };
        let told = told(directions.routes.len());
        let text = format!("{user:?} asked by DHCP what to send here: {told}");
        self.say_of_client(now, Level::Debug, peer, text);
        self.say_on_link(now, index, &ppp::DATA_HEADER_IPV4, &answer);
    }

    fn answer6(&mut self, now: Instant, index: SessionIndex, packet: &[u8]) {
        let Some(session) = self.sessions.get(&index) else { return };
        let directions = session.directions(&self.directions);
        let lease = self.lease(now, index);
        let answer =
            session.link6.and_then(|link| onlink::answer6(packet, link, &directions, &self.server_id, lease));
        let Some(Answer { packet, change }) = answer else {
            return self.plane.local.discards.count(Discard::OnLink);
        };
        // First: the client may use at once what it is told.
        if let Some(change) = change {
            self.change_delegation(now, index, change);
        }
        self.say_on_link(now, index, &ppp::DATA_HEADER_IPV6, &packet);
    }

    /// IPV6CP is up: packets may flow, and the client needs to know of what to make its addresses.
    pub(super) fn ipv6_up(&mut self, now: Instant, index: SessionIndex, local: Ipv6Addr) {
        let Some(session) = self.sessions.get_mut(&index) else { return };
        let (peer, mtu) = (session.lac.peer, session.link.mtu());
        let Some(login) = session.login() else { return };
        let Some(prefix) = login.prefix else { return };
        let (insides, delegates) = (login.insides6(), login.delegable.is_some());
        session.link6 = Some(Link6 { local, prefix, mtu, delegates });
        for inside in insides {
            self.assign(now, peer, index, inside, mtu);
        }
        self.enter(now, index);
        self.advertise(now, index);
    }

    pub(super) fn ipv6_down(&mut self, now: Instant, index: SessionIndex) {
        let Some(session) = self.sessions.get(&index) else { return };
        let peer = session.lac.peer;
        for inside in session.login().map(Login::insides6).into_iter().flatten() {
            self.order(now, peer, Order::Withdraw { session: index, inside });
        }
        self.forget_link6(index);
    }

    pub(super) fn forget_link6(&mut self, index: SessionIndex) {
        if let Some(session) = self.sessions.get_mut(&index) {
            session.link6 = None;
        }
        self.timers.stop(Timer::Advertisement(index));
    }

    /// Says unasked what a Router Solicitation would be answered with.
    pub(super) fn advertise(&mut self, now: Instant, index: SessionIndex) {
        let Some(session) = self.sessions.get(&index) else { return };
        let Some(link) = session.link6 else { return };
        let packet = onlink::advertisement(link, &session.directions(&self.directions));
        self.say_on_link(now, index, &ppp::DATA_HEADER_IPV6, &packet);
        self.timers.set(Timer::Advertisement(index), now + onlink::INTERVAL);
    }

    fn say_on_link(&mut self, now: Instant, index: SessionIndex, header: &[u8; 4], packet: &[u8]) {
        let Some(peer) = self.sessions.get(&index).map(|session| session.lac.peer) else { return };
        let frame = [header, packet].concat();
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
