//! IKEv1 responder and ESP, without IO.
#![forbid(unsafe_code)]

mod crypto;
mod dh;
mod discard;
mod envelope;
mod esp;
mod event;
mod isakmp;
mod isakmp_sa;
mod job;
mod keymat;
mod nat;
mod path;
mod peer;
mod phase1;
mod phase2;
mod proposal;
mod refusal;
mod responder;
mod secret;
#[cfg(test)]
mod vectors;
mod vendor;

pub use crypto::WeakKey;
pub use dh::Group;
pub use discard::{Discard, Discards};
pub use esp::{
    EspCipher, EspDiscard, EspDiscards, EspIntegrity, EspKeys, EspSuite, Exhausted, InboundSa, IvSource,
    Lane, OpenKey, OutboundSa, SealKey, Sequence, Spi, open_batch, seal_batch,
};
pub use event::{CloseReason, Event, Phase1, SaPair, SaReason, Timings};
pub use isakmp::Id;
pub use job::{Job, JobDone};
pub use nat::Nat;
pub use path::{NAT_T_PORT, Path, PeerId, Transmit};
pub use proposal::{Algorithms, IkeSuite};
pub use refusal::Refusal;
pub use responder::{Config, Responder};
pub use secret::{Psk, Secret};
