//! IKEv1 responder and ESP, without IO.
#![forbid(unsafe_code)]

mod crypto;
mod dh;
mod esp;
mod keymat;
mod path;
mod secret;

pub use dh::Group;
pub use esp::{
    EspCipher, EspDiscard, EspDiscards, EspIntegrity, EspKeys, EspSuite, Exhausted, InboundSa, IvSource,
    Lane, OpenKey, OutboundSa, SealKey, Sequence, Spi, open_batch, seal_batch,
};
pub use path::{NAT_T_PORT, Path, PeerId, Transmit};
pub use secret::{Psk, Secret};
