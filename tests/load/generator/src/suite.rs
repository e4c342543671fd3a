//! Suites by name, as strongSwan writes them: `aes256-sha1-modp2048`, `aes128-sha1`, `aes128gcm`.

use std::fmt::{self, Display};
use std::str::FromStr;

use load::profile::{EspTransform, GcmKey, IkeTransform};
use load::{Cipher, Group, Hash};

/// A phase 1 transform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IkeSuite(pub(crate) IkeTransform);

/// A phase 2 transform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EspSuite(pub(crate) EspTransform);

impl FromStr for IkeSuite {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let parts: Vec<&str> = name.split('-').collect();
        let &[cipher, hash, group] = &parts[..] else {
            return Err("cipher, hash and group expected, such as aes256-sha1-modp2048".into());
        };
        let transform =
            IkeTransform::new(find(&CIPHERS, cipher)?, find(&HASHES, hash)?, find(&GROUPS, group)?);
        Ok(Self(transform))
    }
}

impl FromStr for EspSuite {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name.split_once('-') {
            Some((cipher, hash)) => {
                Ok(Self(EspTransform::new(find(&CIPHERS, cipher)?, find(&HASHES, hash)?)))
            }
            None => Ok(Self(EspTransform::Gcm(find(&GCM, name)?))),
        }
    }
}

impl Display for IkeSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let IkeTransform { cipher, hash, group } = self.0;
        write!(f, "{}-{}-{}", name(&CIPHERS, cipher), name(&HASHES, hash), name(&GROUPS, group))
    }
}

impl Display for EspSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            EspTransform::Cbc { cipher, integrity } => {
                write!(f, "{}-{}", name(&CIPHERS, cipher), name(&HASHES, integrity))
            }
            EspTransform::Gcm(key) => f.write_str(name(&GCM, key)),
        }
    }
}

fn find<T: Copy>(table: &[(&str, T)], name: &str) -> Result<T, String> {
    table.iter().find(|(known, _)| *known == name).map(|(_, value)| *value).ok_or_else(|| {
        let known: Vec<&str> = table.iter().map(|(known, _)| *known).collect();
        format!("{name:?} is none of {}", known.join(", "))
    })
}

fn name<T: PartialEq>(table: &[(&'static str, T)], value: T) -> &'static str {
    table.iter().find(|(_, known)| *known == value).map_or("?", |(name, _)| name)
}

const CIPHERS: [(&str, Cipher); 5] = [
    ("des", Cipher::Des),
    ("3des", Cipher::TripleDes),
    ("aes128", Cipher::Aes128),
    ("aes192", Cipher::Aes192),
    ("aes256", Cipher::Aes256),
];
const HASHES: [(&str, Hash); 5] = [
    ("md5", Hash::Md5),
    ("sha1", Hash::Sha1),
    ("sha256", Hash::Sha256),
    ("sha384", Hash::Sha384),
    ("sha512", Hash::Sha512),
];
const GROUPS: [(&str, Group); 7] = [
    ("modp768", Group::Modp768),
    ("modp1024", Group::Modp1024),
    ("modp1536", Group::Modp1536),
    ("modp2048", Group::Modp2048),
    ("modp3072", Group::Modp3072),
    ("ecp256", Group::Ecp256),
    ("ecp384", Group::Ecp384),
];
const GCM: [(&str, GcmKey); 2] = [("aes128gcm", GcmKey::Aes128), ("aes256gcm", GcmKey::Aes256)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written() {
        for name in ["aes256-sha1-modp2048", "3des-md5-modp1024", "aes128-sha256-ecp384"] {
            assert_eq!(name.parse::<IkeSuite>().unwrap().to_string(), name);
        }
        for name in ["aes128-sha1", "aes256-sha256", "3des-sha1", "aes128gcm", "aes256gcm"] {
            assert_eq!(name.parse::<EspSuite>().unwrap().to_string(), name);
        }
        assert!("aes256-sha1".parse::<IkeSuite>().is_err());
        assert_eq!("aes128".parse::<EspSuite>(), Err("\"aes128\" is none of aes128gcm, aes256gcm".into()));
        assert!("aes128-sha3".parse::<EspSuite>().unwrap_err().ends_with("sha384, sha512"));
    }
}
