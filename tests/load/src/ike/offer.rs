//! Security Association payloads: what is offered and what came back, RFC 2408 §3.4 to §3.6, RFC 2407 §4.

use std::time::Duration;

use crate::crypto::{Cipher, Hash};
use crate::isakmp::{Attribute, length16};
use crate::profile::{EspLayout, EspProfile, EspTransform, IkeLayout, IkeProfile, IkeTransform};

/// The body of message 1's SA payload.
pub(crate) fn ike_offer(profile: &IkeProfile, method: AuthenticationMethod) -> Vec<u8> {
    let transforms: Vec<Vec<u8>> =
        profile.transforms.iter().map(|transform| ike_attributes(profile, method, *transform)).collect();
    // KEY_IKE (RFC 2407 §4.4.2).
    let transforms = encode_transforms(transforms.iter().map(|attributes| (1, attributes.as_slice())));
    let count = profile.transforms.len();
    [DOI_AND_SITUATION.to_vec(), encode_proposal(true, 1, PROTO_ISAKMP, &[], count, &transforms)].concat()
}

/// RFC 2409 App. A.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthenticationMethod {
    PreSharedKey = 1,
    RsaSignatures = 3,
}

fn ike_attributes(profile: &IkeProfile, method: AuthenticationMethod, transform: IkeTransform) -> Vec<u8> {
    let IkeTransform { cipher, hash, group } = transform;
    let seconds = u32::try_from(profile.lifetime.as_secs()).unwrap_or(u32::MAX);
    let encryption = Attribute::Basic(1, ike_cipher(cipher));
    let key_length = cipher.key_length_attribute().map(|bits| Attribute::Basic(14, bits));
    let hash = Attribute::Basic(2, ike_hash(hash));
    let authentication = Attribute::Basic(3, method as u16);
    let group = Attribute::Basic(4, group.number());
    let life_type = Attribute::Basic(11, 1);
    let brief_life = u16::try_from(seconds).map_or(Attribute::Long(12, seconds), |s| Attribute::Basic(12, s));
    let enciphered = [encryption].into_iter().chain(key_length);
    let list: Vec<Attribute> = match profile.layout {
        IkeLayout::Windows => {
            let life = Attribute::Long(12, seconds);
            enciphered.chain([hash, group, authentication, life_type, life]).collect()
        }
        IkeLayout::Racoon => [life_type, brief_life]
            .into_iter()
            .chain(enciphered)
            .chain([authentication, hash, group])
            .collect(),
        IkeLayout::StrongSwan => {
            enciphered.chain([hash, group, authentication, life_type, brief_life]).collect()
        }
    };
    list.into_iter().flat_map(Attribute::encode).collect()
}

/// The body of a Quick Mode's SA payload.
pub(crate) fn esp_offer(profile: &EspProfile, mode: u16, spi: [u8; 4]) -> Vec<u8> {
    let attributes: Vec<(u8, Vec<u8>)> = profile
        .transforms
        .iter()
        .map(|transform| (esp_identifier(*transform), esp_attributes(profile, mode, *transform)))
        .collect();
    let mut bytes = DOI_AND_SITUATION.to_vec();
    if profile.layout == EspLayout::Windows {
        for (index, (id, attributes)) in attributes.iter().enumerate() {
            let number = u8::try_from(index + 1).expect("an offer has few proposals");
            let transform = encode_transforms([(*id, attributes.as_slice())].into_iter());
            let last = index + 1 == profile.transforms.len();
            bytes.extend(encode_proposal(last, number, PROTO_ESP, &spi, 1, &transform));
        }
    } else {
        let transforms = encode_transforms(attributes.iter().map(|(id, list)| (*id, list.as_slice())));
        bytes.extend(encode_proposal(true, 1, PROTO_ESP, &spi, attributes.len(), &transforms));
    }
    bytes
}

fn esp_attributes(profile: &EspProfile, mode: u16, transform: EspTransform) -> Vec<u8> {
    let seconds = u32::try_from(profile.lifetime.as_secs()).unwrap_or(u32::MAX);
    let brief_life = u16::try_from(seconds).map_or(Attribute::Long(2, seconds), |s| Attribute::Basic(2, s));
    let mode = Attribute::Basic(4, mode);
    let authentication = transform.integrity().map(|hash| Attribute::Basic(5, esp_integrity(hash)));
    let key_length = transform.key_length_attribute().map(|bits| Attribute::Basic(6, bits));
    let group = profile.pfs.map(|group| Attribute::Basic(3, group.number()));
    let list: Vec<Attribute> = match profile.layout {
        EspLayout::Windows => {
            let kilobytes =
                profile.kilobytes.map(|count| [Attribute::Basic(1, 2), Attribute::Long(2, count)]);
            [mode]
                .into_iter()
                .chain(key_length)
                .chain(authentication)
                .chain([Attribute::Basic(1, 1), Attribute::Long(2, seconds)])
                .chain(kilobytes.into_iter().flatten())
                .chain(group)
                .collect()
        }
        EspLayout::Racoon => [Attribute::Basic(1, 1), brief_life, mode]
            .into_iter()
            .chain(key_length)
            .chain(authentication)
            .chain(group)
            .collect(),
        EspLayout::StrongSwan => key_length
            .into_iter()
            .chain(authentication)
            .chain(group)
            .chain([mode, Attribute::Basic(1, 1), brief_life])
            .collect(),
    };
    list.into_iter().flat_map(Attribute::encode).collect()
}

/// What a responder chose in Main Mode; `None` unless it is one transform of the offer.
pub(crate) fn ike_choice(
    profile: &IkeProfile,
    method: AuthenticationMethod,
    body: &[u8],
) -> Option<IkeTransform> {
    let chosen = Chosen::decode(body)?;
    (chosen.protocol == PROTO_ISAKMP && chosen.id == 1).then_some(())?;
    let value = |kind| chosen.attribute(kind);
    (value(3) == Some(method as u32)).then_some(())?;
    profile.transforms.iter().copied().find(|offered| {
        value(1) == Some(u32::from(ike_cipher(offered.cipher)))
            && value(14) == offered.cipher.key_length_attribute().map(u32::from)
            && value(2) == Some(u32::from(ike_hash(offered.hash)))
            && value(4) == Some(u32::from(offered.group.number()))
    })
}

/// What a responder chose in Quick Mode, its SPI and the lifetime it named.
pub(crate) struct EspChoice {
    pub(crate) transform: EspTransform,
    pub(crate) spi: [u8; 4],
    pub(crate) lifetime: Option<Duration>,
}

/// The choice in a Quick Mode answer; `None` unless it is one transform of the offer.
pub(crate) fn esp_choice(profile: &EspProfile, mode: u16, body: &[u8]) -> Option<EspChoice> {
    let chosen = Chosen::decode(body)?;
    let (number, choice) = esp_wanted(profile, mode, &chosen)?;
    // RFC 2408 §4.2: the responder keeps the number of the proposal it accepts.
    let expected = if profile.layout == EspLayout::Windows { number } else { 1 };
    (chosen.number == expected).then_some(choice)
}

/// What the server asks for in a Quick Mode of its own; `None` unless it is one transform, and one of ours.
pub(crate) fn esp_asked(profile: &EspProfile, mode: u16, body: &[u8]) -> Option<EspChoice> {
    esp_wanted(profile, mode, &Chosen::decode(body)?).map(|(_, choice)| choice)
}

/// The SA payload that takes what the server asks for, with our SPI in the place of its own.
pub(crate) fn esp_answer(asked: &[u8], spi: [u8; 4]) -> Vec<u8> {
    let at = DOI_AND_SITUATION.len() + 8;
    [asked.get(..at).unwrap_or_default(), &spi, asked.get(at + 4..).unwrap_or_default()].concat()
}

/// The transform of ours that it is, and its number in our offer.
fn esp_wanted(profile: &EspProfile, mode: u16, chosen: &Chosen<'_>) -> Option<(u8, EspChoice)> {
    let value = |kind| chosen.attribute(kind);
    let proper = chosen.protocol == PROTO_ESP
        && value(4) == Some(u32::from(mode))
        && value(3) == profile.pfs.map(|group| u32::from(group.number()));
    proper.then_some(())?;
    let (number, transform) = (1..).zip(&profile.transforms).find(|(_, offered)| {
        chosen.id == esp_identifier(**offered)
            && value(6) == offered.key_length_attribute().map(u32::from)
            && value(5) == offered.integrity().map(|hash| u32::from(esp_integrity(hash)))
    })?;
    let lifetime = value(2).map(|seconds| Duration::from_secs(seconds.into()));
    Some((number, EspChoice { transform: *transform, spi: chosen.spi.try_into().ok()?, lifetime }))
}

/// An answer's single proposal with its single transform.
struct Chosen<'a> {
    number: u8,
    protocol: u8,
    spi: &'a [u8],
    id: u8,
    attributes: Vec<(u16, u32)>,
}

impl<'a> Chosen<'a> {
    fn decode(body: &'a [u8]) -> Option<Self> {
        let rest = body.strip_prefix(&DOI_AND_SITUATION)?;
        let ([0, 0, high, low, number, protocol, spi_len, 1], _) = rest.split_first_chunk()? else {
            return None;
        };
        (usize::from(u16::from_be_bytes([*high, *low])) == rest.len()).then_some(())?;
        let (spi, transform) = rest.get(8..)?.split_at_checked(usize::from(*spi_len))?;
        let ([0, 0, high, low, _number, id, 0, 0], attributes) = transform.split_first_chunk()? else {
            return None;
        };
        (usize::from(u16::from_be_bytes([*high, *low])) == transform.len()).then_some(())?;
        let attributes = Attribute::decode_all(attributes)?;
        Some(Self { number: *number, protocol: *protocol, spi, id: *id, attributes })
    }

    fn attribute(&self, kind: u16) -> Option<u32> {
        self.attributes.iter().find(|(found, _)| *found == kind).map(|(_, value)| *value)
    }
}

fn encode_transforms<'a>(transforms: impl Iterator<Item = (u8, &'a [u8])>) -> Vec<u8> {
    let mut transforms = (1..=u8::MAX).zip(transforms).peekable();
    let mut bytes = Vec::new();
    while let Some((number, (id, attributes))) = transforms.next() {
        bytes.extend([if transforms.peek().is_some() { 3 } else { 0 }, 0]);
        bytes.extend(length16(attributes.len() + 8));
        bytes.extend([number, id, 0, 0]);
        bytes.extend(attributes);
    }
    bytes
}

fn encode_proposal(
    last: bool,
    number: u8,
    protocol: u8,
    spi: &[u8],
    count: usize,
    transforms: &[u8],
) -> Vec<u8> {
    let spi_len = u8::try_from(spi.len()).expect("an SPI is short");
    let count = u8::try_from(count).expect("an offer has few transforms");
    [
        &[if last { 0 } else { 2 }, 0][..],
        &length16(8 + spi.len() + transforms.len()),
        &[number, protocol, spi_len, count],
        spi,
        transforms,
    ]
    .concat()
}

/// IPsec DOI, SIT_IDENTITY_ONLY (RFC 2407 §4.2.1).
const DOI_AND_SITUATION: [u8; 8] = [0, 0, 0, 1, 0, 0, 0, 1];
pub(crate) const PROTO_ISAKMP: u8 = 1;
pub(crate) const PROTO_ESP: u8 = 3;

/// RFC 2409 App. A, Encryption Algorithm.
fn ike_cipher(cipher: Cipher) -> u16 {
    match cipher {
        Cipher::Des => 1,
        Cipher::TripleDes => 5,
        Cipher::Aes128 | Cipher::Aes192 | Cipher::Aes256 => 7,
    }
}

/// RFC 2409 App. A, Hash Algorithm.
fn ike_hash(hash: Hash) -> u16 {
    match hash {
        Hash::Md5 => 1,
        Hash::Sha1 => 2,
        Hash::Sha256 => 4,
        Hash::Sha384 => 5,
        Hash::Sha512 => 6,
    }
}

/// RFC 2407 §4.4.4, IPSEC ESP Transform Identifiers; RFC 4106 §8.1: GCM has one for each length of the ICV.
fn esp_identifier(transform: EspTransform) -> u8 {
    match transform {
        EspTransform::Gcm(_) => 20,
        EspTransform::Cbc { cipher, .. } => match cipher {
            Cipher::Des => 2,
            Cipher::TripleDes => 3,
            Cipher::Aes128 | Cipher::Aes192 | Cipher::Aes256 => 12,
        },
    }
}

/// RFC 2407 §4.5, Authentication Algorithm.
fn esp_integrity(hash: Hash) -> u16 {
    match hash {
        Hash::Md5 => 1,
        Hash::Sha1 => 2,
        Hash::Sha256 => 5,
        Hash::Sha384 => 6,
        Hash::Sha512 => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::AuthenticationMethod::PreSharedKey;
    use super::*;
    use crate::dh::Group;
    use crate::profile::Profile;
    use hex_literal::hex;

    /// The SA payload of Windows 10, byte for byte as captured (pluto's log of a message of 408 bytes).
    #[test]
    fn windows_10_offer() {
        let expected = hex!(
            "00000001 00000001 000000c8 01010005"
            "03000028 01010000 80010007 800e0100 80020002 80040014 80030001 800b0001 000c0004 00007080"
            "03000028 02010000 80010007 800e0080 80020002 80040013 80030001 800b0001 000c0004 00007080"
            "03000028 03010000 80010007 800e0100 80020002 8004000e 80030001 800b0001 000c0004 00007080"
            "03000024 04010000 80010005 80020002 8004000e 80030001 800b0001 000c0004 00007080"
            "00000024 05010000 80010005 80020002 80040002 80030001 800b0001 000c0004 00007080"
        );
        assert_eq!(ike_offer(&Profile::windows_10().ike, PreSharedKey), expected);
    }

    /// Message 1 of Android 7.1.2 has 724 bytes, message 1 of Quick Mode 700.
    #[test]
    fn android_sizes() {
        let profile = Profile::android();
        let vendor_ids: usize = profile.ike.vendor_ids.iter().map(|id| id.len() + 4).sum();
        assert_eq!(28 + 4 + ike_offer(&profile.ike, PreSharedKey).len() + vendor_ids, 724);
        // Header, HASH with SHA-384, SA, nonce, two identities, and one block of padding with AES.
        let quick = (4 + 48) + 4 + esp_offer(&profile.esp, 4, [1; 4]).len() + 20 + 12 + 12;
        assert!(28 + quick < 700 && 28 + quick + 32 >= 700, "{}", 28 + quick);
    }

    #[test]
    fn a_choice_is_one_of_the_offer() {
        let profile = Profile::windows_10();
        let mut single = profile.ike.clone();
        single.transforms = vec![IkeTransform::new(Cipher::Aes256, Hash::Sha1, Group::Modp2048)];
        let answer = ike_offer(&single, PreSharedKey);
        assert_eq!(ike_choice(&profile.ike, PreSharedKey, &answer), Some(single.transforms[0]));
        for length in 0..answer.len() {
            assert_eq!(ike_choice(&profile.ike, PreSharedKey, &answer[..length]), None);
        }
        single.transforms = vec![IkeTransform::new(Cipher::Aes256, Hash::Sha256, Group::Modp2048)];
        assert_eq!(
            ike_choice(&profile.ike, PreSharedKey, &ike_offer(&single, PreSharedKey)),
            None,
            "never offered"
        );
    }
}
