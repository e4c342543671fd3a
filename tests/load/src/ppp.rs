//! PPP, the caller's side: LCP, MS-CHAP-V2, IPCP, RFC 1661, 2759, 1332.

mod mschap;
mod negotiation;

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::time::Instant;

use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;

use self::mschap::Exchange;
use self::negotiation::{Answer, ConfigOption, Negotiation, Packet, code, frame};
use crate::profile::{IpcpOption, LcpOption, PppProfile};
use crate::timeline::Mark;

/// What a client learns from its link.
pub(crate) enum Event {
    Passed(Mark),
    /// The network is up.
    Up,
    /// The server refused the login.
    Refused(Refusal),
    /// The server ended the link.
    Terminated(Vec<u8>),
    /// The server acknowledged our farewell.
    TerminateAcknowledged,
    NoAnswer(&'static str),
    Violated(String),
}

/// A Failure packet of MS-CHAP-V2, RFC 2759 §6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The error code `E=`.
    pub code: u32,
    /// Another try is allowed: `R=1`.
    pub retry: bool,
    /// The text `M=`.
    pub message: String,
}

/// One PPP link.
pub(crate) struct Link {
    profile: PppProfile,
    user: String,
    password: String,
    rng: ChaCha20Rng,
    magic: [u8; 4],
    lcp: Negotiation,
    ipcp: Negotiation,
    /// Protocols beside IPCP, with the state of our request.
    extras: Vec<Negotiation>,
    /// Protocols the server rejected.
    rejected: Vec<u16>,
    /// The last refusal, until a response is accepted.
    refusal: Option<Refusal>,
    phase: Phase,
    /// Frames are lost until then.
    attached_at: Instant,
    started: bool,
    server: Option<Ipv4Addr>,
    echo_at: Option<Instant>,
    echoes_missing: u32,
    outgoing: VecDeque<Vec<u8>>,
    events: VecDeque<Event>,
}

enum Phase {
    Establish,
    /// Waits for a challenge.
    Authenticate,
    /// Waits for the verdict on this response.
    Responded(Response),
    /// The login was refused, and another password may be tried with this challenge.
    Refused {
        identifier: u8,
        challenge: [u8; 16],
    },
    Network,
    Terminating,
}

struct Response {
    identifier: u8,
    packet: Vec<u8>,
    expected: String,
}

impl Link {
    pub(crate) fn new(
        now: Instant,
        profile: PppProfile,
        user: &str,
        password: &str,
        seed: ChaCha20Rng,
    ) -> Self {
        let mut rng = seed;
        let mut magic = [0; 4];
        rng.fill_bytes(&mut magic);
        let mut endpoint = [0; 20];
        rng.fill_bytes(&mut endpoint);
        let lcp = profile.lcp.iter().map(|option| lcp_option(*option, magic, endpoint)).collect();
        let ipcp = profile.ipcp.iter().map(|option| ipcp_option(*option)).collect();
        let attached_at = now + profile.attach_delay;
        let mut link = Self {
            user: user.into(),
            password: password.into(),
            rng,
            magic,
            lcp: Negotiation::new(LCP, profile.first_identifier, lcp, profile.restart),
            ipcp: Negotiation::new(IPCP, profile.first_identifier, ipcp, profile.restart),
            extras: Vec::new(),
            rejected: Vec::new(),
            refusal: None,
            phase: Phase::Establish,
            attached_at,
            started: false,
            server: None,
            echo_at: None,
            echoes_missing: 0,
            outgoing: VecDeque::new(),
            events: VecDeque::new(),
            profile,
        };
        link.handle_timeout(now);
        link
    }

    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// A whole frame.
    pub(crate) fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.outgoing.pop_front()
    }

    pub(crate) fn is_up(&self) -> bool {
        matches!(self.phase, Phase::Network) && self.ipcp.is_open()
    }

    /// Our address, once IPCP is open.
    pub(crate) fn address(&self) -> Option<Ipv4Addr> {
        self.ipcp_value(IP_ADDRESS).filter(|_| self.is_up())
    }

    /// The server's address within the link.
    pub(crate) fn server(&self) -> Option<Ipv4Addr> {
        self.server
    }

    pub(crate) fn dns(&self) -> Vec<Ipv4Addr> {
        [DNS_1, DNS_2].into_iter().filter_map(|kind| self.ipcp_value(kind)).collect()
    }

    /// The refusal that another password may answer, or that ended the login.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.refusal.clone()
    }

    /// Protocols the server rejected.
    pub(crate) fn rejected(&self) -> &[u16] {
        &self.rejected
    }

    fn ipcp_value(&self, kind: u8) -> Option<Ipv4Addr> {
        let bytes: [u8; 4] = self.ipcp.value(kind)?.try_into().ok()?;
        Some(Ipv4Addr::from(bytes)).filter(|address| !address.is_unspecified())
    }

    /// Says goodbye.
    pub(crate) fn terminate(&mut self) {
        let request = Packet { code: code::TERMINATE_REQUEST, identifier: 0x7e, data: b"User request" };
        self.outgoing.push_back(frame(LCP, &request.encode()));
        self.phase = Phase::Terminating;
    }

    /// Answers a refusal that allows another try.
    pub(crate) fn retry(&mut self, password: &str) {
        let Phase::Refused { identifier, challenge } = self.phase else { return };
        self.password = password.into();
        self.respond(identifier.wrapping_add(1), &challenge);
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if !self.started && now >= self.attached_at {
            self.started = true;
            self.lcp.start(now, self.profile.max_configure, &mut self.outgoing);
        }
        if !self.lcp.handle_timeout(now, &mut self.outgoing) {
            self.events.push_back(Event::NoAnswer("LCP Configure-Ack"));
        }
        if !self.ipcp.handle_timeout(now, &mut self.outgoing) {
            self.events.push_back(Event::NoAnswer("IPCP Configure-Ack"));
        }
        for extra in &mut self.extras {
            extra.handle_timeout(now, &mut self.outgoing);
        }
        if self.echo_at.is_some_and(|due| now >= due) {
            self.send_echo(now);
        }
    }

    fn send_echo(&mut self, now: Instant) {
        let Some((interval, allowed)) = self.profile.echo else { return };
        if self.echoes_missing >= allowed {
            self.echo_at = None;
            return self.events.push_back(Event::NoAnswer("LCP Echo-Reply"));
        }
        self.echoes_missing += 1;
        self.echo_at = Some(now + interval);
        let magic = self.magic;
        let echo = Packet { code: code::ECHO_REQUEST, identifier: 1, data: &magic };
        self.outgoing.push_back(frame(LCP, &echo.encode()));
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let start = (!self.started).then_some(self.attached_at);
        let extras = self.extras.iter().filter_map(Negotiation::poll_timeout);
        [start, self.lcp.poll_timeout(), self.ipcp.poll_timeout(), self.echo_at]
            .into_iter()
            .flatten()
            .chain(extras)
            .min()
    }

    /// Takes a frame; the IP packet of one that carries it.
    pub(crate) fn handle_frame<'a>(&mut self, now: Instant, frame: &'a [u8]) -> Option<&'a [u8]> {
        if now < self.attached_at {
            return None;
        }
        let (protocol, rest) = decode_frame(frame)?;
        if protocol == IP {
            return self.is_up().then_some(rest);
        }
        match protocol {
            LCP => self.handle_lcp(now, &Packet::decode(rest)?),
            // pppd: "Discarded non-LCP packet when LCP not open".
            _ if !self.lcp.is_open() => {}
            CHAP => self.handle_chap(now, &Packet::decode(rest)?),
            IPCP => self.handle_ipcp(now, &Packet::decode(rest)?),
            _ => self.handle_other(now, protocol, rest),
        }
        None
    }

    fn handle_lcp(&mut self, now: Instant, packet: &Packet<'_>) {
        let was_open = self.lcp.is_open();
        match packet.code {
            code::CONFIGURE_REQUEST => self.lcp.handle_request(now, packet, judge_lcp, &mut self.outgoing),
            code::CONFIGURE_ACK..=code::CONFIGURE_REJECT => {
                self.lcp.handle_answer(now, packet, &mut self.outgoing);
            }
            code::TERMINATE_REQUEST => {
                let ack = Packet { code: code::TERMINATE_ACK, identifier: packet.identifier, data: &[] };
                self.outgoing.push_back(frame(LCP, &ack.encode()));
                self.phase = Phase::Terminating;
                self.events.push_back(Event::Terminated(packet.data.to_vec()));
            }
            code::TERMINATE_ACK => self.events.push_back(Event::TerminateAcknowledged),
            code::PROTOCOL_REJECT => self.handle_protocol_reject(packet.data),
            code::ECHO_REQUEST if was_open => {
                let text = packet.data.get(4..).unwrap_or(&[]);
                let data = [&self.magic[..], text].concat();
                let reply = Packet { code: code::ECHO_REPLY, identifier: packet.identifier, data: &data };
                self.outgoing.push_back(frame(LCP, &reply.encode()));
            }
            code::ECHO_REPLY => self.echoes_missing = 0,
            _ => {}
        }
        if self.lcp.is_open() && !was_open {
            self.lcp_opened(now);
        }
    }

    fn lcp_opened(&mut self, now: Instant) {
        self.phase = Phase::Authenticate;
        self.events.push_back(Event::Passed(Mark::LcpOpen));
        self.echo_at = self.profile.echo.map(|(interval, _)| now + interval);
        for (identifier, text) in (2..).zip(&self.profile.identification) {
            let data = [&self.magic[..], text].concat();
            let packet = Packet { code: code::IDENTIFICATION, identifier, data: &data };
            self.outgoing.push_back(frame(LCP, &packet.encode()));
        }
    }

    fn handle_protocol_reject(&mut self, data: &[u8]) {
        let Some(protocol) = data.first_chunk().map(|bytes| u16::from_be_bytes(*bytes)) else { return };
        self.rejected.push(protocol);
        if protocol == IPCP {
            return self.events.push_back(Event::Violated("the server rejected IPCP".into()));
        }
        let wanted = self.profile.extras.iter().position(|(extra, _)| *extra == protocol);
        if let Some(extra) = wanted.and_then(|index| self.extras.get_mut(index)) {
            extra.give_up();
        }
    }

    fn handle_chap(&mut self, now: Instant, packet: &Packet<'_>) {
        match packet.code {
            CHALLENGE => {
                if let Phase::Responded(response) = &self.phase
                    && response.identifier == packet.identifier
                {
                    self.outgoing.push_back(frame(CHAP, &response.packet));
                    return;
                }
                let Some((&[16], rest)) = packet.data.split_first_chunk() else {
                    return self.events.push_back(Event::Violated("a challenge is not of 16 bytes".into()));
                };
                let Some(challenge) = rest.first_chunk() else { return };
                self.events.push_back(Event::Passed(Mark::Challenge));
                self.respond(packet.identifier, challenge);
            }
            SUCCESS => self.handle_success(now, packet),
            FAILURE => self.handle_failure(packet),
            _ => {}
        }
    }

    fn respond(&mut self, identifier: u8, challenge: &[u8; 16]) {
        let mut peer_challenge = [0; 16];
        self.rng.fill_bytes(&mut peer_challenge);
        let exchange = Exchange {
            authenticator_challenge: challenge,
            peer_challenge: &peer_challenge,
            user: &self.user,
            password: &self.password,
        };
        // §4: value size 49, peer challenge, eight reserved bytes, NT response, flags, name.
        let data = [&[49][..], &peer_challenge, &[0; 8], &exchange.nt_response(), &[0], self.user.as_bytes()]
            .concat();
        let packet = Packet { code: RESPONSE, identifier, data: &data }.encode();
        self.outgoing.push_back(frame(CHAP, &packet));
        let expected = exchange.authenticator_response();
        self.phase = Phase::Responded(Response { identifier, packet, expected });
    }

    fn handle_success(&mut self, now: Instant, packet: &Packet<'_>) {
        let Phase::Responded(response) = &self.phase else { return };
        if response.identifier != packet.identifier {
            return;
        }
        let proof = packet.data.strip_prefix(b"S=").and_then(|rest| rest.get(..40));
        if proof != Some(response.expected.as_bytes()) {
            return self.events.push_back(Event::Violated("the server does not know the password".into()));
        }
        self.phase = Phase::Network;
        self.refusal = None;
        self.events.push_back(Event::Passed(Mark::Authenticated));
        let tries = self.profile.max_configure;
        self.ipcp.start(now, tries, &mut self.outgoing);
        self.extras.clear();
        for (protocol, options) in self.profile.extras.clone() {
            let options = negotiation::decode_options(&options).unwrap_or_default();
            let mut extra = Negotiation::new(protocol, 1, options, self.profile.restart);
            extra.start(now, tries, &mut self.outgoing);
            self.extras.push(extra);
        }
    }

    fn handle_failure(&mut self, packet: &Packet<'_>) {
        let Phase::Responded(response) = &self.phase else { return };
        if response.identifier != packet.identifier {
            return;
        }
        let text = String::from_utf8_lossy(packet.data).into_owned();
        let Some((refusal, challenge)) = decode_failure(&text) else {
            return self.events.push_back(Event::Violated(format!("a failure that cannot be read: {text}")));
        };
        self.phase = Phase::Refused { identifier: packet.identifier, challenge };
        self.refusal = Some(refusal.clone());
        self.events.push_back(Event::Refused(refusal));
    }

    fn handle_ipcp(&mut self, now: Instant, packet: &Packet<'_>) {
        if !matches!(self.phase, Phase::Network) {
            return;
        }
        let was_up = self.is_up();
        match packet.code {
            code::CONFIGURE_REQUEST => {
                let server = &mut self.server;
                let judge = |options: &[ConfigOption]| judge_ipcp(options, server);
                self.ipcp.handle_request(now, packet, judge, &mut self.outgoing);
            }
            code::CONFIGURE_ACK..=code::CONFIGURE_REJECT => {
                self.ipcp.handle_answer(now, packet, &mut self.outgoing);
            }
            _ => {}
        }
        if self.is_up() && !was_up {
            self.events.push_back(Event::Passed(Mark::NetworkUp));
            self.events.push_back(Event::Up);
        }
    }

    /// Answers about our extra protocols count; the server's own requests for them are rejected.
    fn handle_other(&mut self, now: Instant, protocol: u16, rest: &[u8]) {
        let Some(packet) = Packet::decode(rest) else { return };
        let ours = self.profile.extras.iter().position(|(extra, _)| *extra == protocol);
        match ours.and_then(|index| self.extras.get_mut(index)) {
            Some(extra) if packet.code != code::CONFIGURE_REQUEST => {
                extra.handle_answer(now, &packet, &mut self.outgoing);
            }
            _ => {
                let data = [&protocol.to_be_bytes()[..], rest].concat();
                let reject = Packet { code: code::PROTOCOL_REJECT, identifier: 0x50, data: &data };
                self.outgoing.push_back(frame(LCP, &reject.encode()));
            }
        }
    }
}

/// What this client accepts of the server's LCP options.
fn judge_lcp(options: &[ConfigOption]) -> Answer {
    let known = |(kind, _): &&ConfigOption| [1, 2, 3, 5, 7, 8].contains(kind);
    let foreign: Vec<ConfigOption> = options.iter().filter(|option| !known(option)).cloned().collect();
    if !foreign.is_empty() {
        return Answer::Reject(foreign);
    }
    let wrong: Vec<ConfigOption> = options
        .iter()
        .filter(|(kind, value)| *kind == AUTHENTICATION && value != MS_CHAP_V2)
        .map(|(kind, _)| (*kind, MS_CHAP_V2.to_vec()))
        .collect();
    if wrong.is_empty() { Answer::Ack } else { Answer::Nak(wrong) }
}

/// What this client accepts of the server's IPCP options: its address.
fn judge_ipcp(options: &[ConfigOption], server: &mut Option<Ipv4Addr>) -> Answer {
    let foreign: Vec<ConfigOption> =
        options.iter().filter(|(kind, _)| *kind != IP_ADDRESS).cloned().collect();
    if !foreign.is_empty() {
        return Answer::Reject(foreign);
    }
    let address = options.first().and_then(|(_, value)| <[u8; 4]>::try_from(value.as_slice()).ok());
    *server = address.map(Ipv4Addr::from);
    Answer::Ack
}

/// `E=eee R=r C=cc… V=v M=text`, RFC 2759 §6.
fn decode_failure(text: &str) -> Option<(Refusal, [u8; 16])> {
    let (fields, message) = text.split_once(" M=").unwrap_or((text, ""));
    let field = |name: &str| fields.split(' ').find_map(|field| field.strip_prefix(name));
    let code = field("E=")?.parse().ok()?;
    let retry = field("R=")? == "1";
    let digits = field("C=")?;
    (digits.len() == 32).then_some(())?;
    let mut challenge = [0; 16];
    for (byte, digits) in challenge.iter_mut().zip(digits.as_bytes().as_chunks::<2>().0) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some((Refusal { code, retry, message: message.into() }, challenge))
}

/// Address, control and protocol may each be compressed (RFC 1661 §6.5, §6.6).
fn decode_frame(frame: &[u8]) -> Option<(u16, &[u8])> {
    let rest = frame.strip_prefix(&[0xff, 0x03]).unwrap_or(frame);
    match rest {
        [low, rest @ ..] if low & 1 == 1 => Some((u16::from(*low), rest)),
        [high, low, rest @ ..] => Some((u16::from_be_bytes([*high, *low]), rest)),
        _ => None,
    }
}

fn lcp_option(option: LcpOption, magic: [u8; 4], endpoint: [u8; 20]) -> ConfigOption {
    match option {
        LcpOption::Mru(size) => (1, size.to_be_bytes().to_vec()),
        LcpOption::AsyncMap(map) => (2, map.to_be_bytes().to_vec()),
        LcpOption::MagicNumber => (5, magic.to_vec()),
        LcpOption::ProtocolCompression => (7, Vec::new()),
        LcpOption::AddressCompression => (8, Vec::new()),
        LcpOption::Callback => (13, vec![6]),
        LcpOption::Mrru(size) => (17, size.to_be_bytes().to_vec()),
        LcpOption::Endpoint => (19, [&[1][..], &endpoint].concat()),
    }
}

fn ipcp_option(option: IpcpOption) -> ConfigOption {
    match option {
        IpcpOption::VanJacobson => (2, vec![0x00, 0x2d, 0x0f, 0x01]),
        IpcpOption::Address => (IP_ADDRESS, vec![0; 4]),
        IpcpOption::Dns1 => (DNS_1, vec![0; 4]),
        IpcpOption::Nbns1 => (130, vec![0; 4]),
        IpcpOption::Dns2 => (DNS_2, vec![0; 4]),
        IpcpOption::Nbns2 => (132, vec![0; 4]),
    }
}

/// Protocol numbers.
const IP: u16 = 0x0021;
const LCP: u16 = 0xc021;
const CHAP: u16 = 0xc223;
const IPCP: u16 = 0x8021;

/// CHAP codes, RFC 1994 §4.
const CHALLENGE: u8 = 1;
const RESPONSE: u8 = 2;
const SUCCESS: u8 = 3;
const FAILURE: u8 = 4;

/// LCP option Authentication-Protocol: CHAP with algorithm 0x81.
const AUTHENTICATION: u8 = 3;
const MS_CHAP_V2: &[u8] = &[0xc2, 0x23, 0x81];

/// IPCP options, RFC 1332 §3.3 and RFC 1877 §1.
const IP_ADDRESS: u8 = 3;
const DNS_1: u8 = 129;
const DNS_2: u8 = 131;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_read() {
        let text = "E=691 R=1 C=000102030405060708090A0B0C0D0E0F V=3 M=Wrong name or password";
        let (refusal, challenge) = decode_failure(text).unwrap();
        assert_eq!((refusal.code, refusal.retry), (691, true));
        assert_eq!(refusal.message, "Wrong name or password");
        assert_eq!(challenge[15], 15);
        assert!(decode_failure("E=691 R=0 V=3").is_none(), "RFC 2759 §6 wants C=");
    }

    #[test]
    fn frames_in_every_compression() {
        for bytes in [&[0xff, 3, 0, 0x21, 9][..], &[0xff, 3, 0x21, 9], &[0, 0x21, 9], &[0x21, 9]] {
            assert_eq!(decode_frame(bytes), Some((IP, &[9][..])));
        }
        assert_eq!(decode_frame(&[0xff, 3]), None);
    }
}
