//! A socket outside the tunnel, of UDP or of native ESP, that receives and sends in batches and keeps the local address of
//! every datagram.
//!
//! ```text
//! recvmmsg ─ some GRO superpackets or 64 datagrams ─▶ Inbox ─ next_batch(), segments() ─▶ (path, &mut bytes) …
//! runs (path, bytes, segment) … ─▶ Outbox ─ one message of ≤ 64 equal segments each ─▶ sendmmsg
//! ```
//!
//! Segmentation offload is an optimisation that a kernel, a driver or a route may refuse at any time: the
//! socket then sends the same bytes without it and stays without it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use anyhow::Context;
use libc::c_int;
use socket2::{Domain, Protocol, Socket, Type};

use super::steering;
use crate::server::Shards;

pub use ipsec::Path;
pub use offload::Offload;
pub use receive::Inbox;

mod control;
mod offload;
mod overflow;
mod receive;
mod send;

/// One UDP socket, or a raw one of IP protocol 50, nonblocking. A datagram is what stands behind the UDP or IPv4 header.
#[derive(Debug)]
pub struct OuterSocket {
    socket: Socket,
    local: SocketAddr,
    offload: Offload,
    /// Messages to ask for at once.
    batch: usize,
    outbox: send::Outbox,
    overflow: overflow::Overflow,
    counters: Counters,
}

impl OuterSocket {
    /// Binds to the UDP port of `local`; an unspecified address serves every address of the machine, each under its own name.
    pub fn bind(local: SocketAddr, offload: Offload) -> anyhow::Result<Self> {
        let socket = open(local).with_context(|| format!("UDP socket for {local}"))?;
        Self::bound(socket, local, offload)
    }

    /// Binds one socket for each shard to the UDP port of `local`, in their order; ESP comes to its shard's, all else to the first.
    /// The second value says whether the kernel does so: if not, packets come to any of them.
    pub fn bind_group(
        local: SocketAddr,
        offload: Offload,
        shards: Shards,
    ) -> anyhow::Result<(Vec<Self>, io::Result<()>)> {
        let alone = Self::bind(local, offload)?;
        if shards == Shards::ONE {
            return Ok((vec![alone], Ok(())));
        }
        // That one could bind: nobody else is there. A group would not notice that, if the other one is a group too.
        let local = alone.local;
        drop(alone);
        let mut group = Vec::new();
        for _ in shards.iter() {
            let socket = open(local).with_context(|| format!("UDP socket for {local}"))?;
            set_option(&socket, libc::SOL_SOCKET, libc::SO_REUSEPORT, 1).context("SO_REUSEPORT")?;
            group.push(Self::bound(socket, local, offload)?);
        }
        let steered = group.first().map_or(Ok(()), |first| steering::group(first, shards));
        Ok((group, steered))
    }

    fn bound(socket: Socket, local: SocketAddr, offload: Offload) -> anyhow::Result<Self> {
        if let Err(error) = socket.bind(&local.into()) {
            let why = match error.kind() {
                io::ErrorKind::AddrInUse => " (another IKE daemon, such as strongSwan, runs here?)",
                io::ErrorKind::PermissionDenied => " (ports below 1024 need root or CAP_NET_BIND_SERVICE)",
                io::ErrorKind::AddrNotAvailable => " (no interface has this address)",
                _ => "",
            };
            anyhow::bail!("cannot listen on UDP {local}: {error}{why}");
        }
        let local = socket.local_addr()?.as_socket().context("a UDP socket without an address")?;
        let offload = offload.enable(&socket);
        Ok(Self::new(socket, local, offload))
    }

    /// One socket as of [`Self::esp`] for each shard, in their order, each of which receives its shard's packets. Several do not count
    /// what overflows: a full one drops a packet before its filter says whether it is another's, who has it.
    pub fn esp_group(local: Ipv4Addr, shards: Shards) -> anyhow::Result<Vec<Self>> {
        let one = |shard| {
            let socket = Self::esp(local)?;
            if shards != Shards::ONE {
                steering::raw(&socket, shard, shards).context("a filter for sockets of native ESP")?;
                count_overflow(&socket.socket, false);
            }
            Ok(socket)
        };
        shards.iter().map(one).collect()
    }

    /// All of IP protocol 50 that comes to `local`, which may be unspecified as with [`Self::bind`].
    pub fn esp(local: Ipv4Addr) -> anyhow::Result<Self> {
        let local = SocketAddr::new(local.into(), NO_PORT);
        let open = || {
            let protocol = Protocol::from(libc::IPPROTO_ESP);
            let socket = Socket::new(Domain::IPV4, Type::RAW.nonblocking(), Some(protocol))?;
            prepare(&socket, local)?;
            socket.bind(&local.into())?;
            Ok(socket)
        };
        let socket = open().map_err(|error: io::Error| {
            let why = match error.kind() {
                io::ErrorKind::PermissionDenied => " (`encapsulation: auto` needs root or CAP_NET_RAW)",
                _ => "",
            };
            anyhow::anyhow!("cannot listen on IP protocol 50 of {}: {error}{why}", local.ip())
        })?;
        Ok(Self::new(socket, local, Offload::OFF))
    }

    fn new(socket: Socket, local: SocketAddr, offload: Offload) -> Self {
        let (outbox, counters) = (send::Outbox::new(), Counters::default());
        let overflow = overflow::Overflow::new(&socket);
        Self { socket, local, offload, batch: receive::MESSAGES, outbox, overflow, counters }
    }

    /// The address it is bound to; the port is the one really taken, or zero for ESP, which has none.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Whether it is of native ESP.
    #[must_use]
    pub fn is_esp(&self) -> bool {
        self.local.port() == NO_PORT
    }

    /// Whether datagrams of a path with this local address leave through this socket.
    #[must_use]
    pub fn serves(&self, local: SocketAddr) -> bool {
        serves(self.local, local)
    }

    /// What the kernel does for this socket now; sending may have lost it since [`Self::bind`].
    #[must_use]
    pub fn offload(&self) -> Offload {
        self.offload
    }

    /// What went through and what was dropped so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}

/// Whether datagrams of a path with this `local` address leave through a socket bound to `bound`.
#[must_use]
pub fn serves(bound: SocketAddr, local: SocketAddr) -> bool {
    bound.port() == local.port()
        && bound.is_ipv4() == local.is_ipv4()
        && (bound.ip().is_unspecified() || bound.ip() == local.ip())
}

/// Whether [`OuterSocket::bind`] failed because the kernel knows nothing of the address's family.
#[must_use]
pub fn is_unsupported(error: &anyhow::Error) -> bool {
    let cause = error.root_cause().downcast_ref::<io::Error>();
    cause.and_then(io::Error::raw_os_error) == Some(libc::EAFNOSUPPORT)
}

impl AsFd for OuterSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// What one socket did, in datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Arrived and handed out.
    pub received: u64,
    /// Arrived and not kept by the kernel, whose buffer for this socket was full (or, seldom, whose checksum was wrong); what it had put
    /// together counts as one.
    pub overflowed: u64,
    /// Accepted by the kernel for sending.
    pub sent: u64,
    /// Arrived without data, without a usable source, or cut short.
    pub unusable: u64,
    /// Not sent: the socket buffer or the interface's queue was full.
    pub full: u64,
    /// Not sent: no way to that destination now.
    pub unreachable: u64,
    /// Not sent: a packet filter or policy of this machine forbids it.
    pub forbidden: u64,
    /// Not sent for any other reason.
    pub failed: u64,
    /// Sends that had to be repeated without segmentation offload.
    pub offload_refused: u64,
}

impl Counters {
    /// Every reason for which something was dropped; the names leave out the layer.
    pub fn discards(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
        [
            ("receive_full", self.overflowed),
            ("receive_unusable", self.unusable),
            ("send_full", self.full),
            ("send_unreachable", self.unreachable),
            ("send_forbidden", self.forbidden),
            ("send_failed", self.failed),
        ]
        .into_iter()
    }
}

fn open(local: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(local), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    prepare(&socket, local)?;
    Ok(socket)
}

/// Sets what every socket needs before it is bound.
fn prepare(socket: &Socket, local: SocketAddr) -> io::Result<()> {
    for (forced, plain) in [(libc::SO_RCVBUFFORCE, libc::SO_RCVBUF), (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF)]
    {
        set_option(socket, libc::SOL_SOCKET, forced, BUFFER)
            .or_else(|_| set_option(socket, libc::SOL_SOCKET, plain, BUFFER))?;
    }
    count_overflow(socket, true);
    if local.is_ipv4() {
        set_option(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?;
        // DF off: an IKE message with certificates is longer than the path's MTU and must be fragmented
        // (RFC 2408 has no fragmentation of its own).
        set_option(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DONT)?;
    } else {
        socket.set_only_v6(true)?;
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_DONT)?;
    }
    Ok(())
}

/// Has the kernel say what it drops, or not. Only to count: where it is not known (gVisor), nothing is counted.
fn count_overflow(socket: &Socket, yes: bool) {
    let _unknown = set_option(socket, libc::SOL_SOCKET, libc::SO_RXQ_OVFL, yes.into());
}

fn set_option(socket: &Socket, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    let length = size_of::<c_int>() as libc::socklen_t;
    // SAFETY: the pointer and the length describe `value`, which lives through the call; every option set
    // in this module takes an int.
    let result =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), length) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Stands for the port in an address of ESP.
const NO_PORT: u16 = 0;

/// Socket buffers: half a second of the traffic one core can serve would be far more; this is what is
/// needed to survive the scheduling gaps of a busy machine.
const BUFFER: c_int = 8 << 20;

#[cfg(test)]
mod tests;
