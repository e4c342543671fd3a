//! PEAP version 0, the peer's side, [MS-PEAP]: EAP without its header within TLS, and at the end the TLVs, which have it.

use hmac::{Hmac, KeyInit as _, Mac as _};
use rand_core::Rng as _;
use sha1::Sha1;

use super::mschapv2::{self, MsChapV2};
use super::tls::Tls;
use super::{IDENTITY, NAK, Reply, Who};
use crate::profile::TlsClient;

/// One conversation.
pub(super) struct Peap {
    tls: Tls,
    inner: MsChapV2,
    done: bool,
}

impl Peap {
    pub(super) fn new(client: &TlsClient) -> Self {
        Self { tls: Tls::new(client), inner: MsChapV2::default(), done: false }
    }

    pub(super) fn answer(&mut self, data: &[u8], who: &mut Who<'_>) -> Reply {
        self.tls.take(data);
        let heard = self.tls.heard();
        let reply = match &*heard {
            [] => return Reply::Data(self.tls.next()),
            [IDENTITY] => Reply::Data([&[IDENTITY], who.user.as_bytes()].concat()),
            [mschapv2::TYPE, data @ ..] => self.within(data, who),
            [1, _, _, _, EXTENSIONS, tlvs @ ..] => self.conclude(tlvs, who),
            _ => Reply::Data(vec![NAK, mschapv2::TYPE]),
        };
        self.wrap(reply)
    }

    fn within(&mut self, data: &[u8], who: &mut Who<'_>) -> Reply {
        let typed = |data: Vec<u8>| [&[mschapv2::TYPE], &data[..]].concat();
        match self.inner.answer(data, who) {
            Reply::Data(data) => Reply::Data(typed(data)),
            Reply::Failed(refusal, data) => Reply::Failed(refusal, typed(data)),
            reply => reply,
        }
    }

    fn wrap(&mut self, reply: Reply) -> Reply {
        let mut say = |text: &[u8]| {
            self.tls.say(text);
            self.tls.next()
        };
        match reply {
            Reply::Data(text) => Reply::Data(say(&text)),
            Reply::Failed(refusal, text) => Reply::Failed(refusal, say(&text)),
            reply => reply,
        }
    }

    /// The Response with another password.
    pub(super) fn retry(&mut self, who: &mut Who<'_>) -> Option<Vec<u8>> {
        let response = self.inner.retry(who)?;
        self.tls.say(&[&[mschapv2::TYPE], &response[..]].concat());
        Some(self.tls.next())
    }

    /// Result and Cryptobinding, §2.2.8.1, as our server sends them: in this order.
    fn conclude(&mut self, tlvs: &[u8], who: &mut Who<'_>) -> Reply {
        let Some((result, binding)) = tlvs.split_first_chunk::<6>() else {
            return Reply::Violated("Extensions without a result".into());
        };
        if *result != SUCCESS {
            return Reply::Data(extensions(result));
        }
        let Some(key) = self.compound_mac_key() else { return Reply::Violated("no tunnel".into()) };
        let nonce: Option<&[u8; 32]> = binding.get(8..).and_then(|rest| rest.first_chunk());
        match nonce {
            Some(nonce) if self.inner.is_done() && seal(&key, 0, nonce) == binding => {}
            _ => return Reply::Violated("a cryptobinding of another tunnel".into()),
        }
        self.done = true;
        let mut nonce = [0; 32];
        who.rng.fill_bytes(&mut nonce);
        Reply::Data(extensions(&[&SUCCESS[..], &seal(&key, 1, &nonce)].concat()))
    }

    /// §3.1.5.5.2.2.
    fn compound_mac_key(&self) -> Option<[u8; 20]> {
        let tunnel_key = self.tls.tunnel_key()?;
        let seed = [&b"Inner Methods Compound Keys"[..], &self.inner.session_keys()].concat();
        let key = tunnel_key.get(..40)?;
        let first = mac(key, &[&seed, &[1, 0, 0]]);
        let second = mac(key, &[&first, &seed, &[2, 0, 0]]);
        Some(mac(key, &[&second, &seed, &[3, 0, 0]]))
    }

    pub(super) fn is_done(&self) -> bool {
        self.done
    }
}

/// A Cryptobinding TLV, §2.2.8.1.1, whose MAC covers itself without its end, and the type of PEAP (§3.1.5.5.1).
fn seal(key: &[u8; 20], subtype: u8, nonce: &[u8; 32]) -> Vec<u8> {
    let head = [&[0, 12, 0, 56, 0, 0, 0, subtype], &nonce[..]].concat();
    let mac = mac(key, &[&head, &[0; 20], &[TYPE]]);
    [head, mac.to_vec()].concat()
}

fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

fn extensions(tlvs: &[u8]) -> Vec<u8> {
    let length = u8::try_from(5 + tlvs.len()).expect("two TLVs");
    [&[2, 0, 0, length, EXTENSIONS], tlvs].concat()
}

pub(super) const TYPE: u8 = 25;
const EXTENSIONS: u8 = 33;
/// A Result TLV.
const SUCCESS: [u8; 6] = [0x80, 3, 0, 2, 0, 1];
