//! What IPsec reports: keys with a client, keys for its packets, the end of either.

use std::{collections::BTreeSet, time::Instant};

use ipsec::{CloseReason, Event, Path, PeerId, Phase1, SaPair, Spi};

use l2tp::Disconnect;

use super::{
    Lac, Level, Server, UNUSED,
    care::KEEPALIVE,
    connection::{Connection, Times},
    timers::Timer,
};

impl Server {
    pub(super) fn handle_ipsec_event(&mut self, now: Instant, event: Event) {
        match event {
            Event::Attempt { peer, path } => {
                self.say(Level::Debug, Some(peer), format!("{} began a key exchange", path.remote));
            }
            Event::Established { attempt, peer, path, phase1 } => {
                self.established(now, attempt, peer, path, &phase1)
            }
            Event::SaOpened { peer, sa } => self.sa_opened(now, peer, *sa),
            Event::SaConfirmed { peer, inbound } => self.sa_confirmed(now, peer, inbound),
            Event::SaClosed { peer, inbound, reason } => {
                self.datapath.remove_sa(inbound);
                self.say(Level::Debug, Some(peer), format!("ESP keys {inbound} removed: {reason}"));
            }
            Event::PeerClosed { peer, reason } => self.peer_closed(now, peer, reason),
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

    fn established(&mut self, now: Instant, attempt: PeerId, peer: PeerId, path: Path, phase1: &Phase1) {
        let Phase1 { suite, identity, psk, nat, .. } = phase1;
        if let Some(connection) = self.connections.get_mut(&peer) {
            connection.ike = suite.to_string();
            connection.psk = psk.clone();
            return self.say(
                Level::Info,
                Some(peer),
                format!("renewed its keys: IKE {suite} (exchange {attempt})"),
            );
        }
        let vendor = phase1.vendor.map(|vendor| format!(", {vendor}")).unwrap_or_default();
        self.say(
            Level::Info,
            Some(peer),
            format!(
                "{} proved a key: IKE {suite}, key {psk:?}, {nat}, identity {identity}{vendor}",
                path.remote
            ),
        );
        if nat.server && !std::mem::replace(&mut self.told_of_nat, true) {
            self.say(Level::Warn, None, SERVER_BEHIND_NAT);
        }
        let connection = Connection {
            path,
            ike: suite.to_string(),
            esp: String::new(),
            nat: nat.to_string(),
            psk: psk.clone(),
            identity: identity.clone(),
            behind_nat: nat.client,
            contacted: false,
            heard: now,
            probed: now,
            strays: 0,
            keyed: now,
            times: Times {
                first: phase1.timings.message1,
                arithmetic: phase1.timings.shared.saturating_duration_since(phase1.timings.message3),
                keyed: now,
            },
            ports: BTreeSet::new(),
            tunnels: 0,
            sessions: BTreeSet::new(),
        };
        self.connections.insert(peer, connection);
        self.timers.set(Timer::Care(peer), Some(now + KEEPALIVE));
        if self.stopping {
            self.ike.close_peer(now, peer);
        }
    }

    /// The packet that showed it was authentic, whichever layer it was for: where it came from is where the client is.
    fn moved(&mut self, now: Instant, peer: PeerId, path: Path) {
        self.datapath.set_path(peer, path);
        let Some(connection) = self.connections.get_mut(&peer) else { return };
        let before = std::mem::replace(&mut connection.path, path);
        let text = format!("moved from {} to {}: its NAT changed", before.remote, path.remote);
        self.say_of_client(now, Level::Info, peer, text);
    }

    fn sa_opened(&mut self, now: Instant, peer: PeerId, sa: SaPair) {
        self.heard(now, peer);
        if let Some(connection) = self.connections.get_mut(&peer) {
            connection.esp = sa.suite.to_string();
            connection.keyed = now;
            if connection.tunnels == 0 {
                self.timers.set(Timer::Farewell(peer), Some(now + UNUSED));
            }
        }
        let what = if sa.rekey { "new ESP keys" } else { "ESP keys" };
        let text = format!("{what} {}: {}, for {}s", sa.inbound.spi(), sa.suite, sa.lifetime.as_secs());
        self.say(Level::Debug, Some(peer), text);
        self.datapath.insert_sa(peer, sa);
    }

    fn sa_confirmed(&mut self, now: Instant, peer: PeerId, inbound: Spi) {
        self.datapath.confirm(inbound);
        if let Some(connection) = self.connections.get_mut(&peer)
            && connection.ports.is_empty()
        {
            connection.times.keyed = now;
        }
    }

    /// The keys are gone, so nothing above them can live or be said goodbye to.
    fn peer_closed(&mut self, now: Instant, peer: PeerId, reason: CloseReason) {
        self.timers.set(Timer::Farewell(peer), None);
        self.timers.set(Timer::Care(peer), None);
        // Out of the table first: nothing that follows may start another goodbye.
        let Some(connection) = self.connections.remove(&peer) else { return };
        for port in connection.ports {
            self.lns.remove_peer(now, Lac { peer, port });
        }
        for index in connection.sessions {
            self.end_session(now, index, &reason.to_string(), Disconnect::LinkClosed);
        }
        self.datapath.remove_peer(peer);
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
}

/// Said once: it holds for every client, and Windows cannot be helped from here.
const SERVER_BEHIND_NAT: &str = "this server is behind a NAT: Windows does not connect to it (error 809) unless the DWORD value \
     AssumeUDPEncapsulationContextOnSendRule under HKLM\\SYSTEM\\CurrentControlSet\\Services\\PolicyAgent (on Windows XP: \
     …\\Services\\IPSec) is set to 2 and the computer restarted; other devices do not mind; forward UDP 500 and 4500 here";
