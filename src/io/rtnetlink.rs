//! Addresses, routes and state of an interface, by rtnetlink (RFC 3549).

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context, bail};
use arrayvec::ArrayVec;
use nix::net::if_::if_nametoindex;
use socket2::{Domain, Protocol, Socket, Type};

/// The kernel, asked about one interface.
pub(crate) struct Rtnetlink {
    socket: Socket,
    index: u32,
}

impl Rtnetlink {
    /// About the interface of that name.
    pub(crate) fn of(interface: &str) -> anyhow::Result<Self> {
        let index = if_nametoindex(interface).context("it has vanished")?;
        let protocol = Some(Protocol::from(libc::NETLINK_ROUTE));
        let socket = Socket::new(Domain::from(libc::AF_NETLINK), Type::RAW, protocol);
        Ok(Self { socket: socket.context("rtnetlink socket")?, index })
    }

    /// Puts it up, with this MTU and room for so many packets.
    pub(super) fn put_up(&mut self, mtu: u32, queue: u32) -> io::Result<()> {
        self.request(&link_up(self.index, mtu, queue))
    }

    /// Makes an address the interface's own and routes its network there.
    pub(super) fn enter(&mut self, own: IpAddr, network: IpAddr, prefix: u8) -> anyhow::Result<()> {
        self.request(&address(self.index, own)).with_context(|| format!("address {own}"))?;
        self.lead(network, prefix, own)
    }

    /// Routes a network there; what this machine itself sends to it is from `own`.
    pub(super) fn lead(&mut self, network: IpAddr, prefix: u8, own: IpAddr) -> anyhow::Result<()> {
        match self.request(&route(libc::RTM_NEWROUTE, self.index, (network, prefix), own)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                bail!(
                    "this machine has a route to {network}/{prefix} already: the pool must be a network of its own"
                )
            }
            result => result.with_context(|| format!("route to {network}/{prefix}")),
        }
    }

    /// Routes one address there, as if its network had the server's address `own`.
    pub(crate) fn add_host(&mut self, host: Ipv4Addr, own: Ipv4Addr) -> io::Result<()> {
        self.request(&route(libc::RTM_NEWROUTE, self.index, (host.into(), 32), own.into()))
    }

    /// Takes the route to one address away.
    pub(crate) fn remove_host(&mut self, host: Ipv4Addr, own: Ipv4Addr) -> io::Result<()> {
        self.request(&route(libc::RTM_DELROUTE, self.index, (host.into(), 32), own.into()))
    }

    /// Sends a request and waits for its acknowledgement, which the kernel gives at once.
    fn request(&mut self, request: &Request) -> io::Result<()> {
        self.socket.write_all(&request.finish())?;
        let mut answer = [0; 1024];
        let length = self.socket.read(&mut answer)?;
        // nlmsghdr, then struct nlmsgerr: zero or the negative error number, then the request.
        let error = answer.get(..length).and_then(|answer| answer.get(16..20)).and_then(<[u8]>::first_chunk);
        match error.map(|bytes| i32::from_ne_bytes(*bytes)) {
            Some(0) => Ok(()),
            Some(error) => Err(io::Error::from_raw_os_error(error.saturating_neg())),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

fn link_up(index: u32, mtu: u32, queue: u32) -> Request {
    let up = (libc::IFF_UP as u32).to_ne_bytes();
    // struct ifinfomsg: family, padding, type, index, flags, mask of flags
    Request::new(libc::RTM_NEWLINK, 0, &[&[0; 4], &index.to_ne_bytes(), &up, &up])
        .attribute(libc::IFLA_MTU, &mtu.to_ne_bytes())
        .attribute(libc::IFLA_TXQLEN, &queue.to_ne_bytes())
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

/// What is the same in a request to make a route and in one to take it away.
fn route(kind: u16, index: u32, network: (IpAddr, u8), source: IpAddr) -> Request {
    let (network, prefix) = network;
    let flags = if kind == libc::RTM_NEWROUTE { CREATE } else { 0 };
    // struct rtmsg: family, destination and source length, TOS, table, protocol, scope, type, flags
    let scope = if network.is_ipv4() { libc::RT_SCOPE_LINK } else { libc::RT_SCOPE_UNIVERSE };
    let place = [libc::RT_TABLE_MAIN, libc::RTPROT_STATIC, scope, libc::RTN_UNICAST];
    Request::new(kind, flags, &[&[family(network), prefix, 0, 0], &place, &[0; 4]])
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

const CREATE: libc::c_int = libc::NLM_F_CREATE | libc::NLM_F_EXCL;
