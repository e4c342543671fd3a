//! Changes of `users.yaml` that leave its comments, its order and everybody else in it alone.
//!
//! A change is made under a lock beside the file, is held against the rules for the file before anybody sees it, and appears at
//! once: two who change the file at the same time lose nothing, and nobody ever reads half of it.

mod text;

use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use zeroize::Zeroizing;

use super::{Password, Users, fold};
use crate::config::yaml;
use crate::pool::Pool;
use crate::replace::{self, Lock};
use text::{Mapping, Pair, Splice, Value};

/// How a password stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// As its NT hash: enough for MS-CHAPv2, alone or in EAP.
    Hash,
    /// As it is: what CHAP with MD5 needs, and passwords beyond ASCII on devices other than Windows.
    Plain,
    /// As the one before it.
    AsBefore,
}

/// A users file, and the pools that its addresses lie in.
#[derive(Clone, Copy, Debug)]
pub struct UsersFile<'a> {
    /// Where it is.
    pub path: &'a Path,
    /// The configuration's.
    pub pools: &'a [Pool],
}

impl UsersFile<'_> {
    /// Adds a user.
    ///
    /// # Errors
    ///
    /// If there is one by that name, or the file or the user is not good.
    pub fn add(
        self,
        name: &str,
        password: &Password,
        storage: Storage,
        group: Option<&str>,
    ) -> anyhow::Result<()> {
        self.edit(name, |text, top, found| {
            ensure!(
                found.is_none(),
                "there is a user {:?} already",
                found.map_or(name, |(_, pair)| &pair.key)
            );
            let group = group.map(|group| format!(", group: {}", scalar(group))).unwrap_or_default();
            let secret = secret(password, storage);
            let pair = Zeroizing::new(format!("{}: {{ {}{group} }}", scalar(name), *secret));
            let section = top.and_then(|top| match &top.get(USERS)?.value {
                Value::Mapping(users) => Some(users),
                Value::Scalar(_) | Value::Other(_) => None,
            });
            Ok(vec![match (section, top) {
                (Some(users), _) => users.insert(text, &pair)?,
                (None, _) if KEYWORDS.contains(&name) => {
                    bail!("at the top of the file {name:?} is no user: write `users:` and this one below it")
                }
                (None, Some(top)) => top.insert(text, &pair)?,
                (None, None) => text::append(text, &pair),
            }])
        })
    }

    /// Gives a user another password, which is good without end.
    ///
    /// # Errors
    ///
    /// If there is no such user, or the file or the password is not good.
    pub fn set_password(self, name: &str, password: &Password, storage: Storage) -> anyhow::Result<()> {
        self.edit(name, |text, _, found| {
            let user = settings(name, found)?;
            let plain = user.get(PASSWORD);
            let before = plain.or_else(|| user.get(NT_HASH)).context("it has no password")?;
            let storage = match storage {
                Storage::AsBefore if plain.is_some() => Storage::Plain,
                other => other,
            };
            let mut splices = vec![user.replace(text, before, &secret(password, storage))];
            if let Some(expires) = user.get(PASSWORD_EXPIRES) {
                splices.push(user.remove(text, expires)?);
            }
            Ok(splices)
        })
    }

    /// Locks an account, or unlocks it.
    ///
    /// # Errors
    ///
    /// If there is no such user, or the file is not good.
    pub fn set_disabled(self, name: &str, disabled: bool) -> anyhow::Result<()> {
        self.edit(name, |text, _, found| {
            let user = settings(name, found)?;
            let words = format!("{DISABLED}: {disabled}");
            Ok(vec![match user.get(DISABLED) {
                Some(before) => user.replace(text, before, &words),
                None => user.insert(text, &words)?,
            }])
        })
    }

    /// Takes out a user.
    ///
    /// # Errors
    ///
    /// If there is no such user, or the file is not good.
    pub fn remove(self, name: &str) -> anyhow::Result<()> {
        self.edit(name, |text, _, found| {
            let (section, user) = found.with_context(|| no_such_user(name))?;
            Ok(vec![section.remove(text, user)?])
        })
    }

    /// Makes a change to what the file holds now; whoever else wants to waits. `change` gets the text, all of it and the user with
    /// the part that it stands in.
    fn edit(
        self,
        name: &str,
        change: impl Fn(&str, Option<&Mapping>, Option<(&Mapping, &Pair)>) -> anyhow::Result<Vec<Splice>>,
    ) -> anyhow::Result<()> {
        let Self { path, pools } = self;
        // The file itself, should this be a link to it.
        let path = &path.canonicalize().with_context(|| format!("cannot read {}", path.display()))?;
        let _lock = Lock::beside(path)?;
        loop {
            let content = yaml::read(path)?;
            // Whatever is wrong with it is told as everywhere else.
            let before = Users::parse(path, &content, pools)?;
            let text = str::from_utf8(&content)?;
            let by_hand = || format!("cannot change {}: do it by hand", path.display());
            let top = text::read(text).with_context(by_hand)?;
            let found = top.as_ref().and_then(|top| find(top, name));
            let splices = change(text, top.as_ref(), found)?;
            let edited = Zeroizing::new(text::splice(text, splices).with_context(by_hand)?);
            let after = Users::parse(path, edited.as_bytes(), pools)
                .context("after the change the file would be wrong")?;
            // Such as those who are written by way of an alias for this one.
            ensure!(
                before.differs_only_in(&after, name),
                "{}: other accounts would change as well",
                by_hand()
            );
            // Somebody who does not know of the lock, such as a text editor, was faster.
            if yaml::read(path)? == content {
                return replace::write(path, edited.as_bytes());
            }
        }
    }
}

/// The user called `name`, with what it stands in.
fn find<'m>(top: &'m Mapping, name: &str) -> Option<(&'m Mapping, &'m Pair)> {
    let name = fold(name);
    let below = top.get(USERS).and_then(|pair| match &pair.value {
        Value::Mapping(users) => Some(users),
        Value::Scalar(_) | Value::Other(_) => None,
    });
    let all = top.pairs.iter().filter(|pair| !KEYWORDS.contains(&pair.key.as_str())).map(|pair| (top, pair));
    let mut all =
        all.chain(below.into_iter().flat_map(|users| users.pairs.iter().map(move |pair| (users, pair))));
    all.find(|(_, pair)| fold(&pair.key) == name)
}

fn settings<'m>(name: &str, found: Option<(&'m Mapping, &'m Pair)>) -> anyhow::Result<&'m Mapping> {
    let (_, pair) = found.with_context(|| no_such_user(name))?;
    match &pair.value {
        Value::Mapping(user) => Ok(user),
        Value::Scalar(_) | Value::Other(_) => {
            bail!("{:?} is written by way of an alias: edit it by hand", pair.key)
        }
    }
}

fn no_such_user(name: &str) -> String {
    format!("there is no user {name:?}")
}

/// A password with its key.
fn secret(password: &Password, storage: Storage) -> Zeroizing<String> {
    Zeroizing::new(match storage {
        Storage::Hash | Storage::AsBefore => {
            format!("{NT_HASH}: {}", *password.nt_hash().to_hex())
        }
        Storage::Plain => format!("{PASSWORD}: {}", *Zeroizing::new(quoted(password.text()))),
    })
}

/// A text as YAML reads it, in quotes where it might take it for something else.
fn scalar(text: &str) -> String {
    let plain = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-@".contains(&byte))
        && !["null", "true", "false"].iter().any(|word| word.eq_ignore_ascii_case(text));
    if plain { text.to_owned() } else { quoted(text) }
}

/// YAML 1.2.2 §7.3.1: double quotes with the escapes of JSON, also for what YAML has no other way to write (§5.1), or once took for
/// the end of a line (§5.4).
fn quoted(text: &str) -> String {
    let json = Zeroizing::new(serde_json::to_string(text).expect("a text is JSON"));
    let mut quoted = String::with_capacity(2 * json.len());
    for character in json.chars() {
        match character {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            other => quoted.push(other),
        }
    }
    quoted
}

/// Keys of the file.
const USERS: &str = "users";
const KEYWORDS: [&str; 3] = ["default", "groups", USERS];
const PASSWORD: &str = "password";
const NT_HASH: &str = "nt_hash";
const PASSWORD_EXPIRES: &str = "password_expires";
const DISABLED: &str = "disabled";

#[cfg(test)]
mod tests;
