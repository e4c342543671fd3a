//! Where a client is, and the number by which everything calls it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// The UDP port of encapsulated ESP and of IKE behind a non-ESP marker, RFC 3947 §4.
pub const NAT_T_PORT: u16 = 4500;

/// How the ESP packets of a client travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encapsulation {
    /// In UDP from and to port 4500, RFC 3948.
    Udp,
    /// As they are: IP protocol 50.
    Native,
}

impl Encapsulation {
    /// The path that ESP takes while IKE takes that one.
    pub fn esp_path(self, ike: Path) -> Path {
        match self {
            Self::Udp => ike,
            Self::Native => Path::native(ike.local.ip(), ike.remote.ip()),
        }
    }
}

/// Both ends of the UDP flow that a client's packets take, or of native ESP, which has no ports: they are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path {
    /// Our address and port.
    pub local: SocketAddr,
    /// The client's, as the last NAT shows it.
    pub remote: SocketAddr,
}

impl Path {
    /// The path of IP protocol 50 between two addresses.
    pub fn native(local: IpAddr, remote: IpAddr) -> Self {
        Self { local: SocketAddr::new(local, 0), remote: SocketAddr::new(remote, 0) }
    }

    /// Whether this is IP protocol 50 rather than UDP.
    pub fn is_native(self) -> bool {
        self.local.port() == 0
    }

    /// The same ports between the addresses of another path: where IKE is once ESP has moved there.
    #[must_use]
    pub fn at(self, other: Self) -> Self {
        Self {
            local: SocketAddr::new(other.local.ip(), self.local.port()),
            remote: SocketAddr::new(other.remote.ip(), self.remote.port()),
        }
    }
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
