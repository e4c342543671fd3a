//! From what stands in `users.yaml` to accounts.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use ppp::NtHash;
use serde_saphyr::{Location, Spanned};
use zeroize::Zeroizing;

use super::raw::{self, Raw};
use super::{Account, Entry, Settings, Users, certificate, fold, overlay};
use crate::config::problem::{Findings, Problems};
use crate::config::yaml::{Hidden, Text};
use crate::pool::Pool;

pub(super) fn users(path: &Path, pools: &[Pool], file: Option<raw::File>) -> Result<Users, Problems> {
    let mut f = Findings::new(path);
    let file = file.unwrap_or_default();
    let default = Arc::new(Settings::default());
    let default = match file.default {
        Some(raw) => shared(&mut f, "default", &raw.value, &default, pools),
        None => default,
    };
    let mut groups = BTreeMap::new();
    for (name, raw) in file.groups {
        if name.value.is_empty() {
            f.wrong_value("group", &name, "a name");
        }
        let settings = shared(&mut f, "a group", &raw.value, &default, pools);
        groups.insert(name.value, settings);
    }
    if file.users.is_empty() {
        f.warn(Location::UNKNOWN, "found no user: nobody can log in");
    }
    let (addresses, certificates) = (BTreeMap::new(), HashMap::new());
    let mut reading = Reading { pools, default, groups, addresses, certificates };
    let mut entries: HashMap<String, Entry> = HashMap::with_capacity(file.users.len());
    for (name, raw) in file.users {
        if name.value.is_empty() {
            f.wrong_value("user", &name, "a name");
        }
        let Some(account) = reading.account(&mut f, &name, raw.value) else { continue };
        let folded = fold(&name.value);
        if let Some(other) = entries.get(&folded) {
            let expected = format!("a name that differs from {:?} not only in case", other.name);
            f.wrong_value("user", &name, expected);
        }
        entries.insert(folded, Entry { name: name.value.into(), account });
    }
    let warnings = f.finish()?;
    let Reading { addresses, certificates, .. } = reading;
    Ok(Users { entries, addresses, certificates, warnings })
}

/// What several users have in common.
fn shared(
    f: &mut Findings<'_>,
    what: &str,
    raw: &Raw,
    base: &Arc<Settings>,
    pools: &[Pool],
) -> Arc<Settings> {
    let place = |text: &Option<Text>| text.as_ref().map(|text| text.referenced);
    let secret = |text: &Option<Spanned<Hidden>>| text.as_ref().map(|text| text.referenced);
    let places = [
        ("password", secret(&raw.password)),
        ("nt_hash", secret(&raw.nt_hash)),
        ("certificate", place(&raw.certificate)),
        ("password_expires", place(&raw.password_expires)),
        ("address", place(&raw.address)),
        ("group", place(&raw.group)),
    ];
    for (key, place) in places {
        if let Some(place) = place {
            f.wrong(place, format!("{key}: found it in {what}, expected it in a user's own settings"));
        }
    }
    overlay::apply(f, base, raw, pools)
}

/// What is known while users are read.
struct Reading<'a> {
    pools: &'a [Pool],
    default: Arc<Settings>,
    groups: BTreeMap<String, Arc<Settings>>,
    addresses: BTreeMap<Ipv4Addr, String>,
    /// What a certificate has to say, and whose it is then.
    certificates: HashMap<String, String>,
}

impl Reading<'_> {
    /// `None` when there is no usable password; what else is wrong is recorded and stops the file all the same.
    fn account(&mut self, f: &mut Findings<'_>, name: &Text, raw: Raw) -> Option<Account> {
        let base = raw.group.as_ref().map_or(&self.default, |group| {
            self.groups.get(&group.value).unwrap_or_else(|| {
                f.wrong_value("group", group, Self::known(&self.groups));
                &self.default
            })
        });
        let settings = overlay::apply(f, base, &raw, self.pools);
        let Raw { group, password, nt_hash, certificate, address, password_expires, .. } = raw;
        if let Some(text) = &certificate {
            self.bind(f, text, name);
        }
        let address = address.and_then(|text| self.address(f, &text, name));
        let password_expires = password_expires.and_then(|text| overlay::date(f, "password_expires", &text));
        let (nt_hash, nt_hash_bytewise, password) = match (password, nt_hash) {
            (Some(password), None) => {
                let (hash, bytewise) = from_password(f, &password)?;
                (Some(hash), bytewise, Some(password.value.0))
            }
            (None, Some(hash)) => (Some(from_hash(f, &hash)?), None, None),
            (Some(_), Some(hash)) => {
                f.wrong(hash.referenced, "found both password and nt_hash, expected one of them");
                return None;
            }
            (None, None) if certificate.is_some() => (None, None, None),
            (None, None) => {
                let text = format!(
                    "user {:?}: found neither password nor nt_hash, expected one of them",
                    name.value
                );
                f.wrong(name.referenced, text);
                return None;
            }
        };
        let group = group.map(|group| group.value.into());
        let bound = certificate.is_some();
        Some(Account {
            nt_hash,
            nt_hash_bytewise,
            password,
            bound,
            password_expires,
            address,
            group,
            settings,
        })
    }

    fn bind(&mut self, f: &mut Findings<'_>, text: &Text, name: &Text) {
        let key = certificate::key(&text.value);
        if key.is_empty() {
            return f.wrong_value(
                "certificate",
                text,
                "a name in the user's certificate, or its SHA2-256 fingerprint",
            );
        }
        if let Some(other) = self.certificates.insert(key, fold(&name.value)) {
            f.wrong_value("certificate", text, format_args!("one that is not already {other:?}'s"));
        }
    }

    fn known(groups: &BTreeMap<String, Arc<Settings>>) -> String {
        let names: Vec<_> = groups.keys().map(String::as_str).collect();
        if names.is_empty() {
            "a group, and there is none".into()
        } else {
            format!("one of {}", names.join(", "))
        }
    }

    fn address(&mut self, f: &mut Findings<'_>, text: &Text, name: &Text) -> Option<Ipv4Addr> {
        let Ok(address) = text.value.parse::<Ipv4Addr>() else {
            f.wrong_value("address", text, "an IPv4 address");
            return None;
        };
        match self.pools.iter().map(|pool| pool.range).find(|range| range.contains(address)) {
            None if !is_possible(address) => f.wrong_value("address", text, "one that a client can have"),
            Some(range) if address == range.server() => {
                f.wrong_value("address", text, format_args!("another one: this is the server's in {range}"));
            }
            Some(range) if address == range.network() || address == range.broadcast() => {
                f.wrong_value("address", text, format_args!("one between the first and the last of {range}"));
            }
            Some(_) | None => {}
        }
        if let Some(other) = self.addresses.get(&address) {
            f.wrong_value("address", text, format_args!("one that is not already {other:?}'s"));
            return None;
        }
        self.addresses.insert(address, name.value.clone());
        Some(address)
    }
}

/// Whether an address outside of every pool can be somebody's, RFC 6890 §2.2.2.
fn is_possible(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    let is_reserved = first == 0 || first >= 240;
    !is_reserved && !address.is_loopback() && !address.is_multicast() && !address.is_link_local()
}

/// RFC 2759 §4: at most 256 UTF-16 units. The second hash is [`Account::nt_hashes`]' second.
fn from_password(f: &mut Findings<'_>, password: &Spanned<Hidden>) -> Option<(NtHash, Option<NtHash>)> {
    let text = password.value.0.as_str();
    let units = text.encode_utf16().count();
    if !(1..=256).contains(&units) {
        let found = format!("password: found {units} characters, expected 1 to 256");
        f.wrong(password.referenced, found);
        return None;
    }
    Some(super::hashes(text))
}

fn from_hash(f: &mut Findings<'_>, hash: &Spanned<Hidden>) -> Option<NtHash> {
    let text = hash.value.0.as_str();
    let mut bytes = Zeroizing::new([0_u8; 16]);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let good = rest.is_empty()
        && pairs.len() == bytes.len()
        && bytes.iter_mut().zip(pairs).all(|(byte, &[high, low])| {
            digit(high).zip(digit(low)).is_some_and(|(high, low)| {
                *byte = high << 4 | low;
                true
            })
        });
    if !good {
        let found =
            format!("nt_hash: found {} characters, expected 32 hexadecimal digits", text.chars().count());
        f.wrong(hash.referenced, found);
        return None;
    }
    Some(NtHash::from_bytes(*bytes))
}
