//! Authentication by certificate: RFC 2409 §5.1, and what RFC 4945 makes of X.509 for IKE.
//!
//! ```text
//!  message 5:  ID ─▶ identity ─┐
//!              CERT ─▶ payload ─▶ x509 ─┬─▶ path ─▶ authorities, revocation lists
//!              SIG ─────────────────────┴─▶ signature over HASH_I
//!  message 6:  our ID, CERT, SIG ◀─ credentials
//! ```
//!
//! Building paths and their arithmetic are not ours: webpki, x509-cert, rsa and aws-lc-rs do them.

mod authenticate;
mod credentials;
mod fault;
mod identity;
mod path;
pub(crate) mod payload;
mod x509;

pub(crate) use authenticate::{Authenticate, Believed, Proof};
pub use credentials::{CredentialFiles, Credentials, CredentialsError};
pub(crate) use fault::Fault;
pub(crate) use x509::{name_of, shown};

#[cfg(test)]
pub(crate) use {identity::own_id, x509::Certificate};

#[cfg(test)]
pub(crate) mod tests;
