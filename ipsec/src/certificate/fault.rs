//! Each way in which a client's certificate can fail, as the sentence that an operator reads.

use std::fmt;

use super::x509::shown;
use crate::crypto::signature::Scheme;

/// Why a certificate, or what was signed with it, is not believed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// Message 5 does not decrypt to what it should be.
    Garbled,
    /// Message 5 holds none.
    Missing,
    /// It is no X.509 certificate.
    Unreadable,
    /// The client's, or one above it.
    Expired {
        subject: String,
        above: bool,
        until: String,
    },
    NotYetValid {
        subject: String,
        above: bool,
        from: String,
    },
    UnknownIssuer {
        subject: String,
        issuer: String,
    },
    Revoked {
        subject: String,
    },
    /// SHA-1, MD5, a short RSA key, or something nobody here has heard of.
    WeakSignature {
        subject: String,
        legacy: bool,
    },
    /// Made for something else than proving who one is to an IPsec gateway.
    Usage {
        subject: String,
    },
    /// The authority above it did not sign it.
    NotSignedByIssuer {
        subject: String,
        issuer: String,
    },
    /// It forbids what it is used for in some other way.
    Path {
        subject: String,
        error: String,
    },
    /// The name the client gives is not in it.
    Identity {
        subject: String,
        identity: String,
    },
    /// Its key is not of the kind that was agreed on.
    Kind {
        subject: String,
        agreed: Scheme,
    },
    /// The client does not have the key that belongs to it.
    Signature {
        subject: String,
    },
    /// A list of revoked certificates is not signed by its authority.
    RevocationList {
        error: String,
    },
    /// Our own key did not sign; it is checked when it is read, so this should not be.
    OwnKey,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Garbled => f.write_str(
                "the message does not decrypt to an identity and a signature; the client's software is broken or somebody \
                 tampers with its packets",
            ),
            Self::Missing => f.write_str(
                "it sent no certificate; choose a certificate for the connection on the device, one issued by an \
                 authority in `ipsec.certificate.ca`",
            ),
            Self::Unreadable => {
                f.write_str("what it sent is not an X.509 certificate; issue a new one for the device")
            }
            Self::Expired { subject, above, until } => write!(
                f,
                "{} \"{}\" expired on {until}; issue a new one, or set this server's clock",
                certificate(*above),
                shown(subject)
            ),
            Self::NotYetValid { subject, above, from } => write!(
                f,
                "{} \"{}\" is valid from {from} on; set this server's clock, or wait",
                certificate(*above),
                shown(subject)
            ),
            Self::UnknownIssuer { subject, issuer } => write!(
                f,
                "certificate \"{}\" was issued by \"{}\", from where no path leads to an authority in \
                 `ipsec.certificate.ca`; choose another certificate on the device, add the authority, or have the device \
                 send the intermediate certificates",
                shown(subject),
                shown(issuer)
            ),
            Self::Revoked { subject } => write!(
                f,
                "certificate \"{}\", or one above it, is revoked by `ipsec.certificate.crl`; issue a new one if the device may connect",
                shown(subject)
            ),
            Self::WeakSignature { subject, legacy } => {
                write!(
                    f,
                    "certificate \"{}\", or one above it, is signed with an algorithm or a key too weak; issue a new one \
                     with SHA-256 and an RSA key of 2048 bits or more",
                    shown(subject)
                )?;
                f.write_str(if *legacy { ", or set `algorithms: legacy`" } else { "" })
            }
            Self::Usage { subject } => write!(
                f,
                "certificate \"{}\" is for other uses: its key usage lacks digital signature, or its extended key usage \
                 has none of client authentication, IPsec IKE, IKE intermediate; issue one that has them",
                shown(subject)
            ),
            Self::NotSignedByIssuer { subject, issuer } => write!(
                f,
                "certificate \"{}\" names \"{}\" as its issuer, and the authority of that name did not sign it, or one above it: it \
                 has another key by now, or somebody forged the certificate; issue a new one",
                shown(subject),
                shown(issuer)
            ),
            Self::Path { subject, error } => write!(
                f,
                "certificate \"{}\", or one above it, does not stand up to the rules of RFC 5280 ({error}); issue a new one",
                shown(subject)
            ),
            Self::Identity { subject, identity } => write!(
                f,
                "it calls itself \"{}\", which is neither the subject nor an alternative name of its certificate \"{}\"; \
                 correct the identity on the device, or issue a certificate with that name",
                shown(identity),
                shown(subject)
            ),
            Self::Kind { subject, agreed } => write!(
                f,
                "certificate \"{}\" has not a key for {agreed}, which was agreed on; choose one of that kind on the device",
                shown(subject)
            ),
            Self::Signature { subject } => write!(
                f,
                "its signature does not verify with certificate \"{}\": the device has another key than the \
                 certificate's; install certificate and key on it together again",
                shown(subject)
            ),
            Self::RevocationList { error } => write!(
                f,
                "a list in `ipsec.certificate.crl` cannot be believed ({error}), so nobody below its authority gets in; get a new \
                 one from the authority"
            ),
            Self::OwnKey => f.write_str(
                "the key in `ipsec.certificate.key` does not sign; make a new one, and a certificate for it",
            ),
        }
    }
}

/// Whose certificate it is: the client's of that name, or an authority's.
fn certificate(above: bool) -> &'static str {
    if above { "a certificate above" } else { "certificate" }
}
