//! Whom a client's certificate names, RFC 5216 §5.2.

use std::fmt;

use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use x509_cert::Certificate as Parsed;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::asn1::{
    Ia5StringRef, ObjectIdentifier, PrintableStringRef, TeletexStringRef, Utf8StringRef,
};
use x509_cert::der::{Any, Decode};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{KeyUsage, SubjectAltName};

/// The certificate of a client that holds its key: TLS has verified both, and the path to an authority.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    names: Vec<String>,
    subject: String,
    issuer: String,
    serial: String,
    fingerprint: [u8; 32],
    may_sign: bool,
}

impl ClientCertificate {
    pub(crate) fn from_der(der: &CertificateDer<'_>) -> Option<Self> {
        let parsed = Parsed::from_der(der).ok()?;
        let certificate = parsed.tbs_certificate();
        Some(Self {
            names: names(&parsed),
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            serial: certificate.serial_number().to_string(),
            fingerprint: Sha256::digest(der).into(),
            may_sign: may_sign(&parsed),
        })
    }

    /// Whom it names, the likeliest to be an account first: user principal names, which is what Windows logs in with,
    /// mailboxes, host names, common names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// The subject's distinguished name.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The issuer's distinguished name.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The number that the issuer gave it, in hexadecimal.
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// SHA2-256 of the whole certificate.
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// Whether its key is for signatures, which is what TLS has clients do with it.
    pub(super) fn may_sign(&self) -> bool {
        self.may_sign
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClientCertificate").field(&self.subject).finish()
    }
}

/// RFC 5280 §4.2.1.3: if the extension is there, it must allow digital signatures. webpki does not look at it.
fn may_sign(certificate: &Parsed) -> bool {
    match certificate.tbs_certificate().get_extension::<KeyUsage>() {
        Ok(Some((_, usage))) => usage.digital_signature(),
        Ok(None) => true,
        Err(_) => false,
    }
}

fn names(certificate: &Parsed) -> Vec<String> {
    let certificate = certificate.tbs_certificate();
    let alternatives = certificate.get_extension::<SubjectAltName>().ok().flatten();
    let alternatives = alternatives.map(|(_, names)| names.0).unwrap_or_default();
    let (mut principals, mut mailboxes, mut hosts) = (Vec::new(), Vec::new(), Vec::new());
    for alternative in alternatives {
        match alternative {
            GeneralName::OtherName(other) if other.type_id == USER_PRINCIPAL_NAME => {
                principals.extend(text(&other.value));
            }
            GeneralName::Rfc822Name(name) => mailboxes.push(name.to_string()),
            GeneralName::DnsName(name) => hosts.push(name.to_string()),
            _ => {}
        }
    }
    let common = certificate.subject().iter().filter_map(|attribute: &AttributeTypeAndValue| {
        (attribute.oid == COMMON_NAME).then(|| text(&attribute.value)).flatten()
    });
    // Nobody has said yet that the certificate is anybody's: it may be made to have us compare for long.
    let mut names = Vec::new();
    for name in principals.into_iter().chain(mailboxes).chain(hosts).chain(common).take(MOST_NAMES) {
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// More than a certificate has of one person's.
const MOST_NAMES: usize = 64;

/// A string of whichever kind authorities write.
fn text(value: &Any) -> Option<String> {
    let utf8 = Utf8StringRef::try_from(value).map(|text| text.as_str().to_owned());
    let printable = || PrintableStringRef::try_from(value).map(|text| text.as_str().to_owned());
    let ia5 = || Ia5StringRef::try_from(value).map(|text| text.as_str().to_owned());
    let teletex = || TeletexStringRef::try_from(value).map(|text| text.as_str().to_owned());
    utf8.or_else(|_| printable()).or_else(|_| ia5()).or_else(|_| teletex()).ok()
}

/// id-ms-upn, of [MS-WCCE] and smart cards.
const USER_PRINCIPAL_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.20.2.3");
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

#[cfg(test)]
mod tests {
    use rustls::pki_types::pem::PemObject;

    use super::*;

    fn certificate(name: &str) -> ClientCertificate {
        let path = format!("{}/../tests/vectors/pki/{name}.pem", env!("CARGO_MANIFEST_DIR"));
        let der = CertificateDer::from_pem_file(path).expect("a file of tests/vectors/pki.bash");
        ClientCertificate::from_der(&der).unwrap()
    }

    #[test]
    fn names_come_in_the_order_of_their_use() {
        let names = ["alice@corp.example.net", "alice@example.net", "laptop.example.net", "Alice Example"];
        assert_eq!(certificate("client-upn").names().collect::<Vec<_>>(), names);
        let names = ["alice@example.net", "alice.example.net", "alice"];
        assert_eq!(certificate("client").names().collect::<Vec<_>>(), names);
        assert_eq!(certificate("server-nameless").names().collect::<Vec<_>>(), ["vpn.example.net"]);
    }

    /// Whoever made it has us compare no more.
    #[test]
    fn of_many_names_the_first_are_looked_at() {
        let many = certificate("client-many");
        let names: Vec<_> = many.names().collect();
        assert_eq!((names.len(), names[0], names[63]), (64, "host1.example.net", "host64.example.net"));
    }

    #[test]
    fn debug_shows_a_name_and_nothing_else() {
        assert_eq!(format!("{:?}", certificate("client")), "ClientCertificate(\"O=Example,CN=alice\")");
        assert_eq!(certificate("client").issuer(), "O=Example,CN=Root");
    }
}
