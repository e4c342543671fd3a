//! `Client`: IKE, ESP, L2TP and PPP of one device, composed, without IO.
//!
//! The owner brings datagrams with [`Client::handle_datagram`], time with [`Client::handle_timeout`], and
//! packets with [`Client::send_packet`]; after each it drains [`Client::poll_transmit`],
//! [`Client::poll_packet`] and [`Client::poll_event`], and asks [`Client::poll_timeout`] when to come again.

mod farewell;
mod settle;

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

use self::farewell::Leaving;
use crate::esp::{InboundSa, OutboundSa};
use crate::ike::nat::{IKE_PORT, NAT_T_PORT};
use crate::ike::{Ike, PendingDelete, Setup};
use crate::lac::Lac;
use crate::ppp::{Link, Refusal};
use crate::profile::Profile;
use crate::timeline::Timeline;
use crate::udp;

/// What a user types in.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The pre-shared key.
    pub psk: Vec<u8>,
    /// The account, possibly with a domain.
    pub user: String,
    /// The account's password.
    pub password: String,
}

/// A datagram to be sent to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// The client's own port.
    pub from_port: u16,
    /// The server's port.
    pub to_port: u16,
    /// UDP payload.
    pub payload: Vec<u8>,
}

/// Where a client stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// On the way up: the last stage passed is in the timeline.
    Connecting,
    /// It has an address.
    Up,
    /// The login was refused and may be tried again.
    Refused(Refusal),
    /// It says goodbye.
    Leaving,
    /// It is over.
    Closed(End),
}

/// Why a client is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The user disconnected.
    Left,
    /// The server ended it, with this message.
    Dismissed(String),
    /// The server refused in the clear: a notification of this type.
    Notified(u16),
    /// The server refused the login for good.
    Refused(Refusal),
    /// Nothing came in spite of retransmissions; this was awaited.
    NoAnswer(&'static str),
    /// Main Mode found no NAT, so that ESP would have to travel as an IP protocol, which needs IO.
    NativeEsp,
    /// The server did what this client cannot live with.
    Violated(String),
}

/// What happened to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Phase 1 is done.
    Established {
        /// The client moved to port 4500.
        behind_nat: bool,
        /// It replaces an earlier one.
        renewed: bool,
    },
    /// A pair of ESP SAs is in use.
    SaOpened {
        /// It replaces an earlier one.
        renewed: bool,
    },
    /// The server deleted the SA that the client sent on.
    SaDeleted,
    /// The server deleted an ISAKMP SA.
    IsakmpDeleted,
    /// The server sent an authenticated notification.
    Notified(u16),
    /// The client has its address.
    Up(Ipv4Addr),
    /// The server refused the login; [`Client::retry_password`] may follow.
    Refused(Refusal),
    /// It is over.
    Closed(End),
}

/// One device that dials in.
pub struct Client {
    profile: Profile,
    credentials: Credentials,
    rng: ChaCha20Rng,
    ike: Ike,
    /// The newest; none before phase 2, or when the server deleted it.
    outbound: Option<OutboundSa>,
    /// Each with the end of its grace, once it was replaced.
    inbound: Vec<(InboundSa, Option<Instant>)>,
    deletes: Vec<PendingDelete>,
    upper: Upper,
    l2tp_ids: Option<(u16, u16)>,
    leaving: Option<Leaving>,
    end: Option<End>,
    timeline: Timeline,
    transmits: VecDeque<Transmit>,
    packets: VecDeque<Vec<u8>>,
    events: VecDeque<Event>,
}

/// What stands above ESP.
enum Upper {
    Nothing,
    Tunnel(Box<Lac>),
    Link(Box<Lac>, Box<Link>),
}

impl Client {
    /// Starts to dial; message 1 can be polled at once.
    pub fn new(
        now: Instant,
        profile: Profile,
        credentials: Credentials,
        local: impl Into<IpAddr>,
        server: impl Into<IpAddr>,
        seed: [u8; 32],
    ) -> Self {
        let mut rng = ChaCha20Rng::from_seed(seed);
        let ephemeral = 49_152 + u16::try_from(rng.next_u32() % 16_000).unwrap_or(0);
        let setup = Setup {
            ike: profile.ike.clone(),
            esp: profile.esp.clone(),
            psk: credentials.psk.clone(),
            local: local.into(),
            server: server.into(),
            l2tp_port: if profile.l2tp.source_port_1701 { udp::L2TP_PORT } else { ephemeral },
        };
        let ike_rng = fork(&mut rng);
        let mut client = Self {
            profile,
            credentials,
            rng,
            ike: Ike::new(now, setup, ike_rng),
            outbound: None,
            inbound: Vec::new(),
            deletes: Vec::new(),
            upper: Upper::Nothing,
            l2tp_ids: None,
            leaving: None,
            end: None,
            timeline: Timeline::default(),
            transmits: VecDeque::new(),
            packets: VecDeque::new(),
            events: VecDeque::new(),
        };
        client.settle(now);
        client
    }

    /// Fixes the tunnel and session id, which are random otherwise. Call it before phase 2 is done.
    pub fn choose_l2tp_ids(&mut self, tunnel: u16, session: u16) {
        self.l2tp_ids = Some((tunnel, session));
    }

    /// Takes a UDP payload that came from the server to one of our ports.
    pub fn handle_datagram(&mut self, now: Instant, local_port: u16, datagram: &[u8]) {
        if self.end.is_some() {
            return;
        }
        if local_port == IKE_PORT {
            self.ike.handle_datagram(now, datagram);
        } else if let Some(message) = datagram.strip_prefix(&NON_ESP_MARKER) {
            self.ike.handle_datagram(now, message);
        } else if datagram != [0xff] {
            let mut packet = datagram.to_vec();
            if let Some(range) = self.open(now, &mut packet) {
                self.packets.extend(packet.get(range).map(<[u8]>::to_vec));
            }
        }
        self.settle(now);
    }

    /// Takes an ESP packet in place; the place of the IP packet of one that carries it.
    ///
    /// The load generator's way in: no copy, and nothing queued for data. After `None` the client may have
    /// something to send.
    pub fn open_packet(&mut self, now: Instant, datagram: &mut [u8]) -> Option<Range<usize>> {
        let range = self.open(now, datagram);
        if range.is_none() {
            self.settle(now);
        }
        range
    }

    fn open(&mut self, now: Instant, packet: &mut [u8]) -> Option<Range<usize>> {
        let spi = packet.first_chunk::<4>()?;
        let (sa, _) = self.inbound.iter_mut().find(|(sa, _)| sa.spi() == *spi)?;
        let range = sa.open(packet)?;
        let base = packet.as_ptr().addr();
        let payload = udp::payload(packet.get(range)?, self.ike.setup().l2tp_port)?;
        let ip = match &mut self.upper {
            Upper::Nothing => None,
            Upper::Tunnel(lac) => {
                lac.handle_datagram(now, payload);
                None
            }
            Upper::Link(lac, link) => {
                let frame = lac.handle_datagram(now, payload)?;
                link.handle_frame(now, frame)
            }
        }?;
        let start = ip.as_ptr().addr() - base;
        Some(start..start + ip.len())
    }

    /// Sends an IP packet through the tunnel; `false` before there is one.
    pub fn send_packet(&mut self, _now: Instant, packet: &[u8]) -> bool {
        let mut payload = Vec::with_capacity(packet.len() + 128);
        let sealed = self.seal_packet(packet, &mut payload);
        if sealed {
            self.transmits.push_back(Transmit { from_port: NAT_T_PORT, to_port: NAT_T_PORT, payload });
        }
        sealed
    }

    /// Appends an IP packet as the UDP payload that carries it from port 4500 to port 4500.
    ///
    /// The load generator's way out; it may seal ahead of sending.
    pub fn seal_packet(&mut self, packet: &[u8], datagram: &mut Vec<u8>) -> bool {
        let Upper::Link(lac, link) = &mut self.upper else { return false };
        if !link.is_up() {
            return false;
        }
        let Some(sa) = &mut self.outbound else { return false };
        let mut header = Vec::with_capacity(16);
        lac.data_header(packet.len() + PPP_IP.len(), &mut header);
        seal(self.ike.setup(), sa, &mut self.rng, &[&header, &PPP_IP, packet], datagram);
        true
    }

    /// Sends an L2TP datagram of the caller's making, for tests of what a hostile client may say.
    pub fn send_l2tp(&mut self, datagram: &[u8]) -> bool {
        let Some(sa) = &mut self.outbound else { return false };
        let mut payload = Vec::new();
        seal(self.ike.setup(), sa, &mut self.rng, &[datagram], &mut payload);
        self.transmits.push_back(Transmit { from_port: NAT_T_PORT, to_port: NAT_T_PORT, payload });
        true
    }

    /// Sends a PPP frame of the caller's making, for tests of what a hostile client may say.
    pub fn send_frame(&mut self, frame: &[u8]) -> bool {
        let Upper::Link(lac, _) = &mut self.upper else { return false };
        let mut datagram = Vec::new();
        lac.data_header(frame.len(), &mut datagram);
        datagram.extend(frame);
        self.send_l2tp(&datagram)
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.end.is_some() {
            return;
        }
        self.ike.handle_timeout(now);
        match &mut self.upper {
            Upper::Nothing => {}
            Upper::Tunnel(lac) => lac.handle_timeout(now),
            Upper::Link(lac, link) => {
                lac.handle_timeout(now);
                link.handle_timeout(now);
            }
        }
        let due: Vec<[u8; 4]> =
            self.deletes.extract_if(.., |delete| now >= delete.at).map(|d| d.spi).collect();
        for spi in due {
            self.ike.send_delete_esp(spi);
        }
        self.inbound.retain(|(_, until)| until.is_none_or(|until| now < until));
        self.settle(now);
    }

    /// When to call [`Client::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.end.is_some() {
            return None;
        }
        let upper = match &self.upper {
            Upper::Nothing => [None, None],
            Upper::Tunnel(lac) => [lac.poll_timeout(), None],
            Upper::Link(lac, link) => [lac.poll_timeout(), link.poll_timeout()],
        };
        let leaving = self.leaving.as_ref().map(Leaving::due);
        let deletes = self.deletes.iter().map(|delete| delete.at);
        let inbound = self.inbound.iter().filter_map(|(_, until)| *until);
        upper
            .into_iter()
            .chain([self.ike.poll_timeout(), leaving])
            .flatten()
            .chain(deletes)
            .chain(inbound)
            .min()
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next IP packet that came through the tunnel.
    pub fn poll_packet(&mut self) -> Option<Vec<u8>> {
        self.packets.pop_front()
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Where the client stands.
    pub fn stage(&self) -> Stage {
        if let Some(end) = &self.end {
            return Stage::Closed(end.clone());
        }
        if self.leaving.is_some() {
            return Stage::Leaving;
        }
        match &self.upper {
            Upper::Link(_, link) if link.is_up() => Stage::Up,
            Upper::Link(_, link) => link.refusal().map_or(Stage::Connecting, Stage::Refused),
            _ => Stage::Connecting,
        }
    }

    /// The profile it was made with.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Its address, while it is up.
    pub fn address(&self) -> Option<Ipv4Addr> {
        self.link()?.address()
    }

    /// The server's address in the tunnel.
    pub fn server_address(&self) -> Option<Ipv4Addr> {
        self.link()?.server()
    }

    /// The DNS servers it was given.
    pub fn dns(&self) -> Vec<Ipv4Addr> {
        self.link().map(Link::dns).unwrap_or_default()
    }

    /// PPP protocols the server rejected.
    pub fn rejected_protocols(&self) -> &[u16] {
        self.link().map_or(&[], Link::rejected)
    }

    /// The tunnel and session id it chose.
    pub fn l2tp_ids(&self) -> Option<(u16, u16)> {
        match &self.upper {
            Upper::Nothing => None,
            Upper::Tunnel(lac) | Upper::Link(lac, _) => Some(lac.ids()),
        }
    }

    /// When it passed which stage.
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    fn link(&self) -> Option<&Link> {
        match &self.upper {
            Upper::Link(_, link) => Some(link),
            _ => None,
        }
    }

    /// Negotiates new ESP SAs.
    pub fn rekey_phase2(&mut self, now: Instant) {
        self.ike.start_quick_mode(now);
        self.settle(now);
    }

    /// Negotiates a new ISAKMP SA.
    pub fn rekey_phase1(&mut self, now: Instant) {
        self.ike.start_main_mode(now);
        self.settle(now);
    }

    /// Forgets its ISAKMP SA without a word, as some clients do when its lifetime ends.
    pub fn forget_isakmp(&mut self) {
        self.ike.forget_isakmp();
    }

    /// Answers a refusal with another password.
    pub fn retry_password(&mut self, now: Instant, password: &str) {
        self.credentials.password = password.into();
        if let Upper::Link(_, link) = &mut self.upper {
            link.retry(password);
        }
        self.settle(now);
    }
}

/// Wraps an L2TP datagram into UDP and ESP.
fn seal(setup: &Setup, sa: &mut OutboundSa, rng: &mut ChaCha20Rng, parts: &[&[u8]], datagram: &mut Vec<u8>) {
    let addresses = setup.esp.udp_checksum.then_some((setup.local, setup.server));
    let header = udp::header(setup.l2tp_port, addresses, parts);
    let whole: Vec<&[u8]> = [&header[..]].into_iter().chain(parts.iter().copied()).collect();
    sa.seal(rng, &whole, datagram);
}

/// A generator of its own for a part of the client.
fn fork(rng: &mut ChaCha20Rng) -> ChaCha20Rng {
    let mut seed = [0; 32];
    rng.fill_bytes(&mut seed);
    ChaCha20Rng::from_seed(seed)
}

/// RFC 3948 §2.2.
const NON_ESP_MARKER: [u8; 4] = [0; 4];
/// Address, control, protocol: IPv4.
const PPP_IP: [u8; 4] = [0xff, 0x03, 0x00, 0x21];
/// How long a replaced SA still receives.
const INBOUND_GRACE: Duration = Duration::from_secs(30);
