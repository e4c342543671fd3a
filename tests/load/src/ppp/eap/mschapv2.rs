//! EAP-MSCHAPv2, the peer's side, draft-kamath-pppext-eap-mschapv2-02: OpCode, MS-CHAPv2-ID, MS-Length, data.

use rand_core::Rng as _;

use super::super::mschap::Exchange;
use super::{Refusal, Reply, Who};

/// One conversation.
#[derive(Default)]
pub(super) struct MsChapV2 {
    /// What a Success has to begin with, and what both sides derive from the password.
    expected: Option<(String, [u8; 32])>,
    /// What another password may be tried with.
    again: Option<(u8, [u8; 16])>,
    done: bool,
}

impl MsChapV2 {
    pub(super) fn answer(&mut self, data: &[u8], who: &mut Who<'_>) -> Reply {
        let Some((&[code, identifier, high, low], rest)) = data.split_first_chunk() else {
            return Reply::Violated("an EAP-MSCHAPv2 packet without a header".into());
        };
        if usize::from(u16::from_be_bytes([high, low])) != data.len() {
            return Reply::Violated("MS-Length is not the length".into());
        }
        match (code, rest) {
            (CHALLENGE, [16, rest @ ..]) => match rest.first_chunk() {
                Some(challenge) => Reply::Data(self.respond(identifier, challenge, who)),
                None => Reply::Violated("a challenge is not of 16 bytes".into()),
            },
            (SUCCESS, text) => match &self.expected {
                Some((expected, _)) if text.starts_with(expected.as_bytes()) => {
                    self.done = true;
                    Reply::Data(vec![SUCCESS])
                }
                _ => Reply::Violated("the server does not know the password".into()),
            },
            (FAILURE, text) => self.refused(identifier, &String::from_utf8_lossy(text)),
            _ => Reply::Violated(format!("OpCode {code}")),
        }
    }

    fn refused(&mut self, identifier: u8, text: &str) -> Reply {
        match Refusal::decode_mschap(text) {
            Some((refusal, challenge)) if refusal.retry => {
                self.again = Some((identifier, challenge));
                Reply::Refused(refusal)
            }
            Some((refusal, _)) => Reply::Failed(refusal, vec![FAILURE]),
            None => Reply::Violated(format!("a failure that cannot be read: {text}")),
        }
    }

    /// The Response with another password.
    pub(super) fn retry(&mut self, who: &mut Who<'_>) -> Option<Vec<u8>> {
        let (identifier, challenge) = self.again.take()?;
        Some(self.respond(identifier.wrapping_add(1), &challenge, who))
    }

    fn respond(&mut self, identifier: u8, challenge: &[u8; 16], who: &mut Who<'_>) -> Vec<u8> {
        let mut peer_challenge = [0; 16];
        who.rng.fill_bytes(&mut peer_challenge);
        let exchange = Exchange {
            authenticator_challenge: challenge,
            peer_challenge: &peer_challenge,
            user: who.user,
            password: who.password,
        };
        self.expected = Some((format!("S={}", exchange.authenticator_response()), exchange.session_keys()));
        let value = [&peer_challenge[..], &[0; 8], &exchange.nt_response(), &[0]].concat();
        let length = u16::try_from(5 + value.len() + who.user.len()).expect("a short name");
        let [high, low] = length.to_be_bytes();
        [&[RESPONSE, identifier, high, low, 49], &value[..], who.user.as_bytes()].concat()
    }

    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    /// The MSK, as far as it is not zero.
    pub(super) fn session_keys(&self) -> [u8; 32] {
        self.expected.as_ref().map(|(_, keys)| *keys).unwrap_or_default()
    }
}

pub(super) const TYPE: u8 = 26;

const CHALLENGE: u8 = 1;
const RESPONSE: u8 = 2;
const SUCCESS: u8 = 3;
const FAILURE: u8 = 4;
