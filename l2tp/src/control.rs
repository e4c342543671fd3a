//! A control connection, RFC 2661 §7.2: the LNS side of one tunnel.
//!
//! ```text
//! idle ── SCCRQ / SCCRP ──▶ wait-ctl-conn ── SCCCN ──▶ established
//!                                 │                        │
//!                                 ├── StopCCN received ────┴──▶ lingering ── a full cycle ──▶ over
//!                                 └── StopCCN sent ──▶ closing ── acknowledged or given up ──▶ over
//! ```

use std::num::NonZeroU16;
use std::time::Instant;

use rand_core::Rng;

use crate::channel::{Channel, Io};
use crate::config::Config;
use crate::discard::Discard;
use crate::event::Event;
use crate::header::Incoming;
use crate::iana::{Attribute, MessageType, stop};
use crate::message::{self, DEFAULT_WINDOW, Goodbye, Kind, ResultCode, Scccn, Sccrp, Sccrq, StopCcn};
use crate::reason::{Disconnect, Fault, Reason};
use crate::reliable::{Expiry, Received, Reliable, full_cycle};
use crate::secret::ChallengeResponse;
use crate::session::Sessions;

/// One tunnel.
#[derive(Debug)]
pub(crate) struct ControlConnection {
    channel: Channel,
    host_name: String,
    /// When its SCCRQ came.
    begun: Instant,
    /// When its last message came.
    heard: Instant,
    state: State,
}

#[derive(Debug)]
enum State {
    /// SCCRP is sent, SCCCN is awaited.
    WaitCtlConn {
        authentication: Authentication,
        vendor_name: Option<String>,
        until: Instant,
    },
    Established(Established),
    /// Our StopCCN is sent, its acknowledgement is awaited.
    Closing,
    /// The peer's StopCCN has come. RFC 2661 §5.7: its retransmissions are acknowledged for a full cycle.
    Lingering {
        until: Instant,
    },
    Over,
}

/// Whether the peer has to prove that it knows the tunnel secret, RFC 2661 §5.1.1.
#[derive(Debug)]
enum Authentication {
    None,
    Expect(ChallengeResponse),
}

#[derive(Debug)]
struct Established {
    sessions: Sessions,
    /// When to end the tunnel if it still has no session then.
    empty_until: Instant,
    /// When to look whether a HELLO is due; later than that if the peer was heard meanwhile.
    hello_at: Option<Instant>,
}

/// How readily a control connection makes room for another of its peer: the least first, then the oldest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Standing {
    Ended,
    HalfOpen,
    Open,
}

impl ControlConnection {
    /// SCCRQ: a tunnel begins; SCCRP is queued.
    pub(crate) fn open<P: Copy>(
        io: &mut Io<'_, P>,
        tunnel_id: NonZeroU16,
        incoming: &Incoming<'_>,
        sccrq: Sccrq,
    ) -> Self {
        let config = io.config;
        let window = sccrq.receive_window.map_or(DEFAULT_WINDOW, NonZeroU16::get);
        let receive_window = config.receive_window.max(1);
        let mut reliable = Reliable::new(window, receive_window, config.retransmissions);
        reliable.receive(incoming.header.ns, incoming.datagram);
        let channel = Channel { tunnel_id, peer_tunnel_id: sccrq.assigned_tunnel_id, reliable };
        let mut sccrp = Sccrp {
            host_name: &config.host_name,
            assigned_tunnel_id: tunnel_id,
            receive_window,
            challenge: None,
            response: None,
        };
        let mut authentication = Authentication::None;
        if let Some(secret) = io.secret() {
            let mut challenge = [0; 16];
            io.rng.fill_bytes(&mut challenge);
            authentication = Authentication::Expect(secret.response(MessageType::SCCCN, &challenge));
            sccrp.challenge = Some(challenge);
            sccrp.response = sccrq.challenge.map(|challenge| secret.response(MessageType::SCCRP, &challenge));
        }
        let until = io.now + config.setup_timeout;
        let state = State::WaitCtlConn { authentication, vendor_name: sccrq.vendor_name, until };
        let mut this = Self { channel, host_name: sccrq.host_name, begun: io.now, heard: io.now, state };
        this.channel.send(io.now, 0, &sccrp.avps());
        this
    }

    pub(crate) fn peer_tunnel_id(&self) -> NonZeroU16 {
        self.channel.peer_tunnel_id
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    pub(crate) fn standing(&self) -> (Standing, Instant) {
        let standing = match self.state {
            State::Closing | State::Lingering { .. } | State::Over => Standing::Ended,
            State::WaitCtlConn { .. } => Standing::HalfOpen,
            State::Established(_) => Standing::Open,
        };
        (standing, self.begun)
    }

    /// Whether an SCCRQ with this connection's Assigned Tunnel ID is a repetition of the one that began it, rather
    /// than a client that has forgotten it and begins anew (small ids of Windows come again soon).
    pub(crate) fn is_repeated_by_sccrq(&self, now: Instant, config: &Config) -> bool {
        match self.state {
            State::WaitCtlConn { .. } => true,
            State::Established(_) => now < self.begun + full_cycle(config.retransmissions),
            State::Closing => self.channel.reliable.received() == 1,
            State::Lingering { .. } | State::Over => false,
        }
    }

    /// A control message for this tunnel.
    pub(crate) fn handle<P: Copy>(&mut self, io: &mut Io<'_, P>, incoming: &Incoming<'_>) {
        let Incoming { header, avps, datagram } = *incoming;
        self.heard = io.now;
        if !self.channel.reliable.acknowledge(io.now, header.nr) {
            io.discards.add(Discard::BadAcknowledgement);
        }
        // RFC 2661 §5.8: a ZLB has no place in the sequence.
        if !avps.is_empty() {
            match self.channel.reliable.receive(header.ns, datagram) {
                Received::Next => {
                    self.process(io, header.session_id, avps);
                    while let Some(held) = self.channel.reliable.take_held() {
                        if let Ok(held) = Incoming::parse(&held) {
                            self.process(io, held.header.session_id, held.avps);
                        }
                    }
                }
                Received::Duplicate => io.discards.add(Discard::Duplicate),
                Received::Beyond => io.discards.add(Discard::OutOfWindow),
                Received::Held => {}
            }
        }
        self.flush(io);
    }

    /// A message in its place in the sequence.
    fn process<P: Copy>(&mut self, io: &mut Io<'_, P>, session_id: u16, avps: &[u8]) {
        if let Err(fault) = self.try_process(io, session_id, avps) {
            self.stop(io, fault.stop_ccn(), &Reason::Fault(fault));
        }
    }

    /// `Err` clears the whole tunnel (RFC 2661 §7.1).
    fn try_process<P: Copy>(
        &mut self,
        io: &mut Io<'_, P>,
        session_id: u16,
        avps: &[u8],
    ) -> Result<(), Fault> {
        if matches!(self.state, State::Lingering { .. } | State::Over) {
            io.discards.add(Discard::AfterEnd);
            return Ok(());
        }
        let kind = match Kind::parse(avps) {
            // The tunnel cannot be cleared twice.
            Err(_) if matches!(self.state, State::Closing) => return Ok(()),
            parsed => parsed?,
        };
        if kind.message_type == MessageType::STOP_CCN {
            self.handle_stop_ccn(io, kind);
            return Ok(());
        }
        match &mut self.state {
            State::Closing | State::Lingering { .. } | State::Over => {
                io.discards.add(Discard::AfterEnd);
                Ok(())
            }
            State::WaitCtlConn { .. } => self.process_in_wait_ctl_conn(io, kind),
            State::Established(established) => established.process(io, &mut self.channel, session_id, kind),
        }
    }

    fn process_in_wait_ctl_conn<P: Copy>(&mut self, io: &mut Io<'_, P>, kind: Kind<'_>) -> Result<(), Fault> {
        match kind.message_type {
            MessageType::SCCCN => self.handle_scccn(io, kind),
            MessageType::HELLO => message::check(kind, io.secret()),
            // RFC 2661 §7.2.1: anything else that is known ends the attempt.
            known if known.is_known() => Err(Fault::OutOfPlace(known.0)),
            unknown => ignore_unknown(io, unknown, kind),
        }
    }

    fn handle_scccn<P: Copy>(&mut self, io: &mut Io<'_, P>, kind: Kind<'_>) -> Result<(), Fault> {
        let State::WaitCtlConn { authentication, vendor_name, .. } = &mut self.state else {
            return Err(Fault::OutOfPlace(MessageType::SCCCN.0));
        };
        let scccn = Scccn::parse(kind, io.secret())?;
        if let Authentication::Expect(expected) = authentication
            && !scccn.response.is_some_and(|response| response.matches(expected))
        {
            self.stop(io, ResultCode::plain(stop::NOT_AUTHORIZED), &Reason::WrongSecret);
            return Ok(());
        }
        io.events.push_back(Event::TunnelOpened {
            peer: io.peer,
            tunnel_id: self.channel.tunnel_id(),
            host_name: self.host_name.clone(),
            vendor: vendor_name.take(),
        });
        let interval = io.config.hello_interval;
        self.state = State::Established(Established {
            sessions: Sessions::new(),
            empty_until: io.now + io.config.setup_timeout,
            hello_at: (!interval.is_zero()).then(|| io.now + interval),
        });
        Ok(())
    }

    /// RFC 2661 §5.7. The Assigned Tunnel ID within is not compared: old Windows clients send a wrong one.
    fn handle_stop_ccn<P: Copy>(&mut self, io: &mut Io<'_, P>, kind: Kind<'_>) {
        let goodbye = Goodbye::parse(kind, Attribute::ASSIGNED_TUNNEL_ID, io.secret());
        let ResultCode { result, error, message } = goodbye.result;
        self.report_end(io, &Reason::Stopped { result, error, message });
        self.channel.reliable.abandon();
        self.state = State::Lingering { until: io.now + full_cycle(io.config.retransmissions) };
    }

    /// The owner ends a session, and with the last one the tunnel.
    pub(crate) fn disconnect<P: Copy>(&mut self, io: &mut Io<'_, P>, session_id: u16, why: Disconnect) {
        let State::Established(established) = &mut self.state else {
            return;
        };
        let ended = established.sessions.disconnect(io, &mut self.channel, session_id, why);
        if ended && established.sessions.is_empty() {
            self.stop(io, why.stop_ccn(), &Reason::Local(why));
        }
        self.flush(io);
    }

    /// Ends without a word.
    pub(crate) fn forget<P: Copy>(&mut self, io: &mut Io<'_, P>, reason: &Reason) {
        self.report_end(io, reason);
        self.state = State::Over;
    }

    fn stop<P: Copy>(&mut self, io: &mut Io<'_, P>, result: ResultCode, reason: &Reason) {
        self.report_end(io, reason);
        let stop_ccn = StopCcn { assigned_tunnel_id: self.channel.tunnel_id, result };
        self.channel.send(io.now, 0, &stop_ccn.avps());
        self.channel.reliable.hurry();
        self.state = State::Closing;
    }

    /// Tells the owner that the sessions and the tunnel are over, unless that was told before.
    fn report_end<P: Copy>(&mut self, io: &mut Io<'_, P>, reason: &Reason) {
        let (peer, tunnel_id, reason) = (io.peer, self.channel.tunnel_id(), reason.clone());
        match &mut self.state {
            State::WaitCtlConn { .. } => {
                let host_name = std::mem::take(&mut self.host_name);
                io.events.push_back(Event::TunnelFailed { peer, host_name, reason });
            }
            State::Established(established) => {
                established.sessions.end(io, &self.channel, &reason);
                io.events.push_back(Event::TunnelClosed { peer, tunnel_id, reason });
            }
            State::Closing | State::Lingering { .. } | State::Over => {}
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let state = match &self.state {
            State::WaitCtlConn { until, .. } | State::Lingering { until } => Some(*until),
            State::Established(established) => established.poll_timeout(),
            State::Closing | State::Over => None,
        };
        state.into_iter().chain(self.channel.reliable.poll_timeout()).min()
    }

    pub(crate) fn handle_timeout<P: Copy>(&mut self, io: &mut Io<'_, P>) {
        let now = io.now;
        match &mut self.state {
            State::WaitCtlConn { until, .. } if *until <= now => {
                self.stop(io, ResultCode::plain(stop::CLEARED), &Reason::SetupTimeout);
            }
            State::Lingering { until } if *until <= now => self.state = State::Over,
            State::Established(established) => {
                let heard = self.heard.max(io.heard);
                established.handle_timeout(io, &mut self.channel, heard);
                if established.sessions.is_empty() && established.empty_until <= now {
                    self.stop(io, ResultCode::plain(stop::CLEARED), &Reason::NoSession);
                }
            }
            State::WaitCtlConn { .. } | State::Closing | State::Lingering { .. } | State::Over => {}
        }
        // A phone that sleeps answers no HELLO, and lives (RFC 2661 §5.5 leaves it to us when to give up).
        let dead_at = self.heard.max(io.heard) + io.config.dead_after;
        let asleep = matches!(self.state, State::Established(_)) && self.channel.only_hello_waits();
        if asleep && dead_at <= now {
            self.forget(io, &Reason::NoResponse);
        } else if self.channel.reliable.handle_timeout(now) == Expiry::GaveUp {
            if asleep {
                self.channel.reliable.postpone(dead_at.min(now + io.config.hello_interval));
            } else {
                self.forget(io, &Reason::NoResponse);
            }
        }
        self.flush(io);
    }

    /// Sends what there is to send; the last step of everything that changes a control connection.
    pub(crate) fn flush<P: Copy>(&mut self, io: &mut Io<'_, P>) {
        if self.is_over() {
            return;
        }
        self.channel.flush(io);
        let waiting = self.channel.reliable.waiting().len();
        // An answer and a CDN for every session is the most that a peer which acknowledges anything can leave behind.
        if waiting > io.config.max_sessions.saturating_mul(2).saturating_add(MAX_WAITING) {
            self.forget(io, &Reason::NoResponse);
        } else if waiting == 0 && matches!(self.state, State::Closing) {
            self.state = State::Over;
        }
    }
}

impl Established {
    fn process<P: Copy>(
        &mut self,
        io: &mut Io<'_, P>,
        channel: &mut Channel,
        session_id: u16,
        kind: Kind<'_>,
    ) -> Result<(), Fault> {
        let had_sessions = !self.sessions.is_empty();
        let result = match kind.message_type {
            MessageType::HELLO => message::check(kind, io.secret()),
            MessageType::ICRQ => self.sessions.handle_icrq(io, channel, kind),
            MessageType::OCRQ => self.sessions.handle_ocrq(io, channel, kind),
            // RFC 2661 §7.2.1: these end an established tunnel.
            again @ (MessageType::SCCRQ | MessageType::SCCRP | MessageType::SCCCN) => {
                Err(Fault::OutOfPlace(again.0))
            }
            known if known.is_known() => {
                self.sessions.handle(io, channel, session_id, kind);
                Ok(())
            }
            unknown => ignore_unknown(io, unknown, kind),
        };
        if had_sessions && self.sessions.is_empty() {
            self.empty_until = io.now + io.config.setup_timeout;
        }
        result
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let empty_until = self.sessions.is_empty().then_some(self.empty_until);
        empty_until.into_iter().chain(self.sessions.poll_timeout()).chain(self.hello_at).min()
    }

    fn handle_timeout<P: Copy>(&mut self, io: &mut Io<'_, P>, channel: &mut Channel, heard: Instant) {
        let had_sessions = !self.sessions.is_empty();
        self.sessions.handle_timeout(io, channel);
        if had_sessions && self.sessions.is_empty() {
            self.empty_until = io.now + io.config.setup_timeout;
        }
        let silent_at = heard + io.config.hello_interval;
        // RFC 2661 §5.5: a HELLO is for a peer that has been silent. Android 9 and 10 at times acknowledge none, so
        // it is not repeated either, and no reason to give up, as long as the peer is heard otherwise.
        let retry_is_due = channel.reliable.poll_timeout().is_some_and(|at| at <= io.now);
        if retry_is_due && io.now < silent_at && channel.only_hello_waits() {
            channel.reliable.postpone(silent_at);
        }
        if self.hello_at.is_some_and(|at| at <= io.now) {
            let silent = silent_at <= io.now;
            if silent && channel.reliable.waiting().len() == 0 {
                channel.send(io.now, 0, &message::hello());
            }
            self.hello_at = Some(if silent { io.now + io.config.hello_interval } else { silent_at });
        }
    }
}

/// RFC 2661 §4.4.1: an unknown message clears the tunnel if its Message Type AVP has the M bit.
fn ignore_unknown<P>(io: &mut Io<'_, P>, unknown: MessageType, kind: Kind<'_>) -> Result<(), Fault> {
    if kind.mandatory {
        return Err(Fault::UnknownMessage(unknown.0));
    }
    io.discards.add(Discard::Ignored);
    Ok(())
}

/// How many messages may wait for acknowledgement, sessions aside.
const MAX_WAITING: usize = 16;
