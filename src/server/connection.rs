//! What is known of a client's IPsec connection, from its first message to its end.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ipsec::{Encapsulation, EspSuite, Path, Phase1};

use crate::{
    config::MTU_UNFRAGMENTED,
    datapath::{SessionIndex, inner_mtu},
};

/// One client: its path, what was negotiated with it, and how many tunnels it has.
#[derive(Debug)]
pub(super) struct Connection {
    /// Where its IKE is.
    pub(super) path: Path,
    /// How its newest pair of SAs travels.
    pub(super) encapsulation: Encapsulation,
    /// The first phase that began it, or the one that renewed it last.
    pub(super) phase1: Arc<Phase1>,
    /// The ESP suite of its newest pair of SAs.
    pub(super) esp: Option<EspSuite>,
    /// The client said that it has no other connection.
    pub(super) contacted: bool,
    /// When an authentic packet came last, and when it was last asked for one over IKE.
    pub(super) heard: Instant,
    pub(super) probed: Instant,
    /// How many of its packets were for sessions that it does not have.
    pub(super) strays: u8,
    /// When its newest pair of ESP SAs was made.
    pub(super) keyed: Instant,
    pub(super) times: Times,
    /// UDP ports inside ESP that it sent L2TP from: one.
    pub(super) ports: Vec<u16>,
    pub(super) tunnels: usize,
    /// One, hardly ever more.
    pub(super) sessions: Vec<SessionIndex>,
}

impl Connection {
    /// A client that has just proved its key.
    pub(super) fn new(now: Instant, path: Path, phase1: Arc<Phase1>) -> Self {
        let timings = phase1.timings;
        Self {
            path,
            encapsulation: Encapsulation::Udp,
            phase1,
            esp: None,
            contacted: false,
            heard: now,
            probed: now,
            strays: 0,
            keyed: now,
            times: Times {
                first: timings.message1,
                arithmetic: timings.shared.saturating_duration_since(timings.message3),
                keyed: now,
            },
            ports: Vec::new(),
            tunnels: 0,
            sessions: Vec::new(),
        }
    }

    /// How its ESP is protected, for a line.
    pub(super) fn esp(&self) -> String {
        match (self.esp, self.encapsulation) {
            (None, _) => String::new(),
            (Some(suite), Encapsulation::Udp) => suite.to_string(),
            (Some(suite), Encapsulation::Native) => format!("{suite} (native)"),
        }
    }

    /// The longest inner packet to it that need not travel in fragments: as long as the operator says, unless more is put around it than
    /// the operator could know of.
    pub(super) fn mtu(&self, configured: u16) -> u16 {
        let over_ipv6 = self.path.remote.ip().to_canonical().is_ipv6();
        let fits = self.esp.map(|suite| inner_mtu(suite, self.encapsulation, over_ipv6));
        // Above that it was said that packets are cut, over IPv4.
        match fits {
            Some(fits) if over_ipv6 || configured <= MTU_UNFRAGMENTED => configured.min(fits),
            _ => configured,
        }
    }

    /// Where address translation is, for a line.
    pub(super) fn nat(&self) -> String {
        self.phase1.nat.map_or_else(|| "no NAT traversal".to_owned(), |nat| nat.to_string())
    }

    pub(super) fn is_behind_nat(&self) -> bool {
        self.phase1.nat.is_some_and(|nat| nat.client)
    }

    /// Where its IKE is to be found once its ESP came by that path.
    pub(super) fn ike_path(&self, esp: Path) -> Path {
        if esp.is_native() { self.path.at(esp) } else { esp }
    }
}

/// When the stages of the way to an address were reached.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// Message 1 of main mode came.
    pub(super) first: Instant,
    /// How long the key arithmetic took us: all that the client ever waits for.
    pub(super) arithmetic: Duration,
    /// The first ESP packet or the last message of quick mode came: keys stand.
    pub(super) keyed: Instant,
}
