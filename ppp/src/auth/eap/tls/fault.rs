//! Each way in which TLS can come to nothing, as the sentence that an operator reads.

use std::fmt;
use std::time::Duration;

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};
use x509_cert::der::DateTime;

use crate::reason::printable;

/// Why a client and we could not agree on a TLS connection.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Fault {
    /// The client does not believe that we are who we say.
    Distrusted(AlertDescription),
    /// The client broke off for some other reason.
    BrokenOff(AlertDescription),
    /// It has no certificate, or its user did not choose one.
    NoCertificate,
    /// It has one, but.
    Certificate { subject: String, issuer: String, error: CertificateError },
    /// It speaks another TLS.
    Incompatible(PeerIncompatible),
    /// What it sends is no TLS, or not as it should be.
    Broken(String),
}

impl Fault {
    /// `presented` is subject and issuer of the certificate that the client has shown, if it has.
    pub(super) fn of(error: Error, presented: Option<&(String, String)>) -> Self {
        match error {
            Error::AlertReceived(alert) if DISTRUST.contains(&alert) => Self::Distrusted(alert),
            Error::AlertReceived(alert) => Self::BrokenOff(alert),
            Error::NoCertificatesPresented => Self::NoCertificate,
            Error::InvalidCertificate(error) => {
                let (subject, issuer) = presented.cloned().unwrap_or_default();
                Self::Certificate { subject, issuer, error }
            }
            Error::PeerIncompatible(why) => Self::Incompatible(why),
            error => Self::Broken(error.to_string()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Distrusted(alert) => write!(
                f,
                "the client does not believe this server's certificate (TLS alert {alert:?}); on the device, install the \
                 authority that issued it, and check the server name that its settings ask for"
            ),
            Self::BrokenOff(alert) => write!(
                f,
                "the client broke off the TLS handshake (alert {alert:?}); look into the device's own log"
            ),
            Self::NoCertificate => f.write_str(
                "the client sent no certificate; install one on the device, issued by an authority in `eap.certificate.ca`, and \
                 choose it for the connection",
            ),
            Self::Certificate { subject, issuer, error } => {
                write!(f, "certificate \"{}\" ", printable(subject.as_bytes()))?;
                certificate(f, issuer, error)
            }
            Self::Incompatible(
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::SupportedVersionsExtensionRequired
                | PeerIncompatible::Tls12NotOffered
                | PeerIncompatible::Tls12NotOfferedOrEnabled,
            ) => f.write_str(
                "the client speaks TLS 1.1 or older, which is not safe any more; enable TLS 1.2 on the device",
            ),
            Self::Incompatible(why) => write!(
                f,
                "the client and this server have no TLS algorithms in common ({why:?}); update the device, or give the server \
                 a certificate with another kind of key"
            ),
            Self::Broken(error) => {
                write!(f, "what the client sends is not proper TLS ({error}); its software is broken")
            }
        }
    }
}

fn certificate(f: &mut fmt::Formatter<'_>, issuer: &str, error: &CertificateError) -> fmt::Result {
    match error {
        CertificateError::ExpiredContext { not_after, .. } => write!(
            f,
            "or one above it, expired on {}; issue a new one, or set this server's clock",
            date(*not_after)
        ),
        CertificateError::NotValidYetContext { not_before, .. } => write!(
            f,
            "or one above it, is valid from {} on; set this server's clock, or wait",
            date(*not_before)
        ),
        CertificateError::UnknownIssuer => write!(
            f,
            "was issued by \"{}\", from where no path leads to an authority in `eap.certificate.ca`; choose another certificate on the \
             device, add the authority, or have the device send the intermediate certificates",
            printable(issuer.as_bytes())
        ),
        CertificateError::Revoked => f.write_str(
            "or one above it, is revoked by `eap.certificate.crl`; issue a new one if its user may log in",
        ),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => f.write_str(
            "is for other uses: its key usage lacks digital signature, or its extended key usage client authentication; issue one that has them",
        ),
        CertificateError::BadSignature => f.write_str(
            "is not the one that the client has the key of, or its authority did not sign it; install certificate and key on \
             the device together again",
        ),
        error => write!(f, "does not stand up to the rules of RFC 5280 ({error:?}); issue a new one"),
    }
}

fn date(time: UnixTime) -> String {
    let time = DateTime::from_unix_duration(Duration::from_secs(time.as_secs()));
    time.map_or_else(|_| "a day beyond any calendar".into(), |time| time.to_string())
}

/// What clients say of a certificate that they do not believe.
const DISTRUST: [AlertDescription; 7] = [
    AlertDescription::BadCertificate,
    AlertDescription::UnsupportedCertificate,
    AlertDescription::CertificateRevoked,
    AlertDescription::CertificateExpired,
    AlertDescription::CertificateUnknown,
    AlertDescription::UnknownCA,
    AlertDescription::AccessDenied,
];
