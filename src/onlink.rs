//! What the server says on a client's link itself, as the neighbour that it is there: no packet of these goes any further.
//!
//! ```text
//! client ── DHCPINFORM: which routes? ──▶ server      `dhcp`: a client that has its address from IPCP and wants to know more
//! ```

pub mod dhcp;

use std::net::Ipv4Addr;

use crate::domain::Domain;
use crate::pool::Range;

/// What a client is told of the network that it has entered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directions {
    /// Whom to ask for names, first and second.
    pub dns: [Option<Ipv4Addr>; 2],
    /// What to put behind a name without a dot.
    pub domain: Option<Domain>,
    /// Destinations that are reached through the tunnel; none: every destination.
    pub routes: Vec<Range>,
}
