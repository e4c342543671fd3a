//! IKEv1 responder and ESP, without IO.
#![forbid(unsafe_code)]

mod crypto;
mod dh;
mod esp;
mod isakmp;
mod job;
mod keymat;
mod nat;
mod path;
mod proposal;
mod secret;
#[cfg(test)]
mod vectors;
mod vendor;

pub use crypto::WeakKey;
pub use dh::Group;
pub use esp::{
    EspCipher, EspDiscard, EspDiscards, EspIntegrity, EspKeys, EspSuite, Exhausted, InboundSa, IvSource,
    Lane, OpenKey, OutboundSa, SealKey, Sequence, Spi, open_batch, seal_batch,
};
pub use isakmp::Id;
pub use job::{Job, JobDone};
pub use nat::Nat;
pub use path::{NAT_T_PORT, Path, PeerId, Transmit};
pub use proposal::{Algorithms, IkeSuite};
pub use secret::{Psk, Secret};
