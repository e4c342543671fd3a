//! What a responder waits for.

use crate::esp::Spi;
use crate::isakmp::Cookies;
use crate::path::PeerId;

/// What is due.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Timer {
    /// A main mode has taken too long.
    HalfOpen(Cookies),
    /// Message 4 has not been answered.
    ResendMessage4(Cookies),
    /// An ISAKMP SA's lifetime is over.
    IsakmpSa(Cookies),
    /// Quick mode message 2 has not been answered.
    ResendQuick(Cookies, u32),
    /// A quick mode has taken too long, or is remembered no longer.
    Quick(Cookies, u32),
    /// A pair of ESP SAs' lifetime is all but over, and the client has renewed it by now.
    Renewal(Spi),
    /// It is over.
    EspSa(Spi),
    /// A peer has had no ESP SA for too long.
    Peer(PeerId),
    /// The rest of a message in pieces has not come.
    Fragments(Cookies),
}
