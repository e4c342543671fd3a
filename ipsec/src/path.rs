//! Where a client is, and the number by which everything calls it.

use std::{fmt, net::SocketAddr};

/// The UDP port of encapsulated ESP and of IKE behind a non-ESP marker, RFC 3947 §4.
pub const NAT_T_PORT: u16 = 4500;

/// Both ends of the UDP flow that a client's packets take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path {
    /// Our address and port.
    pub local: SocketAddr,
    /// The client's, as the last NAT shows it.
    pub remote: SocketAddr,
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} → {}", self.remote, self.local)
    }
}

/// One connection of one client, numbered from 1 in order of arrival; it stands in every log line and survives rekeys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u64);

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{}", self.0)
    }
}

/// A datagram for a client: the whole UDP payload, non-ESP marker included where the port asks for one (RFC 3948 §2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// The socket to send from and the address to send to.
    pub path: Path,
    /// The UDP payload.
    pub payload: Vec<u8>,
}
