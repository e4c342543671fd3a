//! EAP within the link, the peer's side: Requests and what is answered, RFC 3748 §2, §4.
//!
//! It repeats nothing of its own accord: a Request that comes again is answered with what it was answered with before.

mod mschapv2;
mod peap;
mod tls;

use std::time::Instant;

use md5::{Digest as _, Md5};
use rand_chacha::ChaCha20Rng;

use self::mschapv2::MsChapV2;
use self::peap::Peap;
use self::tls::Tls;
use super::negotiation::{Packet, frame};
use super::{EAP, Event, Link, Phase, Refusal};
use crate::profile::Eap;

/// One conversation.
pub(super) struct Conversation {
    method: Method,
    /// The last Request's identifier, and our Response, if there is one.
    last: Option<(u8, Option<Vec<u8>>)>,
    /// A failure that was told within the method.
    refusal: Option<Refusal>,
}

enum Method {
    Md5,
    MsChapV2(MsChapV2),
    Tls(Tls),
    Peap(Peap),
}

/// What the user has typed.
struct Who<'a> {
    user: &'a str,
    password: &'a str,
    rng: &'a mut ChaCha20Rng,
}

/// What a method makes of a Request.
enum Reply {
    /// The type-data of the Response.
    Data(Vec<u8>),
    /// The user may type again, and otherwise this is the end.
    Refused(Refusal),
    /// The same, and there is no other try: with the Response that says so.
    Failed(Refusal, Vec<u8>),
    /// The server does what it must not.
    Violated(String),
}

impl Conversation {
    pub(super) fn new(method: Eap) -> Self {
        let method = match method {
            Eap::Md5 => Method::Md5,
            Eap::MsChapV2 => Method::MsChapV2(MsChapV2::default()),
            Eap::Tls(client) => Method::Tls(Tls::new(&client)),
            Eap::Peap(client) => Method::Peap(Peap::new(&client)),
        };
        Self { method, last: None, refusal: None }
    }
}

impl Method {
    fn kind(&self) -> u8 {
        match self {
            Self::Md5 => 4,
            Self::MsChapV2(_) => mschapv2::TYPE,
            Self::Tls(_) => 13,
            Self::Peap(_) => peap::TYPE,
        }
    }

    fn answer(&mut self, identifier: u8, data: &[u8], who: &mut Who<'_>) -> Reply {
        match self {
            Self::Md5 => md5_response(identifier, data, who),
            Self::MsChapV2(method) => method.answer(data, who),
            Self::Tls(method) => Reply::Data(method.answer(data)),
            Self::Peap(method) => method.answer(data, who),
        }
    }

    /// The client is satisfied with the server.
    fn is_done(&self) -> bool {
        match self {
            Self::Md5 => true,
            Self::MsChapV2(method) => method.is_done(),
            Self::Tls(method) => method.is_done(),
            Self::Peap(method) => method.is_done(),
        }
    }
}

/// RFC 3748 §5.4, RFC 1994 §4.1: without a name, as wpa_supplicant does it.
fn md5_response(identifier: u8, data: &[u8], who: &Who<'_>) -> Reply {
    let Some((&[16], challenge)) = data.split_first_chunk() else {
        return Reply::Violated("an MD5-Challenge that is not of 16 bytes".into());
    };
    let challenge = challenge.get(..16).unwrap_or(challenge);
    let digest =
        Md5::new_with_prefix([identifier]).chain_update(who.password).chain_update(challenge).finalize();
    Reply::Data([&[16][..], &digest].concat())
}

impl Link {
    pub(super) fn handle_eap(&mut self, now: Instant, packet: &Packet<'_>) {
        let Phase::Conversing(conversation) = &mut self.phase else { return };
        match packet.code {
            REQUEST => self.handle_request(packet),
            SUCCESS if conversation.method.is_done() => self.enter_network(now, None),
            SUCCESS => self.events.push_back(Event::Violated("a Success in the midst of it".into())),
            FAILURE => {
                let told = conversation.refusal.take();
                self.phase = Phase::Authenticate;
                if told.is_none() {
                    self.refuse(Refusal { code: 0, retry: false, message: "EAP-Failure".into() });
                }
            }
            _ => {}
        }
    }

    fn handle_request(&mut self, packet: &Packet<'_>) {
        let Phase::Conversing(conversation) = &mut self.phase else { return };
        let Some((&kind, data)) = packet.data.split_first() else { return };
        if let Some((identifier, response)) = &conversation.last
            && *identifier == packet.identifier
        {
            return self.outgoing.extend(response.clone());
        }
        let wanted = conversation.method.kind();
        let mut who = Who { user: &self.user, password: &self.password, rng: &mut self.rng };
        let (kind, reply) = match kind {
            IDENTITY => (IDENTITY, Reply::Data(self.user.as_bytes().to_vec())),
            kind if kind == wanted => (kind, conversation.method.answer(packet.identifier, data, &mut who)),
            _ => (NAK, Reply::Data(vec![wanted])),
        };
        self.reply(packet.identifier, kind, reply);
    }

    fn reply(&mut self, identifier: u8, kind: u8, reply: Reply) {
        let Phase::Conversing(conversation) = &mut self.phase else { return };
        let response = match &reply {
            Reply::Data(data) | Reply::Failed(_, data) => {
                let data = [&[kind], &data[..]].concat();
                Some(frame(EAP, &Packet { code: RESPONSE, identifier, data: &data }.encode()))
            }
            Reply::Refused(_) | Reply::Violated(_) => None,
        };
        self.outgoing.extend(response.clone());
        conversation.last = Some((identifier, response));
        match reply {
            Reply::Data(_) => {}
            Reply::Refused(refusal) | Reply::Failed(refusal, _) => {
                conversation.refusal = Some(refusal.clone());
                self.refuse(refusal);
            }
            Reply::Violated(what) => self.events.push_back(Event::Violated(what)),
        }
    }

    /// The user has typed another password.
    pub(super) fn converse_again(&mut self) {
        let Phase::Conversing(conversation) = &mut self.phase else { return };
        let Some((identifier, None)) = conversation.last else { return };
        let mut who = Who { user: &self.user, password: &self.password, rng: &mut self.rng };
        let reply = match &mut conversation.method {
            Method::MsChapV2(method) => method.retry(&mut who),
            Method::Peap(method) => method.retry(&mut who),
            Method::Md5 | Method::Tls(_) => None,
        };
        conversation.refusal = None;
        let kind = conversation.method.kind();
        if let Some(data) = reply {
            self.reply(identifier, kind, Reply::Data(data));
        }
    }
}

const REQUEST: u8 = 1;
const RESPONSE: u8 = 2;
const SUCCESS: u8 = 3;
const FAILURE: u8 = 4;

const IDENTITY: u8 = 1;
const NAK: u8 = 3;
