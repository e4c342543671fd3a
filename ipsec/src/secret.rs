//! Pre-shared keys as the configuration gives them: zeroed on drop, never printed.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::crypto::constant_time_eq;

/// Bytes that nobody may see: zeroed when dropped, compared in constant time, without `Debug` of their content.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over; they are zeroed when the last clone is dropped.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The bytes themselves, for a key derivation.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        constant_time_eq(&self.0, &other.0)
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// A pre-shared key under the name by which log lines call it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Psk {
    /// What the configuration calls the key.
    pub name: Arc<str>,
    /// What a client in Aggressive Mode calls itself to use the key.
    pub id: Option<String>,
    /// The key itself, RFC 2409 §5.4.
    pub secret: Secret,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_does_not_show_the_bytes() {
        let psk = Psk { name: "main".into(), id: None, secret: Secret::new("hunter2") };
        assert_eq!(format!("{psk:?}"), r#"Psk { name: "main", id: None, secret: … }"#);
    }

    #[test]
    fn equality_looks_at_every_byte_and_the_length() {
        assert_eq!(Secret::new("abc"), Secret::new("abc"));
        assert_ne!(Secret::new("abc"), Secret::new("abd"));
        assert_ne!(Secret::new("abc"), Secret::new("abcd"));
    }
}
