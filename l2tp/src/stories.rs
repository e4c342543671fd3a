//! Stories in virtual time: what real clients send, byte by byte, and what they get.

mod clients;
mod faults;
mod limits;
mod quirks;
mod random;
mod timers;

use std::time::{Duration, Instant};

use crate::header::ControlHeader;
use crate::test_support::start;
use crate::{Config, Event, Lns, Secret, SessionKey};

const SECOND: Duration = Duration::from_secs(1);

/// A server and the time.
struct World {
    lns: Lns<u32>,
    now: Instant,
}

impl World {
    fn new(config: Config) -> Self {
        Self { lns: Lns::new(config, [7; 32]), now: start() }
    }

    fn with_secret() -> Self {
        Self::new(Config { secret: Some(Secret::new("tunnel secret")), ..Config::default() })
    }

    /// What the server answers at once to a datagram of peer 1.
    fn say(&mut self, datagram: &[u8]) -> Vec<Vec<u8>> {
        self.say_as(1, datagram)
    }

    fn say_as(&mut self, peer: u32, datagram: &[u8]) -> Vec<Vec<u8>> {
        self.lns.handle_datagram(self.now, peer, datagram);
        let answers = self.sent();
        assert!(answers.iter().all(|(to, _)| *to == peer));
        answers.into_iter().map(|(_, payload)| payload).collect()
    }

    fn sent(&mut self) -> Vec<(u32, Vec<u8>)> {
        std::iter::from_fn(|| self.lns.poll_transmit())
            .map(|transmit| (transmit.peer, transmit.payload))
            .collect()
    }

    fn events(&mut self) -> Vec<Event<u32>> {
        std::iter::from_fn(|| self.lns.poll_event()).collect()
    }

    /// Lets time pass, and tells what is sent in which second since the start of the wait.
    fn wait(&mut self, duration: Duration) -> Vec<(u64, Vec<u8>)> {
        let begin = self.now;
        let end = begin + duration;
        let mut sent = Vec::new();
        while let Some(at) = self.lns.poll_timeout().filter(|at| *at <= end) {
            assert!(at >= self.now, "a deadline in the past");
            self.now = at;
            self.lns.handle_timeout(at);
            self.lns.handle_timeout(at);
            sent.extend(self.sent().into_iter().map(|(_, payload)| ((at - begin).as_secs(), payload)));
            assert!(self.lns.poll_timeout().is_none_or(|next| next > at), "a deadline that does not pass");
        }
        self.now = end;
        sent
    }

    /// Opens a tunnel of peer 1 with [`SCCRQ`]; its id is returned. Ns 2 and Nr 1 come next.
    fn open_tunnel(&mut self) -> u16 {
        let sccrp = self.say(&message(0, 0, 0, 0, &sccrq(0x0a0b))).remove(0);
        let tunnel_id = assigned(&sccrp, 9);
        assert_eq!(self.say(&message(tunnel_id, 0, 1, 1, SCCCN)), [zlb(0x0a0b, 1, 2)]);
        assert!(matches!(self.events()[..], [Event::TunnelOpened { .. }]));
        tunnel_id
    }

    /// Opens a tunnel and a session. Ns 4 and Nr 2 come next.
    fn open_session(&mut self) -> SessionKey {
        let tunnel_id = self.open_tunnel();
        let icrp = self.say(&message(tunnel_id, 0, 2, 1, &icrq(0x0c0d))).remove(0);
        let session_id = assigned(&icrp, 14);
        assert_eq!(self.say(&message(tunnel_id, session_id, 3, 2, ICCN)), [zlb(0x0a0b, 2, 4)]);
        assert!(matches!(self.events()[..], [Event::SessionOpened { .. }]));
        SessionKey { tunnel_id, session_id }
    }
}

fn message(tunnel_id: u16, session_id: u16, ns: u16, nr: u16, avps: &[u8]) -> Vec<u8> {
    ControlHeader { tunnel_id, session_id, ns, nr }.write(avps)
}

fn zlb(tunnel_id: u16, ns: u16, nr: u16) -> Vec<u8> {
    message(tunnel_id, 0, ns, nr, &[])
}

fn sccrq(tunnel_id: u16) -> Vec<u8> {
    let mut avps = SCCRQ.to_vec();
    avps.extend(avp(0x8000, 9, &tunnel_id.to_be_bytes()));
    avps
}

fn icrq(session_id: u16) -> Vec<u8> {
    let mut avps = ICRQ.to_vec();
    avps.extend(avp(0x8000, 14, &session_id.to_be_bytes()));
    avps
}

fn avp(flags: u16, attribute: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(6 + value.len()).unwrap();
    let mut avp = (flags | length).to_be_bytes().to_vec();
    avp.extend([0, 0]);
    avp.extend(attribute.to_be_bytes());
    avp.extend(value);
    avp
}

/// The value of a 16-bit AVP in one of our messages, found by its whole header.
fn assigned(message: &[u8], attribute: u8) -> u16 {
    let header = [0x80, 8, 0, 0, 0, attribute];
    let at = message.windows(6).position(|window| window == header).unwrap();
    u16::from_be_bytes([message[at + 6], message[at + 7]])
}

/// The message type of one of our messages; 0 for a ZLB.
fn kind(message: &[u8]) -> u8 {
    if message.len() == 12 {
        return 0;
    }
    // Android's mtpd wants the flags of the first AVP to be exactly this.
    assert_eq!(message[12..19], [0x80, 8, 0, 0, 0, 0, 0]);
    message[19]
}

fn kinds(messages: &[Vec<u8>]) -> Vec<u8> {
    messages.iter().map(|message| kind(message)).collect()
}

const SCCRQ: &[u8] = &[0x80, 8, 0, 0, 0, 0, 0, 1];
const SCCCN: &[u8] = &[0x80, 8, 0, 0, 0, 0, 0, 3];
const STOP_CCN: &[u8] = &[0x80, 8, 0, 0, 0, 0, 0, 4];
const HELLO: &[u8] = &[0x80, 8, 0, 0, 0, 0, 0, 6];
const ICRQ: &[u8] = &[0x80, 8, 0, 0, 0, 0, 0, 10];
const ICCN: &[u8] = &[0x80, 8, 0, 0, 0, 0, 0, 12];
const CDN: &[u8] = &[0x80, 8, 0, 0, 0, 0, 0, 14];
const SLI: &[u8] = &[0x80, 8, 0, 0, 0, 0, 0, 16];
