//! The TUN device: one interface of the kernel whose packets are ours to read and write.
//!
//! ```text
//! kernel ─ superpackets, checksums left open ─▶ Tun::receive ─▶ Inbox ─ next_batch(), packets()
//! whole packets ─▶ Tun::send ─ runs of one flow coalesced into superpackets ─▶ kernel
//! ```
//!
//! The device speaks with a `virtio_net_hdr` before each packet, so the kernel may hand over up to 64 kB of one TCP
//! or UDP flow in a single read, and take as much in a single write. What is read is handed on as it is; whoever writes it
//! where it goes cuts it, so that it is copied once. What is sent are ordinary packets.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write as _};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

use anyhow::{Context, bail};

use super::steering::{self, Exceptions};
use crate::{
    config::Switch,
    pool::Pool,
    server::{Prefixes, ShardId, Shards},
};

use coalesce::Write;
pub use drops::dropped;
pub use inbox::Inbox;
pub use offload::{Kinds, Offload};

mod coalesce;
mod deliver;
mod drops;
mod inbox;
mod link;
mod offload;
mod vnet;

/// What the interface shall be.
#[derive(Clone, Debug)]
pub struct Interface<'a> {
    /// Its name, such as `adit0`.
    pub name: &'a str,
    /// The ranges of the clients. The server's address in each becomes the interface's, the rest is routed to it.
    pub pools: &'a [Pool],
    /// The longest packet.
    pub mtu: u16,
    /// Whether the kernel may leave segmentation and checksums to us, and we to it.
    pub offload: Switch,
}

/// An interface that exists as long as this value.
#[derive(Debug)]
pub struct Tun {
    file: File,
    name: String,
    offload: Offload,
    /// By which it is known whose a packet of IPv6 is.
    prefixes: Prefixes,
    counters: Counters,
}

impl Tun {
    /// Creates the interface with one queue, gives it its address and routes, and puts it up.
    pub fn create(interface: &Interface<'_>) -> anyhow::Result<Self> {
        let file = open(interface.name, ONE_QUEUE)?;
        let offload = settle(interface.offload, &file);
        link::configure(interface).with_context(|| format!("cannot set up interface {}", interface.name))?;
        Ok(Self::queue(interface.name, file, offload, Prefixes::of(interface.pools)))
    }

    /// The same with a queue for each shard, in their order, to which packets for its clients come. The second value says whether
    /// the kernel does so: if not, packets come to any of them.
    pub fn create_queues(
        interface: &Interface<'_>,
        shards: Shards,
    ) -> anyhow::Result<(Vec<Self>, io::Result<Exceptions>)> {
        if shards == Shards::ONE {
            return Ok((vec![Self::create(interface)?], Ok(Exceptions::default())));
        }
        let name = interface.name;
        // A device of several queues takes one more from anybody who may have it: the first has to make it.
        let flags = |shard| match shard {
            ShardId(0) => libc::IFF_MULTI_QUEUE | libc::IFF_TUN_EXCL,
            _ => libc::IFF_MULTI_QUEUE,
        };
        let files: Vec<File> =
            shards.iter().map(|shard| open(name, flags(shard))).collect::<anyhow::Result<_>>()?;
        let first = files.first().context("a device without a queue")?;
        // It is the device's, not the queue's.
        let offload = settle(interface.offload, first);
        let prefixes = Prefixes::of(interface.pools);
        let steered = steering::tun(first, shards, &prefixes);
        link::configure(interface).with_context(|| format!("cannot set up interface {name}"))?;
        let queues =
            files.into_iter().map(|file| Self::queue(name, file, offload, prefixes.clone())).collect();
        Ok((queues, steered))
    }

    fn queue(name: &str, file: File, offload: Offload, prefixes: Prefixes) -> Self {
        Self { file, name: name.to_owned(), offload, prefixes, counters: Counters::default() }
    }

    /// The interface's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is done together now; writing may have lost some of it since [`Self::create`].
    #[must_use]
    pub fn offload(&self) -> Offload {
        self.offload
    }

    /// What went through and what was dropped so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Reads what is there, as far as `inbox` has room; returns the number of packets.
    /// Fails only when the interface is gone.
    pub fn receive(&mut self, inbox: &mut Inbox) -> io::Result<usize> {
        let mut received = 0;
        inbox.look();
        while let Some(room) = inbox.room() {
            match self.file.read(room) {
                Ok(length) => match inbox.take(length, &self.prefixes) {
                    Ok(packets) => {
                        received += packets;
                        self.counters.superpackets += u64::from(packets > 1);
                    }
                    Err(_) => self.counters.unusable += 1,
                },
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.counters.received += received as u64;
        Ok(received)
    }

    /// Writes whole packets with complete checksums. Never waits and never fails: what the kernel does not
    /// take is dropped and counted.
    pub fn send<'a>(&mut self, packets: impl IntoIterator<Item = &'a [u8]>) {
        let Self { file, offload, counters, .. } = self;
        deliver::deliver(&mut offload.writes, counters, packets, |write| put(file, write));
    }
}

fn put(mut file: &File, write: &Write<'_>) -> io::Result<()> {
    loop {
        match file.write_vectored(&write.slices()) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result.map(drop),
        }
    }
}

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// What the device did, in packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Read and handed out.
    pub received: u64,
    /// Reads that brought several packets at once.
    pub superpackets: u64,
    /// Accepted by the kernel.
    pub sent: u64,
    /// Of those, in a superpacket.
    pub coalesced: u64,
    /// Superpackets that the kernel refused; after one, packets of its kind go alone.
    pub uncoalesced: u64,
    /// Read, but not what its header said.
    pub unusable: u64,
    /// Not written: the kernel's queue was full.
    pub full: u64,
    /// Not written: no IP packet to the kernel, or the interface is down.
    pub refused: u64,
}

impl Counters {
    /// Every reason for which something was dropped; the names leave out the layer.
    pub fn discards(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
        [("read_unusable", self.unusable), ("write_full", self.full), ("write_refused", self.refused)]
            .into_iter()
    }
}

/// Checks, before anything is set up, what [`Tun::create`] needs; the error is one sentence.
pub fn check() -> anyhow::Result<()> {
    if !std::path::Path::new(DEVICE).exists() {
        bail!(
            "{DEVICE} does not exist: load the kernel module (modprobe tun), or give the container the device"
        );
    }
    Ok(())
}

/// One queue, or one more, of interface `name`.
fn open(name: &str, queues: libc::c_int) -> anyhow::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(DEVICE)
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                anyhow::anyhow!("{DEVICE} does not exist: load the kernel module (modprobe tun)")
            }
            _ => anyhow::anyhow!("cannot open {DEVICE}: {error}"),
        })?;
    attach(&file, name, queues).map_err(|error| match error.raw_os_error() {
        Some(libc::EPERM) => anyhow::anyhow!("cannot create {name}: needs root or CAP_NET_ADMIN"),
        Some(libc::EBUSY) => {
            anyhow::anyhow!(
                "interface {name} is there already: is another adit running with it? (If it was made beforehand: delete it, or \
                 set `shards: 1`.)"
            )
        }
        Some(libc::EINVAL) => {
            anyhow::anyhow!("interface {name} exists and is no TUN device, or the name is not possible")
        }
        _ => anyhow::anyhow!("cannot create interface {name}: {error}"),
    })?;
    Ok(file)
}

/// Makes `file` a queue of interface `name`: the only one, or with IFF_MULTI_QUEUE one of several.
fn attach(file: &File, name: &str, queues: libc::c_int) -> io::Result<()> {
    // SAFETY: all-zero is a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // One byte stays zero: the kernel's names are terminated.
    if name.is_empty() || name.len() >= request.ifr_name.len() {
        return Err(ErrorKind::InvalidInput.into());
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    let flags = libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_VNET_HDR | queues;
    request.ifr_ifru.ifru_flags = flags as libc::c_short;
    // SAFETY: TUNSETIFF reads and writes one ifreq, which lives through the call.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF as _, &raw mut request) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// What is used on the device of `file`, which is not up yet. It holds for all of its queues.
fn settle(switch: Switch, file: &File) -> Offload {
    Offload::settle(
        switch,
        |flags| grant(file, flags),
        |bytes| {
            let mut file = file;
            file.write(bytes)
        },
    )
}

/// Asks the kernel to leave to us what these `TUN_F_…` say. Fails if it does not know one of them.
fn grant(file: &File, flags: libc::c_uint) -> bool {
    // SAFETY: TUNSETOFFLOAD takes its argument by value.
    unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETOFFLOAD as _, libc::c_ulong::from(flags)) == 0 }
}

/// No flag: other queues are not let in.
const ONE_QUEUE: libc::c_int = 0;
const DEVICE: &str = "/dev/net/tun";
