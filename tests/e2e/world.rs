//! A server, its clients and the network between them, in virtual time.
//!
//! [`World::until`] moves from one thing that happens to the next: a datagram arrives, a client's or the
//! server's timer is due. Nothing depends on anything but the seed.

mod network;
mod setup;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use adit::server::{Datagram, Downlink, Server, Uplink};
use ipsec::Path;
use load::{Client, End, Event, Mark, Profile, Stage};
use nix::time::{ClockId, clock_gettime};

use self::network::Network;
pub(crate) use self::network::{NatId, Place, Quality};
pub(crate) use self::setup::{PSK, Setup};
use crate::inner;

/// The server's address on the network.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
/// A host beyond the server, which answers pings.
pub(crate) const HOST: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);

/// A client in the world, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Device(usize);

/// What the world knows of a client.
pub(crate) struct Inhabitant {
    pub(crate) client: Client,
    pub(crate) events: Vec<Event>,
    /// IP packets it got that it did not answer itself.
    pub(crate) packets: Vec<Vec<u8>>,
}

/// A datagram to or from the server.
#[derive(Clone)]
pub(crate) struct Recorded {
    /// Who it is about: the client's side.
    pub(crate) remote: SocketAddr,
    pub(crate) to_server: bool,
    pub(crate) port: u16,
    pub(crate) payload: Vec<u8>,
}

/// A virtual world with one server.
pub(crate) struct World {
    start: Instant,
    pub(crate) now: Instant,
    pub(crate) server: Server,
    network: Network,
    devices: Vec<Inhabitant>,
    seed: u64,
    /// Every line of the server's log, with its time and level.
    pub(crate) log: Vec<String>,
    /// IP packets that left the tunnel.
    pub(crate) beyond: Vec<Vec<u8>>,
    pub(crate) record: Vec<Recorded>,
    /// When a timer of the server sent or said something.
    pub(crate) timers_that_spoke: Vec<Duration>,
    /// Processor time of the server, by the stage its first client had reached.
    pub(crate) processor: BTreeMap<Option<Mark>, Duration>,
    pings: u16,
    /// What arrives with each datagram for the server: just before it, and just after.
    pub(crate) company: Option<Company>,
}

/// Datagrams from where another one comes from: before it, and after it.
pub(crate) type Company = Box<dyn FnMut(&[u8]) -> [Vec<Vec<u8>>; 2]>;

impl World {
    pub(crate) fn new(setup: &Setup) -> Self {
        Self::with_keys(setup, &[("main", PSK)])
    }

    /// A world whose server has these pre-shared keys.
    pub(crate) fn with_keys(setup: &Setup, keys: &[(&str, &str)]) -> Self {
        let (config, users) = setup.parse(keys);
        let start = start();
        let server = Server::new(start, wall(), &config, users, seed(setup.seed, 0));
        Self {
            start,
            now: start,
            server,
            network: Network::new(seed(setup.seed, 1), setup.quality),
            devices: Vec::new(),
            seed: setup.seed,
            log: Vec::new(),
            beyond: Vec::new(),
            record: Vec::new(),
            timers_that_spoke: Vec::new(),
            processor: BTreeMap::new(),
            pings: 0,
            company: None,
        }
    }

    /// A network whose devices share one address outside.
    pub(crate) fn add_nat(&mut self, outside: Ipv4Addr) -> NatId {
        self.network.add_nat(outside)
    }

    /// From now on, the network is like this.
    pub(crate) fn set_quality(&mut self, quality: Quality) {
        self.network.quality = quality;
    }

    /// The NAT forgets a device: what it sends next gets another port.
    pub(crate) fn remap(&mut self, device: Device) {
        self.network.remap(device.0);
    }

    /// A device with the right key and `alice`'s password starts to dial.
    pub(crate) fn dial(&mut self, profile: Profile, place: Place) -> Device {
        self.dial_as(profile, place, ("alice", "secret"))
    }

    /// A device with the right key and somebody's password starts to dial.
    pub(crate) fn dial_as(
        &mut self,
        profile: Profile,
        place: Place,
        (user, password): (&str, &str),
    ) -> Device {
        let credentials = load::Credentials { psk: PSK.into(), user: user.into(), password: password.into() };
        self.dial_with(profile, place, credentials)
    }

    /// A device starts to dial.
    pub(crate) fn dial_with(
        &mut self,
        profile: Profile,
        place: Place,
        credentials: load::Credentials,
    ) -> Device {
        let number = self.devices.len();
        let seed = seed(self.seed, 2 + number as u64);
        let client = Client::new(self.now, profile, credentials, place.local(), SERVER, seed);
        self.network.settle_in(place);
        self.devices.push(Inhabitant { client, events: Vec::new(), packets: Vec::new() });
        self.drain_device(number);
        Device(number)
    }

    /// The user of a device dials again: from the same place, and from the same ports outside.
    pub(crate) fn redial(&mut self, device: Device, profile: Profile) -> Device {
        let again = self.network.place(device.0);
        self.network.hand_over(device.0, self.devices.len());
        self.dial(profile, again)
    }

    pub(crate) fn device(&self, device: Device) -> &Inhabitant {
        &self.devices[device.0]
    }

    /// Has a client do something, and sends what comes of it.
    pub(crate) fn with<T>(&mut self, device: Device, act: impl FnOnce(&mut Client, Instant) -> T) -> T {
        let result = act(&mut self.devices[device.0].client, self.now);
        self.drain_device(device.0);
        result
    }

    /// Has the server do something, and sends what comes of it.
    pub(crate) fn with_server<T>(&mut self, act: impl FnOnce(&mut Server, Instant) -> T) -> T {
        let result = act(&mut self.server, self.now);
        self.drain_server();
        result
    }

    pub(crate) fn is_up(&self, device: Device) -> bool {
        self.devices[device.0].client.stage() == Stage::Up
    }

    pub(crate) fn end(&self, device: Device) -> Option<End> {
        match self.devices[device.0].client.stage() {
            Stage::Closed(end) => Some(end),
            _ => None,
        }
    }

    /// The address of a device that is up.
    pub(crate) fn address(&self, device: Device) -> Ipv4Addr {
        self.devices[device.0].client.address().expect("the device is up")
    }

    /// Since the world began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// Runs until something holds; fails if it does not in time.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, limit: Duration, holds: impl Fn(&Self) -> bool) {
        let deadline = self.now + limit;
        while !holds(self) {
            if !self.step(deadline) {
                let stages: Vec<_> = self
                    .devices
                    .iter()
                    .map(|device| (device.client.stage(), device.client.timeline().last()))
                    .collect();
                panic!("not within {limit:?}: {what}\ndevices: {stages:?}\nlog:\n{}", self.log.join("\n"));
            }
        }
    }

    /// Runs until a device is up.
    #[track_caller]
    pub(crate) fn until_up(&mut self, device: Device, limit: Duration) {
        self.until("the device is up", limit, |world| world.is_up(device) || world.end(device).is_some());
        assert_eq!(self.end(device), None, "log:\n{}", self.log.join("\n"));
    }

    /// Runs until a device is done, and says how it ended.
    #[track_caller]
    pub(crate) fn until_closed(&mut self, device: Device, limit: Duration) -> End {
        self.until("the device is done", limit, |world| world.end(device).is_some());
        self.end(device).expect("just waited for")
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, time: Duration) {
        let deadline = self.now + time;
        while self.step(deadline) {}
    }

    /// Goes on to the next thing that happens; `false` if nothing does before the deadline, which is then.
    fn step(&mut self, deadline: Instant) -> bool {
        let clients = self.devices.iter().filter_map(|device| device.client.poll_timeout());
        let next = clients.chain(self.network.next()).chain(self.server.poll_timeout()).min();
        let Some(next) = next.filter(|next| *next <= deadline) else {
            self.now = deadline;
            return false;
        };
        self.now = self.now.max(next);
        if let Some(arrival) = self.network.take_due(self.now) {
            match arrival {
                network::Arrival::Server { from, port, payload } => {
                    let [before, after] =
                        self.company.as_mut().map(|company| company(&payload)).unwrap_or_default();
                    for payload in before.into_iter().chain([payload]).chain(after) {
                        self.deliver(from, port, payload);
                    }
                }
                network::Arrival::Device { number, port, payload } => {
                    self.devices[number].client.handle_datagram(self.now, port, &payload);
                    self.drain_device(number);
                }
            }
            return true;
        }
        for number in 0..self.devices.len() {
            let client = &mut self.devices[number].client;
            if client.poll_timeout().is_some_and(|due| due <= self.now) {
                client.handle_timeout(self.now);
                self.drain_device(number);
            }
        }
        if self.server.poll_timeout().is_some_and(|due| due <= self.now) {
            let now = self.now;
            self.timed(|server| server.handle_timeout(now));
            if self.drain_server() {
                self.timers_that_spoke.push(self.elapsed());
            }
            let again = self.server.poll_timeout();
            assert!(again.is_none_or(|due| due > now), "the server's timer is due again at once");
        }
        true
    }

    /// Brings one datagram to the server; the bytes it sends at once to where it came from.
    pub(crate) fn inject(&mut self, from: SocketAddr, port: u16, payload: &[u8]) -> usize {
        let before = self.record.len();
        self.deliver(from, port, payload.to_vec());
        self.record[before..]
            .iter()
            .filter(|sent| !sent.to_server && sent.remote == from)
            .map(|sent| sent.payload.len())
            .sum()
    }

    /// Brings several datagrams to the server at once; IP packets that come of it are dropped.
    pub(crate) fn inject_batch(&mut self, batch: &mut [(SocketAddr, u16, Vec<u8>)]) {
        let mut datagrams: Vec<Datagram<'_>> = batch
            .iter_mut()
            .map(|(remote, port, bytes)| {
                let path = Path { local: (SERVER, *port).into(), remote: *remote };
                Datagram { path, bytes }
            })
            .collect();
        self.server.handle_network(self.now, &mut datagrams, &mut Uplink::default());
        self.drain_server();
    }

    fn deliver(&mut self, from: SocketAddr, port: u16, mut payload: Vec<u8>) {
        self.record.push(Recorded { remote: from, to_server: true, port, payload: payload.clone() });
        let before = self.record.len();
        let length = payload.len();
        let first = is_first_message(port, &payload);
        let path = Path { local: (SERVER, port).into(), remote: from };
        let mut up = Uplink::default();
        let now = self.now;
        self.timed(|server| {
            server.handle_network(now, &mut [Datagram { path, bytes: &mut payload }], &mut up);
        });
        let packets: Vec<Vec<u8>> = up.packets().map(|(_, range)| payload[range].to_vec()).collect();
        self.drain_server();
        if first {
            let answer: usize = self.record[before..].iter().map(|sent| sent.payload.len()).sum();
            assert!(answer <= length, "a stranger's {length} bytes were answered with {answer}");
        }
        for packet in packets {
            let pong = inner::pong(&packet);
            self.beyond.push(packet);
            if let Some(pong) = pong {
                self.send_from_beyond(&pong);
            }
        }
    }

    /// An IP packet comes out of the TUN device.
    pub(crate) fn send_from_beyond(&mut self, packet: &[u8]) {
        let mut down = Downlink::default();
        let now = self.now;
        self.timed(|server| server.handle_tun(now, &[packet], &mut down));
        for (path, bytes, segment) in down.runs() {
            for payload in bytes.chunks(segment) {
                send(&mut self.network, &mut self.record, self.now, path, payload.to_vec());
            }
        }
        self.drain_server();
    }

    /// Runs jobs, sends and logs until the server is quiet; whether there was anything.
    fn drain_server(&mut self) -> bool {
        let mut any = false;
        let now = self.now;
        while let Some(job) = self.server.poll_job() {
            any = true;
            self.timed(|server| server.handle_job(now, job.run()));
        }
        while let Some(transmit) = self.server.poll_transmit() {
            any = true;
            send(&mut self.network, &mut self.record, now, transmit.path, transmit.payload);
        }
        while let Some(line) = self.server.poll_event() {
            any = true;
            self.log.push(format!("{:>12.6} {:?} {line}", self.elapsed().as_secs_f64(), line.level));
        }
        any
    }

    fn drain_device(&mut self, number: usize) {
        let device = &mut self.devices[number];
        while let Some(packet) = device.client.poll_packet() {
            match inner::pong(&packet) {
                Some(pong) => _ = device.client.send_packet(self.now, &pong),
                None => device.packets.push(packet),
            }
        }
        device.events.extend(std::iter::from_fn(|| device.client.poll_event()));
        while let Some(transmit) = device.client.poll_transmit() {
            self.network.send_from_device(self.now, number, transmit);
        }
    }

    /// Calls the server and counts its processor time.
    fn timed<T>(&mut self, call: impl FnOnce(&mut Server) -> T) -> T {
        let before = processor_time();
        let result = call(&mut self.server);
        let stage = self.devices.first().and_then(|device| device.client.timeline().last());
        *self.processor.entry(stage).or_default() += processor_time() - before;
        result
    }

    /// The device pings the host beyond; again each second until it has the answer.
    #[track_caller]
    pub(crate) fn ping(&mut self, device: Device, limit: Duration) {
        let deadline = self.now + limit;
        self.pings += 1;
        let number = self.pings;
        let packet = inner::ping(self.address(device), HOST, number);
        let answered = |world: &Self| {
            world.device(device).packets.iter().any(|packet| inner::pong_number(packet) == Some(number))
        };
        while self.now < deadline {
            self.with(device, |client, now| client.send_packet(now, &packet));
            let again = deadline.min(self.now + Duration::from_secs(1));
            while !answered(self) && self.step(again) {}
            if answered(self) {
                return;
            }
        }
        panic!("no answer to a ping within {limit:?}\nlog:\n{}", self.log.join("\n"));
    }

    /// The host beyond pings the device; again each second until it has the answer.
    #[track_caller]
    pub(crate) fn ping_back(&mut self, device: Device, limit: Duration) {
        let deadline = self.now + limit;
        self.pings += 1;
        let number = self.pings;
        let packet = inner::ping(HOST, self.address(device), number);
        let answered =
            |world: &Self| world.beyond.iter().any(|packet| inner::pong_number(packet) == Some(number));
        while self.now < deadline {
            self.send_from_beyond(&packet);
            let again = deadline.min(self.now + Duration::from_secs(1));
            while !answered(self) && self.step(again) {}
            if answered(self) {
                return;
            }
        }
        panic!("the device did not answer a ping within {limit:?}\nlog:\n{}", self.log.join("\n"));
    }

    /// The lines of the log that contain all of `words`.
    pub(crate) fn lines(&self, words: &[&str]) -> Vec<&str> {
        let has_all = |line: &&String| words.iter().all(|word| line.contains(word));
        self.log.iter().filter(has_all).map(String::as_str).collect()
    }

    /// A counter of discards, by the end of its name.
    pub(crate) fn discarded(&self, name: &str) -> u64 {
        let status = self.server.status(self.now);
        status.discards.iter().filter(|(key, _)| key.ends_with(name)).map(|(_, count)| count).sum()
    }
}

/// Puts a datagram of the server on the network.
fn send(network: &mut Network, record: &mut Vec<Recorded>, now: Instant, path: Path, payload: Vec<u8>) {
    assert_eq!(path.local.ip(), SERVER, "the server answers from where it was asked");
    let port = path.local.port();
    record.push(Recorded { remote: path.remote, to_server: false, port, payload: payload.clone() });
    network.send_from_server(now, port, path.remote, payload);
}

/// An IKE message that carries no cookie of ours: from anybody.
fn is_first_message(port: u16, payload: &[u8]) -> bool {
    let message = if port == 500 { Some(payload) } else { payload.strip_prefix(&[0; 4]) };
    message.and_then(|message| message.get(8..16)) == Some(&[0; 8])
}

/// The one look at the clock: virtual time needs a first instant.
#[expect(clippy::disallowed_methods, reason = "an Instant cannot be made out of nothing")]
fn start() -> Instant {
    Instant::now()
}

/// The wall clock at the start: 2027-01-01.
fn wall() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_798_761_600)
}

/// A seed of its own for each part of a world.
fn seed(seed: u64, part: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    bytes[8..16].copy_from_slice(&part.to_be_bytes());
    bytes
}

fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}
