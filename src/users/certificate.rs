//! Whose a certificate is.

use std::sync::Arc;

use ppp::ClientCertificate;

use super::{Account, Users, fold};

impl Users {
    /// Finds the account that is called as a certificate names somebody, and the name it has in the file.
    ///
    /// Names in full: unlike what somebody types, a certificate does not leave out or add a domain. Of several, the one that
    /// the client calls itself (`identity`) goes first, then those that are likelier to be an account.
    pub fn of_certificate(
        &self,
        identity: &[u8],
        certificate: &ClientCertificate,
    ) -> Option<(&Arc<str>, &Account)> {
        let identity = str::from_utf8(identity).map(fold).unwrap_or_default();
        let names: Vec<String> = certificate.names().map(fold).collect();
        let called = names.iter().filter(|name| **name == identity);
        let entry = called.chain(&names).find_map(|name| self.entries.get(name))?;
        Some((&entry.name, &entry.account))
    }
}
