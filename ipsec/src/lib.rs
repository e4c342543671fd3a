//! IKEv1 responder and ESP, without IO.
//!
//! [`Responder`] turns IKE messages into pairs of ESP SAs, which come out as events and belong to the owner;
//! [`InboundSa`] and [`OutboundSa`] turn packets into packets.
//!
//! # What the RFCs want otherwise
//!
//! | clause | wants | here | because |
//! |---|---|---|---|
//! | RFC 3947 §3.2 | the true hash of the client's address | a hash of nothing, if no NAT is there, unless [`Config::native_esp`] says otherwise | the client then encapsulates, and no firewall that drops IP protocol 50 matters |
//! | RFC 3947 §5.2 | NAT-OA with UDP transport mode, drafts included | RFC 3947 only | clients that speak a draft only got along with servers that sent none |
//! | RFC 2408 §3.5 | as many transforms as a proposal counts | as many as are chained | the chain is what can be read |
//! | RFC 2408 §5 | reserved fields checked to be zero | ignored | Android 4 fills them with rubbish |
//! | RFC 2407 §4.6.3.1 | RESPONDER-LIFETIME when ours is shorter | the client's lifetimes are answered as they came | the client rekeys; racoon ignores the notification |
//! | RFC 2407 §4.5 | kilobyte lifetimes enforced | agreed to, and left to the client | Windows counts them itself and rekeys |
//! | RFC 3602 §5.3 | a key length with AES | 128 bits, if there is none | some clients mean that |
//! | RFC 2409 §5.1 | a certificate only if it was asked for | ours is in message 6 unasked | Android asks no earlier than message 5 |
//! | RFC 4945 §3.1.1 | an address as identity compared with the certificate | any address | Openswan sends its private one |
//! | RFC 4945 §5.1.3.12 | extended key uses for IPsec | client authentication too | what authorities give to Windows machines |
//! | RFC 5280 §6.3.3 | no revocation list past its time | it still counts | a late list must lock nobody out |
//! | RFC 2409 §5.4 | the key chosen by the client's address | message 5 decides among all keys | behind NAT an address says nothing, and keys are rotated |
#![forbid(unsafe_code)]

mod aggressive;
mod certificate;
mod crypto;
mod dh;
mod discard;
mod envelope;
mod esp;
mod event;
mod fragment;
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

pub use certificate::{CredentialFiles, Credentials, CredentialsError};
pub use crypto::WeakKey;
pub use dh::Group;
pub use discard::{Discard, Discards};
pub use esp::{
    AesBits, EspCipher, EspDiscard, EspDiscards, EspIntegrity, EspKeys, EspSuite, Exhausted, GcmIcv,
    InboundSa, IvSource, Lane, OpenKey, OutboundSa, SealKey, Sequence, Spi, open_batch, seal_batch,
};
pub use event::{CloseReason, Credential, Event, Phase1, SaPair, SaReason, Timings};
pub use isakmp::Id;
pub use job::{Job, JobDone};
pub use multibuffer::prefetch;
pub use nat::Nat;
pub use path::{Encapsulation, NAT_T_PORT, Path, PeerId, Transmit};
pub use proposal::{Algorithms, IkeSuite};
pub use refusal::Refusal;
pub use responder::{Config, Responder};
pub use secret::{Psk, Secret};
