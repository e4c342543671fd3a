//! `users.yaml`: who may log in.
//!
//! A name that a client sends is looked up as it is and then without what stands before its last backslash
//! (`DOMAIN\user`: Windows puts its own domain there). Upper and lower case are the same: phones begin a name
//! with a capital letter on their own, and Windows accounts have never cared. Two names in the file that
//! differ only in case are therefore an error. Everything after the lookup (limits, log, status) uses the
//! name as it stands in the file.

mod certificate;
mod check;
mod date;
pub mod edit;
mod hours;
mod ledger;
mod overlay;
mod password;
mod quantity;
mod quota;
mod raw;
pub(crate) mod scribe;
mod settings;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use ppp::NtHash;
use zeroize::Zeroizing;

use crate::config::{Problem, Problems, problem, yaml};
use crate::pool::Pool;
pub use date::{Date, NotADate};
pub use hours::Hours;
pub(crate) use ledger::Bookkeeper;
pub use ledger::{Ledger, Used};
pub use password::Password;
pub use quantity::{NotAQuantity, Rate};
pub use quota::{Period, Quota};
pub use scribe::{NewPassword, Progress};
pub use settings::{Closed, Settings, WhenFull};

/// All accounts. A lookup takes the same time whether there are ten or a hundred thousand.
#[derive(Debug)]
pub struct Users {
    entries: HashMap<String, Entry>,
    addresses: BTreeMap<Ipv4Addr, String>,
    /// What a certificate has to say to be somebody's in particular, and whose.
    certificates: HashMap<String, String>,
    warnings: Vec<Problem>,
}

impl Users {
    /// Reads and checks the file; static addresses that lie in one of the `pools` must be ones that it has for clients.
    pub fn load(path: &Path, pools: &[Pool]) -> anyhow::Result<Self> {
        let content = yaml::read(path)?;
        let mut users = Self::parse(path, &content, pools)?;
        users.warnings.extend(problem::readable_by_others(path));
        Ok(users)
    }

    /// Checks a file's content; `path` is where it is from.
    pub fn parse(path: &Path, content: &[u8], pools: &[Pool]) -> Result<Self, Problems> {
        check::users(path, pools, yaml::parse(path, content)?)
    }

    /// Finds the account for a name as it came from a client, and the name it has in the file.
    pub fn find(&self, name: &[u8]) -> Option<(&Arc<str>, &Account)> {
        let name = str::from_utf8(name).ok()?;
        let entry = self.entries.get(&fold(name)).or_else(|| {
            let (_domain, user) = name.rsplit_once('\\')?;
            self.entries.get(&fold(user))
        })?;
        Some((&entry.name, &entry.account))
    }

    /// Gives a user another password, which is good without end: what
    /// [`UsersFile::set_password`](edit::UsersFile::set_password) does to the file.
    pub fn set_password(&mut self, name: &str, password: &Password) {
        let Some(Entry { account, .. }) = self.entries.get_mut(&fold(name)) else { return };
        let is_plain = account.password.is_some();
        let (nt_hash, bytewise) = hashes(password.text());
        account.nt_hash = Some(if is_plain { nt_hash } else { password.nt_hash().clone() });
        account.nt_hash_bytewise = bytewise.filter(|_| is_plain);
        account.password = is_plain.then(|| Zeroizing::new(password.text().to_owned()));
        account.password_expires = None;
    }

    /// Returns the account with exactly that name, as it stands in the file.
    pub fn account(&self, name: &str) -> Option<&Account> {
        self.entries.get(&fold(name)).filter(|entry| *entry.name == *name).map(|entry| &entry.account)
    }

    /// Returns the name of the only user that has `address`.
    pub fn owner(&self, address: Ipv4Addr) -> Option<&str> {
        self.addresses.get(&address).map(String::as_str)
    }

    /// Returns the addresses that belong to one account each, for
    /// [`Pools::reserve`](crate::pool::Pools::reserve).
    pub fn addresses(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.addresses.keys().copied()
    }

    /// Returns every name as it stands in the file with its account, in alphabetical order.
    pub fn sorted(&self) -> Vec<(&Arc<str>, &Account)> {
        #[expect(clippy::disallowed_methods, reason = "they are put in order at once")]
        let mut all: Vec<_> = self.entries.values().map(|entry| (&entry.name, &entry.account)).collect();
        all.sort_unstable_by_key(|(name, _)| *name);
        all
    }

    /// Whether everybody but the user called `name` is the same in `other`.
    fn differs_only_in(&self, other: &Self, name: &str) -> bool {
        let name = fold(name);
        self.without(&name) == other.without(&name)
    }

    /// All accounts but one, and whose certificates are.
    fn without(&self, folded: &str) -> impl PartialEq {
        let mut accounts = self.sorted();
        accounts.retain(|(name, _)| fold(name) != folded);
        let mut certificates = self.certificates.clone();
        certificates.retain(|_, whose| *whose != folded);
        (accounts, certificates)
    }

    /// Returns the number of accounts.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Tells whether nobody can log in.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns what works but is probably not meant.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }
}

/// One user.
#[derive(Clone)]
pub struct Account {
    /// The password's NT hash; none if a certificate is all that the user has.
    pub nt_hash: Option<NtHash>,
    /// What some clients make of a password that is not ASCII; see [`Account::nt_hashes`].
    pub nt_hash_bytewise: Option<NtHash>,
    /// The password itself, where the file has it: CHAP with MD5 can be answered with nothing less.
    pub password: Option<Zeroizing<String>>,
    /// Whether the file says which certificate is the user's: no other is then.
    pub bound: bool,
    /// The last day on which the password is good.
    pub password_expires: Option<Date>,
    /// The address that only this user has; `None`: one from a pool.
    pub address: Option<Ipv4Addr>,
    /// The group that the user belongs to.
    pub group: Option<Arc<str>>,
    /// What the user gets and may do.
    pub settings: Arc<Settings>,
}

impl Account {
    /// Tells whether the user may take that password for a new one.
    pub fn may_change_to(&self, password: &Password) -> bool {
        let same = self.nt_hashes().any(|hash| hash.is(password.nt_hash()));
        !password.text().is_empty() && !same
    }

    /// Tells whether the password's last day is over.
    pub fn is_password_expired(&self, now: SystemTime) -> bool {
        self.password_expires.is_some_and(|day| now >= day.end())
    }

    /// Returns the hashes of which one must verify, the likelier first.
    ///
    /// The hash is over UTF-16 (RFC 2759 §8.3), but pppd and Apple widen each *byte* of the UTF-8 text to 16
    /// bits.
    pub fn nt_hashes(&self) -> impl Iterator<Item = &NtHash> {
        self.nt_hash.iter().chain(&self.nt_hash_bytewise)
    }
}

/// Of what stands in files; what a client proves is compared elsewhere, in constant time.
impl PartialEq for Account {
    fn eq(&self, other: &Self) -> bool {
        let Self { nt_hash, nt_hash_bytewise, password, bound, password_expires, address, group, settings } =
            self;
        let same = |one: &Option<NtHash>, other: &Option<NtHash>| match (one, other) {
            (Some(one), Some(other)) => one.is(other),
            (one, other) => one.is_none() && other.is_none(),
        };
        same(nt_hash, &other.nt_hash)
            && same(nt_hash_bytewise, &other.nt_hash_bytewise)
            && *password == other.password
            && *bound == other.bound
            && *password_expires == other.password_expires
            && *address == other.address
            && *group == other.group
            && *settings == other.settings
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { password_expires, address, group, settings, .. } = self;
        f.debug_struct("Account")
            .field("password_expires", password_expires)
            .field("address", address)
            .field("group", group)
            .field("settings", settings)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Entry {
    name: Arc<str>,
    account: Account,
}

/// A password's NT hash, and the other one that [`Account::nt_hashes`] speaks of.
fn hashes(password: &str) -> (NtHash, Option<NtHash>) {
    let bytewise = (!password.is_ascii()).then(|| NtHash::from_password_octets(password));
    (NtHash::from_password(password), bytewise)
}

fn fold(name: &str) -> String {
    name.to_lowercase()
}

#[cfg(test)]
mod tests;
