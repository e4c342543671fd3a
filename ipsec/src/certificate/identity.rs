//! The names of an ID payload and those of a certificate, RFC 4945 §3.1 and §5.

use std::net::IpAddr;

use super::fault::Fault;
use super::x509::{AlternativeName, Certificate};
use crate::isakmp::Id;
use crate::isakmp::iana::IdType;

/// Whether the client is called what its certificate says. Without this, whoever has any certificate of the authority could
/// take another's name in the log.
///
/// An address is no name: Openswan sends its own, which is a private one as a rule and in no certificate.
pub(crate) fn verify(identity: &Id, certificate: &Certificate) -> Result<(), Fault> {
    let is_named =
        |wanted: &dyn Fn(&AlternativeName) -> bool| certificate.alternative_names().iter().any(wanted);
    let found = if identity.address().is_some() {
        true
    } else if let Some(subject) = identity.bytes_of(&[IdType::DER_ASN1_DN]) {
        subject == certificate.subject()
    } else if let Some(host) = identity.bytes_of(&[IdType::FQDN]) {
        is_named(
            &|name| matches!(name, AlternativeName::Dns(named) if named.as_bytes().eq_ignore_ascii_case(host)),
        )
    } else if let Some(mailbox) = identity.bytes_of(&[IdType::USER_FQDN]) {
        is_named(
            &|name| matches!(name, AlternativeName::Mailbox(named) if named.as_bytes().eq_ignore_ascii_case(mailbox)),
        )
    } else {
        false
    };
    if found {
        Ok(())
    } else {
        Err(Fault::Identity { subject: certificate.name(), identity: identity.to_string() })
    }
}

/// The body of an ID payload that a client finds in our certificate: the subject, which Android compares octet by octet, or
/// the first alternative name if there is no subject. RFC 4945 §3.1: protocol and port are zero.
pub(crate) fn own_id(certificate: &Certificate) -> Option<Vec<u8>> {
    const EMPTY_SEQUENCE: [u8; 2] = [0x30, 0];
    let (kind, data) = if certificate.subject() == EMPTY_SEQUENCE {
        match certificate.alternative_names().into_iter().next()? {
            AlternativeName::Dns(name) => (IdType::FQDN, name.into_bytes()),
            AlternativeName::Mailbox(name) => (IdType::USER_FQDN, name.into_bytes()),
            AlternativeName::Address(IpAddr::V4(address)) => (IdType::IPV4_ADDR, address.octets().to_vec()),
            AlternativeName::Address(IpAddr::V6(address)) => (IdType::IPV6_ADDR, address.octets().to_vec()),
        }
    } else {
        (IdType::DER_ASN1_DN, certificate.subject().to_vec())
    };
    Some([&[kind.0, 0, 0, 0][..], &data].concat())
}
