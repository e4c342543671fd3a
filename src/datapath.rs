//! The data path: a batch of packets up or down the whole stack.
//!
//! ```text
//! up    UDP 4500 ─ SPI → SA ─ check ─ verify and decrypt many ─ UDP 1701 ─ L2TP ─ PPP ─ IP → TUN
//! down  TUN ─ IP destination → session ─ prefix, frame ─ encrypt and MAC many ─ UDP 4500
//!
//!       ┌────────┬────┬───────┬────────┬───────┬────────────┬─────────────┬─────┐
//!       │ ESP  8 │ IV │ UDP 8 │ L2TP 6 │ PPP 4 │ IP …       │ pad, len, 17│ ICV │   one slot
//!       └────────┴────┴───────┴────────┴───────┴────────────┴─────────────┴─────┘
//!                     └── one constant prefix a session ──┘
//! ```
//!
//! Here are only the tables that packets touch; `Server` programs them. A packet that is not data (IKE, L2TP control,
//! PPP control) is handed to it as a [`Control`], in the order of arrival.

mod address;
mod address6;
mod ahead;
mod checksum;
mod discard;
mod down;
mod elsewhere;
mod envelope;
mod fit;
mod fragment;
mod inside;
mod limits;
mod load;
mod meter;
mod mss;
mod order;
mod outlying;
mod pace;
mod policy;
mod prefixes;
mod rules;
mod sa;
mod scatter;
mod steering;
mod too_big;
mod up;

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use ipsec::{EspSuite, InboundSa, IvSource, OutboundSa, Path, PeerId, Spi};
use l2tp::SessionKey;
use slab::Slab;

use crate::pool::{Delegated, Prefix};
use scatter::Table;

pub use discard::Discard;
pub(crate) use discard::Discards;
pub use down::Downlink;
use elsewhere::Elsewhere;
pub use elsewhere::Handover;
pub(crate) use elsewhere::Origin;
pub(crate) use fit::inner_mtu;
pub use inside::Inside;
use limits::Limiter;
pub(crate) use limits::Limits;
pub use load::Load;
pub(crate) use meter::{Meter, Traffic};
pub(crate) use order::{Order, Outcome};
pub(crate) use outlying::Outlying;
use pace::Questions;
pub(crate) use policy::Policy;
pub use prefixes::{Prefixes, Stretch};
pub(crate) use sa::Departed;

pub use steering::{ShardId, Shards};
pub use up::{Datagram, Uplink};

/// The tables of the data path.
#[derive(Debug)]
pub(crate) struct Datapath {
    by_spi: Table<Spi, usize>,
    inbound: Slab<Inbound>,
    by_peer: BTreeMap<PeerId, usize>,
    peers: Slab<Peer>,
    by_session: Table<SessionIndex, usize>,
    sessions: Slab<Session>,
    by_address: Table<Ipv4Addr, usize>,
    /// What is delegated stands here by its first prefix: no client has that as its own.
    by_prefix: Table<Prefix, usize>,
    policy: Policy,
    ivs: IvSource,
    pub(crate) discards: Discards,
    pub(crate) esp_discards: ipsec::EspDiscards,
    /// Clients whose outbound SA ran out of sequence numbers in the last batch.
    exhausted: Vec<PeerId>,
    telling: too_big::Telling,
    elsewhere: Elsewhere,
    packets_in: u64,
    packets_out: u64,
    /// What the last batch held, kept for its memory.
    arrivals: Vec<up::Arrival>,
}

/// A session's number, from 1 in order of their opening; never used again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SessionIndex(u64);

impl SessionIndex {
    /// No session has it, or a greater one than the other.
    pub(crate) const MIN: Self = Self(u64::MIN);
    pub(crate) const MAX: Self = Self(u64::MAX);

    pub(crate) const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

#[derive(Debug)]
struct Inbound {
    sa: InboundSa,
    peer: usize,
    confirmed: bool,
}

#[derive(Debug)]
struct Peer {
    id: PeerId,
    /// Where ESP goes: the path of the newest authenticated packet.
    path: Path,
    /// Places of the SAs that it sends with, those included that we no longer answer with.
    inbound: Vec<usize>,
    outbound: Vec<Outbound>,
    /// The SA in use: the last one that the client confirmed.
    current: Option<usize>,
    sessions: Vec<PeerSession>,
}

#[derive(Debug)]
struct Outbound {
    sa: OutboundSa,
    /// The other half of the pair.
    inbound: Spi,
}

/// What a data packet of this peer has to say to belong to a session.
#[derive(Debug)]
struct PeerSession {
    port: u16,
    key: SessionKey,
    place: usize,
}

#[derive(Debug)]
struct Session {
    index: SessionIndex,
    peer: usize,
    port: u16,
    /// UDP, L2TP and PPP headers of every packet down; only the UDP length is written anew.
    prefix: [u8; PREFIX_LEN],
    /// Set once IPCP has opened.
    address: Option<Ipv4Addr>,
    /// Set once IPV6CP has opened.
    prefix6: Option<Prefix>,
    /// Set while its client has it: packets to a prefix of which the client knows nothing would come back by its default route.
    delegated: Option<Delegated>,
    /// The longest packet that its client takes.
    mtu: u16,
    /// The largest TCP segment that may be announced through this session over IPv4.
    mss: u16,
    heard: Instant,
    meter: Arc<Meter>,
    limits: Option<Box<Limiter>>,
    questions: Questions,
    told: too_big::Told,
}

/// Something in a batch that is not data, or that changes how data flows.
#[derive(Debug)]
pub(crate) enum Control {
    /// An ISAKMP message, non-ESP marker removed.
    Ike { datagram: usize, message: Range<usize> },
    /// An L2TP control message out of ESP, sent by the client from this inner UDP port.
    L2tp { peer: PeerId, port: u16, datagram: usize, message: Range<usize> },
    /// An IP packet for our own end of the link, and not for any network behind it.
    OnLink { peer: PeerId, session: SessionIndex, datagram: usize, packet: Range<usize> },
    /// A PPP frame that is not IP.
    Ppp { peer: PeerId, session: SessionIndex, datagram: usize, frame: Range<usize> },
    /// A data message for a session that the tables do not know: its opening may stand earlier in this very batch.
    Early { peer: PeerId, port: u16, datagram: usize, message: Range<usize> },
    /// The client's packets show which truncation of HMAC-SHA2-256 it means: not the one that was assumed.
    Truncated { peer: PeerId, suite: EspSuite },
    /// The first authenticated packet of an SA.
    Confirmed { inbound: Spi },
    /// The newest authenticated packet came by another path: the client's NAT moved it.
    Moved { peer: PeerId, path: Path },
    /// A session sent data; said once in [`HEARD_INTERVAL`] at most.
    Heard { peer: PeerId, session: SessionIndex },
}

impl Control {
    /// Whether it is about something in a datagram, which whoever sent it repeats if nothing comes of it.
    pub(crate) fn is_message(&self) -> bool {
        match self {
            Self::Ike { .. }
            | Self::L2tp { .. }
            | Self::OnLink { .. }
            | Self::Ppp { .. }
            | Self::Early { .. } => true,
            Self::Truncated { .. } | Self::Confirmed { .. } | Self::Moved { .. } | Self::Heard { .. } => {
                false
            }
        }
    }

    /// The same of a datagram that stands elsewhere now.
    pub(crate) fn moved(mut self, to: impl FnOnce(usize) -> usize) -> Self {
        match &mut self {
            Self::Ike { datagram, .. }
            | Self::L2tp { datagram, .. }
            | Self::OnLink { datagram, .. }
            | Self::Ppp { datagram, .. }
            | Self::Early { datagram, .. } => *datagram = to(*datagram),
            Self::Truncated { .. } | Self::Confirmed { .. } | Self::Moved { .. } | Self::Heard { .. } => {}
        }
        self
    }
}

impl Datapath {
    pub(crate) fn new(shard: ShardId, shards: Shards, policy: Policy, seed: [u8; 32]) -> Self {
        Self {
            by_spi: Table::default(),
            inbound: Slab::new(),
            by_peer: BTreeMap::new(),
            peers: Slab::new(),
            by_session: Table::default(),
            sessions: Slab::new(),
            by_address: Table::default(),
            by_prefix: Table::default(),
            ivs: IvSource::new(seed),
            discards: Discards::default(),
            esp_discards: ipsec::EspDiscards::default(),
            exhausted: Vec::new(),
            telling: too_big::Telling::default(),
            elsewhere: Elsewhere::new(shard, shards, policy.prefixes.clone()),
            policy,
            packets_in: 0,
            packets_out: 0,
            arrivals: Vec::new(),
        }
    }

    /// Opens a session: frames from its port of its client that carry `ours` belong to it, and frames to it carry `theirs`.
    pub(crate) fn open_session(&mut self, now: Instant, opening: Opening) {
        let Opening { session: index, peer, port, ours, theirs, meter } = opening;
        let Some(&peer) = self.by_peer.get(&peer) else { return };
        make_room(&mut self.sessions);
        let place = self.sessions.insert(Session {
            index,
            peer,
            port,
            prefix: prefix(port, theirs),
            address: None,
            prefix6: None,
            delegated: None,
            mtu: u16::MAX,
            mss: self.policy.mss,
            heard: now,
            meter,
            limits: None,
            questions: Questions::default(),
            told: too_big::Told::default(),
        });
        self.by_session.insert(index, place);
        self.peers[peer].sessions.reserve_exact(1);
        self.peers[peer].sessions.push(PeerSession { port, key: ours, place });
    }

    /// Lets IP packets flow between `session`, whose packets have at most `mtu` bytes, and what is `inside`. A session that had it loses it.
    pub(crate) fn assign(&mut self, session: SessionIndex, inside: Inside, mtu: u16) {
        let Some(&place) = self.by_session.get(&session) else { return };
        let previous = match inside {
            Inside::V4(address) => self.by_address.insert(address, place),
            Inside::V6(prefix) => self.by_prefix.insert(prefix, place),
            Inside::Delegated(delegated) => self.by_prefix.insert(delegated.first(), place),
        };
        if let Some(loser) = previous.filter(|previous| *previous != place)
            && let Some(loser) = self.sessions.get_mut(loser)
        {
            loser.give_up(inside);
        }
        if let Some(entry) = self.sessions.get_mut(place) {
            match inside {
                Inside::V4(address) => entry.address = Some(address),
                Inside::V6(prefix) => entry.prefix6 = Some(prefix),
                Inside::Delegated(delegated) => entry.delegated = Some(delegated),
            }
            entry.mtu = mtu;
            entry.mss = self.policy.mss.min(mtu.saturating_sub(TCP_IPV4_HEADERS));
        }
    }

    /// Stops packets between `session` and what is `inside`: that network protocol is down, control frames still flow.
    pub(crate) fn withdraw(&mut self, session: SessionIndex, inside: Inside) {
        let Some(&place) = self.by_session.get(&session) else { return };
        if !self.sessions.get_mut(place).is_some_and(|entry| entry.give_up(inside)) {
            return;
        }
        if self.session_of(inside) != Some(place) {
            return;
        }
        match inside {
            Inside::V4(address) => self.by_address.remove(&address),
            Inside::V6(prefix) => self.by_prefix.remove(&prefix),
            Inside::Delegated(delegated) => self.by_prefix.remove(&delegated.first()),
        };
    }

    /// Forgets `session`.
    pub(crate) fn close_session(&mut self, session: SessionIndex) {
        let Some(&place) = self.by_session.get(&session) else { return };
        for inside in self.sessions[place].insides() {
            self.withdraw(session, inside);
        }
        self.by_session.remove(&session);
        let entry = self.sessions.remove(place);
        if let Some(peer) = self.peers.get_mut(entry.peer) {
            peer.sessions.retain(|known| known.place != place);
        }
    }

    /// A client whose outbound SA has no sequence number left: it hears nothing more until it has other keys.
    pub(crate) fn poll_exhausted(&mut self) -> Option<PeerId> {
        self.exhausted.pop()
    }

    /// What went through here, and what was let go.
    pub(crate) fn load(&self) -> Load {
        let Self { packets_in, packets_out, .. } = *self;
        let esp = self.esp_discards.iter().map(|(name, count)| ("esp", name, count));
        let data = self.discards.iter().map(|(name, count)| ("data", name, count));
        Load {
            packets_in,
            packets_out,
            handed_over: self.elsewhere.handed(),
            offloads: Vec::new(),
            discards: esp.chain(data).collect(),
        }
    }

    /// The next packets that another shard knows.
    pub(crate) fn poll_handover(&mut self) -> Option<(ShardId, Handover)> {
        self.elsewhere.poll()
    }
}

/// A session to be.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) session: SessionIndex,
    pub(crate) peer: PeerId,
    /// The client's UDP port inside ESP.
    pub(crate) port: u16,
    /// The ids that we gave, and those that the client gave.
    pub(crate) ours: SessionKey,
    pub(crate) theirs: SessionKey,
    /// Where its traffic is counted.
    pub(crate) meter: Arc<Meter>,
}

impl Session {
    fn insides(&self) -> impl Iterator<Item = Inside> + use<> {
        let own = self.address.map(Inside::V4).into_iter().chain(self.prefix6.map(Inside::V6));
        own.chain(self.delegated.map(Inside::Delegated))
    }

    /// Whether it had that until now.
    fn give_up(&mut self, inside: Inside) -> bool {
        match inside {
            Inside::V4(address) => self.address.take_if(|own| *own == address).is_some(),
            Inside::V6(prefix) => self.prefix6.take_if(|own| *own == prefix).is_some(),
            Inside::Delegated(prefix) => self.delegated.take_if(|own| *own == prefix).is_some(),
        }
    }
}

impl Peer {
    /// A client has one session, seldom more: a scan beats a map.
    fn session(&self, port: u16, key: SessionKey) -> Option<usize> {
        self.sessions.iter().find(|known| known.key == key && known.port == port).map(|known| known.place)
    }
}

/// Lets a table grow by an eighth, not twofold: half of the memory would be empty.
fn make_room<T>(table: &mut Slab<T>) {
    if table.len() == table.capacity() {
        table.reserve_exact(table.len() / 8 + 8);
    }
}

/// The constant headers of a session's packets: UDP with length 0, L2TP data, PPP IPv4.
fn prefix(port: u16, theirs: SessionKey) -> [u8; PREFIX_LEN] {
    let mut prefix = [0; PREFIX_LEN];
    let (udp, rest) = prefix.split_at_mut(UDP_LEN);
    let (l2tp, ppp) = rest.split_at_mut(L2TP_LEN);
    udp.copy_from_slice(&udp_header(port, 0));
    l2tp.copy_from_slice(&l2tp::data_header(theirs));
    ppp.copy_from_slice(&ppp::DATA_HEADER_IPV4);
    prefix
}

/// A UDP header from the L2TP port to `port` over `payload_len` bytes. The checksum is zero, which UDP over IPv4 allows and
/// RFC 3948 §3.1.2 recommends: neither end knows the other's true address, and ESP authenticates the packet already. Where
/// that is not enough, [`checksum::fill`] follows.
fn udp_header(port: u16, payload_len: u16) -> [u8; UDP_LEN] {
    let [p0, p1] = port.to_be_bytes();
    let [s0, s1] = L2TP_PORT.to_be_bytes();
    let [n0, n1] = payload_len.saturating_add(8).to_be_bytes();
    [s0, s1, p0, p1, n0, n1, 0, 0]
}

/// IPv4 and TCP headers without options, RFC 9293 §3.7.1.
pub(crate) const TCP_IPV4_HEADERS: u16 = 40;
/// RFC 2661 §8.1.
pub(crate) const L2TP_PORT: u16 = 1701;
const UDP_LEN: usize = 8;
const L2TP_LEN: usize = 6;
const PPP_LEN: usize = 4;
const PREFIX_LEN: usize = UDP_LEN + L2TP_LEN + PPP_LEN;
/// How often at most a session's data is reported as a sign of life.
const HEARD_INTERVAL: Duration = Duration::from_secs(1);
/// How many packets go through the ciphers at once: as many as the event loop brings, few enough for the stack.
const LANES: usize = 128;
