//! `Client`: IKE, ESP, L2TP and PPP of one device, composed, without IO.
//!
//! The owner brings datagrams with [`Client::handle_datagram`], time with [`Client::handle_timeout`], and
//! packets with [`Client::send_packet`]; after each it drains [`Client::poll_transmit`],
//! [`Client::poll_packet`] and [`Client::poll_event`], and asks [`Client::poll_timeout`] when to come again.

mod calls;
mod farewell;
mod packets;
mod report;
mod settle;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

pub use self::calls::Parked;
use self::farewell::Leaving;
pub use self::report::{End, Event, Stage};
use crate::esp::{InboundSa, OutboundSa};
pub use crate::ike::Certificate;
use crate::ike::nat::{IKE_PORT, NAT_T_PORT, NO_PORT};
use crate::ike::{Ike, PendingDelete, Setup};
use crate::lac::Lac;
use crate::ppp::Link;
use crate::profile::Profile;
use crate::timeline::Timeline;
use crate::udp;

/// What a user types in.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The pre-shared key.
    pub psk: Vec<u8>,
    /// Used instead of the key, if there is one.
    pub certificate: Option<Arc<Certificate>>,
    /// The account, possibly with a domain.
    pub user: String,
    /// The account's password.
    pub password: String,
}

/// A datagram to be sent to the server, or an ESP packet without UDP: then both ports are [`NO_PORT`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// The client's own port.
    pub from_port: u16,
    /// The server's port.
    pub to_port: u16,
    /// UDP payload.
    pub payload: Vec<u8>,
}

impl Transmit {
    fn esp(port: u16, payload: Vec<u8>) -> Self {
        Self { from_port: port, to_port: port, payload }
    }
}

/// One device that dials in.
pub struct Client {
    profile: Profile,
    credentials: Credentials,
    rng: ChaCha20Rng,
    ike: Ike,
    /// The newest; none before phase 2, or when the server deleted it.
    outbound: Option<OutboundSa>,
    /// Where packets of those go from and to.
    esp_port: u16,
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
            certificate: credentials.certificate.clone(),
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
            esp_port: NAT_T_PORT,
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

    /// Takes a UDP payload that came from the server to one of our ports, or an ESP packet that came without UDP, to [`NO_PORT`].
    pub fn handle_datagram(&mut self, now: Instant, local_port: u16, datagram: &[u8]) {
        if self.end.is_some() {
            return;
        }
        if local_port == IKE_PORT {
            self.ike.handle_datagram(now, datagram);
        } else if let Some(message) = datagram.strip_prefix(&NON_ESP_MARKER) {
            self.ike.handle_datagram(now, message);
        } else if datagram != [0xff] && (local_port == NO_PORT) == (self.esp_port == NO_PORT) {
            // A kernel takes ESP only as it was agreed on.
            let mut packet = datagram.to_vec();
            if let Some(range) = self.open(now, &mut packet) {
                self.packets.extend(packet.get(range).map(<[u8]>::to_vec));
            }
        }
        self.settle(now);
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

    /// Negotiates new ESP SAs.
    pub fn rekey_phase2(&mut self, now: Instant) {
        self.ike.start_quick_mode(now);
        self.settle(now);
    }

    /// Negotiates a new ISAKMP SA.
    pub fn rekey_phase1(&mut self, now: Instant) {
        self.ike.start_phase1(now);
        self.settle(now);
    }

    /// Dials L2TP anew through the keys there are, as a daemon does that was started again: nothing is said of the tunnel it had.
    pub fn redial_l2tp(&mut self, now: Instant) {
        let mut rng = fork(&mut self.rng);
        let profile = self.profile.l2tp.clone();
        self.upper = Upper::Tunnel(Box::new(Lac::new(now, profile, &mut rng, self.l2tp_ids)));
        self.settle(now);
    }

    /// Forgets its ISAKMP SA without a word, as some clients do when its lifetime ends.
    pub fn forget_isakmp(&mut self) {
        self.ike.forget_isakmp();
    }

    /// Answers a refusal because of the password's age: the old password becomes `new`.
    pub fn change_password(&mut self, now: Instant, new: &str) {
        self.credentials.password = new.into();
        if let Upper::Link(_, link) = &mut self.upper {
            link.change_password(now, new);
        }
        self.settle(now);
    }

    /// Answers a refusal with another password.
    pub fn retry_password(&mut self, now: Instant, password: &str) {
        self.credentials.password = password.into();
        if let Upper::Link(_, link) = &mut self.upper {
            link.retry(now, password);
        }
        self.settle(now);
    }
}

/// A generator of its own for a part of the client.
fn fork(rng: &mut ChaCha20Rng) -> ChaCha20Rng {
    let mut seed = [0; 32];
    rng.fill_bytes(&mut seed);
    ChaCha20Rng::from_seed(seed)
}

/// RFC 3948 §2.2.
const NON_ESP_MARKER: [u8; 4] = [0; 4];
/// How long a replaced SA still receives.
const INBOUND_GRACE: Duration = Duration::from_secs(30);
