//! What a control connection and its sessions work with: the world around them, and the way to the peer.

use std::collections::VecDeque;
use std::num::NonZeroU16;
use std::time::Instant;

use rand_chacha::ChaCha20Rng;
use rand_core::Rng;

use crate::config::Config;
use crate::discard::Discards;
use crate::event::{Event, SessionKey, Transmit};
use crate::header::ControlHeader;
use crate::message;
use crate::reliable::{Reliable, Sequence};
use crate::secret::Secret;

/// What a control connection reaches of its [`crate::Lns`] while it handles something.
pub(crate) struct Io<'a, P> {
    pub(crate) now: Instant,
    pub(crate) peer: P,
    /// When the peer's data was last heard.
    pub(crate) heard: Instant,
    pub(crate) config: &'a Config,
    pub(crate) rng: &'a mut ChaCha20Rng,
    pub(crate) transmits: &'a mut VecDeque<Transmit<P>>,
    pub(crate) events: &'a mut VecDeque<Event<P>>,
    pub(crate) discards: &'a mut Discards,
}

impl<'a, P> Io<'a, P> {
    pub(crate) fn secret(&self) -> Option<&'a Secret> {
        self.config.secret.as_ref()
    }

    /// A random id that is not 0 and not taken. Few enough are ever taken that this ends soon.
    pub(crate) fn random_id(&mut self, taken: impl Fn(NonZeroU16) -> bool) -> NonZeroU16 {
        loop {
            let [a, b, _, _] = self.rng.next_u32().to_be_bytes();
            if let Some(id) = NonZeroU16::new(u16::from_be_bytes([a, b])).filter(|id| !taken(*id)) {
                return id;
            }
        }
    }
}

/// The way to the peer: both tunnel ids and the reliable sequence.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) tunnel_id: NonZeroU16,
    pub(crate) peer_tunnel_id: NonZeroU16,
    pub(crate) reliable: Reliable,
}

impl Channel {
    pub(crate) fn tunnel_id(&self) -> u16 {
        self.tunnel_id.get()
    }

    pub(crate) fn key(&self, session_id: NonZeroU16) -> SessionKey {
        SessionKey { tunnel_id: self.tunnel_id.get(), session_id: session_id.get() }
    }

    pub(crate) fn peer_key(&self, session_id: NonZeroU16) -> SessionKey {
        SessionKey { tunnel_id: self.peer_tunnel_id.get(), session_id: session_id.get() }
    }

    /// Queues a message for the peer's session (0: for the tunnel). Its sequence numbers are written when it goes.
    pub(crate) fn send(&mut self, now: Instant, peer_session_id: u16, avps: &[u8]) {
        let header =
            ControlHeader { tunnel_id: self.peer_tunnel_id.get(), session_id: peer_session_id, ns: 0, nr: 0 };
        self.reliable.send(now, header.write(avps));
    }

    /// Sends what the windows admit. An acknowledgement never waits for a message to ride on: Android sends nothing
    /// after SCCCN and ICCN until it has it.
    pub(crate) fn flush<P: Copy>(&mut self, io: &mut Io<'_, P>) {
        let (tunnel_id, peer) = (self.peer_tunnel_id.get(), io.peer);
        while let Some((Sequence { ns, nr }, message)) = self.reliable.poll_transmit(io.now) {
            if let Ok((header, avps)) = ControlHeader::parse(message) {
                let payload = ControlHeader { ns, nr, ..header }.write(avps);
                io.transmits.push_back(Transmit { peer, payload });
            }
        }
        if let Some(Sequence { ns, nr }) = self.reliable.take_acknowledgement() {
            let payload = ControlHeader { tunnel_id, session_id: 0, ns, nr }.write(&[]);
            io.transmits.push_back(Transmit { peer, payload });
        }
    }

    /// Whether nothing but one HELLO waits for acknowledgement.
    pub(crate) fn only_hello_waits(&self) -> bool {
        let mut waiting = self.reliable.waiting();
        let oldest = waiting.next().and_then(|message| ControlHeader::parse(message).ok());
        waiting.len() == 0 && oldest.is_some_and(|(_, avps)| avps == message::hello())
    }
}
