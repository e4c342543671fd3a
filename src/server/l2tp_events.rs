//! What L2TP reports: tunnels and the calls in them.

use std::{sync::Arc, time::Instant};

use ipsec::PeerId;
use l2tp::{Disconnect, Event, SessionKey};
use ppp::Link;

use super::{
    FAREWELL, Lac, Level, Server,
    session::{Session, Stage},
    timer::Timer,
    watch::Watch,
};
use crate::datapath::{Meter, Opening, Order, Traffic};

impl Server {
    /// Takes an L2TP control message that came out of ESP.
    pub(super) fn handle_l2tp_control(&mut self, now: Instant, lac: Lac, message: &[u8]) {
        let Some(connection) = self.connections.get_mut(&lac.peer) else { return };
        if !connection.ports.contains(&lac.port) {
            if connection.ports.len() >= MAX_PORTS {
                let lns = &self.lns;
                connection.ports.retain(|port| lns.knows(Lac { port: *port, ..lac }));
            }
            if connection.ports.len() >= MAX_PORTS {
                return self.plane.local.discards.count(super::Discard::TooManyPorts);
            }
            connection.ports.reserve_exact(1);
            connection.ports.push(lac.port);
        }
        self.lns.handle_datagram(now, lac, message);
    }

    pub(super) fn handle_l2tp_event(&mut self, now: Instant, event: Event<Lac>) {
        match event {
            Event::TunnelOpened { peer, host_name, vendor, .. } => {
                self.tunnel_opened(peer, &host_name, vendor.as_deref())
            }
            Event::TunnelFailed { peer, host_name, reason } => {
                self.say_no_l2tp(now, peer.peer, &format!("L2TP tunnel of {host_name:?}"), &reason);
                self.timers.stop(Timer::NativeLost(peer.peer));
                self.tunnel_gone(now, peer.peer);
            }
            Event::SessionFailed { peer, reason, .. } => {
                self.say_no_l2tp(now, peer.peer, "L2TP session", &reason);
            }
            Event::SessionOpened { peer, session, peer_session, .. } => {
                self.session_opened(now, peer, session, peer_session);
            }
            Event::SessionClosed { peer, session, reason } => {
                if let Some(index) = self.session_of(peer, session) {
                    self.end_session(now, index, &reason.to_string(), Disconnect::LinkClosed);
                }
            }
            Event::TunnelClosed { peer, reason, .. } => {
                self.say(Level::Debug, Some(peer.peer), format!("L2TP tunnel closed: {reason}"));
                if let Some(connection) = self.connections.get_mut(&peer.peer) {
                    connection.tunnels = connection.tunnels.saturating_sub(1);
                }
                self.tunnel_gone(now, peer.peer);
            }
        }
    }

    fn tunnel_opened(&mut self, lac: Lac, host_name: &str, vendor: Option<&str>) {
        if let Some(connection) = self.connections.get_mut(&lac.peer) {
            connection.tunnels += 1;
        }
        self.timers.stop(Timer::Farewell(lac.peer));
        self.timers.stop(Timer::NativeLost(lac.peer));
        let vendor = vendor.map(|vendor| format!(" ({vendor:?})")).unwrap_or_default();
        self.say(
            Level::Debug,
            Some(lac.peer),
            format!("L2TP tunnel from {host_name:?}{vendor}, port {}", lac.port),
        );
    }

    /// Why a tunnel or a session did not come to be.
    fn say_no_l2tp(&mut self, now: Instant, peer: PeerId, what: &str, reason: &l2tp::Reason) {
        let Some(connection) = self.connections.get(&peer) else { return };
        // Who repeats its request under another tunnel id is in by one of the two, and misses nothing of the other.
        let missed = connection.tunnels == 0
            || !matches!(reason, l2tp::Reason::NoResponse | l2tp::Reason::SetupTimeout);
        let level = if missed { Level::Warn } else { Level::Debug };
        let text = format!("{what} from {} refused: {reason}; {}", connection.path.remote, reason.advice());
        self.say_of_client(now, level, peer, text);
    }

    /// Without a tunnel the client's keys are of no use for long.
    fn tunnel_gone(&mut self, now: Instant, peer: PeerId) {
        if self.connections.get(&peer).is_none_or(|connection| connection.tunnels > 0) {
            return;
        }
        if self.stopping {
            self.ike.close_peer(now, peer);
        } else {
            self.timers.set(Timer::Farewell(peer), now + FAREWELL);
        }
    }

    fn session_opened(&mut self, now: Instant, lac: Lac, key: SessionKey, theirs: SessionKey) {
        if self.connections.get(&lac.peer).is_none_or(|connection| connection.sessions.len() >= MAX_SESSIONS)
        {
            self.say_no_l2tp(now, lac.peer, "L2TP session", &l2tp::Reason::TooMany);
            return self.lns.disconnect(now, lac, key, Disconnect::NoResources);
        }
        self.last_session = self.last_session.next();
        let (index, meter) = (self.last_session, Arc::<Meter>::default());
        let Lac { peer, port } = lac;
        let opening = Opening { session: index, peer, port, ours: key, theirs, meter: meter.clone() };
        self.order(now, peer, Order::OpenSession(opening));
        if let Some(connection) = self.connections.get_mut(&lac.peer) {
            connection.sessions.reserve_exact(1);
            connection.sessions.push(index);
        }
        self.by_key.insert((key, index));
        let config = self.ppp_for(peer);
        let link = Link::new(now, config, self.next_seed());
        let stage = Stage::Negotiating;
        let (counted, watch) = (Traffic::default(), Watch::new(now));
        let session =
            Session { link, lac, key, opened: now, heard: now, stage, link6: None, meter, counted, watch };
        self.sessions.insert(index, Box::new(session));
        self.touched.insert(index);
    }

    /// What is decided about the links of a client: one thing for all, but for the length of packets.
    fn ppp_for(&mut self, peer: PeerId) -> Arc<ppp::Config> {
        let configured = self.ppp.mru;
        let mru = self.connections.get(&peer).map_or(configured, |connection| connection.mtu(configured));
        self.ppp_with(mru)
    }

    /// The same by that length.
    pub(super) fn ppp_with(&mut self, mru: u16) -> Arc<ppp::Config> {
        if mru == self.ppp.mru {
            return self.ppp.clone();
        }
        let narrow = || Arc::new(ppp::Config { mru, ..(*self.ppp).clone() });
        self.narrow.entry(mru).or_insert_with(narrow).clone()
    }
}

/// How many UDP ports one client may speak L2TP from at the same time; real ones use one.
const MAX_PORTS: usize = 16;
/// How many sessions one client may have, logged in or not; real ones have one.
const MAX_SESSIONS: usize = 8;
