//! What IPsec reports: keys with a client, keys for its packets, the end of either.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ipsec::{CloseReason, Credential, Encapsulation, Event, Path, PeerId, Phase1, SaPair, Spi};

use l2tp::Disconnect;

use super::{Lac, Level, Server, UNUSED, care::KEEPALIVE, connection::Connection, timer::Timer};
use crate::datapath::Order;

impl Server {
    pub(super) fn handle_ipsec_event(&mut self, now: Instant, event: Event) {
        match event {
            Event::Attempt { peer, path } => {
                self.say(Level::Debug, Some(peer), format!("{} began a key exchange", path.remote));
            }
            Event::Established { attempt, peer, path, phase1 } => {
                self.established(now, attempt, peer, path, phase1)
            }
            Event::SaOpened { peer, sa } => self.sa_opened(now, peer, *sa),
            Event::SaConfirmed { peer, inbound } => self.sa_confirmed(now, peer, inbound),
            Event::SaRetired { peer, inbound } => self.order(now, peer, Order::RetireSa { inbound }),
            Event::SaClosed { peer, inbound, reason } => {
                self.remove_sa(now, peer, inbound);
                self.say(Level::Debug, Some(peer), format!("ESP keys {inbound} removed: {reason}"));
            }
            Event::PeerClosed { peer, reason } => self.peer_closed(now, peer, reason),
            Event::Overdue { peer } => self.overdue(now, peer),
            Event::Moved { peer, path } => self.moved(now, peer, path),
            Event::Met { peer, other } => self.met(now, peer, other),
            Event::InitialContact { peer } => {
                if let Some(connection) = self.connections.get_mut(&peer) {
                    connection.contacted = true;
                }
            }
            Event::Alive { peer } => self.heard(now, peer),
            Event::Refused { peer, refusal, .. } => self.say_of_stranger(now, peer, refusal.to_string()),
        }
    }

    fn established(&mut self, now: Instant, attempt: PeerId, peer: PeerId, path: Path, phase1: Arc<Phase1>) {
        let Phase1 { suite, identity, credential, nat, .. } = &*phase1;
        if let Some(connection) = self.connections.get_mut(&peer) {
            connection.phase1 = phase1.clone();
            return self.say(
                Level::Info,
                Some(peer),
                format!("renewed its keys: IKE {suite} (exchange {attempt})"),
            );
        }
        let connection = Connection::new(now, path, phase1.clone());
        let vendor = phase1.vendor.map(|vendor| format!(", {vendor}")).unwrap_or_default();
        self.say(
            Level::Info,
            Some(peer),
            format!(
                "{} proved a {}: IKE {suite}, {credential}, {}, identity {identity}{vendor}",
                path.remote,
                match credential {
                    Credential::Psk(_) => "key",
                    Credential::Certificate { .. } => "certificate",
                },
                connection.nat(),
            ),
        );
        if nat.is_some_and(|nat| nat.server) && !std::mem::replace(&mut self.told_of_nat, true) {
            self.say(Level::Warn, None, SERVER_BEHIND_NAT);
        }
        self.connections.insert(peer, Box::new(connection));
        self.timers.set(Timer::Care(peer), now + KEEPALIVE);
        if self.stopping {
            self.ike.close_peer(now, peer);
        }
    }

    /// The packet that showed it was authentic, whichever layer it was for: where it came from is where the client is.
    fn moved(&mut self, now: Instant, peer: PeerId, path: Path) {
        let Some(connection) = self.connections.get_mut(&peer) else { return };
        let before = std::mem::replace(&mut connection.path, path);
        let esp = connection.encapsulation.esp_path(path);
        self.order(now, peer, Order::SetPath { peer, path: esp });
        let text = format!("moved from {} to {}: its NAT changed", before.remote, path.remote);
        self.say_of_client(now, Level::Info, peer, text);
    }

    fn sa_opened(&mut self, now: Instant, peer: PeerId, sa: SaPair) {
        self.heard(now, peer);
        if let Some(connection) = self.connections.get_mut(&peer) {
            connection.encapsulation = sa.encapsulation;
            let path = sa.encapsulation.esp_path(connection.path);
            connection.esp = Some(sa.suite);
            connection.keyed = now;
            let tunnels = connection.tunnels;
            self.order(now, peer, Order::SetPath { peer, path });
            if tunnels == 0 {
                self.timers.set(Timer::Farewell(peer), now + UNUSED);
                // From its first ones on: Windows makes new ones every few seconds while L2TP is unanswered.
                if sa.encapsulation == Encapsulation::Native && !sa.rekey {
                    self.timers.set(Timer::NativeLost(peer), now + NATIVE_PATIENCE);
                }
            }
        }
        let what = if sa.rekey { "new ESP keys" } else { "ESP keys" };
        let text = format!("{what} {}: {}, for {}s", sa.inbound.spi(), sa.suite, sa.lifetime.as_secs());
        self.say(Level::Debug, Some(peer), text);
        self.insert_sa(now, peer, sa);
    }

    fn sa_confirmed(&mut self, now: Instant, peer: PeerId, inbound: Spi) {
        self.order(now, peer, Order::Confirm { inbound });
        if let Some(connection) = self.connections.get_mut(&peer)
            && connection.ports.is_empty()
        {
            connection.times.keyed = now;
        }
    }

    /// The keys are gone, so nothing above them can live or be said goodbye to.
    fn peer_closed(&mut self, now: Instant, peer: PeerId, reason: CloseReason) {
        self.timers.stop(Timer::Farewell(peer));
        self.timers.stop(Timer::Care(peer));
        self.timers.stop(Timer::NativeLost(peer));
        // Out of the table first: nothing that follows may start another goodbye.
        let Some(connection) = self.connections.remove(&peer) else { return };
        for port in connection.ports {
            self.lns.remove_peer(now, Lac { peer, port });
        }
        for index in connection.sessions {
            self.end_session(now, index, &reason.to_string(), Disconnect::LinkClosed);
        }
        self.order(now, peer, Order::RemovePeer { peer });
        let text = match reason {
            CloseReason::Local => "closed: its keys were deleted here".to_owned(),
            reason @ (CloseReason::Deleted
            | CloseReason::NoEsp
            | CloseReason::Expired
            | CloseReason::Replaced) => {
                format!("closed: {reason}")
            }
        };
        self.say(Level::Info, Some(peer), text);
    }

    /// A client has native ESP, and no L2TP tunnel came of it: its packets, or ours, do not get through. Nothing else tells, for
    /// a firewall drops them silently.
    pub(super) fn native_lost(&mut self, now: Instant, peer: PeerId) {
        let Some(connection) = self.connections.get(&peer) else { return };
        let address = connection.path.remote.ip();
        let remedy = if connection.phase1.nat.is_some() {
            self.ike.native_is_lost(address);
            "Windows shows error 809, other devices time out; connect again: from now on its ESP goes in UDP"
        } else {
            "the device times out, and cannot do without, for it does not speak NAT traversal; open the firewall for protocol 50"
        };
        let text = format!(
            "{address} got no L2TP through as native ESP: a firewall seems to drop IP protocol 50; {remedy}"
        );
        self.say_of_client(now, Level::Warn, peer, text);
    }
}

/// How soon an L2TP tunnel follows native ESP SAs, or is taken to be lost: clients send their first message at once and repeat
/// it after 1, 2 and 4 seconds, and none gives up before.
const NATIVE_PATIENCE: Duration = Duration::from_secs(10);

/// Said once: it holds for every client, and Windows cannot be helped from here.
const SERVER_BEHIND_NAT: &str = "this server is behind a NAT: Windows does not connect to it (error 809) unless the DWORD value \
     AssumeUDPEncapsulationContextOnSendRule under HKLM\\SYSTEM\\CurrentControlSet\\Services\\PolicyAgent (on Windows XP: \
     …\\Services\\IPSec) is set to 2 and the computer restarted; other devices do not mind; forward UDP 500 and 4500 here";
