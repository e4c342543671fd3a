//! The two ends of a flood: plain UDP on either side, and clients of the server.

use std::net::SocketAddr;

use anyhow::{Context as _, bail};

use crate::fleet::{Fleet, Tally};
use crate::flood::{Sink, Source};
use crate::packets;
use crate::socket::Socket;

/// Trains of UDP packets, of each flow in turn.
pub(crate) struct UdpSource {
    flows: Vec<Socket>,
    next: usize,
    train: Vec<u8>,
    payload: usize,
}

impl UdpSource {
    /// A flow to each of `to`, which sends `packets` datagrams of `payload` bytes at once, from the namespace that this is called in.
    pub(crate) fn connect(to: &[SocketAddr], payload: u16, packets: u16) -> anyhow::Result<Self> {
        let any = SocketAddr::from(([0, 0, 0, 0], 0));
        let flows = to.iter().map(|to| Socket::connect(any, *to)).collect::<Result<_, _>>()?;
        let payload = usize::from(payload);
        Ok(Self { flows, next: 0, train: vec![0x5a; payload * usize::from(packets)], payload })
    }
}

impl Source for UdpSource {
    fn send(&mut self) -> anyhow::Result<Option<u64>> {
        let Some(flow) = self.flows.get(self.next) else { return Ok(None) };
        self.next = (self.next + 1) % self.flows.len();
        let sent = flow.send(&self.train, self.payload)?;
        Ok(Some(if sent { (self.train.len() / self.payload) as u64 } else { 0 }))
    }
}

/// Counts the datagrams of one size that arrive at a port, by the length of what the kernel puts together: to read them would
/// move them into our core's caches, and the server's core, which gets the memory next, would have to fetch it from there.
pub(crate) struct UdpSink {
    socket: Socket,
    payload: usize,
    buffer: [u8; 64],
}

impl UdpSink {
    /// Binds in the namespace that this is called in.
    pub(crate) fn bind(address: SocketAddr, payload: u16) -> anyhow::Result<Self> {
        Ok(Self { socket: Socket::bind(address)?, payload: payload.into(), buffer: [0; 64] })
    }

    /// Where it is bound.
    #[cfg(test)]
    pub(crate) fn address(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

impl Sink for UdpSink {
    fn receive(&mut self) -> anyhow::Result<u64> {
        let mut packets = 0;
        // A bounded turn: the source wants one too.
        for _ in 0..64 {
            let Some(length) = self.socket.receive_beginning(&mut self.buffer)? else { break };
            packets += length.div_ceil(self.payload) as u64;
        }
        Ok(packets)
    }
}

/// Packets of every client, sealed and ready to go in trains, of each client in turn.
pub(crate) struct Sealed {
    clients: Vec<SealedClient>,
    next: usize,
    train: usize,
}

struct SealedClient {
    socket: Socket,
    bytes: Vec<u8>,
    at: usize,
    stride: usize,
}

impl Sealed {
    /// Seals `count` UDP packets of `size` bytes to `far`, divided among the clients.
    pub(crate) fn of(
        fleet: &mut Fleet,
        far: SocketAddr,
        size: u16,
        train: u16,
        count: u64,
    ) -> anyhow::Result<Self> {
        let trains = count.div_ceil(u64::from(train) * fleet.members().len().max(1) as u64);
        let each = usize::try_from(trains)? * usize::from(train);
        let mut clients = Vec::new();
        for member in fleet.members() {
            let address = member.address().context("a client of the flood is gone")?;
            let mut packet = packets::udp(address, far, size)?;
            let mut bytes = Vec::new();
            let mut stride = 0;
            for number in 0..each {
                packets::identify(&mut packet, number as u16);
                if !member.client().seal_packet(&packet, &mut bytes) {
                    bail!("a client's tunnel is gone: {:?}", member.client().stage());
                }
                if stride == 0 {
                    stride = bytes.len();
                    bytes.reserve(stride * (each - 1));
                }
            }
            clients.push(SealedClient { socket: member.data().try_clone()?, bytes, at: 0, stride });
        }
        Ok(Self { clients, next: 0, train: train.into() })
    }
}

impl Source for Sealed {
    fn send(&mut self) -> anyhow::Result<Option<u64>> {
        let count = self.clients.len();
        let Some(client) = self.clients.get_mut(self.next) else { return Ok(None) };
        let left = client.bytes.get(client.at..).unwrap_or_default();
        let length = left.len().min(client.stride * self.train);
        let Some(train) = left.get(..length).filter(|train| !train.is_empty()) else { return Ok(None) };
        if !client.socket.send(train, client.stride)? {
            return Ok(Some(0));
        }
        client.at += length;
        self.next = (self.next + 1) % count;
        Ok(Some((length / client.stride) as u64))
    }
}

/// Counts the packets of one size that arrive at clients.
pub(crate) struct TunnelSink<'a> {
    fleet: &'a mut Fleet,
    expected: usize,
    tally: Tally,
}

impl<'a> TunnelSink<'a> {
    /// Those that are `expected` bytes long as they come from the server.
    pub(crate) fn new(fleet: &'a mut Fleet, expected: usize) -> Self {
        Self { fleet, expected, tally: Tally::default() }
    }
}

impl Sink for TunnelSink<'_> {
    fn receive(&mut self) -> anyhow::Result<u64> {
        self.fleet.count(self.expected, &mut self.tally)
    }
}
