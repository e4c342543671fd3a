//! One client on real sockets, with short cuts for floods: packets sealed before the clock starts, and packets counted
//! by their length of which every sixty-fourth is verified and decrypted.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use load::{Client, Credentials, Event, IKE_PORT, NAT_T_PORT, NO_PORT, Profile, Stage};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{setsockopt, sockopt};

use crate::clock;
use crate::flood::{self, Sink, Source};

/// A client that has an address.
pub(crate) struct Tunnel {
    client: Client,
    address: Ipv4Addr,
    login: Duration,
    /// To port 500 and to port 4500.
    sockets: [UdpSocket; 2],
    buffer: Vec<u8>,
    /// What a data packet going down is long, once one has been seen.
    arriving: Option<usize>,
    counted: u64,
}

impl Tunnel {
    /// Dials in, from this process's namespace.
    pub(crate) fn dial(server: Ipv4Addr, profile: Profile, credentials: Credentials) -> anyhow::Result<Self> {
        let open = |port: u16| -> anyhow::Result<UdpSocket> {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))
                .with_context(|| format!("cannot bind UDP port {port}"))?;
            socket.connect((server, port)).with_context(|| format!("no way to {server}"))?;
            flood::prepare(&socket)?;
            Ok(socket)
        };
        let sockets = [open(IKE_PORT)?, open(NAT_T_PORT)?];
        let [ike, _] = &sockets;
        let IpAddr::V4(local) = ike.local_addr()?.ip() else { bail!("an IPv6 address for an IPv4 server") };
        let mut seed = [0; 32];
        std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut seed)?;
        let client = Client::new(clock(), profile, credentials, local, server, seed);
        let mut tunnel = Self {
            client,
            address: Ipv4Addr::UNSPECIFIED,
            login: Duration::ZERO,
            sockets,
            buffer: vec![0; 1 << 16],
            arriving: None,
            counted: 0,
        };
        tunnel.connect()?;
        Ok(tunnel)
    }

    /// The address that the server gave.
    pub(crate) fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// From the first message to the address.
    pub(crate) fn login(&self) -> Duration {
        self.login
    }

    /// Says goodbye.
    pub(crate) fn leave(mut self) -> anyhow::Result<()> {
        self.client.disconnect(clock());
        let end = clock() + PATIENCE;
        while !matches!(self.client.stage(), Stage::Closed(_)) && clock() < end {
            self.turn(end)?;
        }
        Ok(())
    }

    /// Learns from single packets of `source`, `size` bytes inside, how long they are outside.
    pub(crate) fn expect(&mut self, source: &mut impl Source, size: usize) -> anyhow::Result<()> {
        let [_, socket] = &self.sockets;
        setsockopt(socket, sockopt::UdpGroSegment, &true).context("UDP_GRO")?;
        let end = clock() + PATIENCE;
        while clock() < end {
            source.send()?;
            if !flood::wait(socket.as_fd(), PollTimeout::from(200_u8))? {
                continue;
            }
            while let Some(length) = flood::receive(socket, &mut self.buffer)? {
                let received = self.buffer.get_mut(..length).unwrap_or_default();
                if self.client.open_packet(clock(), received).is_some_and(|packet| packet.len() == size) {
                    self.arriving = Some(length);
                    return Ok(());
                }
            }
        }
        bail!("nothing of the flood arrives through the tunnel")
    }

    /// Seals `count` UDP packets of `size` bytes to `far`.
    pub(crate) fn seal(
        &mut self,
        far: SocketAddr,
        size: u16,
        train: u16,
        count: u64,
    ) -> anyhow::Result<Sealed> {
        let packet = udp_packet(self.address, far, size)?;
        let mut first = Vec::new();
        let mut seal = |bytes: &mut Vec<u8>| match self.client.seal_packet(&packet, bytes) {
            true => Ok(()),
            false => Err(anyhow::anyhow!("the tunnel is gone: {:?}", self.client.stage())),
        };
        seal(&mut first)?;
        let stride = first.len();
        let mut bytes = first;
        bytes.reserve(stride * usize::try_from(count)?);
        for _ in 1..count {
            seal(&mut bytes)?;
        }
        let [_, socket] = &self.sockets;
        let segment = if train > 1 { i32::try_from(stride)? } else { 0 };
        setsockopt(socket, sockopt::UdpGsoSegment, &segment).context("UDP_SEGMENT")?;
        Ok(Sealed { socket: socket.try_clone()?, bytes, next: 0, stride, train: train.into() })
    }

    fn connect(&mut self) -> anyhow::Result<()> {
        let end = clock() + PATIENCE;
        loop {
            match self.client.stage() {
                Stage::Up => break,
                Stage::Connecting if clock() < end => self.turn(end)?,
                stage => bail!("no connection: {stage:?} after {:?}", self.client.timeline().last()),
            }
        }
        self.address = self.client.address().context("up without an address")?;
        self.login = self.client.timeline().total().unwrap_or_default();
        Ok(())
    }

    /// Sends what there is to send, waits for an answer or the next deadline, and takes what arrived.
    fn turn(&mut self, end: Instant) -> anyhow::Result<()> {
        self.drain()?;
        let due = self.client.poll_timeout().map_or(end, |due| due.min(end));
        let wait = due.saturating_duration_since(clock()).min(Duration::from_secs(1));
        // Rounded up, so that what is due then is due.
        let wait = PollTimeout::try_from(wait + Duration::from_millis(1))?;
        poll(
            &mut self.sockets.each_ref().map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN)),
            wait,
        )?;
        for (socket, port) in self.sockets.iter().zip([IKE_PORT, NAT_T_PORT]) {
            while let Some(length) = flood::receive(socket, &mut self.buffer)? {
                self.client.handle_datagram(clock(), port, self.buffer.get(..length).unwrap_or_default());
            }
        }
        let now = clock();
        if self.client.poll_timeout().is_some_and(|due| due <= now) {
            self.client.handle_timeout(now);
        }
        self.drain()
    }

    fn drain(&mut self) -> anyhow::Result<()> {
        while let Some(transmit) = self.client.poll_transmit() {
            let [ike, nat_t] = &self.sockets;
            let socket = if transmit.from_port == IKE_PORT { ike } else { nat_t };
            if transmit.from_port == NO_PORT {
                bail!("native ESP: the flood is for UDP, `encapsulation: always`");
            }
            // Message 1 of a renewal goes from 500 to 4500; a connected socket cannot, and no flood lasts that long.
            flood::send(socket, &transmit.payload)?;
        }
        while self.client.poll_packet().is_some() {}
        while let Some(event) = self.client.poll_event() {
            if let Event::Closed(end) = event
                && end != load::End::Left
            {
                bail!("the connection ended: {end:?}");
            }
        }
        Ok(())
    }
}

impl AsFd for Tunnel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        let [_, socket] = &self.sockets;
        socket.as_fd()
    }
}

impl Sink for Tunnel {
    fn receive(&mut self) -> anyhow::Result<u64> {
        let expected = self.arriving.context("nobody said how long packets are")?;
        let mut packets = 0;
        // A bounded turn: the source wants one too.
        for _ in 0..64 {
            let [_, socket] = &self.sockets;
            let Some(length) = flood::receive(socket, &mut self.buffer)? else { break };
            for datagram in self.buffer.get_mut(..length).unwrap_or_default().chunks_mut(expected) {
                if datagram.len() != expected {
                    // Control; what the client answers goes out with the next turn.
                    self.client.handle_datagram(clock(), NAT_T_PORT, datagram);
                    continue;
                }
                packets += 1;
                self.counted += 1;
                if self.counted.is_multiple_of(VERIFIED)
                    && self.client.open_packet(clock(), datagram).is_none()
                {
                    bail!("a packet of the flood is not what the server should send");
                }
            }
        }
        self.drain()?;
        Ok(packets)
    }
}

/// Packets ready to go, in trains.
pub(crate) struct Sealed {
    socket: UdpSocket,
    bytes: Vec<u8>,
    next: usize,
    stride: usize,
    train: usize,
}

impl Source for Sealed {
    fn send(&mut self) -> anyhow::Result<Option<u64>> {
        let left = self.bytes.get(self.next..).unwrap_or_default();
        let length = left.len().min(self.stride * self.train);
        let Some(train) = left.get(..length).filter(|train| !train.is_empty()) else { return Ok(None) };
        if !flood::send(&self.socket, train)? {
            return Ok(Some(0));
        }
        self.next += length;
        Ok(Some((length / self.stride) as u64))
    }
}

/// An IPv4 packet of UDP from and to the port of `far`, with its checksums: as a client's kernel makes them.
fn udp_packet(from: Ipv4Addr, far: SocketAddr, size: u16) -> anyhow::Result<Vec<u8>> {
    let SocketAddr::V4(far) = far else { bail!("IPv4 only") };
    let mut packet = vec![0x45, 0];
    packet.extend(size.to_be_bytes());
    packet.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
    packet.extend(from.octets());
    packet.extend(far.ip().octets());
    let header_sum = checksum(&packet);
    packet[10..12].copy_from_slice(&header_sum.to_be_bytes());
    let length = size - 20;
    let mut datagram = [far.port(), far.port(), length, 0].map(u16::to_be_bytes).concat();
    datagram.resize(length.into(), 0x5a);
    let pseudo = [&packet[12..20], &[0, 17], &length.to_be_bytes()].concat();
    let sum = checksum(&[&pseudo[..], &datagram].concat());
    datagram[6..8].copy_from_slice(&sum.to_be_bytes());
    packet.extend(datagram);
    Ok(packet)
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    let sum: u32 = bytes.chunks(2).map(word).sum();
    let folded = (sum >> 16) + (sum & 0xffff);
    !((folded >> 16) + (folded & 0xffff)) as u16
}

/// One data packet of this many is opened.
const VERIFIED: u64 = 64;

/// How long a login, a goodbye or a first packet may take.
const PATIENCE: Duration = Duration::from_secs(10);
