//! An L2TP/IPsec initiator, without IO: the tests' client and the load generator's engine.
//!
//! It is written apart from the server's engines, from the RFCs alone, so that the two ends do not share
//! mistakes. [`Client`] is one device; [`Profile`] says whose manners it has.

#![forbid(unsafe_code)]

mod client;
mod crypto;
mod dh;
mod esp;
mod ike;
mod isakmp;
mod lac;
mod ppp;
pub mod profile;
mod resend;
mod timeline;
mod udp;

pub use client::{Certificate, Client, Credentials, End, Event, Parked, Stage, Transmit};
pub use crypto::{Cipher, Hash};
pub use dh::Group;
pub use ike::nat::{IKE_PORT, NAT_T_PORT, NO_PORT};
pub use ppp::Refusal;
pub use profile::Profile;
pub use timeline::{Mark, Timeline};
