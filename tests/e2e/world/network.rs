//! The network: delay, loss, duplication, reordering, and NATs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use load::{NO_PORT, Transmit};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

use super::{SERVER, SERVER_V6};

/// How well datagrams get through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quality {
    pub(crate) latency: Duration,
    /// Up to this much more for each datagram, which reorders them.
    pub(crate) jitter: Duration,
    /// Of a thousand datagrams, how many are lost.
    pub(crate) loss: u32,
    /// Of a thousand datagrams, how many arrive twice.
    pub(crate) duplication: u32,
}

impl Quality {
    /// Nothing is lost and nothing takes time.
    pub(crate) const PERFECT: Self =
        Self { latency: Duration::ZERO, jitter: Duration::ZERO, loss: 0, duplication: 0 };

    /// A clean line with 20 ms each way.
    pub(crate) const CLEAN: Self = Self { latency: Duration::from_millis(20), ..Self::PERFECT };

    /// A bad radio link: one in ten is lost, one in twenty comes twice, and many overtake each other.
    pub(crate) const BAD: Self = Self {
        latency: Duration::from_millis(30),
        jitter: Duration::from_millis(60),
        loss: 100,
        duplication: 50,
    };
}

const STEP: Duration = Duration::from_millis(5);

/// A NAT of the network.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NatId(usize);

/// Where a device is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    /// On the network itself.
    Public(Ipv4Addr),
    /// On the network itself, which has IPv6.
    PublicV6(Ipv6Addr),
    /// Behind a NAT, with this private address.
    Behind(NatId, Ipv4Addr),
}

impl Place {
    /// The device's own address.
    pub(crate) fn local(self) -> IpAddr {
        match self {
            Self::Public(address) | Self::Behind(_, address) => address.into(),
            Self::PublicV6(address) => address.into(),
        }
    }

    /// What the device dials.
    pub(crate) fn server(self) -> IpAddr {
        server_for(self.local())
    }
}

/// The server's address of the same family.
pub(crate) fn server_for(client: IpAddr) -> IpAddr {
    if client.is_ipv4() { SERVER.into() } else { SERVER_V6.into() }
}

fn is_server(address: IpAddr) -> bool {
    address == SERVER || address == SERVER_V6
}

/// A datagram at its end.
pub(crate) enum Arrival {
    Server(Incoming),
    Device { number: usize, port: u16, payload: Vec<u8> },
}

/// A datagram for the server.
pub(crate) struct Incoming {
    pub(crate) from: SocketAddr,
    /// The server's port.
    pub(crate) port: u16,
    pub(crate) payload: Vec<u8>,
}

struct Flight {
    from: SocketAddr,
    to: SocketAddr,
    payload: Vec<u8>,
}

struct Nat {
    outside: Ipv4Addr,
    /// Device and its port, and the port outside. Whose private address it is does not matter: two devices
    /// behind further NATs may have the same.
    mappings: BTreeMap<(usize, u16), u16>,
    next: u16,
}

/// Everything between clients and server.
pub(crate) struct Network {
    pub(crate) quality: Quality,
    rng: ChaCha20Rng,
    /// By time of arrival, then by order of sending.
    flights: BTreeMap<(Instant, u64), Flight>,
    sent: u64,
    nats: Vec<Nat>,
    places: Vec<Place>,
    /// Devices whose radio is off.
    muted: BTreeSet<usize>,
    /// A firewall before the server drops what is neither UDP nor TCP.
    pub(crate) drops_native_esp: bool,
}

impl Network {
    pub(crate) fn new(seed: [u8; 32], quality: Quality) -> Self {
        let rng = ChaCha20Rng::from_seed(seed);
        Self {
            quality,
            rng,
            flights: BTreeMap::new(),
            sent: 0,
            nats: Vec::new(),
            places: Vec::new(),
            muted: BTreeSet::new(),
            drops_native_esp: false,
        }
    }

    pub(crate) fn add_nat(&mut self, outside: Ipv4Addr) -> NatId {
        self.nats.push(Nat { outside, mappings: BTreeMap::new(), next: 20_000 });
        NatId(self.nats.len() - 1)
    }

    /// The next device lives here.
    pub(crate) fn settle_in(&mut self, place: Place) {
        self.places.push(place);
    }

    pub(crate) fn place(&self, number: usize) -> Place {
        self.places[number]
    }

    /// One device has the mappings of another from now on.
    pub(crate) fn hand_over(&mut self, from: usize, to: usize) {
        for nat in &mut self.nats {
            let mappings = std::mem::take(&mut nat.mappings).into_iter();
            let renamed = mappings
                .map(|((number, port), outside)| ((if number == from { to } else { number }, port), outside));
            nat.mappings = renamed.collect();
        }
    }

    /// Switches a device's radio off, or on again.
    pub(crate) fn mute(&mut self, number: usize, off: bool) {
        if off {
            self.muted.insert(number);
        } else {
            self.muted.remove(&number);
        }
    }

    pub(crate) fn remap(&mut self, number: usize) {
        if let Place::Behind(NatId(nat), _) = self.places[number] {
            let nat = &mut self.nats[nat];
            // The old ports stay taken, so that the device does not get them again.
            let ports: Vec<u16> =
                nat.mappings.keys().filter(|key| key.0 == number).map(|key| key.1).collect();
            for port in ports {
                let outside = nat.mappings.remove(&(number, port)).expect("just listed");
                nat.mappings.insert((usize::MAX, outside), outside);
            }
        }
    }

    pub(crate) fn send_from_device(&mut self, now: Instant, number: usize, transmit: Transmit) {
        if self.muted.contains(&number) {
            return;
        }
        let from = match self.places[number] {
            Place::Public(address) => SocketAddr::new(address.into(), transmit.from_port),
            Place::PublicV6(address) => SocketAddr::new(address.into(), transmit.from_port),
            // It has no ports that a NAT could change.
            Place::Behind(..) if transmit.from_port == NO_PORT => return,
            Place::Behind(NatId(nat), _) => {
                let nat = &mut self.nats[nat];
                SocketAddr::new(nat.outside.into(), nat.outside_port(number, transmit.from_port))
            }
        };
        let server = SocketAddr::new(server_for(from.ip()), transmit.to_port);
        self.send(now, from, server, transmit.payload);
    }

    pub(crate) fn send_from_server(&mut self, now: Instant, port: u16, to: SocketAddr, payload: Vec<u8>) {
        self.send(now, SocketAddr::new(server_for(to.ip()), port), to, payload);
    }

    fn send(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, payload: Vec<u8>) {
        if self.chance(self.quality.loss) || self.drops_native_esp && to.port() == NO_PORT {
            return;
        }
        let copies = if self.chance(self.quality.duplication) { 2 } else { 1 };
        for _ in 0..copies {
            let arrival = now + self.quality.latency + self.extra();
            self.sent += 1;
            self.flights.insert((arrival, self.sent), Flight { from, to, payload: payload.clone() });
        }
    }

    /// How much longer than usual a datagram takes. In steps, so that some arrive together.
    fn extra(&mut self) -> Duration {
        let steps = self.quality.jitter.as_millis() / STEP.as_millis();
        let steps = u32::try_from(steps).expect("jitter is short");
        STEP * (self.rng.next_u32() % (steps + 1))
    }

    fn chance(&mut self, of_thousand: u32) -> bool {
        of_thousand != 0 && self.rng.next_u32() % 1000 < of_thousand
    }

    /// When the next datagram arrives.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.flights.keys().next().map(|(at, _)| *at)
    }

    /// A datagram that arrives by `now`.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<Arrival> {
        while self.next().is_some_and(|at| at <= now) {
            let (_, Flight { from, to, payload }) = self.flights.pop_first()?;
            if is_server(to.ip()) {
                return Some(Arrival::Server(Incoming { from, port: to.port(), payload }));
            }
            if let Some((number, port)) = self.find(to).filter(|(number, _)| !self.muted.contains(number)) {
                return Some(Arrival::Device { number, port, payload });
            }
        }
        None
    }

    /// A datagram that arrives by `now`, if the next one is the server's.
    pub(crate) fn take_due_at_server(&mut self, now: Instant) -> Option<Incoming> {
        let next = self.flights.first_entry()?;
        (next.key().0 <= now && is_server(next.get().to.ip())).then_some(())?;
        let Flight { from, to, payload } = next.remove();
        Some(Incoming { from, port: to.port(), payload })
    }

    fn find(&self, to: SocketAddr) -> Option<(usize, u16)> {
        let public = |place: &Place| !matches!(place, Place::Behind(..)) && place.local() == to.ip();
        // Who dials again from the same address is there in the place of who dialled before.
        if let Some(number) = self.places.iter().rposition(public) {
            return Some((number, to.port()));
        }
        let nat = self.nats.iter().find(|nat| nat.outside == to.ip())?;
        let (inside, _) = nat.mappings.iter().find(|(_, outside)| **outside == to.port())?;
        (inside.0 != usize::MAX).then_some(*inside)
    }
}

impl Nat {
    /// The port outside: the same as inside if it is free.
    fn outside_port(&mut self, number: usize, port: u16) -> u16 {
        if let Some(outside) = self.mappings.get(&(number, port)) {
            return *outside;
        }
        let taken = |wanted: u16| self.mappings.values().any(|outside| *outside == wanted);
        let outside = if taken(port) {
            self.next += 1;
            self.next
        } else {
            port
        };
        self.mappings.insert((number, port), outside);
        outside
    }
}
