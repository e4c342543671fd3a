//! Choice for phase 1.

use std::cmp::Reverse;
use std::fmt;
use std::time::Duration;

use super::{Algorithms, aes, cipher_strength, lifetime};
use crate::crypto::{Cipher, Hash};
use crate::dh::Group;
use crate::isakmp::iana::{
    AuthenticationMethod, EncryptionAlgorithm, HashAlgorithm, IkeAttribute, KEY_IKE, ProtocolId,
};
use crate::isakmp::{Proposal, SaPayload, Transform};

/// The algorithms of an ISAKMP SA.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IkeSuite {
    pub(crate) cipher: Cipher,
    pub(crate) hash: Hash,
    pub(crate) group: Group,
}

impl fmt::Display for IkeSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.cipher, self.hash, self.group)
    }
}

/// The transform we answer.
#[derive(Clone, Debug)]
pub(crate) struct IkeChoice<'a> {
    pub(crate) suite: IkeSuite,
    pub(crate) lifetime: Duration,
    pub(crate) proposal: &'a Proposal<'a>,
    pub(crate) transform: &'a Transform<'a>,
}

/// The strongest transform that the policy allows, authenticated by a pre-shared key.
#[cfg(test)]
pub(crate) fn choose_ike<'a>(offer: &'a SaPayload<'a>, policy: Algorithms) -> Option<IkeChoice<'a>> {
    choose_ike_for(offer, policy, None)
}

/// The strongest transform that the policy allows, authenticated by a pre-shared key. In Aggressive Mode the client's public
/// value is here already, and its length says of which group it is.
///
/// Strong is what the weaker of group and cipher is worth; then the cipher, the group, the hash; then the client's order.
pub(crate) fn choose_ike_for<'a>(
    offer: &'a SaPayload<'a>,
    policy: Algorithms,
    public_len: Option<usize>,
) -> Option<IkeChoice<'a>> {
    let transforms = offer
        .proposals
        .iter()
        .filter(|proposal| proposal.protocol == ProtocolId::ISAKMP)
        .flat_map(|proposal| proposal.transforms.iter().map(move |transform| (proposal, transform)));
    let choices = transforms.filter_map(|(proposal, transform)| {
        let suite = read(transform, AuthenticationMethod::PRE_SHARED_KEY)?;
        let lifetime = lifetime(transform, IkeAttribute::LIFE_TYPE.0, IkeAttribute::LIFE_DURATION.0);
        let fits = public_len.is_none_or(|len| len == suite.group.public_len());
        (fits && allowed(suite, policy)).then_some(IkeChoice { suite, lifetime, proposal, transform })
    });
    let ranked = choices.enumerate().max_by_key(|(rank, choice)| (strength(choice.suite), Reverse(*rank)));
    ranked.map(|(_, choice)| choice)
}

fn allowed(IkeSuite { cipher, hash, group }: IkeSuite, policy: Algorithms) -> bool {
    policy.allows_cipher(cipher) && policy.allows_hash(hash) && policy.allows_group(group)
}

fn strength(suite: IkeSuite) -> (u16, u16, u16, Hash) {
    let (group, cipher) = (suite.group.strength_bits(), cipher_strength(suite.cipher));
    (group.min(cipher), cipher, group, suite.hash)
}

/// The suite a transform describes, if it is one of ours and we understand every attribute: what we do not understand we
/// must not agree to (RFC 2407 §4.5).
fn read(transform: &Transform<'_>, authentication: AuthenticationMethod) -> Option<IkeSuite> {
    let value = |class: IkeAttribute| transform.number_of(class.0);
    let understood =
        transform.attributes.iter().all(|attribute| UNDERSTOOD.contains(&IkeAttribute(attribute.class)));
    let authenticated = value(IkeAttribute::AUTHENTICATION)? == u64::from(authentication.0);
    if transform.id != KEY_IKE || !understood || !authenticated {
        return None;
    }
    let encryption = EncryptionAlgorithm(value(IkeAttribute::ENCRYPTION)?.try_into().ok()?);
    let cipher = match (encryption, value(IkeAttribute::KEY_LENGTH)) {
        (EncryptionAlgorithm::AES, key_length) => aes(key_length)?,
        // RFC 2409 App. A: a key length goes with ciphers of variable length only.
        (EncryptionAlgorithm::TRIPLE_DES, None) => Cipher::TripleDes,
        (EncryptionAlgorithm::DES, None) => Cipher::Des,
        _ => return None,
    };
    let hash = match HashAlgorithm(value(IkeAttribute::HASH)?.try_into().ok()?) {
        HashAlgorithm::MD5 => Hash::Md5,
        HashAlgorithm::SHA1 => Hash::Sha1,
        HashAlgorithm::SHA2_256 => Hash::Sha256,
        HashAlgorithm::SHA2_384 => Hash::Sha384,
        HashAlgorithm::SHA2_512 => Hash::Sha512,
        _ => return None,
    };
    let group = Group::from_number(value(IkeAttribute::GROUP)?.try_into().ok()?)?;
    Some(IkeSuite { cipher, hash, group })
}

const UNDERSTOOD: [IkeAttribute; 7] = [
    IkeAttribute::ENCRYPTION,
    IkeAttribute::HASH,
    IkeAttribute::AUTHENTICATION,
    IkeAttribute::GROUP,
    IkeAttribute::LIFE_TYPE,
    IkeAttribute::LIFE_DURATION,
    IkeAttribute::KEY_LENGTH,
];
