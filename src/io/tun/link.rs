//! Address, routes and state of an interface, by rtnetlink (RFC 3549).

use std::ffi::CString;
use std::io::{self, Read, Write};
use std::net::IpAddr;

use anyhow::{Context, bail};
use arrayvec::ArrayVec;
use socket2::{Domain, Protocol, Socket, Type};

use super::Interface;

/// Gives the interface its MTU, queue, addresses and routes, and puts it up.
pub(super) fn configure(interface: &Interface<'_>) -> anyhow::Result<()> {
    let name = CString::new(interface.name)?;
    // SAFETY: the name is a terminated string that lives through the call.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    if index == 0 {
        bail!("it has vanished");
    }
    let has_ipv6 = interface.pools.iter().any(|pool| pool.range6.is_some());
    // There is no router among the clients: without this the kernel would ask for one. It may be compiled out where it is not needed.
    let settings =
        [("disable_ipv6", if has_ipv6 { "0" } else { "1" }), ("addr_gen_mode", "1"), ("accept_ra", "0")];
    for (setting, value) in settings {
        let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{}/{setting}", interface.name), value);
    }

    let mut kernel = Rtnetlink::open().context("rtnetlink socket")?;
    let mtu = u32::from(interface.mtu);
    kernel.request(&link_up(index, mtu)).with_context(|| format!("MTU {mtu}"))?;
    for pool in interface.pools {
        let range = pool.range;
        kernel.enter(index, range.server().into(), range.network().into(), range.prefix())?;
        if let (Some(range6), Some(own)) = (pool.range6, pool.server_prefix()) {
            let entered = kernel.enter(index, own.first().into(), range6.network().into(), range6.prefix());
            entered.context("IPv6 (a pool has `range6`)")?;
        }
    }
    Ok(())
}

fn link_up(index: u32, mtu: u32) -> Request {
    let up = (libc::IFF_UP as u32).to_ne_bytes();
    // struct ifinfomsg: family, padding, type, index, flags, mask of flags
    Request::new(libc::RTM_NEWLINK, 0, &[&[0; 4], &index.to_ne_bytes(), &up, &up])
        .attribute(libc::IFLA_MTU, &mtu.to_ne_bytes())
        .attribute(libc::IFLA_TXQLEN, &QUEUE.to_ne_bytes())
}

fn address(index: u32, address: IpAddr) -> Request {
    let octets = octets(address);
    let whole = 8 * octets.len() as u8;
    // struct ifaddrmsg: family, prefix length, flags (nobody else can have the address), scope (global), index
    let fixed = [family(address), whole, libc::IFA_F_NODAD as u8, 0];
    Request::new(libc::RTM_NEWADDR, CREATE, &[&fixed, &index.to_ne_bytes()])
        .attribute(libc::IFA_LOCAL, &octets)
        .attribute(libc::IFA_ADDRESS, &octets)
}

fn route(index: u32, network: IpAddr, prefix: u8, source: IpAddr) -> Request {
    // struct rtmsg: family, destination and source length, TOS, table, protocol, scope, type, flags
    let scope = if network.is_ipv4() { libc::RT_SCOPE_LINK } else { libc::RT_SCOPE_UNIVERSE };
    let kind = [libc::RT_TABLE_MAIN, libc::RTPROT_STATIC, scope, libc::RTN_UNICAST];
    Request::new(libc::RTM_NEWROUTE, CREATE, &[&[family(network), prefix, 0, 0], &kind, &[0; 4]])
        .attribute(libc::RTA_DST, &octets(network))
        .attribute(libc::RTA_OIF, &index.to_ne_bytes())
        .attribute(libc::RTA_PREFSRC, &octets(source))
}

fn family(address: IpAddr) -> u8 {
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    family as u8
}

fn octets(address: IpAddr) -> ArrayVec<u8, 16> {
    match address {
        IpAddr::V4(address) => address.octets().into_iter().collect(),
        IpAddr::V6(address) => address.octets().into_iter().collect(),
    }
}

/// A message to the kernel: header, fixed part, attributes. Its length is written last.
struct Request(Vec<u8>);

impl Request {
    fn new(kind: u16, flags: libc::c_int, fixed: &[&[u8]]) -> Self {
        let flags = (libc::NLM_F_REQUEST | libc::NLM_F_ACK | flags) as u16;
        // struct nlmsghdr: length, type, flags, sequence number, port
        let mut bytes = [&[0; 4], &kind.to_ne_bytes()[..], &flags.to_ne_bytes(), &[0; 8]].concat();
        bytes.extend(fixed.iter().copied().flatten());
        Self(bytes)
    }

    /// The value's length is a multiple of four, as for everything that we set.
    fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        let length = (4 + value.len()) as u16;
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self
    }

    fn finish(&self) -> Vec<u8> {
        let mut bytes = self.0.clone();
        let length = bytes.len() as u32;
        if let Some(field) = bytes.first_chunk_mut() {
            *field = length.to_ne_bytes();
        }
        bytes
    }
}

struct Rtnetlink(Socket);

impl Rtnetlink {
    fn open() -> io::Result<Self> {
        let protocol = Some(Protocol::from(libc::NETLINK_ROUTE));
        Socket::new(Domain::from(libc::AF_NETLINK), Type::RAW, protocol).map(Self)
    }

    /// Makes an address the interface's own and routes its network there.
    fn enter(&mut self, index: u32, own: IpAddr, network: IpAddr, prefix: u8) -> anyhow::Result<()> {
        self.request(&address(index, own)).with_context(|| format!("address {own}"))?;
        match self.request(&route(index, network, prefix, own)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                bail!(
                    "this machine has a route to {network}/{prefix} already: the pool must be a network of its own"
                )
            }
            result => result.with_context(|| format!("route to {network}/{prefix}")),
        }
    }

    /// Sends a request and waits for its acknowledgement, which the kernel gives at once.
    fn request(&mut self, request: &Request) -> io::Result<()> {
        self.0.write_all(&request.finish())?;
        let mut answer = [0; 1024];
        let length = self.0.read(&mut answer)?;
        // nlmsghdr, then struct nlmsgerr: zero or the negative error number, then the request.
        let error = answer.get(..length).and_then(|answer| answer.get(16..20)).and_then(<[u8]>::first_chunk);
        match error.map(|bytes| i32::from_ne_bytes(*bytes)) {
            Some(0) => Ok(()),
            Some(error) => Err(io::Error::from_raw_os_error(error.saturating_neg())),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

const CREATE: libc::c_int = libc::NLM_F_CREATE | libc::NLM_F_EXCL;

/// Packets that may wait for us before the kernel drops: a few milliseconds of a fast link.
const QUEUE: u32 = 4096;
