//! One client's link through the phases of RFC 1661 §3.2.
//!
//! ```text
//!              LCP up               verdict: accept
//!  Establish ─────────► Authenticate ─────────────► Network
//!      ▲                     │                         │ │
//!      └─────────────────────┴─ client renegotiates ───┘ │ close, refusal, silence
//!                                                        ▼
//!                         Dead ◄───────────────────  Terminate
//! ```

mod lcp;
mod remaining;

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Instant;

use crate::auth::eap::{Job, JobDone};
use crate::auth::{Addressing, AuthRequest, Authenticator, Outcome, Terms, Verdict};
use crate::automaton::{Automaton, Signal};
use crate::config::Config;
use crate::ipv6cp::InterfaceId;
use crate::lcp::Lcp;
use crate::liveness::Liveness;
use crate::network::{Network, SETUP_LIMIT, Surroundings};
use crate::packet::{Packet, Protocol, parse_frame};
use crate::reason::Reason;
use crate::wire::{Discard, Discards, Wire, pop_or_free};
use remaining::Remaining;
pub use remaining::SessionEnd;

/// The server's end of a PPP link.
///
/// After every `handle_*`, the `poll_*` are to be called until they have nothing more; `poll_timeout` says when
/// [`Self::handle_timeout`] wants to be called. Once [`Event::Closed`] was polled, the link sends nothing unless
/// the client repeats its Terminate-Request; it can be dropped at any time.
pub struct Link {
    config: Arc<Config>,
    wire: Wire,
    events: VecDeque<Event>,
    lcp: Automaton<Lcp>,
    phase: Phase,
    liveness: Liveness,
    /// How often the client was refused; renegotiating does not wipe the slate.
    refusals: u32,
    /// The last time.
    refused: Option<Reason>,
    /// Until then the network is up or the link is given up.
    setup_by: Instant,
    /// Whoever is in is dismissed then.
    remaining: Option<Remaining>,
}

/// What a link tells its owner.
#[derive(Debug)]
pub enum Event {
    /// LCP is opened, and the client asked to authenticate itself. Again, if the client renegotiates.
    LcpUp,
    /// May this client come in? To be answered with [`Link::handle_verdict`].
    AuthRequest(AuthRequest),
    /// Long arithmetic, to be run anywhere and brought back to [`Link::handle_job`].
    Job(Job),
    /// IPv4 packets may flow.
    NetworkUp {
        /// The client's address.
        address: Ipv4Addr,
    },
    /// No more IPv4 packets, for now or for good.
    NetworkDown,
    /// IPv6 packets may flow.
    Ipv6Up {
        /// Our end of the link.
        local: InterfaceId,
    },
    /// No more IPv6 packets, for now or for good.
    Ipv6Down,
    /// The end; comes once.
    Closed(Reason),
}

enum Phase {
    /// LCP is being negotiated, RFC 1661 §3.4.
    Establish,
    /// The client has to say who it is, §3.5.
    Authenticate(Authenticator),
    /// The client is in, §3.6.
    Network { auth: Authenticator, network: Network },
    /// We said goodbye and wait for the client to do so, §3.7.
    Terminate(Reason),
    /// [`Event::Closed`] is out.
    Dead,
}

impl Link {
    /// Starts LCP: our Configure-Request is ready to be sent.
    pub fn new(now: Instant, config: Arc<Config>, seed: [u8; 32]) -> Self {
        let mut wire = Wire::new(seed);
        let lcp = Lcp::new(&config, &mut wire);
        let lcp = Automaton::open(now, lcp, &mut wire);
        Self {
            config,
            wire,
            events: VecDeque::new(),
            lcp,
            phase: Phase::Establish,
            liveness: Liveness::new(now),
            refusals: 0,
            refused: None,
            setup_by: now + SETUP_LIMIT,
            remaining: None,
        }
    }

    /// Takes a whole frame, with or without address and control octets; anything but IP data.
    pub fn handle_frame(&mut self, now: Instant, frame: &[u8]) {
        self.note_inbound(now);
        let (protocol, information) = match parse_frame(frame) {
            Ok(parts) => parts,
            Err(malformed) => return self.wire.discard(malformed.into()),
        };
        match protocol {
            Protocol::LCP => self.with_packet(now, information, Self::handle_lcp),
            // RFC 1661 §3.4, §3.7: nothing but LCP while LCP is not opened.
            _ if !self.lcp.is_opened() => self.wire.discard(Discard::Phase),
            Protocol::IPCP => self.with_packet(now, information, Self::handle_ipcp),
            Protocol::IPV6CP if self.may_have_ipv6() => {
                self.with_packet(now, information, Self::handle_ipv6cp);
            }
            Protocol::IPV4 => self.wire.discard(Discard::Data),
            Protocol::IPV6 if self.may_have_ipv6() => self.wire.discard(Discard::Data),
            // Another way to authenticate than the one agreed on is as foreign as any other protocol.
            _ if self.authenticator().is_some_and(|auth| auth.protocol() == protocol) => {
                self.with_packet(now, information, Self::handle_auth);
            }
            _ => self.handle_unsupported(protocol, information),
        }
    }

    /// What the operator decides from now on, for when the client authenticates itself anew; an authentication that has begun goes on
    /// as it began.
    pub fn set_config(&mut self, config: Arc<Config>) {
        self.config = config;
    }

    /// What the operator decided.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Carries out what the owner decided about the last [`Event::AuthRequest`].
    pub fn handle_verdict(&mut self, now: Instant, verdict: Verdict) {
        let is_refusal = matches!(verdict, Verdict::Reject(_));
        let outcome = match &mut self.phase {
            Phase::Authenticate(auth) => auth.handle_verdict(now, verdict, &mut self.wire),
            Phase::Establish | Phase::Network { .. } | Phase::Terminate(_) | Phase::Dead => Outcome::Waiting,
        };
        // The link was negotiated anew meanwhile, which takes no attempt back.
        self.refusals += u32::from(is_refusal && matches!(outcome, Outcome::Waiting));
        self.carry_out(now, outcome);
    }

    /// Takes the result of the last [`Event::Job`].
    pub fn handle_job(&mut self, now: Instant, done: JobDone) {
        let Phase::Authenticate(auth) = &mut self.phase else { return };
        let outcome = auth.handle_job(now, done, &mut self.wire);
        self.carry_out(now, outcome);
    }

    /// Says goodbye to the client; [`Event::Closed`] follows when it has answered, or 6 s later.
    pub fn close(&mut self, now: Instant, reason: Reason) {
        if matches!(self.phase, Phase::Terminate(_) | Phase::Dead) {
            return;
        }
        let farewell = reason.summary();
        self.leave(now, Phase::Terminate(reason));
        // Where LCP is already down, or on its way there, it says so at once or in time.
        let signal = self.lcp.close(now, farewell, &mut self.wire);
        if signal == Some(Signal::Finished) || self.lcp.is_over() {
            self.finish();
        }
    }

    /// The client sent something else, data for example: it is alive and need not be asked.
    pub fn note_inbound(&mut self, now: Instant) {
        self.liveness.note_inbound(now);
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Dead) {
            return;
        }
        let signal = self.lcp.handle_timeout(now, &mut self.wire);
        self.handle_lcp_signal(now, signal);
        match &mut self.phase {
            Phase::Authenticate(auth) => {
                let outcome = auth.handle_timeout(now, &mut self.wire);
                self.carry_out(now, outcome);
            }
            Phase::Network { auth, network } => {
                // A client that says nothing about IPCP may still wait for its Success: those built on pppd do not
                // repeat their Response, and one that is past that point ignores the packet.
                if network.repeats_into_silence(now) {
                    auth.repeat(&mut self.wire);
                }
                let reason = self.with_network(|network, around| network.handle_timeout(now, around));
                self.close_for(now, reason);
                self.check_liveness(now);
                self.check_remaining(now);
            }
            Phase::Establish | Phase::Terminate(_) | Phase::Dead => {}
        }
        if self.setup_deadline().is_some_and(|at| at <= now) {
            self.close(now, Reason::SetupTimeout);
        }
    }

    /// When [`Self::handle_timeout`] wants to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let layer = match &self.phase {
            Phase::Dead => return None,
            Phase::Authenticate(auth) => auth.poll_timeout(),
            Phase::Network { network, .. } => {
                let echo = self.liveness.next(self.config.echo_interval);
                let end = self.remaining.as_ref().map(Remaining::next);
                [network.poll_timeout(), end].into_iter().flatten().chain([echo]).min()
            }
            Phase::Establish | Phase::Terminate(_) => None,
        };
        [self.lcp.poll_timeout(), layer, self.setup_deadline()].into_iter().flatten().min()
    }

    /// The next frame to be sent: address, control and protocol included.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.wire.poll_transmit()
    }

    /// The next thing that the owner should know.
    pub fn poll_event(&mut self) -> Option<Event> {
        pop_or_free(&mut self.events)
    }

    /// What was discarded on this link since it was asked last, and why.
    pub fn take_discards(&mut self) -> Option<Box<Discards>> {
        self.wire.take_discards()
    }

    /// The largest IP packet that may be sent to the client.
    pub fn mtu(&self) -> u16 {
        self.lcp.protocol.peer_mru().min(self.config.mru)
    }

    /// IPv4 packets may flow.
    pub fn is_up(&self) -> bool {
        matches!(&self.phase, Phase::Network { network, .. } if network.has_ipv4())
    }

    /// IPv6 packets may flow.
    pub fn has_ipv6(&self) -> bool {
        matches!(&self.phase, Phase::Network { network, .. } if network.has_ipv6())
    }

    /// RFC 8200 §5: a link that cannot carry 1280 octets carries no IPv6.
    fn may_have_ipv6(&self) -> bool {
        self.mtu() >= IPV6_MINIMUM_MTU
            && matches!(&self.phase, Phase::Network { network, .. } if network.speaks(Protocol::IPV6))
    }

    fn authenticator(&self) -> Option<&Authenticator> {
        match &self.phase {
            Phase::Authenticate(auth) | Phase::Network { auth, .. } => Some(auth),
            Phase::Establish | Phase::Terminate(_) | Phase::Dead => None,
        }
    }

    fn with_packet(&mut self, now: Instant, information: &[u8], handle: fn(&mut Self, Instant, Packet<'_>)) {
        match Packet::parse(information) {
            Ok(packet) => handle(self, now, packet),
            Err(malformed) => self.wire.discard(malformed.into()),
        }
    }

    fn handle_auth(&mut self, now: Instant, packet: Packet<'_>) {
        match &mut self.phase {
            Phase::Authenticate(auth) => {
                let outcome = auth.handle_packet(now, packet, &mut self.wire);
                self.carry_out(now, outcome);
            }
            // The last word may have been lost, RFC 1994 §4.2.
            Phase::Network { auth, .. } => {
                auth.handle_packet(now, packet, &mut self.wire);
            }
            Phase::Establish | Phase::Terminate(_) | Phase::Dead => self.wire.discard(Discard::Phase),
        }
    }

    /// What the authenticator has come to.
    fn carry_out(&mut self, now: Instant, outcome: Outcome) {
        match outcome {
            Outcome::Waiting => {}
            Outcome::Working(job) => self.events.push_back(Event::Job(job)),
            Outcome::Asking(request) => self.events.push_back(Event::AuthRequest(request)),
            Outcome::Accepted(addressing) => self.enter_network(now, addressing),
            Outcome::Refused => {
                self.refusals += 1;
                self.refused = self.authenticator().and_then(Authenticator::refusal);
                // Somebody has to type a password now.
                self.setup_by = now + SETUP_LIMIT;
            }
            Outcome::Failed(reason) => self.close(now, reason),
        }
    }

    /// RFC 1661 §3.5: before authentication is over, not a word about the network.
    fn with_network(
        &mut self,
        act: impl FnOnce(&mut Network, &mut Surroundings<'_>) -> Option<Reason>,
    ) -> Option<Reason> {
        let mut around = Surroundings { wire: &mut self.wire, events: &mut self.events };
        match &mut self.phase {
            Phase::Network { network, .. } => act(network, &mut around),
            Phase::Establish | Phase::Authenticate(_) | Phase::Terminate(_) | Phase::Dead => {
                around.wire.discard(Discard::Phase);
                None
            }
        }
    }

    fn handle_ipcp(&mut self, now: Instant, packet: Packet<'_>) {
        self.handle_network(now, Protocol::IPCP, packet);
    }

    fn handle_ipv6cp(&mut self, now: Instant, packet: Packet<'_>) {
        self.handle_network(now, Protocol::IPV6CP, packet);
    }

    fn handle_network(&mut self, now: Instant, protocol: Protocol, packet: Packet<'_>) {
        let was_in = self.is_up() || self.has_ipv6();
        let reason =
            self.with_network(|network, around| network.handle_packet(now, protocol, packet, around));
        if !was_in && (self.is_up() || self.has_ipv6()) {
            self.tell_remaining(now);
        }
        self.close_for(now, reason);
    }

    fn close_for(&mut self, now: Instant, reason: Option<Reason>) {
        if let Some(reason) = reason {
            self.close(now, reason);
        }
    }

    fn enter_authenticate(&mut self, now: Instant) {
        let Some(protocol) = self.lcp.protocol.auth() else {
            let reason = self.lcp.protocol.auth_refused(None);
            return self.close(now, reason);
        };
        // However often it negotiates its link anew.
        if self.refusals >= self.config.auth_attempts
            && let Some(reason) = self.refused.take()
        {
            return self.close(now, reason);
        }
        let terms = Terms { protocol, mtu: self.mtu(), refusals: self.refusals };
        let auth = Authenticator::new(now, terms, &self.config, &mut self.wire);
        self.phase = Phase::Authenticate(auth);
        self.events.push_back(Event::LcpUp);
    }

    fn enter_network(&mut self, now: Instant, addressing: Addressing) {
        if let Phase::Authenticate(auth) = std::mem::replace(&mut self.phase, Phase::Establish) {
            let network = Network::open(now, &addressing, self.setup_by, &mut self.wire);
            self.phase = Phase::Network { auth, network };
        }
    }

    fn setup_deadline(&self) -> Option<Instant> {
        let underway = match &self.phase {
            Phase::Establish | Phase::Authenticate(_) => true,
            // That has one of its own.
            Phase::Network { .. } | Phase::Terminate(_) | Phase::Dead => false,
        };
        underway.then_some(self.setup_by)
    }

    /// Goes to another phase; what the old one had built comes down.
    fn leave(&mut self, now: Instant, next: Phase) {
        if let Phase::Network { network, .. } = std::mem::replace(&mut self.phase, next) {
            let mut around = Surroundings { wire: &mut self.wire, events: &mut self.events };
            network.lower_down(now, &mut around);
        }
    }

    /// The link is over, for the reason we had, or else for this one.
    fn end(&mut self, now: Instant, reason: Reason) {
        if !matches!(self.phase, Phase::Terminate(_) | Phase::Dead) {
            self.leave(now, Phase::Terminate(reason));
        }
        self.finish();
    }

    fn finish(&mut self) {
        if let Phase::Terminate(reason) = std::mem::replace(&mut self.phase, Phase::Dead) {
            self.events.push_back(Event::Closed(reason));
        }
    }
}

const IPV6_MINIMUM_MTU: u16 = 1280;
