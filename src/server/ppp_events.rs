//! What a PPP link reports: who wants in, that packets may flow, that it is over.

use std::time::Instant;

use ipsec::PeerId;
use l2tp::Disconnect;
use ppp::{Discards, Event, Reason};

use super::{
    Level, Server,
    log::{Bytes, Readable},
    session::{Login, Stage},
    timer::Timer,
};
use crate::datapath::{Inside, Order, SessionIndex, Traffic};

impl Server {
    /// Takes a PPP frame that is not IP.
    pub(super) fn handle_ppp_control(
        &mut self,
        now: Instant,
        peer: PeerId,
        index: SessionIndex,
        frame: &[u8],
    ) {
        // The session may have ended since its batch came up.
        if let Some(session) = self.sessions.get_mut(&index).filter(|session| session.lac.peer == peer) {
            session.link.handle_frame(now, frame);
            self.touched.insert(index);
        }
    }

    /// Ends a session from our side, with a goodbye on every layer.
    pub(super) fn hang_up(&mut self, now: Instant, index: SessionIndex, why: Reason) {
        if let Some(session) = self.sessions.get_mut(&index) {
            session.link.close(now, why);
            self.touched.insert(index);
        }
    }

    /// Takes everything out of a link that something was said to.
    pub(super) fn drain_link(&mut self, now: Instant, index: SessionIndex) {
        // Frames first: what the link said before it ended must not stay behind.
        while let Some(session) = self.sessions.get_mut(&index) {
            if let Some(frame) = session.link.poll_transmit() {
                let peer = session.lac.peer;
                self.order(now, peer, Order::Frame { session: index, frame });
            } else if let Some(event) = session.link.poll_event() {
                self.handle_ppp_event(now, index, event);
            } else {
                let discards = session.link.take_discards();
                let deadline = session.link.poll_timeout();
                self.count_ppp(discards);
                return match deadline {
                    Some(deadline) => self.timers.set(Timer::Link(index), deadline),
                    None => self.timers.stop(Timer::Link(index)),
                };
            }
        }
    }

    /// Adds up what links have discarded.
    fn count_ppp(&mut self, discards: Option<Box<Discards>>) {
        for (name, count) in discards.iter().flat_map(|discards| discards.iter()) {
            *self.ppp_discards.entry(name).or_default() += count;
        }
    }

    fn handle_ppp_event(&mut self, now: Instant, index: SessionIndex, event: Event) {
        match event {
            Event::LcpUp => {}
            Event::Job(job) => self.jobs.push(index, job),
            Event::AuthRequest(request) => self.login(now, index, &request),
            Event::NetworkUp { .. } => self.network_up(now, index),
            Event::NetworkDown => {
                let Some(session) = self.sessions.get(&index) else { return };
                let (peer, login) = (session.lac.peer, session.login());
                if let Some(inside) = login.map(|login| Inside::V4(login.address)) {
                    self.order(now, peer, Order::Withdraw { session: index, inside });
                }
            }
            Event::Ipv6Up { local } => self.ipv6_up(now, index, local.link_local()),
            Event::Ipv6Down => self.ipv6_down(now, index),
            Event::Closed(reason) => {
                let goodbye = match reason {
                    Reason::Administrative | Reason::Policy(_) => Disconnect::Administrative,
                    Reason::Shutdown => Disconnect::Shutdown,
                    Reason::AuthFailed { .. }
                    | Reason::AuthRefused { .. }
                    | Reason::NoEapMethod { .. }
                    | Reason::EapFailed { .. } => Disconnect::NotAuthorized,
                    Reason::NoAddress => Disconnect::NoResources,
                    Reason::PeerTerminated { .. }
                    | Reason::LcpTimeout
                    | Reason::LcpRejected
                    | Reason::LoopedBack
                    | Reason::AuthTimeout
                    | Reason::IpcpTimeout
                    | Reason::IpcpRejected
                    | Reason::AddressRefused { .. }
                    | Reason::SetupTimeout
                    | Reason::PeerSilent => Disconnect::LinkClosed,
                };
                let why = match reason {
                    Reason::NoEapMethod { .. } | Reason::EapFailed { .. }
                        if self.log_failure(now, index, &reason) =>
                    {
                        "it was refused".to_owned()
                    }
                    reason => reason.to_string(),
                };
                self.end_session(now, index, &why, goodbye);
            }
        }
    }

    /// The line about somebody who was refused without a question to us, unless its session's end tells the same.
    fn log_failure(&mut self, now: Instant, index: SessionIndex, reason: &Reason) -> bool {
        let negotiating =
            self.sessions.get(&index).filter(|session| matches!(session.stage, Stage::Negotiating));
        let Some(peer) = negotiating.map(|session| session.lac.peer) else { return false };
        let text = format!("login{} refused: {reason}", self.remote(peer));
        self.say_of_client(now, Level::Warn, peer, text);
        true
    }

    fn network_up(&mut self, now: Instant, index: SessionIndex) {
        let Some(session) = self.sessions.get(&index) else { return };
        let (peer, mtu) = (session.lac.peer, session.link.mtu());
        let Some(inside) = session.login().map(|login| Inside::V4(login.address)) else { return };
        self.assign(now, peer, index, inside, mtu);
        self.enter(now, index);
    }

    /// The first of a session's network protocols is up. If it is down and up again later, the session goes on.
    pub(super) fn enter(&mut self, now: Instant, index: SessionIndex) {
        let Some(session) = self.sessions.get_mut(&index) else { return };
        let (peer, opened) = (session.lac.peer, session.opened);
        let Stage::LoggedIn(login) = &session.stage else { return };
        let login = login.clone();
        session.stage = Stage::Up { login: login.clone(), since: now };
        let Some(connection) = self.connections.get(&peer) else { return };
        let times = connection.times;
        let stage = |from: Instant, to: Instant| Readable(to.saturating_duration_since(from));
        let text = format!(
            "{:?} is in from {}: address {}{}, IKE {}, ESP {}, {}; took {} (keys {} with {} of arithmetic here, tunnel {}, password {}, address {})",
            login.user,
            connection.path.remote,
            login.address,
            login.prefix.map(|prefix| format!(" (prefix {prefix})")).unwrap_or_default(),
            connection.phase1.suite,
            connection.esp(),
            connection.nat(),
            stage(times.first, now),
            stage(times.first, times.keyed),
            Readable(times.arithmetic),
            stage(times.keyed, opened),
            stage(opened, login.at),
            stage(login.at, now),
        );
        self.say(Level::Info, Some(peer), text);
    }

    /// Where a client's packets come from, for a line that names somebody; nothing if its connection is gone already.
    pub(super) fn remote(&self, peer: PeerId) -> String {
        self.connections
            .get(&peer)
            .map(|connection| format!(" from {}", connection.path.remote))
            .unwrap_or_default()
    }

    /// The line that ends what the line of the login began.
    pub(super) fn say_out(
        &mut self,
        now: Instant,
        peer: PeerId,
        login: &Login,
        since: Instant,
        traffic: Traffic,
        why: &str,
    ) {
        let text = format!(
            "{:?} is out after {}: {}, in {} ({} packets), out {} ({} packets): {why}",
            login.user,
            Readable(now.saturating_duration_since(since)),
            login.address,
            Bytes(traffic.bytes_in),
            traffic.packets_in,
            Bytes(traffic.bytes_out),
            traffic.packets_out,
        );
        self.say(Level::Info, Some(peer), text);
    }

    /// The session is over, for the reason that `why` tells: everything it held is given back, and L2TP says `goodbye`.
    pub(super) fn end_session(&mut self, now: Instant, index: SessionIndex, why: &str, goodbye: Disconnect) {
        let Some(mut session) = self.sessions.remove(&index) else { return };
        self.timers.stop(Timer::Link(index));
        self.timers.stop(Timer::Watch(index));
        self.timers.stop(Timer::Advertisement(index));
        self.touched.remove(&index);
        self.jobs.forget(index);
        self.by_key.remove(&(session.key, index));
        let peer = session.lac.peer;
        self.order(now, peer, Order::CloseSession { session: index });
        let traffic = session.traffic();
        let wall = self.wall(now);
        self.usage.charge(now, wall, &mut session);
        self.count_ppp(session.link.take_discards());
        if let Some(connection) = self.connections.get_mut(&peer) {
            connection.sessions.retain(|other| *other != index);
        }
        if let Some(login) = session.login() {
            self.log_out(now, peer, index, login);
        }
        match &session.stage {
            Stage::Up { login, since } => self.say_out(now, peer, login, *since, traffic, why),
            Stage::LoggedIn(login) => {
                let from = self.remote(peer);
                let (user, address) = (&login.user, login.address);
                let text = format!("{user:?}{from} left before it took its address {address}: {why}");
                self.say(Level::Warn, Some(peer), text);
            }
            Stage::Negotiating => {
                let text = format!("a session{} ended before a login: {why}", self.remote(peer));
                self.say_of_client(now, Level::Info, peer, text);
            }
        }
        self.lns.disconnect(now, session.lac, session.key, goodbye);
    }
}
