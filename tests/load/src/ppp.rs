//! PPP, the caller's side: LCP, MS-CHAP-V2, CHAP, PAP, EAP, IPCP, IPV6CP, RFC 1661, 2759, 1994, 1334, 3748, 1332, 5072.

mod chap;
mod eap;
mod login;
mod mschap;
mod negotiation;
mod options;
mod pap;
mod refusal;

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::time::Instant;

use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;

use self::chap::Response;
use self::eap::Conversation;
use self::negotiation::{ConfigOption, Negotiation, Packet, code, frame};
use self::options::{DNS_1, DNS_2, IP_ADDRESS, ipcp_option, judge_ipcp, judge_ipv6cp, judge_lcp, lcp_option};
use self::pap::Request;
pub use self::refusal::Refusal;
use crate::profile::{Authentication, PppProfile};
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
    /// What the server said as it ended IPCP: Windows' error 736.
    ipcp_ended: Option<String>,
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
    /// Waits for the verdict on this password.
    Requested(Request),
    /// Speaks EAP.
    Conversing(Box<Conversation>),
    /// The login was refused, and another password may be tried with this challenge.
    Refused {
        identifier: u8,
        challenge: [u8; 16],
    },
    /// Logged in, to a challenge with this response.
    Network(Option<Response>),
    Terminating,
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
            ipcp_ended: None,
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
        matches!(self.phase, Phase::Network(_)) && self.ipcp.is_open()
    }

    /// IPV6CP is open.
    pub(crate) fn has_ipv6(&self) -> bool {
        self.ipv6cp().is_some_and(Negotiation::is_open)
    }

    /// Our interface identifier, once IPV6CP is open.
    pub(crate) fn interface_id(&self) -> Option<[u8; 8]> {
        self.ipv6cp().filter(|ipv6cp| ipv6cp.is_open())?.value(1)?.try_into().ok()
    }

    fn ipv6cp(&self) -> Option<&Negotiation> {
        self.extras.iter().find(|extra| extra.protocol == IPV6CP)
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

    /// What the server said as it ended IPCP.
    pub(crate) fn ipcp_ended(&self) -> Option<&str> {
        self.ipcp_ended.as_deref()
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
        self.repeat_request(now);
        self.repeat_response(now);
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
        let request = match &self.phase {
            Phase::Requested(request) => Some(request.resend_at),
            Phase::Responded(response) => response.resend_at(),
            _ => None,
        };
        [start, self.lcp.poll_timeout(), self.ipcp.poll_timeout(), self.echo_at, request]
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
        // What comes at the very instant must not overtake the start.
        if !self.started {
            self.handle_timeout(now);
        }
        let (protocol, rest) = decode_frame(frame)?;
        match protocol {
            IP => return self.is_up().then_some(rest),
            IPV6 => return self.has_ipv6().then_some(rest),
            _ => {}
        }
        match protocol {
            LCP => self.handle_lcp(now, &Packet::decode(rest)?),
            // pppd: "Discarded non-LCP packet when LCP not open".
            _ if !self.lcp.is_open() => {}
            CHAP => self.handle_chap(now, &Packet::decode(rest)?),
            PAP => self.handle_pap(now, &Packet::decode(rest)?),
            EAP => self.handle_eap(now, &Packet::decode(rest)?),
            IPCP => self.handle_ipcp(now, &Packet::decode(rest)?),
            _ => self.handle_other(now, protocol, rest),
        }
        None
    }

    fn handle_lcp(&mut self, now: Instant, packet: &Packet<'_>) {
        let was_open = self.lcp.is_open();
        match packet.code {
            code::CONFIGURE_REQUEST => {
                let wanted = self.profile.authentication;
                let judge = |options: &[_]| judge_lcp(options, wanted);
                self.lcp.handle_request(now, packet, judge, &mut self.outgoing);
            }
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
        match self.profile.authentication {
            Authentication::MsChapV2 | Authentication::Chap => {}
            Authentication::Pap => self.request(now),
            Authentication::Eap(method) => {
                self.phase = Phase::Conversing(Box::new(Conversation::new(method)));
            }
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

    fn handle_ipcp(&mut self, now: Instant, packet: &Packet<'_>) {
        if !matches!(self.phase, Phase::Network(_)) {
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
            code::TERMINATE_REQUEST => {
                let ack = Packet { code: code::TERMINATE_ACK, identifier: packet.identifier, data: &[] };
                self.outgoing.push_back(frame(IPCP, &ack.encode()));
                self.ipcp_ended = Some(String::from_utf8_lossy(packet.data).into_owned());
            }
            _ => {}
        }
        if self.is_up() && !was_up {
            self.events.push_back(Event::Passed(Mark::NetworkUp));
            self.events.push_back(Event::Up);
        }
    }

    /// Answers about our extra protocols count; the server's own requests for them are rejected, but for IPV6CP.
    fn handle_other(&mut self, now: Instant, protocol: u16, rest: &[u8]) {
        let Some(packet) = Packet::decode(rest) else { return };
        let ours = self.profile.extras.iter().position(|(extra, _)| *extra == protocol);
        match ours.and_then(|index| self.extras.get_mut(index)) {
            Some(extra) if packet.code == code::CONFIGURE_REQUEST && protocol == IPV6CP => {
                extra.handle_request(now, &packet, judge_ipv6cp, &mut self.outgoing);
            }
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

/// Address, control and protocol may each be compressed (RFC 1661 §6.5, §6.6).
fn decode_frame(frame: &[u8]) -> Option<(u16, &[u8])> {
    let rest = frame.strip_prefix(&[0xff, 0x03]).unwrap_or(frame);
    match rest {
        [low, rest @ ..] if low & 1 == 1 => Some((u16::from(*low), rest)),
        [high, low, rest @ ..] => Some((u16::from_be_bytes([*high, *low]), rest)),
        _ => None,
    }
}

/// Protocol numbers.
const IP: u16 = 0x0021;
const IPV6: u16 = 0x0057;
const IPV6CP: u16 = 0x8057;
const LCP: u16 = 0xc021;
const PAP: u16 = 0xc023;
const CHAP: u16 = 0xc223;
const EAP: u16 = 0xc227;
const IPCP: u16 = 0x8021;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_in_every_compression() {
        for bytes in [&[0xff, 3, 0, 0x21, 9][..], &[0xff, 3, 0x21, 9], &[0, 0x21, 9], &[0x21, 9]] {
            assert_eq!(decode_frame(bytes), Some((IP, &[9][..])));
        }
        assert_eq!(decode_frame(&[0xff, 3]), None);
    }
}
