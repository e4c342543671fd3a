//! What the files of a certificate say that an operator should hear: whose it is, until when, and which of them are others than
//! those before.

use std::time::SystemTime;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use sha2::{Digest as _, Sha256};
use x509_cert::Certificate;
use x509_cert::crl::CertificateList;
use x509_cert::der::Decode as _;
use x509_cert::time::{Time, Validity};

#[cfg(test)]
mod tests;

/// The files under one key of the configuration, as far as they are not secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Papers {
    key: &'static str,
    /// Whom the server's own certificate names.
    name: String,
    validity: Validity,
    /// When the first of the lists of revoked certificates is to be replaced.
    next_update: Option<Time>,
    prints: Prints,
}

/// What tells files from others.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Prints {
    cert: Print,
    key: Print,
    ca: Option<Print>,
    crl: Option<Print>,
}

type Print = [u8; 32];

/// The content of the files.
#[derive(Clone, Copy)]
pub(super) struct Content<'a> {
    pub(super) cert: &'a [u8],
    pub(super) key: &'a [u8],
    pub(super) ca: Option<&'a [u8]>,
    pub(super) crl: Option<&'a [u8]>,
}

impl Papers {
    /// Of files that were found to be good.
    pub(super) fn read(key: &'static str, files: Content<'_>) -> Option<Self> {
        let cert = CertificateDer::pem_slice_iter(files.cert).next();
        let cert = cert.map_or_else(|| Some(CertificateDer::from(files.cert)), Result::ok)?;
        let own = Certificate::from_der(&cert).ok()?;
        let own = own.tbs_certificate();
        Some(Self {
            key,
            name: own.subject().to_string(),
            validity: *own.validity(),
            next_update: files.crl.and_then(next_update),
            prints: Prints {
                cert: print(files.cert),
                key: print(files.key),
                ca: files.ca.map(print),
                crl: files.crl.map(print),
            },
        })
    }

    /// What is amiss at that time.
    pub fn remarks(&self, wall: SystemTime) -> impl Iterator<Item = String> {
        let Self { key, validity: Validity { not_before, not_after, .. }, .. } = self;
        let unix = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let valid = not_before.to_unix_duration()..=not_after.to_unix_duration();
        let out_of_date = (!valid.contains(&unix)).then(|| {
            format!(
                "this server's own certificate is valid from {not_before} until {not_after} only: devices may refuse it; set the \
                 clock, or put a new one into `{key}` and reload"
            )
        });
        let overdue = self.next_update.filter(|due| due.to_unix_duration() < unix).map(|due| {
            format!(
                "`{key}.crl` should have been replaced on {due}: whoever was revoked since still gets in; put the newest list there \
                 and reload"
            )
        });
        [out_of_date, overdue].into_iter().flatten()
    }

    /// What is new, if anything is.
    fn news(&self, before: Option<&Self>) -> Option<String> {
        let Self { key, name, validity, next_update, prints } = self;
        let mut new = Vec::new();
        if before.is_none_or(|before| before.prints.cert != prints.cert) {
            new.push(format!("this server's certificate {name:?}, valid until {}", validity.not_after));
        } else if before.is_none_or(|before| before.prints.key != prints.key) {
            new.push("its key".to_owned());
        }
        if before.map_or_else(|| prints.ca.is_some(), |before| before.prints.ca != prints.ca) {
            new.push(if prints.ca.is_some() { "authorities" } else { "no authorities" }.to_owned());
        }
        if before.map_or_else(|| prints.crl.is_some(), |before| before.prints.crl != prints.crl) {
            new.push(match (prints.crl, next_update) {
                (None, _) => "no list of revoked certificates".to_owned(),
                (Some(_), None) => "list of revoked certificates".to_owned(),
                (Some(_), Some(due)) => format!("list of revoked certificates, to be replaced by {due}"),
            });
        }
        (!new.is_empty()).then(|| format!("`{key}` is read anew: {}", new.join("; ")))
    }
}

/// What is new in the files of a configuration, one line for each key.
pub(super) fn news(before: &[Papers], after: &[Papers]) -> Vec<String> {
    let gone = before.iter().filter(|papers| of(after, papers.key).is_none());
    let gone = gone.map(|papers| format!("`{}` is gone", papers.key));
    after.iter().filter_map(|papers| papers.news(of(before, papers.key))).chain(gone).collect()
}

fn of<'a>(all: &'a [Papers], key: &str) -> Option<&'a Papers> {
    all.iter().find(|papers| papers.key == key)
}

fn print(file: &[u8]) -> Print {
    Sha256::digest(file).into()
}

fn next_update(file: &[u8]) -> Option<Time> {
    let due = |der: &[u8]| {
        let list: CertificateList = CertificateList::from_der(der).ok()?;
        list.tbs_cert_list.next_update
    };
    let mut lists = CertificateRevocationListDer::pem_slice_iter(file).filter_map(Result::ok).peekable();
    if lists.peek().is_none() {
        return due(file);
    }
    lists.filter_map(|list| due(&list)).min_by_key(|due| due.to_unix_duration())
}
