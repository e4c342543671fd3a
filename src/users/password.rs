//! A password that takes the place of another one.

use std::fmt;

use ppp::NtHash;
use zeroize::Zeroizing;

/// A password, and the hash that is kept where the password itself is not.
///
/// Of a password beyond ASCII there are two hashes: over UTF-16, as Windows has it, and over widened octets, as devices built on
/// pppd have it (see [`Account::nt_hashes`](super::Account::nt_hashes)). Where both cannot be kept, it is the one of the device on
/// which the password was chosen.
#[derive(Clone)]
pub struct Password {
    text: Zeroizing<String>,
    nt_hash: NtHash,
}

impl Password {
    /// Chosen on a device that hashes it so.
    pub fn new(text: Zeroizing<String>, nt_hash: NtHash) -> Self {
        Self { text, nt_hash }
    }

    /// The password itself.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its hash.
    pub fn nt_hash(&self) -> &NtHash {
        &self.nt_hash
    }
}

/// Chosen by the operator: the hash is Windows'.
impl From<&str> for Password {
    fn from(text: &str) -> Self {
        Self { text: Zeroizing::new(text.to_owned()), nt_hash: NtHash::from_password(text) }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}
