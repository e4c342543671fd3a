//! From what stands in `users.yaml` to accounts.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::path::Path;

use ppp::NtHash;
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use super::{Account, Date, Entry, Users, fold};
use crate::config::problem::{Findings, Problems};
use crate::config::yaml::{Entries, Hidden, Text};
use crate::pool::Pool;

/// The keys of one account, unchecked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    password: Option<Spanned<Hidden>>,
    nt_hash: Option<Spanned<Hidden>>,
    address: Option<Text>,
    sessions: Option<Text>,
    expires: Option<Text>,
    disabled: Option<Text>,
}

pub(super) fn users(path: &Path, pools: &[Pool], file: Option<Entries<Raw>>) -> Result<Users, Problems> {
    let mut f = Findings::new(path);
    let mut users = Users { entries: HashMap::new(), addresses: BTreeMap::new(), warnings: Vec::new() };
    let entries = file.map(|file| file.0).unwrap_or_default();
    if entries.is_empty() {
        f.warn(Location::UNKNOWN, "found no user: nobody can log in");
    }
    for (name, raw) in entries {
        if name.value.is_empty() {
            f.wrong_value("user", &name, "a name");
        }
        let Some(account) = account(&mut f, &name, raw, pools, &mut users.addresses) else { continue };
        let folded = fold(&name.value);
        if let Some(other) = users.entries.get(&folded) {
            let expected = format!("a name that differs from {:?} not only in case", other.name);
            f.wrong_value("user", &name, expected);
        }
        users.entries.insert(folded, Entry { name: name.value, account });
    }
    users.warnings = f.finish()?;
    Ok(users)
}

/// `None` when there is no usable password; what else is wrong is recorded and stops the file all the same.
fn account(
    f: &mut Findings<'_>,
    name: &Text,
    raw: Spanned<Raw>,
    pools: &[Pool],
    taken: &mut BTreeMap<Ipv4Addr, String>,
) -> Option<Account> {
    let Raw { password, nt_hash, address, sessions, expires, disabled } = raw.value;
    let address = address.and_then(|text| self::address(f, &text, name, pools, taken));
    let sessions = sessions.and_then(|text| match text.value.parse() {
        Ok(number @ 1..=65_535_usize) => Some(number),
        _ => {
            f.wrong_value(
                "sessions",
                &text,
                "a number from 1 to 65535 (to lock an account: `disabled: true`)",
            );
            None
        }
    });
    let expires = expires.and_then(|text| {
        let date: Option<Date> = text.value.parse().ok();
        if date.is_none() {
            f.wrong_value("expires", &text, "a day such as 2027-06-30");
        }
        date
    });
    let disabled = disabled.is_some_and(|text| match text.value.as_str() {
        "true" => true,
        "false" => false,
        _ => {
            f.wrong_value("disabled", &text, "one of true, false");
            false
        }
    });
    let (nt_hash, nt_hash_bytewise, password) = match (password, nt_hash) {
        (Some(password), None) => {
            let (hash, bytewise) = from_password(f, &password)?;
            (hash, bytewise, Some(password.value.0))
        }
        (None, Some(hash)) => (from_hash(f, &hash)?, None, None),
        (Some(_), Some(hash)) => {
            f.wrong(hash.referenced, "found both password and nt_hash, expected one of them");
            return None;
        }
        (None, None) => {
            let text =
                format!("user {:?}: found neither password nor nt_hash, expected one of them", name.value);
            f.wrong(name.referenced, text);
            return None;
        }
    };
    Some(Account { nt_hash, nt_hash_bytewise, password, address, sessions, expires, disabled })
}

fn address(
    f: &mut Findings<'_>,
    text: &Text,
    name: &Text,
    pools: &[Pool],
    taken: &mut BTreeMap<Ipv4Addr, String>,
) -> Option<Ipv4Addr> {
    let Ok(address) = text.value.parse::<Ipv4Addr>() else {
        f.wrong_value("address", text, "an IPv4 address");
        return None;
    };
    match pools.iter().map(|pool| pool.range).find(|range| range.contains(address)) {
        None => f.wrong_value("address", text, format_args!("one inside a pool: {}", list(pools))),
        Some(range) if address == range.server() => {
            f.wrong_value("address", text, format_args!("another one: this is the server's in {range}"));
        }
        Some(range) if address == range.network() || address == range.broadcast() => {
            f.wrong_value("address", text, format_args!("one between the first and the last of {range}"));
        }
        Some(_) => {}
    }
    if let Some(other) = taken.get(&address) {
        f.wrong_value("address", text, format_args!("one that is not already {other:?}'s"));
        return None;
    }
    taken.insert(address, name.value.clone());
    Some(address)
}

fn list(pools: &[Pool]) -> String {
    pools.iter().map(|pool| pool.range.to_string()).collect::<Vec<_>>().join(", ")
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
    let bytewise = (!text.is_ascii()).then(|| NtHash::from_password_octets(text));
    Some((NtHash::from_password(text), bytewise))
}

fn from_hash(f: &mut Findings<'_>, hash: &Spanned<Hidden>) -> Option<NtHash> {
    let text = hash.value.0.as_str();
    let mut bytes = zeroize::Zeroizing::new([0_u8; 16]);
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
