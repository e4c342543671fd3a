//! A DNS domain, RFC 1035 §2.3.1, such as `example.net`.

use std::fmt;
use std::str::FromStr;

/// A domain whose labels have letters, digits, hyphens and underscores; without a dot at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain(String);

impl Domain {
    /// As one writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As it stands in a message, RFC 1035 §3.1: each label behind its length, and the root.
    #[must_use]
    pub fn to_wire(&self) -> Vec<u8> {
        let label = |label: &str| [&[u8::try_from(label.len()).unwrap_or(0)], label.as_bytes()].concat();
        self.0.split('.').flat_map(label).chain([0]).collect()
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Domain {
    type Err = NotADomain;

    fn from_str(text: &str) -> Result<Self, NotADomain> {
        let text = text.strip_suffix('.').unwrap_or(text);
        // Active Directory has underscores.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let label = |label: &str| {
            (1..=MAX_LABEL).contains(&label.len())
                && label.bytes().all(plain)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let good = text.len() <= MAX_NAME && text.split('.').all(label);
        if good { Ok(Self(text.to_owned())) } else { Err(NotADomain) }
    }
}

/// The text is no [`Domain`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotADomain;

/// RFC 1035 §2.3.4.
const MAX_LABEL: usize = 63;
/// What 255 octets hold on the wire: a length before each label, and the root.
const MAX_NAME: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_hosts_are_domains_and_nothing_else() {
        for text in ["example.net", "corp", "3com.example", "_msdcs.corp.example", "a-b.example."] {
            let domain: Domain = text.parse().unwrap();
            assert_eq!(domain.to_string(), text.trim_end_matches('.'));
        }
        assert_eq!("a.example".parse::<Domain>().unwrap().to_wire(), b"\x01a\x07example\0");
        let (longest, too_long) = ("a".repeat(63), "a".repeat(64));
        assert!(longest.parse::<Domain>().is_ok());
        let many = [&*longest; 4].join(".");
        for text in ["", ".", "a..b", ".a", "a b", "-a.b", "a-.b", "a/b", "grüße.de", &too_long, &many] {
            assert_eq!(text.parse::<Domain>(), Err(NotADomain), "{text}");
        }
        assert!(many[2..].parse::<Domain>().is_ok(), "253 octets");
    }
}
