//! DHCPINFORM, RFC 2131 §3.4: a client that has an address from IPCP asks what IPCP cannot say, above all which destinations
//! to send here. macOS asks when "send all traffic" is off, Windows when "use default gateway on remote network" is.
//!
//! ```text
//! ┌───────┬──────┬────┬────────┬─────────────┬───────────────────┬────────────────────────────────────────┐
//! │ IP 20 │ UDP 8│ op…│ ciaddr │ … chaddr 16 │ sname 64, file 128│ 63825363 │ 53: inform │ 55: wanted │ ff│
//! └───────┴──────┴────┴────────┴─────────────┴───────────────────┴────────────────────────────────────────┘
//! ```
//!
//! An answer holds the options that were asked for: netmask (1), name servers (6), domain (15), routes by RFC 3442 (121), and the
//! same routes under the number that Microsoft used before that RFC (249), which is all that macOS knows.

use std::net::Ipv4Addr;

use super::Directions;
use crate::checksum;
use crate::pool::Range;

/// The two ends of the link that is asked on.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    /// The client's address.
    pub client: Ipv4Addr,
    /// Ours: the gateway of every route.
    pub server: Ipv4Addr,
}

/// Whether a UDP datagram to that port of ours, or of everybody's on the link, is for [`answer`].
#[must_use]
pub fn is_for_server(port: u16) -> bool {
    port == SERVER_PORT
}

/// The IPv4 packet that answers `packet`, which is a whole one to [`is_for_server`]; nothing if it is no DHCPINFORM. A client that has
/// an address and wants another one (DISCOVER, REQUEST) gets no answer: addresses are IPCP's.
#[must_use]
pub fn answer(packet: &[u8], ends: Ends, directions: &Directions) -> Option<Vec<u8>> {
    let inform = Inform::parse(packet)?;
    let mut message = Vec::with_capacity(SHORTEST + 256);
    message.extend([REPLY, inform.htype, inform.hlen, 0]);
    message.extend(inform.xid);
    // Seconds and flags. The answer goes to the address that the client has, whatever its broadcast bit says: §4.1.
    message.extend([0; 4]);
    // RFC 2131 §4.3.5: ciaddr is repeated, yiaddr is not filled in.
    message.extend(ends.client.octets());
    message.extend([0; 12]);
    message.extend(inform.chaddr);
    message.extend([0; SNAME_AND_FILE]);
    message.extend(COOKIE);
    // Apple's client wants this one to be the first.
    push(&mut message, MESSAGE_TYPE, &[ACK]);
    push(&mut message, SERVER_IDENTIFIER, &ends.server.octets());
    if inform.wants(NETMASK) {
        // Nobody else is on the link: what lies behind it, routes say.
        push(&mut message, NETMASK, &Ipv4Addr::BROADCAST.octets());
    }
    let dns: Vec<u8> = directions.dns.iter().flatten().flat_map(|server| server.octets()).collect();
    if inform.wants(DNS) && !dns.is_empty() {
        push(&mut message, DNS, &dns);
    }
    if let Some(domain) = directions.domain.as_ref().filter(|_| inform.wants(DOMAIN)) {
        push(&mut message, DOMAIN, domain.as_str().as_bytes());
    }
    for code in [ROUTES, MICROSOFT_ROUTES] {
        if inform.wants(code) {
            push_routes(&mut message, code, &directions.routes, ends.server);
        }
    }
    message.push(END);
    // RFC 1542 §2.1 recommends it: there are relays and clients that drop what BOOTP would not have sent.
    message.resize(message.len().max(SHORTEST), PAD);
    Some(datagram(ends, &message))
}

/// A client's question.
struct Inform<'a> {
    htype: u8,
    hlen: u8,
    xid: [u8; 4],
    chaddr: [u8; 16],
    /// Option 55; without it, everything is wanted.
    wanted: Option<&'a [u8]>,
}

impl<'a> Inform<'a> {
    fn parse(packet: &'a [u8]) -> Option<Self> {
        let header_len = usize::from(packet.first()? & 0x0f) * 4;
        let message = packet.get(header_len + UDP_LEN..)?;
        let (&[op, htype, hlen, _, x0, x1, x2, x3], rest) = message.split_first_chunk()?;
        // Seconds, flags, and four addresses: the client's own was looked at before, as the source of the packet.
        let (chaddr, rest) = rest.get(20..)?.split_first_chunk()?;
        let options = rest.get(SNAME_AND_FILE..)?.strip_prefix(&COOKIE)?;
        let is_inform = options_of(options).any(|option| option == (MESSAGE_TYPE, &[INFORM]));
        let wanted = options_of(options).find(|(code, _)| *code == WANTED).map(|(_, codes)| codes);
        (op == REQUEST && is_inform).then_some(Self {
            htype,
            hlen,
            xid: [x0, x1, x2, x3],
            chaddr: *chaddr,
            wanted,
        })
    }

    fn wants(&self, code: u8) -> bool {
        self.wanted.is_none_or(|codes| codes.contains(&code))
    }
}

/// Code and value of each option, as far as they are whole.
fn options_of(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        while let [PAD, rest @ ..] = bytes {
            bytes = rest;
        }
        let (code, rest) = bytes.split_first().filter(|(code, _)| **code != END)?;
        let (len, rest) = rest.split_first()?;
        let (value, rest) = rest.split_at_checked(usize::from(*len))?;
        bytes = rest;
        Some((*code, value))
    })
}

fn push(message: &mut Vec<u8>, code: u8, value: &[u8]) {
    let Ok(len) = u8::try_from(value.len()) else { return };
    message.extend([code, len]);
    message.extend(value);
}

/// Writes routes as RFC 3442 has them, as many options as it takes. By RFC 3396 one that goes on in another is joined by who reads it;
/// Apple's client does not join, so each holds whole routes.
fn push_routes(message: &mut Vec<u8>, code: u8, routes: &[Range], gateway: Ipv4Addr) {
    let mut value = Vec::new();
    for route in routes {
        let significant = usize::from(route.prefix().div_ceil(8));
        let network = route.network().octets();
        let network = network.get(..significant).unwrap_or(&network);
        if value.len() + 1 + network.len() + 4 > MAX_VALUE {
            push(message, code, &value);
            value.clear();
        }
        value.push(route.prefix());
        value.extend(network);
        value.extend(gateway.octets());
    }
    if !value.is_empty() {
        push(message, code, &value);
    }
}

/// From us to the client, with all checksums.
fn datagram(ends: Ends, message: &[u8]) -> Vec<u8> {
    let len = |len: usize| u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes();
    let udp_len = UDP_LEN + message.len();
    let ip_len = len(20 + udp_len);
    let mut header = [0x45, 0, 0, 0, 0, 0, 0, 0, 64, UDP, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    header[2..4].copy_from_slice(&ip_len);
    header[12..16].copy_from_slice(&ends.server.octets());
    header[16..].copy_from_slice(&ends.client.octets());
    let sum = checksum::finish(checksum::sum(&header));
    header[10..12].copy_from_slice(&sum);
    let [s0, s1] = SERVER_PORT.to_be_bytes();
    let [c0, c1] = CLIENT_PORT.to_be_bytes();
    let [n0, n1] = len(udp_len);
    let mut udp = [s0, s1, c0, c1, n0, n1, 0, 0];
    let sum = checksum::pseudo(&header, udp_len) + checksum::sum(&udp) + checksum::sum(message);
    udp[6..].copy_from_slice(&checksum::finish_udp(sum));
    [&header[..], &udp, message].concat()
}

const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;
const UDP: u8 = 17;
const UDP_LEN: usize = 8;
/// RFC 2131 §2, figure 1.
const REQUEST: u8 = 1;
const REPLY: u8 = 2;
const SNAME_AND_FILE: usize = 64 + 128;
/// RFC 2131 §3.
const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// RFC 951 §3: a BOOTP message.
const SHORTEST: usize = 300;
/// RFC 2132 §2, §9.6.
const MAX_VALUE: usize = 255;
const PAD: u8 = 0;
const NETMASK: u8 = 1;
const DNS: u8 = 6;
const DOMAIN: u8 = 15;
const MESSAGE_TYPE: u8 = 53;
const ACK: u8 = 5;
const INFORM: u8 = 8;
const SERVER_IDENTIFIER: u8 = 54;
const WANTED: u8 = 55;
/// RFC 3442.
const ROUTES: u8 = 121;
/// [MS-DHCPE] §2.2.8.
const MICROSOFT_ROUTES: u8 = 249;
const END: u8 = 255;

#[cfg(test)]
mod tests;
