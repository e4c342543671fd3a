//! Choice for phase 1.

use std::cmp::Reverse;
use std::fmt;
use std::time::Duration;

use super::{Algorithms, aes, cipher_strength, lifetime};
use crate::crypto::signature::Scheme;
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

/// How both ends of a first phase prove who they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Authentication {
    PreSharedKey,
    Signature(Scheme),
}

impl Authentication {
    fn of(method: AuthenticationMethod) -> Option<Self> {
        match method {
            AuthenticationMethod::PRE_SHARED_KEY => Some(Self::PreSharedKey),
            AuthenticationMethod::RSA_SIGNATURES => Some(Self::Signature(Scheme::Rsa)),
            AuthenticationMethod::ECDSA_256 => Some(Self::Signature(Scheme::EcdsaP256)),
            AuthenticationMethod::ECDSA_384 => Some(Self::Signature(Scheme::EcdsaP384)),
            _ => None,
        }
    }
}

/// What a first phase may be agreed on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IkePolicy {
    pub(crate) algorithms: Algorithms,
    /// There is a pre-shared key.
    pub(crate) psk: bool,
    /// There is a certificate, with a key of that kind.
    pub(crate) signature: Option<Scheme>,
    /// Octets of the client's public value, which in Aggressive Mode is here already and says of which group it is.
    pub(crate) public_len: Option<usize>,
}

impl IkePolicy {
    /// Pre-shared keys only.
    #[cfg(test)]
    pub(crate) fn psk(algorithms: Algorithms) -> Self {
        Self { algorithms, psk: true, signature: None, public_len: None }
    }

    fn allows(self, authentication: Authentication) -> bool {
        match authentication {
            Authentication::PreSharedKey => self.psk,
            Authentication::Signature(scheme) => self.signature == Some(scheme),
        }
    }
}

/// The transform we answer.
#[derive(Clone, Debug)]
pub(crate) struct IkeChoice<'a> {
    pub(crate) suite: IkeSuite,
    pub(crate) authentication: Authentication,
    pub(crate) lifetime: Duration,
    pub(crate) proposal: &'a Proposal<'a>,
    pub(crate) transform: &'a Transform<'a>,
}

/// The strongest transform that the policy allows.
///
/// Strong is what the weaker of group and cipher is worth; then the cipher, the group, the hash; then the client's order.
pub(crate) fn choose_ike<'a>(offer: &'a SaPayload<'a>, policy: IkePolicy) -> Option<IkeChoice<'a>> {
    let transforms = offer
        .proposals
        .iter()
        .filter(|proposal| proposal.protocol == ProtocolId::ISAKMP)
        .flat_map(|proposal| proposal.transforms.iter().map(move |transform| (proposal, transform)));
    let choices = transforms.filter_map(|(proposal, transform)| {
        let (suite, authentication) = read(transform)?;
        let lifetime = lifetime(transform, IkeAttribute::LIFE_TYPE.0, IkeAttribute::LIFE_DURATION.0);
        let fits = policy.public_len.is_none_or(|len| len == suite.group.public_len());
        let allowed = fits && policy.allows(authentication) && allowed(suite, policy.algorithms);
        allowed.then_some(IkeChoice { suite, authentication, lifetime, proposal, transform })
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
fn read(transform: &Transform<'_>) -> Option<(IkeSuite, Authentication)> {
    let value = |class: IkeAttribute| transform.number_of(class.0);
    let understood =
        transform.attributes.iter().all(|attribute| UNDERSTOOD.contains(&IkeAttribute(attribute.class)));
    if transform.id != KEY_IKE || !understood {
        return None;
    }
    let method = AuthenticationMethod(value(IkeAttribute::AUTHENTICATION)?.try_into().ok()?);
    let authentication = Authentication::of(method)?;
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
    Some((IkeSuite { cipher, hash, group }, authentication))
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
