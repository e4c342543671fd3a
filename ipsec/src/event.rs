//! What the responder tells its owner.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::certificate::shown;
use crate::esp::{EspSuite, InboundSa, OutboundSa, Spi};
use crate::isakmp::Id;
use crate::nat::Nat;
use crate::path::{Encapsulation, Path, PeerId};
use crate::proposal::IkeSuite;
use crate::refusal::Refusal;

/// Something an owner acts on or writes a line about.
#[derive(Debug)]
pub enum Event {
    /// A first message was accepted. Anybody can cause this; nothing but a line follows from it.
    Attempt {
        /// The number the attempt is called by.
        peer: PeerId,
        /// Where it comes from.
        path: Path,
    },
    /// A first phase is done: the client knows a key of ours, or has a certificate that we believe.
    Established {
        /// The number of the attempt that this was.
        attempt: PeerId,
        /// The peer it belongs to: the attempt's own number, or that of a live peer that renewed its first phase.
        peer: PeerId,
        /// Where the client is.
        path: Path,
        /// What was agreed.
        phase1: Arc<Phase1>,
    },
    /// A pair of ESP SAs is to be installed. The outbound half is used from [`Event::SaConfirmed`] on, or from the first
    /// packet that verifies with the inbound half.
    SaOpened {
        /// Whose.
        peer: PeerId,
        /// Both halves.
        sa: Box<SaPair>,
    },
    /// The client has the pair too.
    SaConfirmed {
        /// Whose.
        peer: PeerId,
        /// Which pair.
        inbound: Spi,
    },
    /// The client takes no more packets through a pair. Those that it sent through it before may still be under way; the pair
    /// is removed a little later.
    SaRetired {
        /// Whose.
        peer: PeerId,
        /// Which pair.
        inbound: Spi,
    },
    /// A pair is to be removed.
    SaClosed {
        /// Whose.
        peer: PeerId,
        /// Which pair.
        inbound: Spi,
        /// Why.
        reason: SaReason,
    },
    /// A peer is gone; all its pairs were closed before.
    PeerClosed {
        /// Which.
        peer: PeerId,
        /// Why.
        reason: CloseReason,
    },
    /// The client let all but the last of its ESP SAs' time pass and made no new ones. If the owner still needs them it calls
    /// [`Responder::renew`](crate::Responder::renew); otherwise they end soon.
    Overdue {
        /// Whose.
        peer: PeerId,
    },
    /// A peer's authentic packet came from elsewhere than the ones before: its NAT gave it another address or port.
    Moved {
        /// Who.
        peer: PeerId,
        /// Where it is now.
        path: Path,
    },
    /// Authentic packets of two peers that say they are the same came from one and the same address and port: most likely one
    /// client, whose NAT changed in the moment in which it renewed its first phase. If the owner finds nothing to the
    /// contrary it calls [`Responder::merge`](crate::Responder::merge).
    Met {
        /// The one whose packet came last.
        peer: PeerId,
        /// The one that was there.
        other: PeerId,
    },
    /// The client said that it has no other SAs with us (RFC 2407 §4.6.3.3): whatever else it had, from wherever, is stale. What
    /// it had from this very address and port was closed before.
    InitialContact {
        /// Which.
        peer: PeerId,
    },
    /// An authentic message came that nothing else tells of: the client is there.
    Alive {
        /// Which.
        peer: PeerId,
    },
    /// An attempt, or a live peer's second phase, failed.
    Refused {
        /// The attempt, or the peer.
        peer: PeerId,
        /// Where it comes from.
        path: Path,
        /// The sentence for the log.
        refusal: Refusal,
    },
}

impl Event {
    /// What is told of one peer is told of another.
    pub(crate) fn is_of(&mut self, new: PeerId, was: PeerId) {
        let rename = |peer: &mut PeerId| {
            if *peer == was {
                *peer = new;
            }
        };
        match self {
            Self::Attempt { peer, .. }
            | Self::Established { peer, .. }
            | Self::SaOpened { peer, .. }
            | Self::SaConfirmed { peer, .. }
            | Self::SaClosed { peer, .. }
            | Self::SaRetired { peer, .. }
            | Self::PeerClosed { peer, .. }
            | Self::Moved { peer, .. }
            | Self::InitialContact { peer }
            | Self::Alive { peer }
            | Self::Overdue { peer, .. }
            | Self::Refused { peer, .. } => rename(peer),
            Self::Met { peer, other } => {
                rename(peer);
                rename(other);
            }
        }
    }
}

/// A finished first phase.
#[derive(Clone, Debug)]
pub struct Phase1 {
    /// The algorithms agreed on.
    pub suite: IkeSuite,
    /// Who the client says it is: usually its private address.
    pub identity: Id,
    /// What it proved that with.
    pub credential: Credential,
    /// Where address translation really is; `None` if the client does not speak NAT traversal.
    pub nat: Option<Nat>,
    /// For how long the client keeps the ISAKMP SA.
    pub lifetime: Duration,
    /// A live peer renewed its first phase.
    pub rekey: bool,
    /// Whose software it seems to be.
    pub vendor: Option<&'static str>,
    /// When what happened.
    pub timings: Timings,
}

/// What a client has shown to have.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Credential {
    /// The pre-shared key of that name.
    Psk(Arc<str>),
    /// A certificate and its key.
    Certificate {
        /// What log lines call it; authorities may give the same name twice.
        subject: Arc<str>,
        /// SHA2-256 of the whole.
        digest: [u8; 32],
    },
}

impl Credential {
    /// The key's name, or the certificate's subject.
    pub fn name(&self) -> &str {
        match self {
            Self::Psk(name) | Self::Certificate { subject: name, .. } => name,
        }
    }
}

impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Psk(name) => write!(f, "key {name:?}"),
            Self::Certificate { subject, .. } => write!(f, "certificate \"{}\"", shown(subject)),
        }
    }
}

/// The moments of a first phase.
#[derive(Clone, Copy, Debug)]
pub struct Timings {
    /// The first message came.
    pub message1: Instant,
    /// The client's public value came.
    pub message3: Instant,
    /// The shared secret was computed.
    pub shared: Instant,
    /// The client proved that it has the key.
    pub message5: Instant,
}

/// Two ESP SAs made by one quick mode.
#[derive(Debug)]
pub struct SaPair {
    /// Where the client's IKE is.
    pub path: Path,
    /// How the packets of both travel.
    pub encapsulation: Encapsulation,
    /// The algorithms agreed on.
    pub suite: EspSuite,
    /// What the client sends with.
    pub inbound: InboundSa,
    /// What we send with.
    pub outbound: OutboundSa,
    /// For how long the client keeps them.
    pub lifetime: Duration,
    /// The peer had a pair before.
    pub rekey: bool,
    /// When the client asked for them.
    pub requested: Instant,
}

/// Why a pair of ESP SAs ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SaReason {
    /// The client deleted it.
    Deleted,
    /// Its lifetime is over.
    Expired,
    /// The client never finished the quick mode that made it.
    NeverConfirmed,
    /// The peer has newer ones, more than it may have.
    Superseded,
    /// Its peer was closed.
    PeerClosed,
}

impl fmt::Display for SaReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deleted => "deleted by the client",
            Self::Expired => "lifetime over",
            Self::NeverConfirmed => "never used by the client",
            Self::Superseded => "superseded by newer ones",
            Self::PeerClosed => "connection closed",
        })
    }
}

/// Why a peer ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CloseReason {
    /// The owner closed it.
    Local,
    /// The client deleted its SAs.
    Deleted,
    /// The client never opened an ESP SA.
    NoEsp,
    /// Its last ESP SA's lifetime ended and the client did not renew it.
    Expired,
    /// The client came back and said that it has forgotten all it had.
    Replaced,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local => "closed by the server",
            Self::Deleted => "the client hung up",
            Self::NoEsp => "the client did not go on after the first phase",
            Self::Expired => "the client let its keys expire",
            Self::Replaced => "the client connected anew",
        })
    }
}
