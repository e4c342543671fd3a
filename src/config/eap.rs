//! `eap`: which methods, and the certificate that some of them need.

use std::path::Path;
use std::sync::Arc;

use ppp::{EapConfig, EapMethod, TlsCredentials, TlsCredentialsError, TlsFiles};
use serde_saphyr::Spanned;

use super::certificate;
use super::check::words;
use super::papers::{Content, Papers};
use super::problem::{self, Findings};
use super::raw;
use super::yaml::Text;

#[cfg(test)]
mod tests;

/// `ipsec` is what `ipsec.certificate` says, which is good for this as well; what its files say is told there.
pub(super) fn read(
    f: &mut Findings<'_>,
    directory: &Path,
    eap: raw::Eap,
    ipsec: Option<&Spanned<raw::Certificate>>,
) -> (EapConfig, Option<Papers>) {
    let (tls, papers) = match (&eap.certificate, ipsec) {
        (Some(files), _) => credentials(f, directory, Files::of_eap(&files.value)).unzip(),
        (None, Some(files)) => (of_ipsec(f, directory, files), None),
        (None, None) => (None, None),
    };
    let methods = match eap.methods {
        Some(list) => {
            // With files that cannot be read there is something else to say first.
            let unknown = eap.certificate.is_some() && tls.is_none();
            let certificates = tls.as_ref().is_some_and(TlsCredentials::takes_certificates);
            methods(f, list, unknown || tls.is_some(), unknown || certificates)
        }
        None => by_default(tls.as_ref(), eap.certificate.is_some()),
    };
    (EapConfig { methods, tls: tls.map(Arc::new) }, papers.flatten())
}

/// What is wrong with the files is said where they are named, unless it is TLS alone that cannot do with them.
fn of_ipsec(
    f: &mut Findings<'_>,
    directory: &Path,
    files: &Spanned<raw::Certificate>,
) -> Option<TlsCredentials> {
    let mut findings = Findings::new(Path::new(""));
    let credentials = credentials(&mut findings, directory, Files::of_ipsec(&files.value));
    if let Err(problems) = findings.finish() {
        for problem in problems.iter() {
            f.warn(
                files.referenced,
                format!("no tls and no peap with `ipsec.certificate`: {}", problem.text),
            );
        }
    }
    credentials.map(|(credentials, _)| credentials)
}

/// The strongest first. MD5 is for who asks for it: it proves nothing about the server, and needs passwords that are kept as
/// they are. So is TLS with what IPsec has: who gave machines certificates does not mean to let in users without a password by them.
fn by_default(tls: Option<&TlsCredentials>, is_own: bool) -> Vec<EapMethod> {
    let certificates = is_own && tls.is_some_and(TlsCredentials::takes_certificates);
    let with_tls = certificates.then_some(EapMethod::Tls).into_iter().chain(tls.map(|_| EapMethod::Peap));
    with_tls.chain([EapMethod::MsChapV2]).collect()
}

/// `tls` and `certificates`: whether there is a certificate of ours, and an authority of the users'.
fn methods(f: &mut Findings<'_>, list: Spanned<Vec<Text>>, tls: bool, certificates: bool) -> Vec<EapMethod> {
    let mut named = Vec::new();
    if list.value.is_empty() {
        f.wrong(
            list.referenced,
            format!("eap.methods: found an empty list, expected some of {}", words(METHODS)),
        );
    }
    for text in list.value {
        match METHODS.iter().find(|(word, _)| *word == text.value).map(|(_, method)| *method) {
            None => f.wrong_value("eap.methods", &text, format_args!("one of {}", words(METHODS))),
            Some(method) if named.contains(&method) => {
                f.wrong_value("eap.methods", &text, "each method once")
            }
            Some(method) if method.needs_tls() && !tls => {
                f.wrong_value("eap.methods", &text, "it with `eap.certificate` or `ipsec.certificate`");
            }
            Some(EapMethod::Tls) if !certificates => {
                f.wrong_value("eap.methods", &text, "it with `ca` in `eap.certificate`");
            }
            Some(method) => named.push(method),
        }
    }
    named
}

const KEY: &str = "eap.certificate";

/// Where the files are.
#[derive(Clone, Copy)]
struct Files<'a> {
    cert: &'a Text,
    key: &'a Text,
    ca: Option<&'a Text>,
    crl: Option<&'a Text>,
}

impl<'a> Files<'a> {
    fn of_eap(files: &'a raw::EapCertificate) -> Self {
        let raw::EapCertificate { cert, key, ca, crl } = files;
        Self { cert, key, ca: ca.as_ref(), crl: crl.as_ref() }
    }

    fn of_ipsec(files: &'a raw::Certificate) -> Self {
        let raw::Certificate { cert, key, ca, crl } = files;
        Self { cert, key, ca: Some(ca), crl: crl.as_ref() }
    }
}

fn credentials(
    f: &mut Findings<'_>,
    directory: &Path,
    files: Files<'_>,
) -> Option<(TlsCredentials, Option<Papers>)> {
    let Files { cert, key, ca, crl } = files;
    let mut content = |name, text: &Text| certificate::content_of(f, directory, (KEY, name), text);
    let (cert_file, key_file) = (content("cert", cert), content("key", key));
    let ca_file = ca.map(|ca| content("ca", ca)).transpose();
    let crl_file = crl.map(|crl| content("crl", crl)).transpose();
    let (Ok(cert_file), Ok(key_file), Ok(ca_file), Ok(crl_file)) = (cert_file, key_file, ca_file, crl_file)
    else {
        return None;
    };
    if let Some(open) = problem::readable_by_others(&directory.join(&key.value)) {
        f.warn(key.referenced, format!("{KEY}.key: {}", open.text));
    }
    let content = TlsFiles {
        cert: &cert_file,
        key: &key_file,
        ca: ca_file.as_ref().map(|file| file.as_slice()),
        crl: crl_file.as_ref().map(|file| file.as_slice()),
    };
    let wrong = |error| {
        let (name, text) = match error {
            TlsCredentialsError::Cert(_) => ("cert", Some(cert)),
            TlsCredentialsError::Key(_) => ("key", Some(key)),
            TlsCredentialsError::Ca(_) => ("ca", ca),
            TlsCredentialsError::Crl(_) => ("crl", crl),
        };
        let text = text.unwrap_or(cert);
        f.wrong(text.referenced, format!("{KEY}.{name}: found {error} in {}", text.value));
    };
    let credentials = TlsCredentials::read(content).map_err(wrong).ok()?;
    let TlsFiles { cert, key, ca, crl } = content;
    Some((credentials, Papers::read(KEY, Content { cert, key, ca, crl })))
}

const METHODS: &[(&str, EapMethod)] = &[
    ("tls", EapMethod::Tls),
    ("peap", EapMethod::Peap),
    ("mschapv2", EapMethod::MsChapV2),
    ("md5", EapMethod::Md5),
];
