//! What the server says on a client's link itself, as the neighbour that it is there: no packet of these goes any further.
//!
//! ```text
//! client ── DHCPINFORM: which routes? ──▶ server      `dhcp`: a client that has its address from IPCP and wants to know more
//! client ── Router Solicitation ─────────▶ server      `router`: the prefix that the client makes its IPv6 addresses of
//! client ── Information-request ─────────▶ server      `dhcpv6`: its name servers over IPv6
//! client ── Solicit, Request ────────────▶ server      `dhcpv6`: a prefix for the hosts behind it
//! ```

pub mod dhcp;
mod dhcpv6;
mod ipv6;
mod router;

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::domain::Domain;
use crate::pool::{Range, Range6};
use crate::users::Settings;
pub use dhcpv6::{Change, Iaid, Lease, ServerId};
pub use ipv6::{Answer, Link6, answer as answer6};
pub use router::{INTERVAL, advertisement};

/// What a client is told of the network that it has entered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directions {
    /// Whom to ask for names, first and second.
    pub dns: [Option<Ipv4Addr>; 2],
    /// The same over IPv6.
    pub dns6: [Option<Ipv6Addr>; 2],
    /// What to put behind a name without a dot.
    pub domain: Option<Domain>,
    /// Destinations that are reached through the tunnel; none of either kind: every destination.
    pub routes: Vec<Range>,
    /// Those of IPv6.
    pub routes6: Vec<Range6>,
}

/// How many routes fit in a DHCPACK that has them all twice, beside the longest domain, and is not longer than 1280 octets.
pub(crate) const MOST_ROUTES: usize = 40;
/// The same of a router advertisement.
pub(crate) const MOST_ROUTES6: usize = 36;
/// RFC 8200 §5: what every link with IPv6 carries.
#[cfg(test)]
const LONGEST: usize = 1280;

impl Directions {
    /// The same for somebody who has some of it of their own.
    #[must_use]
    pub fn of_user(&self, settings: &Settings) -> Cow<'_, Self> {
        let Settings { dns, domain, routes, .. } = settings;
        if dns.is_none() && domain.is_none() && routes.is_none() {
            return Cow::Borrowed(self);
        }
        let mut own = self.clone();
        if let Some(dns) = dns {
            // Both families: asking somebody else over IPv6 is not what was meant.
            own.dns = [0, 1].map(|place| dns.ipv4.get(place).copied());
            own.dns6 = [0, 1].map(|place| dns.ipv6.get(place).copied());
        }
        if let Some(routes) = routes {
            own.routes.clone_from(&routes.ipv4);
            own.routes6.clone_from(&routes.ipv6);
        }
        own.domain = domain.clone().or(own.domain);
        Cow::Owned(own)
    }
}
