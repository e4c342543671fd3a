//! A server, its clients and the network between them, in virtual time.
//!
//! [`World::until`] moves from one thing that happens to the next: a datagram arrives, a client's or the
//! server's timer is due. Nothing depends on anything but the seed.

mod network;
mod pings;
mod served;
mod setup;
mod shards;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant, UNIX_EPOCH};

use adit::config::Config;
use adit::onlink::ServerId;
use adit::server::{Reload, Reloaded, Server, ShardId, Shards};
use adit::shard::Shard;
use adit::users::{Used, Users};
use load::{Client, End, Event, Mark, Profile, Stage};

use self::network::{Arrival, Network};
pub(crate) use self::network::{Incoming, NatId, Place, Quality};
pub(crate) use self::setup::{CERTIFICATE, PSK, Setup, Steering};
use crate::inner;

/// The server's address on the network.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
/// The same for devices that dial over IPv6.
pub(crate) const SERVER_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
/// What it calls itself in DHCPv6, at each start.
const SERVER_ID: ServerId = ServerId([0xad; 16]);
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
    /// Its other cores.
    pub(crate) others: Vec<Shard>,
    steering: Steering,
    /// What it was told of addresses.
    exceptions: BTreeMap<u32, ShardId>,
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
    config: Config,
    /// Those that one user each has.
    addresses: BTreeSet<Ipv4Addr>,
    usage: BTreeMap<String, Used>,
    /// Datagrams that are there at the same time come to the server at once.
    batches: bool,
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
        let addresses = users.addresses().collect();
        let start = start();
        let shards = Shards::new(setup.shards.try_into().expect("a number of cores"));
        let wall = UNIX_EPOCH + setup.wall;
        let seed_of_server = seed(setup.seed, 0);
        let server = Server::new(start, wall, &config, users, shards, SERVER_ID, seed_of_server);
        let others = shards.iter().skip(1).map(|id| Shard::new(id, server.blueprint())).collect();
        let mut world = Self {
            start,
            now: start,
            server,
            others,
            steering: setup.steering,
            exceptions: BTreeMap::new(),
            network: Network::new(seed(setup.seed, 1), setup.quality),
            devices: Vec::new(),
            seed: setup.seed,
            log: Vec::new(),
            beyond: Vec::new(),
            record: Vec::new(),
            timers_that_spoke: Vec::new(),
            processor: BTreeMap::new(),
            pings: 0,
            config,
            addresses,
            usage: BTreeMap::new(),
            batches: setup.batches,
            company: None,
        };
        world.drain_server();
        world
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

    /// Switches a device's radio off, or on again.
    pub(crate) fn mute(&mut self, device: Device, off: bool) {
        self.network.mute(device.0, off);
    }

    /// A firewall before the server drops native ESP from now on.
    pub(crate) fn drop_native_esp(&mut self) {
        self.network.drops_native_esp = true;
    }

    /// How many keepalives the server has sent, RFC 3948 §2.3.
    pub(crate) fn keepalives(&self) -> usize {
        self.record.iter().filter(|sent| !sent.to_server && sent.payload == [0xff]).count()
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
        let credentials = load::Credentials {
            psk: PSK.into(),
            certificate: None,
            user: user.into(),
            password: password.into(),
        };
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
        let client = Client::new(self.now, profile, credentials, place.local(), place.server(), seed);
        self.network.settle_in(place);
        self.devices.push(Inhabitant { client, events: Vec::new(), packets: Vec::new() });
        self.drain_device(number);
        Device(number)
    }

    /// The user of a device dials again: from the same place, and from the same ports outside.
    pub(crate) fn redial(&mut self, device: Device, profile: Profile) -> Device {
        self.redial_as(device, profile, ("alice", "secret"))
    }

    /// Somebody else dials with the same device, from the same place and ports.
    pub(crate) fn redial_as(&mut self, device: Device, profile: Profile, who: (&str, &str)) -> Device {
        let again = self.network.place(device.0);
        self.network.hand_over(device.0, self.devices.len());
        self.dial_as(profile, again, who)
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

    /// The operator has the server take this file of accounts, and a configuration that says otherwise what `change` does.
    pub(crate) fn reload(&mut self, users: &str, change: impl FnOnce(&mut Config)) -> Reloaded {
        change(&mut self.config);
        let users = Users::parse(Path::new("users.yaml"), users.as_bytes(), &self.config.pools);
        let users = users.expect("right accounts");
        let addresses = users.addresses().collect();
        let mut reload = Reload::new(&self.addresses, users, &self.config);
        self.addresses = addresses;
        while !self.with_server(|server, now| server.reload(now, &mut reload, 3)) {}
        reload.outcome()
    }

    /// What users with quotas have used, as far as the server has told; and all that it told before.
    pub(crate) fn usage(&mut self) -> BTreeMap<String, Used> {
        self.usage.extend(std::iter::from_fn(|| {
            let (user, used) = self.server.poll_usage()?;
            Some((user.as_ref().to_owned(), used))
        }));
        self.usage.clone()
    }

    /// The server begins with what another one counted.
    pub(crate) fn restore(&mut self, usage: &BTreeMap<String, Used>) {
        let ledger = usage.iter().map(|(user, used)| (user.clone(), *used)).collect();
        self.server.restore(&ledger);
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
    #[track_caller]
    pub(crate) fn address(&self, device: Device) -> Ipv4Addr {
        let client = &self.devices[device.0].client;
        let up = client.address();
        up.unwrap_or_else(|| panic!("{device:?} is {:?}\nlog:\n{}", client.stage(), self.log.join("\n")))
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
            self.arrive(arrival);
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

    fn arrive(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Device { number, port, payload } => {
                self.devices[number].client.handle_datagram(self.now, port, &payload);
                self.drain_device(number);
            }
            Arrival::Server(datagram) => {
                let mut batch = vec![datagram];
                while self.batches
                    && let Some(next) = self.network.take_due_at_server(self.now)
                {
                    batch.push(next);
                }
                for Incoming { from, port, payload } in std::mem::take(&mut batch) {
                    let [before, after] =
                        self.company.as_mut().map(|company| company(&payload)).unwrap_or_default();
                    let all = before.into_iter().chain([payload]).chain(after);
                    batch.extend(all.map(|payload| Incoming { from, port, payload }));
                }
                if self.batches {
                    self.deliver(batch);
                } else {
                    batch.into_iter().for_each(|datagram| self.deliver(vec![datagram]));
                }
            }
        }
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

    /// The lines of the log that contain all of `words`.
    pub(crate) fn lines(&self, words: &[&str]) -> Vec<&str> {
        let has_all = |line: &&String| words.iter().all(|word| line.contains(word));
        self.log.iter().filter(has_all).map(String::as_str).collect()
    }

    /// A counter of discards, by the end of its name.
    pub(crate) fn discarded(&self, name: &str) -> u64 {
        let status = self.status();
        status.discards.iter().filter(|(key, _)| key.ends_with(name)).map(|(_, count)| count).sum()
    }
}

/// The one look at the clock: virtual time needs a first instant.
#[expect(clippy::disallowed_methods, reason = "an Instant cannot be made out of nothing")]
fn start() -> Instant {
    Instant::now()
}

/// A seed of its own for each part of a world.
fn seed(seed: u64, part: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    bytes[8..16].copy_from_slice(&part.to_be_bytes());
    bytes
}
