//! What a certificate says, RFC 5280 §4.

use std::net::IpAddr;
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use x509_cert::Certificate as Parsed;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{self, Decode, Encode, ErrorKind, Header, Reader, SliceReader, Tag, TagNumber};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{KeyUsage, SubjectAltName};
use x509_cert::name::Name;

use crate::crypto::signature::{PublicKey, Scheme};

/// A certificate that could be read; nothing in it is believed yet.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    der: CertificateDer<'static>,
    parsed: Parsed,
    /// The subject as it is encoded.
    subject: Vec<u8>,
    issuer: Vec<u8>,
}

impl Certificate {
    pub(crate) fn from_der(der: &[u8]) -> Option<Self> {
        let parsed = Parsed::from_der(der).ok()?;
        let subject = parsed.tbs_certificate().subject().to_der().ok()?;
        let issuer = parsed.tbs_certificate().issuer().to_der().ok()?;
        Some(Self { der: CertificateDer::from(der.to_vec()), parsed, subject, issuer })
    }

    pub(crate) fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// The subject's distinguished name, encoded; two octets if it is empty.
    pub(crate) fn subject(&self) -> &[u8] {
        &self.subject
    }

    /// The issuer's, encoded.
    pub(crate) fn issuer(&self) -> &[u8] {
        &self.issuer
    }

    pub(crate) fn into_der(self) -> CertificateDer<'static> {
        self.der
    }

    /// What log lines call the certificate: its subject, or else its first alternative name.
    pub(crate) fn name(&self) -> String {
        let subject = self.parsed.tbs_certificate().subject();
        if !subject.is_empty() {
            return subject.to_string();
        }
        let alternative = self.alternative_names().into_iter().next();
        alternative.map_or_else(|| "without a name".into(), |name| name.to_string())
    }

    pub(crate) fn issuer_name(&self) -> String {
        self.parsed.tbs_certificate().issuer().to_string()
    }

    /// Whether that long after 1970 is between its two dates.
    pub(crate) fn is_valid_at(&self, now: Duration) -> bool {
        let validity = self.parsed.tbs_certificate().validity();
        (validity.not_before.to_unix_duration()..=validity.not_after.to_unix_duration()).contains(&now)
    }

    /// Subject alternative names of the kinds that an ID payload can hold; none if the extension is not as it should be.
    pub(crate) fn alternative_names(&self) -> Vec<AlternativeName> {
        let names = self.parsed.tbs_certificate().get_extension::<SubjectAltName>().ok().flatten();
        let names = names.map(|(_, names)| names.0).unwrap_or_default();
        names.into_iter().filter_map(AlternativeName::of).collect()
    }

    /// RFC 4945 §5.1.3.2: if the extension is there, it must allow digital signatures or non-repudiation.
    pub(crate) fn may_sign(&self) -> bool {
        match self.parsed.tbs_certificate().get_extension::<KeyUsage>() {
            Ok(Some((_, usage))) => usage.digital_signature() || usage.non_repudiation(),
            Ok(None) => true,
            Err(_) => false,
        }
    }

    /// The key, if it is of a kind that IKEv1 can sign with.
    pub(crate) fn public_key(&self) -> Option<PublicKey<'_>> {
        let info = self.parsed.tbs_certificate().subject_public_key_info();
        let octets = info.subject_public_key.as_bytes()?;
        let curve = || info.algorithm.parameters.as_ref()?.decode_as::<ObjectIdentifier>().ok();
        let scheme = match info.algorithm.oid {
            RSA => Scheme::Rsa,
            EC => match curve()? {
                P256 => Scheme::EcdsaP256,
                P384 => Scheme::EcdsaP384,
                _ => return None,
            },
            _ => return None,
        };
        Some(PublicKey { scheme, octets })
    }
}

/// A subject alternative name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum AlternativeName {
    Dns(String),
    Mailbox(String),
    Address(IpAddr),
}

impl AlternativeName {
    fn of(name: GeneralName) -> Option<Self> {
        match name {
            GeneralName::DnsName(name) => Some(Self::Dns(name.to_string())),
            GeneralName::Rfc822Name(name) => Some(Self::Mailbox(name.to_string())),
            GeneralName::IpAddress(octets) => {
                let octets = octets.as_bytes();
                let v4 = || <[u8; 4]>::try_from(octets).ok().map(IpAddr::from);
                let v6 = || <[u8; 16]>::try_from(octets).ok().map(IpAddr::from);
                v4().or_else(v6).map(Self::Address)
            }
            _ => None,
        }
    }
}

impl std::fmt::Display for AlternativeName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dns(name) | Self::Mailbox(name) => f.write_str(name),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// The certificates of a PKCS #7 bundle, RFC 2315 §9.1: a SignedData that signs nothing. Windows sends its chain like that.
pub(crate) fn certificates_of_pkcs7(bundle: &[u8]) -> Option<Vec<Vec<u8>>> {
    fn read(bundle: &[u8]) -> der::Result<Vec<Vec<u8>>> {
        let content_info = content(&mut SliceReader::new(bundle)?, Tag::Sequence)?;
        let mut content_info = SliceReader::new(content_info)?;
        if ObjectIdentifier::decode(&mut content_info)? != SIGNED_DATA {
            return Err(ErrorKind::Failed.into());
        }
        let explicit = content(&mut content_info, CONTEXT_0)?;
        let signed_data = content(&mut SliceReader::new(explicit)?, Tag::Sequence)?;
        let mut signed_data = SliceReader::new(signed_data)?;
        for _version_and_digest_algorithms_and_content_info in 0..3 {
            signed_data.tlv_bytes()?;
        }
        let mut certificates = SliceReader::new(content(&mut signed_data, CONTEXT_0)?)?;
        let mut all = Vec::new();
        while !certificates.is_finished() {
            all.push(certificates.tlv_bytes()?.to_vec());
        }
        Ok(all)
    }
    read(bundle).ok()
}

/// The octets of the next value, which must have that tag.
fn content<'a>(reader: &mut SliceReader<'a>, tag: Tag) -> der::Result<&'a [u8]> {
    let header = Header::decode(reader)?;
    header.tag().assert_eq(tag)?;
    reader.read_slice(header.length())
}

/// A distinguished name as one reads it; its octets' count if it is none.
pub(crate) fn name_of(distinguished: &[u8]) -> Option<String> {
    Name::from_der(distinguished).ok().map(|name| name.to_string())
}

/// Text that a stranger chose, fit for a log line: short, and without anything that moves a terminal's cursor.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(SHOWN).flat_map(char::escape_debug).collect()
}

/// How much of a name a log line shows.
const SHOWN: usize = 120;

const CONTEXT_0: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber(0) };
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
