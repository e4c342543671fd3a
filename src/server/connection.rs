//! What is known of a client's IPsec connection, from its first message to its end.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use ipsec::{Credential, Encapsulation, EspSuite, Id, Path};

use crate::datapath::SessionIndex;

/// One client: its path, what was negotiated with it, and how many tunnels it has.
#[derive(Debug)]
pub(super) struct Connection {
    /// Where its IKE is.
    pub(super) path: Path,
    /// How its newest pair of SAs travels.
    pub(super) encapsulation: Encapsulation,
    pub(super) ike: String,
    /// The ESP suite of its newest pair of SAs.
    pub(super) esp: String,
    pub(super) nat: String,
    pub(super) credential: Credential,
    /// Who the client said it is in its first phase.
    pub(super) identity: Id,
    pub(super) behind_nat: bool,
    /// The client can be made to put its ESP into UDP.
    pub(super) speaks_nat_traversal: bool,
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
    /// UDP ports inside ESP that it sent L2TP from.
    pub(super) ports: BTreeSet<u16>,
    pub(super) tunnels: usize,
    pub(super) sessions: BTreeSet<SessionIndex>,
}

impl Connection {
    /// Its packets are of this suite.
    pub(super) fn set_esp(&mut self, suite: EspSuite) {
        self.esp = match self.encapsulation {
            Encapsulation::Udp => suite.to_string(),
            Encapsulation::Native => format!("{suite} (native)"),
        };
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
