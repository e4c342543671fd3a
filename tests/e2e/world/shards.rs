//! The server's cores: which of them gets what, and what they tell each other.

use std::net::{Ipv6Addr, SocketAddr};

use adit::pool::Prefix;
use adit::server::{Datagram, Downlink, Inside, Prefixes, Uplink};
use adit::status::Status;
use adit::superpacket::Superpacket;
use ipsec::Path;

use super::network::{Incoming, server_for};
use super::served::send;
use super::{Steering, World};
use crate::inner;

impl World {
    /// Brings datagrams to the cores that the kernel chooses, each core its own at once.
    pub(super) fn bring_datagrams(&mut self, batch: Vec<Incoming>) {
        let mut parts: Vec<Vec<Incoming>> = (0..=self.others.len()).map(|_| Vec::new()).collect();
        for datagram in batch {
            let core = self.core_of_datagram(&datagram);
            parts[core].push(datagram);
        }
        for (core, mut part) in parts.into_iter().enumerate().filter(|(_, part)| !part.is_empty()) {
            let (now, mut up) = (self.now, Uplink::default());
            let mut datagrams: Vec<Datagram<'_>> = part
                .iter_mut()
                .map(|Incoming { from, port, payload }| {
                    let path = Path { local: SocketAddr::new(server_for(from.ip()), *port), remote: *from };
                    Datagram { path, bytes: payload }
                })
                .collect();
            match core.checked_sub(1) {
                None => self.timed(|server| server.handle_network(now, &mut datagrams, &mut up)),
                Some(other) => self.others[other].handle_network(now, &mut datagrams, &mut up),
            }
            let packets: Vec<Vec<u8>> =
                up.packets().map(|(index, range)| part[index].payload[range].to_vec()).collect();
            self.drain_server();
            self.go_beyond(packets);
        }
    }

    /// Brings IP packets to the cores that the kernel chooses, each core its own at once.
    pub(super) fn bring_packets<'a>(&mut self, packets: impl IntoIterator<Item = Superpacket<'a>>) {
        let mut parts: Vec<Vec<Superpacket<'_>>> = (0..=self.others.len()).map(|_| Vec::new()).collect();
        for packet in packets {
            let core = self.core_of_packet(packet.bytes());
            parts[core].push(packet);
        }
        for (core, part) in parts.into_iter().enumerate().filter(|(_, part)| !part.is_empty()) {
            let (now, mut down, mut sent) = (self.now, Downlink::default(), Sent::default());
            let send = |down: &Downlink| sent.take(down);
            match core.checked_sub(1) {
                None => self.timed(|server| server.handle_tun(now, part, &mut down, send)),
                Some(other) => self.others[other].handle_tun(now, part, &mut down, send),
            }
            self.send_down(sent);
            self.drain_server();
        }
    }

    /// Carries what the cores have for each other; whether there was anything.
    pub(super) fn drain_shards(&mut self) -> bool {
        let (mut any, now) = (false, self.now);
        while let Some((id, orders)) = self.server.poll_orders() {
            any = true;
            self.others[id.0 as usize - 1].handle_orders(now, orders);
        }
        while let Some((inside, core)) = self.server.poll_exception() {
            match core {
                Some(core) => _ = self.exceptions.insert(inside.number(), core),
                None => _ = self.exceptions.remove(&inside.number()),
            }
        }
        for core in 0..self.others.len() {
            while let Some(transmit) = self.others[core].poll_transmit() {
                any = true;
                send(&mut self.network, &mut self.record, now, transmit.path, transmit.payload);
            }
            while let Some(report) = self.others[core].poll_report() {
                any = true;
                self.timed(|server| server.handle_report(now, report));
            }
        }
        let handed = self.others.iter_mut().find_map(|shard| shard.poll_handover());
        if let Some((to, mut handover)) = handed.or_else(|| self.server.poll_handover()) {
            any = true;
            let (mut up, mut down, mut sent) = (Uplink::default(), Downlink::default(), Sent::default());
            let send = |down: &Downlink| sent.take(down);
            match (to.0 as usize).checked_sub(1) {
                None => self.timed(|server| {
                    server.handle_handover_up(now, &mut handover, &mut up);
                    server.handle_handover_down(now, &handover, &mut down, send);
                }),
                Some(other) => {
                    self.others[other].handle_handover_up(now, &mut handover, &mut up);
                    self.others[other].handle_handover_down(now, &handover, &mut down, send);
                }
            }
            self.send_down(sent);
            let datagrams = handover.datagrams();
            let packets = up.packets().map(|(index, range)| datagrams[index].bytes[range].to_vec()).collect();
            self.go_beyond(packets);
        }
        any
    }

    /// What `adit status` would say.
    pub(crate) fn status(&self) -> Status {
        let mut status = self.server.status(self.now);
        self.others.iter().for_each(|shard| status.include(&shard.load()));
        status
    }

    /// How many packets the cores handed over to each other.
    pub(crate) fn handed_over(&self) -> u64 {
        self.status().shards.iter().map(|shard| shard.handed_over).sum()
    }

    /// IP packets come out of the tunnel; pings are answered.
    fn go_beyond(&mut self, packets: Vec<Vec<u8>>) {
        for packet in packets {
            let pong = inner::pong(&packet);
            self.beyond.push(packet);
            if let Some(pong) = pong {
                self.send_from_beyond(&[&pong]);
            }
        }
    }

    fn send_down(&mut self, Sent { payloads, back }: Sent) {
        self.beyond.extend(back);
        for (path, payload) in payloads {
            send(&mut self.network, &mut self.record, self.now, path, payload);
        }
    }

    /// Where the kernel brings a datagram: what is on port 500 to the first core, the rest by its first word.
    fn core_of_datagram(&self, Incoming { port, payload, .. }: &Incoming) -> usize {
        match payload.first_chunk() {
            _ if *port == 500 => 0,
            Some(word) => self.core_of(u32::from_be_bytes(*word)),
            None => self.core_of(0),
        }
    }

    /// The same of an IP packet, by its destination.
    fn core_of_packet(&self, packet: &[u8]) -> usize {
        let inside = match packet.first().map(|byte| byte >> 4) {
            Some(6) => packet
                .get(24..)
                .and_then(|rest| rest.first_chunk::<16>())
                .map(|to| self.inside6((*to).into())),
            _ => packet.get(16..).and_then(|rest| rest.first_chunk::<4>()).map(|to| Inside::V4((*to).into())),
        };
        let Some(inside) = inside else { return 0 };
        let exception = self.exceptions.get(&inside.number());
        match exception.filter(|_| self.steering == Steering::Right) {
            Some(core) => core.0 as usize,
            None => self.core_of(Prefixes::of(&self.config.pools).number(inside)),
        }
    }

    fn inside6(&self, destination: Ipv6Addr) -> Inside {
        let mut delegations = self.config.pools.iter().filter_map(|pool| pool.delegate);
        let delegated = delegations.find_map(|delegation| delegation.of(destination));
        delegated.map_or_else(|| Inside::V6(Prefix::of(destination)), Inside::Delegated)
    }

    fn core_of(&self, number: u32) -> usize {
        let cores = self.others.len() as u32 + 1;
        let wrong = u32::from(self.steering == Steering::Wrong);
        ((number % cores + wrong) % cores) as usize
    }
}

/// What a core has sent down, in its order, and back to senders.
#[derive(Default)]
struct Sent {
    payloads: Vec<(Path, Vec<u8>)>,
    back: Vec<Vec<u8>>,
}

impl Sent {
    fn take(&mut self, down: &Downlink) {
        self.back.extend(down.back().map(<[u8]>::to_vec));
        for (path, bytes, segment) in down.runs() {
            self.payloads.extend(bytes.chunks(segment).map(|payload| (path, payload.to_vec())));
        }
    }
}
