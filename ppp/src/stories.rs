//! Whole links in virtual time, told frame by frame.
//!
//! Frames are hex text; `..` stands for a control packet's length field. Ours are compared whole: what a story
//! does not expect, it fails on.

mod chap;
mod closing;
mod eap;
mod exhausted;
mod hostile;
mod ipv6;
mod limits;
mod login;
mod loss;
mod new_password;
mod offers;
mod pap;
mod pppd;
mod windows;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::auth::mschapv2::hash;
use crate::{
    Accept, Addressing, AuthRequest, Config, Discards, Event, Ipv4Config, Ipv6Config, Link, NtHash, Proof,
    Verdict, Verified,
};

/// A link, and the client's side of the story.
pub(crate) struct Story {
    pub(crate) link: Link,
    pub(crate) now: Instant,
    /// The authentication protocol and the magic number in our first request.
    pub(crate) auth: String,
    pub(crate) magic: String,
    /// The client's address, if one is free.
    pub(crate) ipv4: Option<Ipv4Config>,
    /// What accounts may have of IPv6.
    pub(crate) ipv6: Option<Ipv6Config>,
    /// What we asked last and was not refused.
    pending: Option<AuthRequest>,
}

/// A challenge of ours, as it was sent.
#[derive(Clone, Debug)]
pub(crate) struct Challenge {
    pub(crate) frame: String,
    pub(crate) identifier: u8,
    pub(crate) value: [u8; 16],
}

impl Story {
    /// What was discarded since it was asked last.
    pub(crate) fn discards(&mut self) -> Discards {
        self.link.take_discards().map(|discards| *discards).unwrap_or_default()
    }

    /// Begins with our Configure-Request on its way.
    pub(crate) fn new() -> Self {
        Self::with(Config::default())
    }

    pub(crate) fn with(config: Config) -> Self {
        let now = start();
        let auth = config.auth.first().map(|protocol| hex(protocol.option())).expect("a protocol to offer");
        let link = Link::new(now, Arc::new(config), [7; 32]);
        let mut story = Self {
            link,
            now,
            auth,
            magic: String::new(),
            ipv4: Some(addressing()),
            ipv6: None,
            pending: None,
        };
        let request = story.sent();
        story.magic = request[request.len() - 8..].to_owned();
        assert_eq!(request, frame(&story.lcp_request(1)));
        story
    }

    pub(crate) fn lcp_request(&self, identifier: u8) -> String {
        self.lcp_offer(identifier, &self.auth)
    }

    /// Our request with that authentication protocol in it.
    pub(crate) fn lcp_offer(&self, identifier: u8, auth: &str) -> String {
        let length = 2 + auth.len() / 2;
        format!("c021 01 {identifier:02x} .. 0104 0578 03{length:02x} {auth} 0506 {}", self.magic)
    }

    /// The client sends.
    pub(crate) fn peer(&mut self, text: &str) {
        self.link.handle_frame(self.now, &bytes(text));
    }

    /// We have sent exactly this next.
    pub(crate) fn ours(&mut self, text: &str) {
        assert_eq!(self.sent(), frame(text));
    }

    /// Our next frame, as hex digits.
    pub(crate) fn sent(&mut self) -> String {
        hex(&self.link.poll_transmit().expect("we should have sent something"))
    }

    pub(crate) fn event(&mut self) -> Event {
        self.link.poll_event().expect("there should be an event")
    }

    /// Nothing more to send or tell.
    pub(crate) fn quiet(&mut self) {
        assert_eq!(self.link.poll_transmit().map(|frame| hex(&frame)), None);
        assert!(self.link.poll_event().is_none());
    }

    /// Goes to the next moment at which the link wants to do something; returns how long that took.
    pub(crate) fn wait(&mut self) -> Duration {
        let at = self.link.poll_timeout().expect("a timer should run");
        let waited = at.duration_since(self.now);
        self.now = at;
        self.link.handle_timeout(at);
        waited
    }

    pub(crate) fn pass(&mut self, duration: Duration) {
        let until = self.now + duration;
        while self.link.poll_timeout().is_some_and(|at| at <= until) {
            self.wait();
        }
        self.now = until;
        self.link.handle_timeout(until);
    }

    pub(crate) fn challenged(&mut self) -> Challenge {
        let frame = self.sent();
        let octets = bytes(&frame);
        let [0xff, 0x03, 0xc2, 0x23, 1, identifier, _, _, 16, rest @ ..] = &*octets else {
            panic!("{frame} is no Challenge");
        };
        let (value, name) = rest.split_first_chunk().unwrap();
        assert_eq!(name, b"adit");
        Challenge { identifier: *identifier, value: *value, frame }
    }

    pub(crate) fn asked(&mut self) -> AuthRequest {
        let Event::AuthRequest(request) = self.event() else { panic!("there should be a question") };
        self.pending = Some(request.clone());
        request
    }

    /// Verifies the request that is pending against `password` and lets the client in.
    pub(crate) fn accept(&mut self, request: &AuthRequest, password: &str) {
        self.admit(verify(request, password).expect("the password should be right"));
    }

    /// Lets the client in.
    pub(crate) fn admit(&mut self, verified: Verified) {
        let addressing = Addressing { ipv4: self.ipv4, ipv6: self.ipv6 };
        let accept = Accept { verified, message: "Welcome".to_owned(), addressing };
        self.link.handle_verdict(self.now, Verdict::Accept(Box::new(accept)));
    }

    pub(crate) fn reject(&mut self) {
        self.reject_with(691);
    }

    pub(crate) fn reject_with(&mut self, code: u16) {
        let request = self.pending.take().expect("there should be a question");
        self.reject_late(&request, code);
    }

    /// Answers a question that may not be the last one.
    pub(crate) fn reject_late(&mut self, request: &AuthRequest, code: u16) {
        self.link.handle_verdict(self.now, request.reject(code, "Access denied"));
    }

    /// We end the link after a refusal, and the client agrees; the reason, as it stands in the log.
    pub(crate) fn refused(&mut self) -> String {
        self.ours(&format!("c021 05 01 .. {}", hex(b"authentication failed")));
        self.quiet();
        self.peer("c021 06 01 ..");
        let Event::Closed(reason) = self.event() else { panic!("the link should be closed") };
        self.quiet();
        reason.to_string()
    }

    /// As far as the Challenge, with a client that asks for nothing in particular.
    pub(crate) fn to_challenge() -> (Self, Challenge) {
        Self::to_challenge_with(Config::default())
    }

    pub(crate) fn to_challenge_with(config: Config) -> (Self, Challenge) {
        let mut story = Self::with(config);
        story.open();
        let challenge = story.challenged();
        story.quiet();
        (story, challenge)
    }

    /// The client takes what LCP offers, and asks for nothing in particular.
    pub(crate) fn open(&mut self) {
        let request = self.lcp_request(1);
        self.peer(&acked(&request));
        self.peer("c021 01 01 .. 0506 a1a2a3a4");
        self.ours("c021 02 01 .. 0506 a1a2a3a4");
        assert!(matches!(self.event(), Event::LcpUp));
    }

    /// As far as our first IPCP request.
    pub(crate) fn to_network() -> Self {
        let (mut story, challenge) = Self::to_challenge();
        story.peer(&response(&challenge, 0, "alice", "secret"));
        let request = story.asked();
        story.accept(&request, "secret");
        assert!(story.sent().starts_with(&frame_start("c223 03")));
        story.ours("8021 01 01 .. 0306 0a140001");
        story.quiet();
        story
    }

    /// As far as a working network.
    pub(crate) fn to_up() -> Self {
        let mut story = Self::to_network();
        story.peer("8021 02 01 .. 0306 0a140001");
        story.peer("8021 01 01 .. 0306 0a140007");
        story.ours("8021 02 01 .. 0306 0a140007");
        assert!(matches!(story.event(), Event::NetworkUp { address } if address == addressing().peer));
        assert!(story.link.is_up());
        story.quiet();
        story
    }
}

/// What an account with this password makes of a request.
pub(crate) fn verify(request: &AuthRequest, password: &str) -> Option<Verified> {
    match &request.proof {
        Proof::MsChapV2(proof) => proof.verify(&NtHash::from_password(password)),
        Proof::NewPassword(proof) => proof.verify(&NtHash::from_password(password)).map(|new| new.verified),
        Proof::Chap(proof) => proof.verify(password.as_bytes()),
        Proof::Password(typed) => typed.verify(&NtHash::from_password(password)),
        Proof::Certificate(proof) => Some(proof.verified()),
    }
}

pub(crate) fn addressing() -> Ipv4Config {
    Ipv4Config {
        peer: Ipv4Addr::new(10, 20, 0, 7),
        local: Ipv4Addr::new(10, 20, 0, 1),
        dns: [Some(Ipv4Addr::new(9, 9, 9, 9)), None],
    }
}

/// A client's Response; `later` is added to the challenge's identifier.
pub(crate) fn response(challenge: &Challenge, later: u8, name: &str, password: &str) -> String {
    let user = name.rsplit('\\').next().unwrap();
    let peer_challenge = [0x55; 16];
    let challenge_hash = hash::challenge_hash(&peer_challenge, &challenge.value, user.as_bytes());
    let nt_response = hash::challenge_response(&challenge_hash, &NtHash::from_password(password));
    let identifier = challenge.identifier.wrapping_add(later);
    format!(
        "c223 02 {identifier:02x} .. 31 {} 0000000000000000 {} 00 {}",
        hex(&peer_challenge),
        hex(&nt_response),
        hex(name.as_bytes())
    )
}

/// The Configure-Ack to a Configure-Request.
pub(crate) fn acked(request: &str) -> String {
    request.replacen(" 01 ", " 02 ", 1)
}

/// A frame from us: hex digits with address and control octets.
pub(crate) fn frame(text: &str) -> String {
    format!("ff03{}", hex(&bytes(text)))
}

fn frame_start(text: &str) -> String {
    format!("ff03{}", text.replace(' ', ""))
}

/// From hex text, `..` replaced by the length from the code (two octets before it) on.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    let digits = |text: &str| -> Vec<u8> {
        let digits: Vec<u8> = text
            .chars()
            .filter_map(|digit| digit.to_digit(16))
            .map(|digit| u8::try_from(digit).unwrap())
            .collect();
        digits.as_chunks().0.iter().map(|&[high, low]| high << 4 | low).collect()
    };
    let Some((head, data)) = text.split_once("..") else { return digits(text) };
    let data = digits(data);
    let length = u16::try_from(4 + data.len()).unwrap().to_be_bytes();
    [digits(head), length.to_vec(), data].concat()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[expect(clippy::disallowed_methods, reason = "virtual time has to start somewhere")]
fn start() -> Instant {
    Instant::now()
}
