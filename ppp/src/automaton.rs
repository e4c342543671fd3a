//! One control protocol's negotiation: the automaton of RFC 1661 §4 driven by packets and by time.
//!
//! The grid of `fsm.rs` decides, this file carries out: it numbers requests, keeps the restart timer and counter,
//! and asks its [`ControlProtocol`] what the options mean.

use std::time::{Duration, Instant};

use crate::control::ControlProtocol;
use crate::fsm::{self, Action, Event, State};
use crate::packet::{Code, Options, Packet};
use crate::reason::Reason;
use crate::wire::{Discard, Wire};

/// What the layer above has to know after an event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// This-Layer-Up.
    Up,
    /// This-Layer-Down; a new negotiation is under way, or a termination.
    Down,
    /// This-Layer-Finished, after a termination.
    Finished,
    /// This-Layer-Finished, because the peer answered none of our requests.
    NoAnswer,
    /// The peer knows nothing of this protocol, or not even its basic codes.
    Rejected,
    /// The peer repeated a request that we had acknowledged, so it did not hear that.
    Repeated,
    /// The negotiation cannot succeed.
    Impossible(Reason),
}

pub(crate) struct Automaton<C> {
    pub(crate) protocol: C,
    state: State,
    restart_counter: u32,
    restart_at: Option<Instant>,
    request: Request,
    /// Of Terminate-Requests and Code-Rejects; Configure-Requests count for themselves.
    identifier: u8,
    farewell: &'static str,
    naks_sent: u32,
    /// The peer has said something on this layer since our first request.
    heard: bool,
    acknowledged: Option<Acknowledged>,
}

/// Our last Configure-Request.
struct Request {
    identifier: u8,
    options: Vec<u8>,
    answered: bool,
}

/// The last request of the peer's that we acknowledged.
struct Acknowledged {
    identifier: u8,
    options: Vec<u8>,
    /// Until then, the same again is a repetition; later it is a new negotiation.
    until: Instant,
}

/// What the packet in hand is answered with, if the table wants an answer.
#[derive(Clone, Copy)]
struct Answer<'a> {
    code: Code,
    identifier: u8,
    data: &'a [u8],
}

impl<C: ControlProtocol> Automaton<C> {
    /// Opens the layer over a lower layer that is up: our first request goes out at once.
    pub(crate) fn open(now: Instant, protocol: C, wire: &mut Wire) -> Self {
        Self::begin(now, protocol, false, wire)
    }

    /// The same toward a peer whose request is at hand: it is listening, and our request need not be repeated to it.
    pub(crate) fn open_asked(now: Instant, protocol: C, wire: &mut Wire) -> Self {
        Self::begin(now, protocol, true, wire)
    }

    fn begin(now: Instant, protocol: C, heard: bool, wire: &mut Wire) -> Self {
        let mut automaton = Self {
            protocol,
            state: State::Initial,
            restart_counter: 0,
            restart_at: None,
            request: Request { identifier: 0, options: Vec::new(), answered: false },
            identifier: 0,
            farewell: "",
            naks_sent: 0,
            heard,
            acknowledged: None,
        };
        automaton.step(now, Event::Open, Answer::NONE, wire);
        automaton.step(now, Event::Up, Answer::NONE, wire);
        automaton
    }

    pub(crate) fn close(&mut self, now: Instant, farewell: &'static str, wire: &mut Wire) -> Option<Signal> {
        self.farewell = farewell;
        self.step(now, Event::Close, Answer::NONE, wire)
    }

    pub(crate) fn lower_down(&mut self, now: Instant, wire: &mut Wire) -> Option<Signal> {
        self.step(now, Event::Down, Answer::NONE, wire)
    }

    /// The peer rejected the whole protocol, RFC 1661 §5.7.
    pub(crate) fn protocol_rejected(&mut self, now: Instant, wire: &mut Wire) -> Option<Signal> {
        self.step(now, Event::RejectCatastrophic, Answer::NONE, wire)
    }

    /// Answers an Echo-Request with `data`, if the state allows it.
    pub(crate) fn echo(&mut self, now: Instant, identifier: u8, data: &[u8], wire: &mut Wire) {
        let answer = Answer { code: Code::ECHO_REPLY, identifier, data };
        self.step(now, Event::EchoOrDiscard, answer, wire);
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, wire: &mut Wire) -> Option<Signal> {
        if self.restart_at.is_none_or(|at| at > now) {
            return None;
        }
        let event = if self.restart_counter > 0 { Event::TimeoutRetry } else { Event::TimeoutGiveUp };
        self.step(now, event, Answer::NONE, wire)
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.restart_at
    }

    /// Our request is about to be repeated to a peer that has not said a word on this layer.
    pub(crate) fn repeats_into_silence(&self, now: Instant) -> bool {
        !self.heard && self.restart_counter > 0 && self.restart_at.is_some_and(|at| at <= now)
    }

    pub(crate) fn is_opened(&self) -> bool {
        self.state == State::Opened
    }

    /// Negotiation or termination has ended, and not well.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state, State::Closed | State::Stopped)
    }

    pub(crate) fn next_identifier(&mut self) -> u8 {
        self.identifier = self.identifier.wrapping_add(1);
        self.identifier
    }

    pub(crate) fn handle_packet(
        &mut self,
        now: Instant,
        packet: Packet<'_>,
        wire: &mut Wire,
    ) -> Option<Signal> {
        match packet.code {
            Code::CONFIGURE_REQUEST => self.configure_request(now, packet, wire),
            Code::CONFIGURE_ACK => self.configure_ack(now, packet, wire),
            Code::CONFIGURE_NAK | Code::CONFIGURE_REJECT => self.configure_refusal(now, packet, wire),
            Code::TERMINATE_REQUEST => {
                let answer = Answer { identifier: packet.identifier, ..Answer::NONE };
                self.step(now, Event::TerminateRequest, answer, wire)
            }
            Code::TERMINATE_ACK => self.step(now, Event::TerminateAck, Answer::NONE, wire),
            Code::CODE_REJECT => self.code_reject(now, packet, wire),
            _ => {
                let data = packet.whole.get(..REJECTED_COPY).unwrap_or(packet.whole);
                let answer = Answer { code: Code::CODE_REJECT, identifier: self.next_identifier(), data };
                self.step(now, Event::UnknownCode, answer, wire)
            }
        }
    }

    fn configure_request(&mut self, now: Instant, packet: Packet<'_>, wire: &mut Wire) -> Option<Signal> {
        let options = self.options(packet, wire)?;
        // Deviation from §4.1, where RCR+ takes an opened layer down: this one was acknowledged, the Ack was lost
        // and the peer's restart timer ran out. pppd and Windows repeat with the same identifier.
        if self.is_opened() && self.acknowledged.as_ref().is_some_and(|last| last.is_repeated_by(now, packet))
        {
            wire.send(C::PROTOCOL, Code::CONFIGURE_ACK, packet.identifier, packet.data);
            return Some(Signal::Repeated);
        }
        let judgement = match self.protocol.judge(options, wire) {
            Ok(judgement) => judgement,
            Err(reason) => return Some(Signal::Impossible(reason)),
        };
        // Not in the RFC: a peer that was not listening when our request came (xl2tpd starts pppd only after the
        // call is up) would not hear of it before the restart timer. It must stand *before* the answer: a peer
        // opened by our Ack would take the request for a renegotiation.
        if self.state == State::ReqSent && !self.heard {
            self.send_request(wire);
        }
        self.heard = true;
        let (code, options) = judgement.into_answer(self.naks_sent >= MAX_FAILURE);
        if code == Code::CONFIGURE_ACK {
            return self.acknowledge(now, packet, wire);
        }
        self.naks_sent += u32::from(code == Code::CONFIGURE_NAK);
        let answer = Answer { code, identifier: packet.identifier, data: &options };
        self.step(now, Event::ConfigureRequestBad, answer, wire)
    }

    fn acknowledge(&mut self, now: Instant, packet: Packet<'_>, wire: &mut Wire) -> Option<Signal> {
        self.naks_sent = 0;
        let identifier = packet.identifier;
        let until = now + RESTART_INTERVAL * MAX_CONFIGURE;
        self.acknowledged = Some(Acknowledged { identifier, options: packet.data.to_vec(), until });
        let answer = Answer { code: Code::CONFIGURE_ACK, identifier, data: packet.data };
        self.step(now, Event::ConfigureRequestGood, answer, wire)
    }

    fn configure_ack(&mut self, now: Instant, packet: Packet<'_>, wire: &mut Wire) -> Option<Signal> {
        if !self.answers_request(packet, wire) {
            return None;
        }
        // §5.2: the options must be exactly ours.
        if packet.data != self.request.options {
            wire.discard(Discard::Answer);
            return None;
        }
        self.request.answered = true;
        self.heard = true;
        let answer = Answer { identifier: packet.identifier, ..Answer::NONE };
        self.step(now, Event::ConfigureAck, answer, wire)
    }

    fn configure_refusal(&mut self, now: Instant, packet: Packet<'_>, wire: &mut Wire) -> Option<Signal> {
        let options = self.options(packet, wire)?;
        if !self.answers_request(packet, wire) {
            return None;
        }
        let outcome = if packet.code == Code::CONFIGURE_NAK {
            self.protocol.naked(options, wire)
        } else if self.is_subset_of_request(options) {
            self.protocol.rejected(options)
        } else {
            wire.discard(Discard::Answer);
            return None;
        };
        self.request.answered = true;
        self.heard = true;
        if let Err(reason) = outcome {
            return Some(Signal::Impossible(reason));
        }
        let answer = Answer { identifier: packet.identifier, ..Answer::NONE };
        self.step(now, Event::ConfigureNakOrReject, answer, wire)
    }

    /// §5.4: a Reject names some of our options, unchanged.
    fn is_subset_of_request(&self, mut options: Options<'_>) -> bool {
        let Ok(ours) = Options::parse(&self.request.options) else { return false };
        !options.is_empty() && options.all(|option| ours.clone().any(|our| our == option))
    }

    fn code_reject(&mut self, now: Instant, packet: Packet<'_>, wire: &mut Wire) -> Option<Signal> {
        let Some((&rejected, _)) = packet.data.split_first() else {
            wire.discard(Discard::Truncated);
            return None;
        };
        // §4.3: without the seven basic codes there is nothing to talk about.
        let basic = (Code::CONFIGURE_REQUEST.0..=Code::CODE_REJECT.0).contains(&rejected);
        let event = if basic { Event::RejectCatastrophic } else { Event::RejectPermitted };
        self.step(now, event, Answer::NONE, wire)
    }

    fn options<'a>(&self, packet: Packet<'a>, wire: &mut Wire) -> Option<Options<'a>> {
        Options::parse(packet.data).map_err(|malformed| wire.discard(malformed.into())).ok()
    }

    /// A request is answered once: a second answer to it would look like a crossed connection (§4.1, note x).
    fn answers_request(&self, packet: Packet<'_>, wire: &mut Wire) -> bool {
        let answers = packet.identifier == self.request.identifier && !self.request.answered;
        if !answers {
            wire.discard(Discard::Identifier);
        }
        answers
    }

    fn step(&mut self, now: Instant, event: Event, answer: Answer<'_>, wire: &mut Wire) -> Option<Signal> {
        let (actions, next) = fsm::transition(self.state, event)?;
        let before = self.state;
        self.state = next;
        let mut signal = None;
        for action in actions {
            match action {
                Action::Tlu => signal = Some(Signal::Up),
                Action::Tld => signal = Some(Signal::Down),
                // The layer below is up already.
                Action::Tls => {}
                Action::Tlf => signal = Some(Signal::Finished),
                Action::Irc => {
                    self.restart_counter = if next.terminates() { MAX_TERMINATE } else { MAX_CONFIGURE }
                }
                Action::Zrc => {
                    self.restart_counter = 0;
                    self.restart_at = Some(now + RESTART_INTERVAL);
                }
                Action::Scr => {
                    if event != Event::TimeoutRetry {
                        self.request.identifier = self.request.identifier.wrapping_add(1);
                        self.request.options = self.protocol.request();
                    }
                    self.send_request(wire);
                    self.restart(now);
                }
                Action::Str => {
                    let identifier = self.next_identifier();
                    wire.send(C::PROTOCOL, Code::TERMINATE_REQUEST, identifier, self.farewell.as_bytes());
                    self.restart(now);
                }
                Action::Sta => wire.send(C::PROTOCOL, Code::TERMINATE_ACK, answer.identifier, &[]),
                Action::Sca | Action::Scn | Action::Scj | Action::Ser => {
                    wire.send(C::PROTOCOL, answer.code, answer.identifier, answer.data);
                }
            }
        }
        if !next.runs_timer() {
            self.restart_at = None;
        }
        match (signal, event) {
            (Some(_), Event::RejectCatastrophic) => Some(Signal::Rejected),
            (Some(Signal::Finished), Event::TimeoutGiveUp) if !before.terminates() => Some(Signal::NoAnswer),
            (signal, _) => signal,
        }
    }

    fn send_request(&mut self, wire: &mut Wire) {
        self.request.answered = false;
        wire.send(C::PROTOCOL, Code::CONFIGURE_REQUEST, self.request.identifier, &self.request.options);
    }

    fn restart(&mut self, now: Instant) {
        self.restart_counter = self.restart_counter.saturating_sub(1);
        self.restart_at = Some(now + RESTART_INTERVAL);
    }
}

impl Acknowledged {
    fn is_repeated_by(&self, now: Instant, packet: Packet<'_>) -> bool {
        now < self.until && self.identifier == packet.identifier && self.options == packet.data
    }
}

impl Answer<'_> {
    /// For events that nothing is answered to.
    const NONE: Self = Self { code: Code(0), identifier: 0, data: &[] };
}

/// §4.6: the restart timer's period.
pub(crate) const RESTART_INTERVAL: Duration = Duration::from_secs(3);
/// §4.6: Configure-Requests without a valid answer before the peer is given up.
const MAX_CONFIGURE: u32 = 10;
/// §4.6: Terminate-Requests without an Ack.
const MAX_TERMINATE: u32 = 2;
/// §4.6: Configure-Naks in a row before they become Configure-Rejects.
pub(crate) const MAX_FAILURE: u32 = 5;
/// How much of a rejected packet is sent back: within every MRU that we acknowledge (§5.6, §5.7).
pub(crate) const REJECTED_COPY: usize = 512;
