//! A client's whole offer in one line, for the log line that says why none of it was taken.

use std::fmt::{self, Write as _};

use super::esp::{EspPolicy, choose_esp};
use super::{Algorithms, IkePolicy, choose_ike};
use crate::crypto::signature::Scheme;
use crate::isakmp::iana::{
    AuthenticationAlgorithm, AuthenticationMethod, EncapsulationMode, EncryptionAlgorithm, EspAttribute,
    EspTransform, GroupDescription, HashAlgorithm, IkeAttribute, ProtocolId,
};
use crate::isakmp::{SaPayload, Transform};

/// The setting that would accept an offer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Remedy {
    /// Of `algorithms`.
    Algorithms(Algorithms),
    /// `ipsec.certificate`, with a key of that kind, and maybe another of `algorithms`.
    Certificate(Scheme, Algorithms),
    /// `ipsec.psk`, and maybe another of `algorithms`.
    Psk(Algorithms),
}

/// The offer of phase 1, and the setting that would accept it.
pub(crate) fn describe_ike(offer: &SaPayload<'_>, policy: IkePolicy) -> (String, Option<Remedy>) {
    let shown = offer.proposals.iter().flat_map(|proposal| &proposal.transforms).map(|transform| {
        let mut text = String::new();
        let mut part = |what| push(&mut text, '/', what);
        part(keyed(
            named(transform, IkeAttribute::ENCRYPTION.0, EncryptionAlgorithm),
            key_length(transform, IkeAttribute::KEY_LENGTH.0),
        ));
        part(named(transform, IkeAttribute::HASH.0, HashAlgorithm));
        part(named(transform, IkeAttribute::GROUP.0, GroupDescription));
        let authentication = named(transform, IkeAttribute::AUTHENTICATION.0, AuthenticationMethod);
        let is_psk = transform.number_of(IkeAttribute::AUTHENTICATION.0)
            == Some(AuthenticationMethod::PRE_SHARED_KEY.0.into());
        if !is_psk || !policy.psk {
            part(authentication);
        }
        text
    });
    let accepting = |policy: IkePolicy| {
        let accepts = |algorithms| choose_ike(offer, IkePolicy { algorithms, ..policy }).is_some();
        Algorithms::ALL
            .into_iter()
            .filter(|algorithms| *algorithms >= policy.algorithms)
            .find(|a| accepts(*a))
    };
    let certificate = || {
        // Aggressive Mode is for pre-shared keys.
        let schemes = [Scheme::Rsa, Scheme::EcdsaP256, Scheme::EcdsaP384];
        let schemes = schemes.into_iter().filter(|_| policy.public_len.is_none());
        schemes.into_iter().find_map(|scheme| {
            let algorithms = accepting(IkePolicy { psk: false, signature: Some(scheme), ..policy })?;
            Some(Remedy::Certificate(scheme, algorithms))
        })
    };
    let psk = || accepting(IkePolicy { psk: true, ..policy }).map(Remedy::Psk);
    let remedy = accepting(policy).map(Remedy::Algorithms).or_else(certificate).or_else(psk);
    (join(shown), remedy)
}

/// The offer of phase 2, and the setting of `algorithms` that would accept it.
pub(crate) fn describe_esp(offer: &SaPayload<'_>, policy: EspPolicy) -> (String, Option<Algorithms>) {
    let shown = offer.proposals.iter().flat_map(|proposal| {
        proposal.transforms.iter().map(move |transform| {
            if proposal.protocol != ProtocolId::ESP {
                return proposal.protocol.to_string();
            }
            let mut text = keyed(
                EspTransform(transform.id).to_string(),
                key_length(transform, EspAttribute::KEY_LENGTH.0),
            );
            push(&mut text, '/', named(transform, EspAttribute::AUTHENTICATION.0, AuthenticationAlgorithm));
            if let Some(group) = transform.number_of(EspAttribute::GROUP.0) {
                push(&mut text, '/', number(group, GroupDescription));
            }
            if let Some(mode) = transform.number_of(EspAttribute::ENCAPSULATION_MODE.0) {
                push(&mut text, ' ', number(mode, EncapsulationMode));
            }
            text
        })
    });
    let accepts = |algorithms| choose_esp(offer, EspPolicy { algorithms, ..policy }).is_ok();
    (join(shown), Algorithms::ALL.into_iter().find(|policy| accepts(*policy)))
}

fn named<T: fmt::Display>(transform: &Transform<'_>, class: u16, registry: fn(u16) -> T) -> String {
    transform.number_of(class).map_or_else(|| "none".into(), |value| number(value, registry))
}

fn number<T: fmt::Display>(value: u64, registry: fn(u16) -> T) -> String {
    u16::try_from(value).map_or_else(|_| value.to_string(), |value| registry(value).to_string())
}

fn key_length(transform: &Transform<'_>, class: u16) -> Option<u64> {
    transform.number_of(class)
}

fn keyed(mut cipher: String, key_length: Option<u64>) -> String {
    if let Some(bits) = key_length {
        let _ = write!(cipher, "-{bits}");
    }
    cipher
}

fn push(text: &mut String, separator: char, part: String) {
    if !text.is_empty() {
        text.push(separator);
    }
    text.push_str(&part);
}

/// The first of them, without repetitions.
fn join(shown: impl Iterator<Item = String>) -> String {
    let mut distinct: Vec<String> = Vec::new();
    let mut more = 0_usize;
    for text in shown {
        if distinct.contains(&text) {
            continue;
        }
        if distinct.len() == SHOWN {
            more += 1;
            continue;
        }
        distinct.push(text);
    }
    let mut line = if distinct.is_empty() { "nothing".into() } else { distinct.join(", ") };
    if more > 0 {
        let _ = write!(line, " and {more} more");
    }
    line
}

/// Apple offers 14, Android 20.
const SHOWN: usize = 24;
