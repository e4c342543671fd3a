//! L2TP access concentrator, the caller's side, RFC 2661.

mod avp;
mod call;
mod channel;
mod message;

use std::collections::VecDeque;
use std::time::Instant;

use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;

use self::avp::attribute;
pub(crate) use self::call::Call;
use self::channel::{Arrival, Channel};
use self::message::{Control, kind};
use crate::profile::{DataHeader, L2tpProfile, Pace};
use crate::timeline::Mark;

/// What a client learns from its control connection.
pub(crate) enum Event {
    Passed(Mark),
    /// The call is up: PPP can begin.
    Opened,
    /// The server hung up the call or the control connection: message and result code.
    Closed {
        message: &'static str,
        result: u16,
    },
    NoAnswer(&'static str),
    Violated(String),
}

/// One control connection with one call.
pub(crate) struct Lac {
    profile: L2tpProfile,
    channel: Channel,
    tunnel: u16,
    session: u16,
    peer_session: u16,
    serial: u32,
    correlation: [u8; 16],
    state: State,
    /// Sequence number of data, while data is sequenced.
    data_ns: Option<u16>,
    hello_at: Option<Instant>,
    events: VecDeque<Event>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    AwaitSccrp,
    AwaitScccnAck,
    AwaitIcrp,
    AwaitIccnAck,
    Open,
    Closed,
}

impl Lac {
    /// Sends SCCRQ at once; tunnel and session id are random unless given.
    pub(crate) fn new(
        now: Instant,
        profile: L2tpProfile,
        rng: &mut ChaCha20Rng,
        ids: Option<(u16, u16)>,
    ) -> Self {
        let [t0, t1, s0, s1] = rng.next_u32().to_be_bytes();
        let random = || (u16::from_be_bytes([t0, t1]).max(1), u16::from_be_bytes([s0, s1]).max(1));
        let (tunnel, session) = ids.unwrap_or_else(random);
        let mut correlation = [0; 16];
        rng.fill_bytes(&mut correlation);
        let sequenced = profile.data_header == DataHeader::SequencedUntilPlain;
        let mut lac = Self {
            channel: Channel::new(&profile),
            tunnel,
            session,
            peer_session: 0,
            serial: rng.next_u32(),
            correlation,
            state: State::AwaitSccrp,
            data_ns: sequenced.then_some(0),
            hello_at: None,
            events: VecDeque::new(),
            profile,
        };
        let avps = lac.encode(kind::SCCRQ, &lac.profile.sccrq);
        lac.channel.send(now, 0, avps);
        lac
    }

    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.channel.poll_transmit()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.channel.poll_timeout().into_iter().chain(self.hello_at).min()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.channel.is_idle()
    }

    /// Our tunnel and session id.
    pub(crate) fn ids(&self) -> (u16, u16) {
        (self.tunnel, self.session)
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if !self.channel.handle_timeout(now) {
            let stage = match self.state {
                State::AwaitSccrp => "SCCRP",
                State::AwaitScccnAck => "the acknowledgement of SCCCN",
                State::AwaitIcrp => "ICRP",
                State::AwaitIccnAck => "the acknowledgement of ICCN",
                State::Open | State::Closed => "the acknowledgement of a control message",
            };
            self.state = State::Closed;
            self.events.push_back(Event::NoAnswer(stage));
        }
        if self.hello_at.is_some_and(|due| now >= due) {
            self.hello_at = self.profile.hello.map(|interval| now + interval);
            if self.channel.is_idle() {
                let hello = self.encode(kind::HELLO, &[]);
                self.channel.send(now, 0, hello);
            }
        }
    }

    /// Takes an L2TP datagram; the PPP frame of one that is data.
    pub(crate) fn handle_datagram<'a>(&mut self, now: Instant, datagram: &'a [u8]) -> Option<&'a [u8]> {
        if datagram.first().is_some_and(|first| first & 0x80 != 0) {
            match Control::decode(datagram, self.profile.demands, self.tunnel, self.channel.next_ns()) {
                Ok(Some(control)) => self.handle_control(now, &control),
                Ok(None) => {}
                Err(violation) => self.events.push_back(Event::Violated(violation)),
            }
            self.channel.acknowledge_if_due(now);
            return None;
        }
        let data = message::decode_data(datagram, (self.tunnel, self.session))?;
        if !data.sequenced && self.profile.data_header == DataHeader::SequencedUntilPlain {
            self.data_ns = None;
        }
        Some(data.payload)
    }

    fn handle_control(&mut self, now: Instant, control: &Control<'_>) {
        let arrival = self.channel.arrive(now, control.ns, control.nr, control.kind.is_some());
        if arrival == Arrival::New {
            self.handle_message(now, control);
        }
        self.move_on(now);
    }

    fn handle_message(&mut self, now: Instant, control: &Control<'_>) {
        self.hello_at = self.profile.hello.map(|interval| now + interval);
        match (self.state, control.kind) {
            (State::AwaitSccrp, Some(kind::SCCRP)) => {
                let Some(tunnel) = control.u16(attribute::ASSIGNED_TUNNEL_ID).filter(|id| *id != 0) else {
                    return self.violated("SCCRP has no Assigned Tunnel ID");
                };
                self.channel.peer_tunnel = tunnel;
                self.events.push_back(Event::Passed(Mark::Sccrp));
                self.state = State::AwaitScccnAck;
                let scccn = self.encode(kind::SCCCN, &[]);
                self.channel.send(now, 0, scccn);
                if self.profile.pace == Pace::BackToBack {
                    self.call(now);
                }
            }
            (State::AwaitIcrp | State::AwaitScccnAck, Some(kind::ICRP)) => {
                if control.session != self.session {
                    return self.violated("ICRP is not for our session");
                }
                let Some(session) = control.u16(attribute::ASSIGNED_SESSION_ID).filter(|id| *id != 0) else {
                    return self.violated("ICRP has no Assigned Session ID");
                };
                self.peer_session = session;
                self.events.push_back(Event::Passed(Mark::Icrp));
                self.state = State::AwaitIccnAck;
                let iccn = self.encode(kind::ICCN, &self.profile.iccn);
                self.channel.send(now, session, iccn);
                if self.profile.pace == Pace::BackToBack {
                    self.open();
                }
            }
            (_, Some(kind::CDN)) if control.session == self.session => self.close("CDN", control),
            (_, Some(kind::STOP_CCN)) => self.close("StopCCN", control),
            _ => {}
        }
    }

    /// Goes on when what we waited for is acknowledged.
    fn move_on(&mut self, now: Instant) {
        if !self.channel.is_idle() {
            return;
        }
        match self.state {
            State::AwaitScccnAck => {
                self.events.push_back(Event::Passed(Mark::ScccnAcknowledged));
                self.call(now);
            }
            State::AwaitIccnAck => {
                self.events.push_back(Event::Passed(Mark::IccnAcknowledged));
                self.open();
            }
            _ => {}
        }
    }

    fn call(&mut self, now: Instant) {
        self.state = State::AwaitIcrp;
        let icrq = self.encode(kind::ICRQ, &self.profile.icrq);
        self.channel.send(now, 0, icrq);
    }

    fn open(&mut self) {
        self.state = State::Open;
        self.events.push_back(Event::Opened);
    }

    fn close(&mut self, message: &'static str, control: &Control<'_>) {
        if self.state != State::Closed {
            self.state = State::Closed;
            self.events.push_back(Event::Closed { message, result: control.result() });
        }
    }

    fn violated(&mut self, what: &str) {
        self.events.push_back(Event::Violated(what.into()));
    }

    /// Hangs up the call.
    pub(crate) fn send_cdn(&mut self, now: Instant) {
        let result = message::result_code(self.profile.result_code, 3);
        let id = avp::encode(true, attribute::ASSIGNED_SESSION_ID, &self.session.to_be_bytes());
        let avps = [message::message_type(kind::CDN), result, id].concat();
        self.channel.send(now, self.peer_session, avps);
        self.state = State::Closed;
    }

    /// Ends the control connection.
    pub(crate) fn send_stop_ccn(&mut self, now: Instant) {
        let result = message::result_code(self.profile.result_code, 6);
        let id = avp::encode(true, attribute::ASSIGNED_TUNNEL_ID, &self.tunnel.to_be_bytes());
        let avps = [message::message_type(kind::STOP_CCN), id, result].concat();
        self.channel.send(now, 0, avps);
        self.state = State::Closed;
    }

    /// The header of the next data packet.
    pub(crate) fn data_header(&mut self, payload_len: usize, header: &mut Vec<u8>) {
        let ids = [self.channel.peer_tunnel, self.peer_session];
        match (self.profile.data_header, &mut self.data_ns) {
            (DataHeader::Length, _) => {
                let length = u16::try_from(payload_len + 8).unwrap_or(u16::MAX);
                header.extend([0x4002, length].into_iter().chain(ids).flat_map(u16::to_be_bytes));
            }
            (_, Some(ns)) => {
                let numbers = [0x0802].into_iter().chain(ids).chain([*ns, 0]);
                header.extend(numbers.flat_map(u16::to_be_bytes));
                *ns = ns.wrapping_add(1);
            }
            _ => header.extend([0x0002].into_iter().chain(ids).flat_map(u16::to_be_bytes)),
        }
    }

    fn encode(&self, kind: u16, list: &[crate::profile::Avp]) -> Vec<u8> {
        let own = message::Own {
            tunnel: self.tunnel,
            session: self.session,
            serial: self.serial,
            correlation: self.correlation,
        };
        list.iter().fold(message::message_type(kind), |mut bytes, entry| {
            bytes.extend(own.encode(entry));
            bytes
        })
    }
}
