//! Whose a certificate is.

use std::fmt::Write as _;
use std::sync::Arc;

use ppp::ClientCertificate;

use super::{Account, Entry, Users, fold};

impl Users {
    /// Finds the account whose `certificate` is this one, or else that is called as it names somebody; and the name it has in
    /// the file.
    ///
    /// Names in full: unlike what somebody types, a certificate does not leave out or add a domain. Of several, the one that
    /// the client calls itself (`identity`) goes first, then those that are likelier to be an account.
    pub fn of_certificate(
        &self,
        identity: &[u8],
        certificate: &ClientCertificate,
    ) -> Option<(&Arc<str>, &Account)> {
        self.whose(identity, &hexadecimal(certificate.fingerprint()), certificate.names())
    }

    /// The same by what a certificate says.
    pub(super) fn whose<'n>(
        &self,
        identity: &[u8],
        print: &str,
        names: impl Iterator<Item = &'n str>,
    ) -> Option<(&Arc<str>, &Account)> {
        let identity = str::from_utf8(identity).map(fold).unwrap_or_default();
        // What looks like a fingerprint is none because somebody is called so.
        let names: Vec<String> = names.map(fold).filter(|name| !is_print(name)).collect();
        let called = names.iter().filter(|name| **name == identity);
        let by_own_name = |name| self.entries.get(name).filter(|entry| !entry.account.bound);
        let entry = self
            .bound(print)
            .or_else(|| called.clone().chain(&names).find_map(|name| self.bound(name)))
            .or_else(|| called.chain(&names).find_map(by_own_name))?;
        Some((&entry.name, &entry.account))
    }

    fn bound(&self, key: &str) -> Option<&Entry> {
        self.entries.get(self.certificates.get(key)?)
    }
}

/// What `certificate` says, as it is looked up: a fingerprint without the colons that openssl writes, or a name.
pub(super) fn key(text: &str) -> String {
    let digits: String = text.chars().filter(|c| *c != ':').collect();
    if is_print(&digits) { digits.to_ascii_lowercase() } else { fold(text) }
}

/// Whether a text is what a SHA2-256 fingerprint looks like.
fn is_print(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|digit| digit.is_ascii_hexdigit())
}

fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        write!(text, "{octet:02x}").expect("a String takes everything");
        text
    })
}
