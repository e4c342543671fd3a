//! `ipsec.certificate`: the files, read and found to fit together.

use std::path::Path;
use std::sync::Arc;

use ipsec::{CredentialFiles, Credentials, CredentialsError};
use serde_saphyr::Spanned;
use zeroize::Zeroizing;

use super::papers::{Content, Papers};
use super::problem::{self, Findings};
use super::raw;
use super::yaml::Text;

#[cfg(test)]
mod tests;

const KEY: &str = "ipsec.certificate";

pub(super) fn read(
    f: &mut Findings<'_>,
    directory: &Path,
    files: Spanned<raw::Certificate>,
) -> Option<(Arc<Credentials>, Option<Papers>)> {
    let raw::Certificate { cert, key, ca, crl } = files.value;
    let mut content = |name, text: &Text| content_of(f, directory, (KEY, name), text);
    let read = (content("cert", &cert), content("key", &key), content("ca", &ca));
    let revoked = crl.as_ref().map(|crl| content("crl", crl)).transpose();
    let ((Ok(cert_file), Ok(key_file), Ok(ca_file)), Ok(crl_file)) = (read, revoked) else { return None };
    if let Some(open) = problem::readable_by_others(&directory.join(&key.value)) {
        f.warn(key.referenced, format!("{KEY}.key: {}", open.text));
    }
    let files = CredentialFiles {
        cert: &cert_file,
        key: &key_file,
        ca: &ca_file,
        crl: crl_file.as_ref().map(|file| file.as_slice()),
    };
    match Credentials::read(files) {
        Ok(credentials) => {
            for warning in credentials.warnings() {
                f.warn(key.referenced, format!("{KEY}.{warning}"));
            }
            let content = Content {
                cert: &cert_file,
                key: &key_file,
                ca: Some(&ca_file),
                crl: crl_file.as_ref().map(|file| file.as_slice()),
            };
            Some((Arc::new(credentials), Papers::read(KEY, content)))
        }
        Err(error) => {
            let (name, text) = match error {
                CredentialsError::Cert(_) => ("cert", &cert),
                CredentialsError::Key(_) => ("key", &key),
                CredentialsError::Ca(_) => ("ca", &ca),
                CredentialsError::Crl(_) => ("crl", crl.as_ref().unwrap_or(&cert)),
            };
            f.wrong(text.referenced, format!("{KEY}.{name}: found {error} in {}", text.value));
            None
        }
    }
}

/// The content of a file that is named under a key; if there is none, that is a finding.
pub(super) fn content_of(
    f: &mut Findings<'_>,
    directory: &Path,
    (key, name): (&str, &str),
    text: &Text,
) -> Result<Zeroizing<Vec<u8>>, ()> {
    let path = directory.join(&text.value);
    std::fs::read(&path).map(Zeroizing::new).map_err(|error| {
        let found = format!("{key}.{name}: found {error} at {}, expected a file", path.display());
        f.wrong(text.referenced, found);
    })
}
