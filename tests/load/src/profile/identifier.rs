//! Devices whose user has typed a name for the key beside the key: they speak Aggressive Mode.

use super::Profile;
use crate::dh::Group;

/// What a client calls itself in Aggressive Mode, RFC 2407 §4.6.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identifier {
    /// Any bytes.
    KeyId(String),
    /// A host name.
    Fqdn(String),
    /// A mail address.
    UserFqdn(String),
}

impl Identifier {
    /// The body of its payload, for any protocol and port.
    pub(crate) fn payload(&self) -> Vec<u8> {
        let (kind, name) = match self {
            Self::KeyId(name) => (11, name),
            Self::Fqdn(name) => (2, name),
            Self::UserFqdn(name) => (3, name),
        };
        [&[kind, 0, 0, 0], name.as_bytes()].concat()
    }
}

impl Profile {
    /// Android with an "IPSec identifier", whose type it guesses by dots and at signs.
    pub fn with_identifier(mut self, typed: &str) -> Self {
        let name = typed.to_owned();
        self.ike.identifier = Some(match (typed.contains('.'), typed.contains('@')) {
            (true, true) => Identifier::UserFqdn(name),
            (true, false) => Identifier::Fqdn(name),
            (false, _) => Identifier::KeyId(name),
        });
        self
    }

    /// macOS and iOS with a "Group Name": always bytes of any kind, and a first attempt with MODP-2048 alone.
    pub fn with_group_name(mut self, typed: &str) -> Self {
        self.ike.identifier = Some(Identifier::KeyId(typed.to_owned()));
        self.ike.transforms.retain(|transform| transform.group == Group::Modp2048);
        self
    }
}
