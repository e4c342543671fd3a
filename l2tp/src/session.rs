//! Sessions of a control connection, RFC 2661 §7.4.2: the LNS side of incoming calls.
//!
//! ```text
//! idle ── ICRQ / ICRP ──▶ wait-connect ── ICCN ──▶ established
//!   ▲                          │                        │
//!   └───────── CDN ────────────┴────────── CDN ─────────┘
//! ```

use std::num::NonZeroU16;
use std::time::Instant;

use crate::channel::{Channel, Io};
use crate::discard::Discard;
use crate::event::{Event, SessionKey};
use crate::iana::{Attribute, MessageType, disconnect};
use crate::message::{self, Cdn, Goodbye, Iccn, Icrp, Icrq, Kind, ResultCode};
use crate::reason::{Disconnect, Fault, Reason};
use crate::small_map::SmallMap;

/// The sessions of one control connection, by our session id.
#[derive(Debug)]
pub(crate) struct Sessions(SmallMap<NonZeroU16, Session>);

#[derive(Debug)]
struct Session {
    peer_id: NonZeroU16,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    WaitConnect { until: Instant },
    Established,
}

impl Sessions {
    pub(crate) const fn new() -> Self {
        Self(SmallMap::new())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.0.iter().filter_map(|(_, session)| session.until()).min()
    }

    /// Ends the calls that the peer has not completed in time.
    pub(crate) fn handle_timeout<P: Copy>(&mut self, io: &mut Io<'_, P>, channel: &mut Channel) {
        let late = |session: &Session| session.until().is_some_and(|until| until <= io.now);
        let late: Vec<NonZeroU16> =
            self.0.iter().filter(|(_, session)| late(session)).map(|(id, _)| id).collect();
        for id in late {
            let result = ResultCode::plain(disconnect::NOT_ESTABLISHED_IN_TIME);
            self.hang_up(io, channel, id, result, Reason::SetupTimeout);
        }
    }

    /// ICRQ: a call comes in.
    pub(crate) fn handle_icrq<P: Copy>(
        &mut self,
        io: &mut Io<'_, P>,
        channel: &mut Channel,
        kind: Kind<'_>,
    ) -> Result<(), Fault> {
        let icrq = match Icrq::parse(kind, io.secret()) {
            Ok(icrq) => icrq,
            Err(fault) => {
                // The fault ends the session only, if it can be named (RFC 2661 §4.1).
                let peer_id = message::assigned_id(kind.avps, Attribute::ASSIGNED_SESSION_ID, io.secret());
                self.refuse(io, channel, peer_id.ok_or(fault)?, fault.cdn(), Reason::Fault(fault));
                return Ok(());
            }
        };
        let peer_id = icrq.assigned_session_id;
        // RFC 2661 §7.4.2: a second ICRQ for a call ends it.
        if let Some(id) = self.find(peer_id) {
            let fault = Fault::OutOfPlace(MessageType::ICRQ.0);
            self.hang_up(io, channel, id, fault.cdn(), Reason::Replaced);
            return Ok(());
        }
        if self.0.len() >= io.config.max_sessions {
            let Some(oldest) = self.oldest_unconnected() else {
                let result = ResultCode::plain(disconnect::TEMPORARY_LACK);
                self.refuse(io, channel, peer_id, result, Reason::TooMany);
                return Ok(());
            };
            let result = ResultCode::plain(disconnect::TEMPORARY_LACK);
            self.hang_up(io, channel, oldest, result, Reason::TooMany);
        }
        let id = io.random_id(|id| self.0.contains_key(id));
        let until = io.now + io.config.setup_timeout;
        self.0.insert(id, Session { peer_id, state: State::WaitConnect { until } });
        channel.send(io.now, peer_id.get(), &Icrp { assigned_session_id: id }.avps());
        Ok(())
    }

    /// OCRQ: a client takes us for a LAC that could dial out.
    pub(crate) fn handle_ocrq<P: Copy>(
        &mut self,
        io: &mut Io<'_, P>,
        channel: &mut Channel,
        kind: Kind<'_>,
    ) -> Result<(), Fault> {
        let missing = Fault::Missing(Attribute::ASSIGNED_SESSION_ID.0);
        let peer_id =
            message::assigned_id(kind.avps, Attribute::ASSIGNED_SESSION_ID, io.secret()).ok_or(missing)?;
        let result = ResultCode::plain(disconnect::PERMANENT_LACK);
        self.refuse(io, channel, peer_id, result, Reason::Fault(Fault::OutOfPlace(MessageType::OCRQ.0)));
        Ok(())
    }

    /// Any other message of a session; `session_id` is the header's.
    pub(crate) fn handle<P: Copy>(
        &mut self,
        io: &mut Io<'_, P>,
        channel: &mut Channel,
        session_id: u16,
        kind: Kind<'_>,
    ) {
        let addressed = NonZeroU16::new(session_id).filter(|id| self.0.contains_key(*id));
        if kind.message_type == MessageType::CDN {
            let goodbye = Goodbye::parse(kind, Attribute::ASSIGNED_SESSION_ID, io.secret());
            // RFC 2661 §4.4.4: the AVP names the sender's session, for a CDN that comes before our id is known.
            let Some(id) = addressed.or_else(|| self.find(goodbye.assigned_id?)) else {
                return io.discards.add(Discard::UnknownSession);
            };
            let ResultCode { result, error, message } = goodbye.result;
            return self.remove(io, channel, id, Reason::Disconnected { result, error, message });
        }
        let Some(id) = addressed else {
            return io.discards.add(Discard::UnknownSession);
        };
        let handled = match kind.message_type {
            MessageType::ICCN => self.handle_iccn(io, channel, id, kind),
            // RFC 2661 §6.13, §6.14: counters and a character map of asynchronous lines, which there are none of.
            MessageType::WEN | MessageType::SLI => message::check(kind, io.secret()),
            // RFC 2661 §7.4.2: what does not fit the state ends the session.
            other => Err(Fault::OutOfPlace(other.0)),
        };
        if let Err(fault) = handled {
            self.hang_up(io, channel, id, fault.cdn(), Reason::Fault(fault));
        }
    }

    fn handle_iccn<P: Copy>(
        &mut self,
        io: &mut Io<'_, P>,
        channel: &Channel,
        id: NonZeroU16,
        kind: Kind<'_>,
    ) -> Result<(), Fault> {
        let iccn = Iccn::parse(kind, io.secret())?;
        let out_of_place = Fault::OutOfPlace(MessageType::ICCN.0);
        let session = self.0.get_mut(id).ok_or(out_of_place)?;
        let State::WaitConnect { .. } = session.state else {
            return Err(out_of_place);
        };
        session.state = State::Established;
        io.events.push_back(Event::SessionOpened {
            peer: io.peer,
            session: channel.key(id),
            peer_session: channel.peer_key(session.peer_id),
            tx_speed: iccn.tx_connect_speed,
            sequencing_required: iccn.sequencing_required,
        });
        Ok(())
    }

    /// The owner ends a session. False if there is none of that id.
    pub(crate) fn disconnect<P: Copy>(
        &mut self,
        io: &mut Io<'_, P>,
        channel: &mut Channel,
        session_id: u16,
        why: Disconnect,
    ) -> bool {
        let Some(id) = NonZeroU16::new(session_id).filter(|id| self.0.contains_key(*id)) else {
            return false;
        };
        self.hang_up(io, channel, id, why.cdn(), Reason::Local(why));
        true
    }

    /// Ends all sessions without a word, because the tunnel ends.
    pub(crate) fn end<P: Copy>(&mut self, io: &mut Io<'_, P>, channel: &Channel, reason: &Reason) {
        for (id, session) in self.0.drain() {
            session.report(io, channel.key(id), reason.clone());
        }
    }

    fn hang_up<P: Copy>(
        &mut self,
        io: &mut Io<'_, P>,
        channel: &mut Channel,
        id: NonZeroU16,
        result: ResultCode,
        reason: Reason,
    ) {
        if let Some(session) = self.0.get(id) {
            let cdn = Cdn { assigned_session_id: id, result };
            channel.send(io.now, session.peer_id.get(), &cdn.avps());
            self.remove(io, channel, id, reason);
        }
    }

    /// Answers a call that never becomes a session.
    fn refuse<P: Copy>(
        &self,
        io: &mut Io<'_, P>,
        channel: &mut Channel,
        peer_id: NonZeroU16,
        result: ResultCode,
        reason: Reason,
    ) {
        // RFC 2661 §6.12 wants an id of ours even though there was never a use for it.
        let assigned_session_id = io.random_id(|id| self.0.contains_key(id));
        channel.send(io.now, peer_id.get(), &Cdn { assigned_session_id, result }.avps());
        io.events.push_back(Event::SessionFailed { peer: io.peer, tunnel_id: channel.tunnel_id(), reason });
    }

    fn remove<P: Copy>(&mut self, io: &mut Io<'_, P>, channel: &Channel, id: NonZeroU16, reason: Reason) {
        if let Some(session) = self.0.remove(id) {
            session.report(io, channel.key(id), reason);
        }
    }

    fn find(&self, peer_id: NonZeroU16) -> Option<NonZeroU16> {
        self.0.iter().find(|(_, session)| session.peer_id == peer_id).map(|(id, _)| id)
    }

    fn oldest_unconnected(&self) -> Option<NonZeroU16> {
        let waiting = self.0.iter().filter_map(|(id, session)| Some((session.until()?, id)));
        waiting.min().map(|(_, id)| id)
    }
}

impl Session {
    fn until(&self) -> Option<Instant> {
        match self.state {
            State::WaitConnect { until } => Some(until),
            State::Established => None,
        }
    }

    fn report<P: Copy>(&self, io: &mut Io<'_, P>, session: SessionKey, reason: Reason) {
        let peer = io.peer;
        io.events.push_back(match self.state {
            State::Established => Event::SessionClosed { peer, session, reason },
            State::WaitConnect { .. } => Event::SessionFailed { peer, tunnel_id: session.tunnel_id, reason },
        });
    }
}
