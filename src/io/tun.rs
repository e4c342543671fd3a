//! The TUN device: one interface of the kernel whose packets are ours to read and write.
//!
//! ```text
//! kernel ─ superpackets, checksums left open ─▶ Tun::receive ─ segmented, completed ─▶ Inbox::packets()
//! whole packets ─▶ Tun::send ─▶ kernel
//! ```
//!
//! The device speaks with a `virtio_net_hdr` before each packet, so the kernel may hand over up to 64 kB of one TCP
//! or UDP flow in a single read. Callers see ordinary packets.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

use anyhow::{Context, bail};

use crate::pool::Range;

pub use inbox::Inbox;
pub use offload::VnetHeader;

mod inbox;
mod link;
mod offload;

/// What the interface shall be.
#[derive(Clone, Debug)]
pub struct Interface<'a> {
    /// Its name, such as `adit0`.
    pub name: &'a str,
    /// The ranges of the clients. The first address of each becomes the interface's, the rest is routed to it.
    pub pools: &'a [Range],
    /// The longest packet.
    pub mtu: u16,
    /// Whether the kernel may leave segmentation and checksums to us.
    pub offload: bool,
}

/// An interface that exists as long as this value.
#[derive(Debug)]
pub struct Tun {
    file: File,
    name: String,
    offload: bool,
    counters: Counters,
}

impl Tun {
    /// Creates the interface, gives it its address and routes, and puts it up.
    pub fn create(interface: &Interface<'_>) -> anyhow::Result<Self> {
        let name = interface.name;
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
        attach(&file, name).map_err(|error| match error.raw_os_error() {
            Some(libc::EPERM) => anyhow::anyhow!("cannot create {name}: needs root or CAP_NET_ADMIN"),
            Some(libc::EBUSY) => {
                anyhow::anyhow!("interface {name} is in use: is another adit running with it?")
            }
            Some(libc::EINVAL) => {
                anyhow::anyhow!("interface {name} exists and is no TUN device, or the name is not possible")
            }
            _ => anyhow::anyhow!("cannot create interface {name}: {error}"),
        })?;
        let offload = interface.offload && take_offload(&file);
        link::configure(interface).with_context(|| format!("cannot set up interface {name}"))?;
        Ok(Self { file, name: name.to_owned(), offload, counters: Counters::default() })
    }

    /// The interface's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the kernel hands over superpackets and open checksums.
    #[must_use]
    pub fn offload(&self) -> bool {
        self.offload
    }

    /// What went through and what was dropped so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Reads what is there, up to one batch, in place of what `inbox` held; returns the number of packets.
    /// Fails only when the interface is gone.
    pub fn receive(&mut self, inbox: &mut Inbox) -> io::Result<usize> {
        inbox.clear();
        while let Some(room) = inbox.room() {
            match self.file.read(room) {
                Ok(length) => match inbox.take(length) {
                    Ok(packets) => self.counters.superpackets += u64::from(packets > 1),
                    Err(_) => self.counters.unusable += 1,
                },
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.counters.received += inbox.len() as u64;
        Ok(inbox.len())
    }

    /// Writes whole packets with complete checksums. Never waits and never fails: what the kernel does not
    /// take is dropped and counted.
    pub fn send<'a>(&mut self, packets: impl IntoIterator<Item = &'a [u8]>) {
        for packet in packets {
            let header = VnetHeader::PLAIN;
            let counter = loop {
                match (&self.file).write_vectored(&[IoSlice::new(&header), IoSlice::new(packet)]) {
                    Ok(_) => break &mut self.counters.sent,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break &mut self.counters.full,
                    Err(_) => break &mut self.counters.refused,
                }
            };
            *counter += 1;
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

/// Makes `file` the one queue of interface `name`.
fn attach(file: &File, name: &str) -> io::Result<()> {
    // SAFETY: all-zero is a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // One byte stays zero: the kernel's names are terminated.
    if name.is_empty() || name.len() >= request.ifr_name.len() {
        return Err(ErrorKind::InvalidInput.into());
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_VNET_HDR) as libc::c_short;
    // SAFETY: TUNSETIFF reads and writes one ifreq, which lives through the call.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF as _, &raw mut request) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Asks for open checksums and for superpackets of TCP and UDP, or at least of TCP; says whether it got either.
fn take_offload(file: &File) -> bool {
    let tcp = libc::TUN_F_CSUM | libc::TUN_F_TSO4;
    // UDP since Linux 6.2, and there only for both families at once; IPv6 is not routed here.
    [tcp | libc::TUN_F_USO4 | libc::TUN_F_USO6, tcp].into_iter().any(|flags| {
        // SAFETY: TUNSETOFFLOAD takes its argument by value.
        unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETOFFLOAD as _, libc::c_ulong::from(flags)) == 0 }
    })
}

const DEVICE: &str = "/dev/net/tun";
