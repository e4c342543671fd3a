//! What holds for every packet of every session.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Inside, Outlying, Prefixes};
use crate::pool::{Delegation, Prefix, Range, Range6};

/// The rules that hold for every packet.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    /// The largest TCP segment a client may announce or be told, in bytes.
    pub(crate) mss: u16,
    /// Whether one client may talk to another.
    pub(crate) client_to_client: bool,
    /// Where clients' addresses come from.
    pub(crate) networks: Vec<Range>,
    /// Those that come from elsewhere.
    pub(crate) outlying: Outlying,
    /// The server's own addresses inside: always reachable.
    pub(crate) local: Vec<Ipv4Addr>,
    /// The same of IPv6.
    pub(crate) networks6: Vec<Range6>,
    pub(crate) local6: Vec<Ipv6Addr>,
    /// Where the prefixes of hosts behind clients come from.
    pub(crate) delegations: Vec<Delegation>,
    pub(crate) prefixes: Prefixes,
}

impl Policy {
    /// What packets to `destination` find their session by. There are hardly ever more delegations than one.
    pub(super) fn inside6(&self, destination: Ipv6Addr) -> Inside {
        let delegated = self.delegations.iter().find_map(|delegation| delegation.of(destination));
        delegated.map_or_else(|| Inside::V6(Prefix::of(destination)), Inside::Delegated)
    }
}
