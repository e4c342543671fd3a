//! A server and any number of clients, each behind a NAT of its own, over a line that takes no time, in virtual time.
//!
//! Unlike the world of `tests/e2e` it counts what the server costs, and nothing that the clients do: every call into the
//! server, and every drop of what came out of it, stands inside [`Crowd::server`].

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path as File;
use std::time::{Duration, Instant, UNIX_EPOCH};

use adit::config::Config;
use adit::onlink::ServerId;
use adit::server::{Datagram, Downlink, Job, Server, Shards, Uplink};
use adit::superpacket::{Left, Superpacket, Transport};
use adit::users::Users;
use ipsec::Path;
use load::{Client, Credentials, IKE_PORT, NAT_T_PORT, Profile, Stage};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

/// What the server has cost so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    /// Bytes and pieces of memory that it holds.
    pub(crate) bytes: isize,
    pub(crate) pieces: isize,
    /// How often it asked for memory.
    pub(crate) allocations: usize,
    pub(crate) time: Duration,
    /// Of that, in jobs: the arithmetic of key exchanges.
    pub(crate) arithmetic: Duration,
    /// Of that, when it was told that time has passed, and how often it was.
    pub(crate) timers: Duration,
    pub(crate) wakes: usize,
    /// Datagrams it sent other than data.
    pub(crate) sent: usize,
}

impl std::ops::Sub for Cost {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            bytes: self.bytes - before.bytes,
            pieces: self.pieces - before.pieces,
            allocations: self.allocations - before.allocations,
            time: self.time - before.time,
            arithmetic: self.arithmetic - before.arithmetic,
            timers: self.timers - before.timers,
            wakes: self.wakes - before.wakes,
            sent: self.sent - before.sent,
        }
    }
}

/// A server and its clients.
pub(crate) struct Crowd {
    pub(crate) now: Instant,
    pub(crate) cost: Cost,
    /// What a job takes in virtual time, one after the other; nothing at all unless it is set.
    pub(crate) arithmetic: Duration,
    /// Where clients are seen from: an address each, or all behind one NAT.
    pub(crate) one_address: bool,
    server: Server,
    stopwatch: fn() -> Duration,
    jobs: VecDeque<Job>,
    /// When the first of them is done.
    done: Instant,
    profile: Profile,
    members: Vec<Member>,
    by_outside: HashMap<SocketAddr, usize>,
    due: BTreeSet<(Instant, usize)>,
    to_server: VecDeque<(SocketAddr, u16, Vec<u8>)>,
    lines: Vec<String>,
}

struct Member {
    client: Client,
    /// Where its ports 500 and 4500 are outside.
    outside: [SocketAddr; 2],
    due: Option<Instant>,
}

impl Member {
    fn from(&self, port: u16) -> SocketAddr {
        let [ike, nat_t] = self.outside;
        if port == IKE_PORT { ike } else { nat_t }
    }
}

impl Crowd {
    /// A server with accounts for `size` clients, and nobody there yet.
    pub(crate) fn new(size: usize, profile: Profile, stopwatch: fn() -> Duration) -> Self {
        let config = format!(
            "listen: [{SERVER}]\nipsec:\n  psk: [{{ name: main, secret: '{PSK}' }}]\npools: [{{ name: default, range: 10.64.0.0/14 }}]\nmtu: 1400\n"
        );
        let beside = File::new(concat!(env!("CARGO_MANIFEST_DIR"), "/conf/adit.yaml"));
        let config = Config::parse(beside, config.as_bytes()).expect("a right configuration");
        // Everybody has the same password, so that no test waits for a hundred thousand hashes of it.
        let accounts: String = (0..size)
            .map(|number| format!("{}: {{ nt_hash: 878d8014606cda29677a44efa1353fc7 }}\n", user(number)))
            .collect();
        let users = Users::parse(File::new("users.yaml"), accounts.as_bytes(), &config.pools);
        let users = users.expect("right accounts");
        let now = clock();
        let server = Server::new(
            now,
            UNIX_EPOCH + Duration::from_secs(1_798_761_600),
            &config,
            users,
            Shards::ONE,
            ServerId([7; 16]),
            [7; 32],
        );
        Self {
            now,
            cost: Cost::default(),
            arithmetic: Duration::ZERO,
            one_address: false,
            server,
            stopwatch,
            jobs: VecDeque::new(),
            done: now,
            profile,
            members: Vec::new(),
            by_outside: HashMap::new(),
            due: BTreeSet::new(),
            to_server: VecDeque::new(),
            lines: Vec::new(),
        }
    }

    /// One more client dials.
    pub(crate) fn dial(&mut self) {
        let number = self.members.len();
        let credentials =
            Credentials { psk: PSK.into(), certificate: None, user: user(number), password: "secret".into() };
        let host = u32::try_from(number).expect("a crowd is smaller than IPv4") + 1;
        let outside = if self.one_address {
            let port = 1024 + 2 * u16::try_from(number).expect("so many fit one address");
            [port, port + 1].map(|port| SocketAddr::new(Ipv4Addr::new(100, 0, 0, 1).into(), port))
        } else {
            let address = Ipv4Addr::from_bits(Ipv4Addr::new(100, 0, 0, 0).to_bits() + host);
            [IKE_PORT, NAT_T_PORT].map(|port| SocketAddr::new(address.into(), port))
        };
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&(number as u64).to_be_bytes());
        let local = Ipv4Addr::new(192, 168, 1, 2);
        let client = Client::new(self.now, self.profile.clone(), credentials, local, SERVER, seed);
        self.members.push(Member { client, outside, due: None });
        self.by_outside.extend(outside.map(|outside| (outside, number)));
        self.drain_client(number);
        self.settle();
    }

    /// How many clients have an address.
    pub(crate) fn up(&self) -> usize {
        self.members.iter().filter(|member| member.client.stage() == Stage::Up).count()
    }

    /// How long the slowest client took from its first message to its address.
    pub(crate) fn slowest_login(&self) -> Duration {
        self.members.iter().filter_map(|member| member.client.timeline().total()).max().unwrap_or_default()
    }

    /// What the server said last, for a failure.
    pub(crate) fn last_lines(&self) -> String {
        self.lines.join("\n")
    }

    /// Lets time pass, from one deadline to the next.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let client = self.due.first().map(|(at, _)| *at);
            let job = self.jobs.front().map(|_| self.done);
            let Some(next) = client.into_iter().chain(job).chain(self.server.poll_timeout()).min() else {
                break;
            };
            if next > end {
                break;
            }
            self.now = self.now.max(next);
            while let Some(&(at, number)) = self.due.first()
                && at <= self.now
            {
                self.members[number].client.handle_timeout(self.now);
                self.drain_client(number);
            }
            if self.done <= self.now
                && let Some(job) = self.jobs.pop_front()
            {
                self.done = self.now + self.arithmetic;
                self.run_job(job);
            }
            self.settle();
            if self.server.poll_timeout().is_some_and(|at| at <= self.now) {
                self.cost.wakes += 1;
                let (now, before) = (self.now, self.cost.time);
                self.server(|server| server.handle_timeout(now));
                self.cost.timers += self.cost.time - before;
                self.settle();
            }
        }
        self.now = end;
    }

    /// Seals one packet of `len` bytes for each of `numbers`, and has the server take them up in batches: its time.
    pub(crate) fn up_packets(&mut self, numbers: &[usize], len: usize) -> Duration {
        let mut sealed: Vec<(SocketAddr, Vec<u8>)> = Vec::with_capacity(numbers.len());
        for number in numbers {
            let Member { client, outside: [_, outside], .. } = &mut self.members[*number];
            let address = client.address().expect("this client is up");
            let mut datagram = Vec::new();
            assert!(client.seal_packet(&udp_packet(address, BEYOND, len), &mut datagram));
            sealed.push((*outside, datagram));
        }
        let (now, before) = (self.now, self.cost.time);
        let mut uplink = Uplink::default();
        let mut passed = 0;
        for batch in sealed.chunks_mut(BATCH) {
            let mut datagrams: Vec<Datagram<'_>> = batch
                .iter_mut()
                .map(|(remote, bytes)| {
                    let local = SocketAddr::new(SERVER.into(), NAT_T_PORT);
                    Datagram { path: Path { local, remote: *remote }, bytes }
                })
                .collect();
            self.server(|server| server.handle_network(now, &mut datagrams, &mut uplink));
            passed += uplink.packets().len();
        }
        assert_eq!(passed, numbers.len(), "every packet goes up");
        self.settle();
        self.cost.time - before
    }

    /// Brings the server one packet of `len` bytes for each of `numbers`, in batches: its time.
    pub(crate) fn down_packets(&mut self, numbers: &[usize], len: usize) -> Duration {
        let packets: Vec<Vec<u8>> = numbers
            .iter()
            .map(|number| {
                let address = self.members[*number].client.address().expect("this client is up");
                udp_packet(BEYOND, address, len)
            })
            .collect();
        let (now, before) = (self.now, self.cost.time);
        let mut down = Downlink::default();
        let mut passed = 0;
        for batch in packets.chunks(BATCH) {
            let batch = batch.iter().map(|packet| Superpacket::from(packet.as_slice()));
            self.server(|server| server.handle_tun(now, batch, &mut down, |down| passed += count(down)));
        }
        assert_eq!(passed, numbers.len(), "every packet goes down");
        self.cost.time - before
    }

    /// Brings the server `packets` packets of `len` bytes for a client, in batches of superpackets of `train` each: its time.
    pub(crate) fn down_trains(
        &mut self,
        number: usize,
        train: usize,
        packets: usize,
        len: usize,
    ) -> Duration {
        let address = self.members[number].client.address().expect("this client is up");
        let whole = udp_packet(BEYOND, address, UDP_HEADERS + train * (len - UDP_HEADERS));
        let size = u16::try_from(len - UDP_HEADERS).expect("a packet");
        let left = Left::Segmentation { transport: Transport::Udp, size };
        // Each in a place of its own, as they are when they are read.
        let together = vec![whole; TRAINS.div_ceil(train)];
        let (now, before) = (self.now, self.cost.time);
        let mut down = Downlink::default();
        let mut passed = 0;
        while passed < packets {
            let batch = together.iter().map(|packet| Superpacket::new(packet, left));
            let mut sent = 0;
            self.server(|server| server.handle_tun(now, batch, &mut down, |down| sent += count(down)));
            assert_eq!(sent, together.len() * train, "every packet goes down");
            passed += sent;
        }
        (self.cost.time - before).mul_f64(packets as f64 / passed as f64)
    }

    /// Counts what a call into the server costs.
    pub(crate) fn server<T>(&mut self, call: impl FnOnce(&mut Server) -> T) -> T {
        let (memory, start) = (ALLOCATOR.stats(), (self.stopwatch)());
        let result = call(&mut self.server);
        self.cost.time += (self.stopwatch)() - start;
        let now = ALLOCATOR.stats();
        let growth = |now: usize, before: usize| now.wrapping_sub(before).cast_signed();
        self.cost.bytes += growth(now.bytes_allocated, memory.bytes_allocated)
            - growth(now.bytes_deallocated, memory.bytes_deallocated);
        self.cost.pieces +=
            growth(now.allocations, memory.allocations) - growth(now.deallocations, memory.deallocations);
        self.cost.allocations +=
            now.allocations - memory.allocations + now.reallocations - memory.reallocations;
        result
    }

    fn run_job(&mut self, job: Job) {
        let (now, before) = (self.now, self.cost.time);
        let done = self.server(|_| job.run());
        self.cost.arithmetic += self.cost.time - before;
        self.server(|server| server.handle_job(now, done));
    }

    fn drain_client(&mut self, number: usize) {
        let member = &mut self.members[number];
        while member.client.poll_event().is_some() {}
        while member.client.poll_packet().is_some() {}
        while let Some(transmit) = member.client.poll_transmit() {
            let from = member.from(transmit.from_port);
            self.to_server.push_back((from, transmit.to_port, transmit.payload));
        }
        let due = member.client.poll_timeout();
        if let Some(before) = std::mem::replace(&mut member.due, due) {
            self.due.remove(&(before, number));
        }
        self.due.extend(due.map(|at| (at, number)));
    }

    /// Carries datagrams to and fro until both sides are quiet.
    fn settle(&mut self) {
        let now = self.now;
        let mut uplink = Uplink::default();
        loop {
            while let Some(job) = self.server(|server| server.poll_job(now)) {
                if self.arithmetic.is_zero() {
                    self.run_job(job);
                    continue;
                }
                if self.jobs.is_empty() {
                    self.done = now + self.arithmetic;
                }
                self.jobs.push_back(job);
            }
            while let Some(line) = self.server(Server::poll_event) {
                if self.lines.len() == 20 {
                    self.lines.remove(0);
                }
                self.lines.push(line.to_string());
                self.server(|_| drop(line));
            }
            if let Some(transmit) = self.server(Server::poll_transmit) {
                self.cost.sent += 1;
                let Path { local, remote } = transmit.path;
                let payload = transmit.payload.clone();
                self.server(|_| drop(transmit));
                let number = self.by_outside[&remote];
                self.members[number].client.handle_datagram(now, local.port(), &payload);
                self.drain_client(number);
            } else if let Some((remote, port, mut bytes)) = self.to_server.pop_front() {
                let path = Path { local: SocketAddr::new(SERVER.into(), port), remote };
                let mut datagrams = [Datagram { path, bytes: &mut bytes }];
                self.server(|server| server.handle_network(now, &mut datagrams, &mut uplink));
            } else {
                return;
            }
        }
    }
}

pub(crate) fn user(number: usize) -> String {
    format!("user-{number:06}")
}

/// An IPv4 packet of UDP; the checksum of UDP may be left out.
/// The packets in it.
fn count(down: &Downlink) -> usize {
    down.runs().map(|(_, bytes, segment)| bytes.len().div_ceil(segment)).sum()
}

fn udp_packet(from: Ipv4Addr, to: Ipv4Addr, len: usize) -> Vec<u8> {
    let length = u16::try_from(len).expect("a packet").to_be_bytes();
    let mut packet = vec![0x45, 0, length[0], length[1], 0, 0, 0x40, 0, 64, 17, 0, 0];
    packet.extend(from.octets());
    packet.extend(to.octets());
    let sum: u32 = packet.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    let sum = (sum >> 16) + (sum & 0xffff);
    let sum = !(((sum >> 16) + (sum & 0xffff)) as u16);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    let inner = u16::try_from(len - 20).expect("a packet").to_be_bytes();
    packet.extend([0x13, 0x88, 0x13, 0x88, inner[0], inner[1], 0, 0]);
    packet.resize(len, 0x5a);
    packet
}

#[expect(clippy::disallowed_methods, reason = "a start for virtual time")]
fn clock() -> Instant {
    Instant::now()
}

const SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
const BEYOND: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
const PSK: &str = "correct horse battery staple";
/// Packets that arrive together, each of another client.
const BATCH: usize = 64;
/// Packets of trains that arrive together, or some more.
const TRAINS: usize = 128;
/// Of IPv4 and UDP.
const UDP_HEADERS: usize = 28;
