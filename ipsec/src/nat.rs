//! NAT traversal: detection by hashes of addresses, RFC 3947 §3, and its drafts 00 to 03.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::crypto::{Digest, Hash};
use crate::isakmp::iana::{EncapsulationMode, IdType, PayloadType};
use crate::isakmp::{Cookies, Payloads};
use crate::path::Path;

/// Whose payload numbers NAT traversal is spoken with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NatTraversal {
    /// RFC 3947.
    Rfc3947,
    /// draft-ietf-ipsec-nat-t-ike-00 to -03.
    Draft,
}

impl NatTraversal {
    /// The NAT discovery payload.
    pub(crate) fn nat_d(self) -> PayloadType {
        match self {
            Self::Rfc3947 => PayloadType::NAT_D,
            Self::Draft => PayloadType::NAT_D_DRAFT,
        }
    }
}

/// What a client's first phase tells of address translation between it and us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Traversal {
    /// Nothing: it does not speak NAT traversal, so its ESP is native or there is none.
    Unspoken,
    /// It sent the hashes of the addresses that it knows.
    Detected(NatTraversal, Nat),
}

impl Traversal {
    /// The payload type of our own hashes, if the client knows what they are.
    pub(crate) fn nat_d(self) -> Option<PayloadType> {
        match self {
            Self::Unspoken => None,
            Self::Detected(version, _) => Some(version.nat_d()),
        }
    }

    /// Where address translation stands, as far as the client said.
    pub(crate) fn nat(self) -> Option<Nat> {
        match self {
            Self::Unspoken => None,
            Self::Detected(_, nat) => Some(nat),
        }
    }

    /// Whether nothing is known to stand in the way of native ESP.
    pub(crate) fn admits_native(self) -> bool {
        self.nat().is_none_or(Nat::is_none)
    }

    /// The original addresses to send along with the answer to a transform of this mode.
    ///
    /// RFC 3947 §5.2: a responder sends them if, and only if, it selected UDP-Encapsulated-Transport, as each side sees
    /// them. So a client that asks for plain transport mode gets none. The drafts differ in how many there are; racoon
    /// never answered with any, and clients that speak only a draft got along with it, so those get none either.
    pub(crate) fn original_addresses(self, mode: EncapsulationMode, path: Path) -> Option<[IpAddr; 2]> {
        let wanted = matches!(self, Self::Detected(NatTraversal::Rfc3947, _))
            && mode == EncapsulationMode::UDP_TRANSPORT;
        wanted.then(|| [path.remote.ip().to_canonical(), path.local.ip().to_canonical()])
    }
}

/// Body of a NAT original address payload, RFC 3947 §5.2.
pub(crate) fn original_address(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => [&[IdType::IPV4_ADDR.0, 0, 0, 0][..], &v4.octets()].concat(),
        IpAddr::V6(v6) => [&[IdType::IPV6_ADDR.0, 0, 0, 0][..], &v6.octets()].concat(),
    }
}

/// Where address translation stands between a client and us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nat {
    /// The client's address is not the one we see.
    pub client: bool,
    /// Our address is not the one the client sends to.
    pub server: bool,
}

impl Nat {
    /// Each side has the address that the other sees.
    pub(crate) fn is_none(self) -> bool {
        !self.client && !self.server
    }

    /// Compares the client's hashes with the path its message took: the first is of our address, the others of each of
    /// its own (RFC 3947 §3.2).
    pub(crate) fn detect(
        payloads: &Payloads<'_>,
        version: NatTraversal,
        hash: Hash,
        cookies: Cookies,
        path: Path,
    ) -> Option<Self> {
        let mut sent = payloads.of(version.nat_d());
        let ours = sent.next()?;
        let mut theirs = sent.peekable();
        theirs.peek()?;
        let remote = address_hash(hash, cookies, path.remote);
        let local = address_hash(hash, cookies, path.local);
        Some(Self { client: !theirs.any(|sent| remote == *sent), server: local != *ours })
    }
}

impl fmt::Display for Nat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.client, self.server) {
            (false, false) => "no NAT",
            (true, false) => "client behind NAT",
            (false, true) => "server behind NAT",
            (true, true) => "client and server behind NAT",
        })
    }
}

/// `HASH(CKY-I | CKY-R | IP | Port)`, RFC 3947 §3.2.
pub(crate) fn address_hash(hash: Hash, cookies: Cookies, address: SocketAddr) -> Digest {
    let port = address.port().to_be_bytes();
    match address.ip().to_canonical() {
        IpAddr::V4(v4) => hash.digest(&[&cookies.to_bytes(), &v4.octets(), &port]),
        IpAddr::V6(v6) => hash.digest(&[&cookies.to_bytes(), &v6.octets(), &port]),
    }
}
