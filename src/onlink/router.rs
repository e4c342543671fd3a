//! The router of the link, RFC 4861: it advertises itself, and the prefix that the client makes its addresses of (RFC 4862).
//!
//! ```text
//! ┌─────┬───┬──────────┬────────────┬───────┬──────────┬──────────┬────────────┬─────────────┬─────────┬───────────┐
//! │ 134 │ 0 │ checksum │ hop limit  │ flags │ lifetime │ 0, 0     │ 3: prefix  │ 5: MTU      │ 25: DNS │ 31: domain│ 24: routes
//! └─────┴───┴──────────┴────────────┴───────┴──────────┴──────────┴────────────┴─────────────┴─────────┴───────────┘
//! ```
//!
//! A client that is told to send only some destinations here gets those as routes (RFC 4191), and a router that is none by default.

use std::net::Ipv6Addr;
use std::time::Duration;

use super::Directions;
use super::ipv6::{ICMPV6, Link6, Received, packet};
use crate::pool::Prefix;

/// When to advertise again unasked: seldom, as it may wake a phone. A third of the lifetime, so that two may be lost.
pub const INTERVAL: Duration = Duration::from_secs(LIFETIME as u64 / 3);

/// The advertisement for everybody on the link, who is the client.
#[must_use]
pub fn advertisement(link: Link6, directions: &Directions) -> Vec<u8> {
    let everything = directions.routes.is_empty() && directions.routes6.is_empty();
    let lifetime: u16 = if everything { LIFETIME } else { 0 };
    let dns: Vec<u8> = directions.dns6.iter().flatten().flat_map(|server| server.octets()).collect();
    let more = !dns.is_empty() || directions.domain.is_some() || link.delegates;
    let mut message = vec![ROUTER_ADVERTISEMENT, 0, 0, 0, CLIENTS_HOP_LIMIT, if more { OTHER } else { 0 }];
    message.extend(lifetime.to_be_bytes());
    // Reachable time and retransmission timer: the client's own choice.
    message.extend([0; 8]);
    // The link ends with the session, and the prefix with the link: until then it holds. It is not on the link, where nobody else is.
    let mut prefix = vec![Prefix::BITS, AUTONOMOUS];
    prefix.extend(FOR_EVER);
    prefix.extend(FOR_EVER);
    prefix.extend([0; 4]);
    prefix.extend(link.prefix.network().octets());
    push(&mut message, PREFIX_INFORMATION, &prefix);
    push(&mut message, MTU, &[&[0; 2][..], &u32::from(link.mtu).to_be_bytes()].concat());
    let lasting = [&[0; 2][..], &u32::from(LIFETIME).to_be_bytes()].concat();
    if !dns.is_empty() {
        push(&mut message, RDNSS, &[&lasting[..], &dns].concat());
    }
    if let Some(domain) = &directions.domain {
        push(&mut message, DNSSL, &[lasting, domain.to_wire()].concat());
    }
    for route in &directions.routes6 {
        let mut value = vec![route.prefix(), 0];
        value.extend(u32::from(LIFETIME).to_be_bytes());
        // RFC 4191 §2.3: as many words of eight octets as count.
        let network = route.network().octets();
        value.extend(network.iter().take(usize::from(route.prefix().div_ceil(64)) * 8));
        push(&mut message, ROUTE_INFORMATION, &value);
    }
    packet((link.local, ALL_NODES), (ICMPV6, CHECKSUM), &message)
}

/// What is said to a message of ICMPv6 (RFC 4443).
pub(super) fn answer(received: Received<'_>, link: Link6, directions: &Directions) -> Option<Vec<u8>> {
    let Received { source, destination, hop_limit, payload } = received;
    let (&[kind, code, _, _, _, _, _, _], rest) = payload.split_first_chunk()?;
    // §6.1.1, §7.1.1: from a neighbour.
    let is_near = hop_limit == 255 && code == 0;
    match kind {
        ROUTER_SOLICITATION if is_near => Some(advertisement(link, directions)),
        NEIGHBOR_SOLICITATION if is_near => {
            let target = Ipv6Addr::from(*rest.first_chunk::<16>()?);
            // Nobody has a link-layer address here, but Windows asks whether its router is there.
            (target == link.local).then(|| neighbor_advertisement(source, link))
        }
        ECHO_REQUEST if destination == link.local && !source.is_unspecified() => {
            let message = [&[ECHO_REPLY], payload.get(1..)?].concat();
            Some(packet((link.local, source), (ICMPV6, CHECKSUM), &message))
        }
        _ => None,
    }
}

/// Ours, §4.4; to everybody if the client, still without an address, is about to take ours (RFC 4862 §5.4.3).
fn neighbor_advertisement(to: Ipv6Addr, link: Link6) -> Vec<u8> {
    let (to, flags) = if to.is_unspecified() { (ALL_NODES, ROUTER) } else { (to, ROUTER | SOLICITED) };
    let message = [&[NEIGHBOR_ADVERTISEMENT, 0, 0, 0, flags, 0, 0, 0][..], &link.local.octets()].concat();
    packet((link.local, to), (ICMPV6, CHECKSUM), &message)
}

/// Appends an option, filled up to a multiple of eight octets, §4.6.
fn push(message: &mut Vec<u8>, kind: u8, value: &[u8]) {
    let words = (2 + value.len()).div_ceil(8);
    let end = message.len() + words * 8;
    message.extend([kind, u8::try_from(words).unwrap_or(u8::MAX)]);
    message.extend(value);
    message.resize(end, 0);
}

/// How long a client believes what it has heard, in seconds: the most that §4.2 allows.
const LIFETIME: u16 = 9000;
/// §4.6.2: infinity.
const FOR_EVER: [u8; 4] = [0xff; 4];
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// §4.2: for what the client sends.
const CLIENTS_HOP_LIMIT: u8 = 64;
/// §4.2: there is more to be had from DHCPv6.
const OTHER: u8 = 0x40;
/// §4.6.2: addresses may be made of the prefix.
const AUTONOMOUS: u8 = 0x40;
/// §4.4.
const ROUTER: u8 = 0x80;
const SOLICITED: u8 = 0x40;
/// Where ICMPv6 has its checksum.
const CHECKSUM: usize = 2;
/// Types of RFC 4443 §2.1 and RFC 4861 §4.
const ECHO_REQUEST: u8 = 128;
const ECHO_REPLY: u8 = 129;
const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
const NEIGHBOR_SOLICITATION: u8 = 135;
const NEIGHBOR_ADVERTISEMENT: u8 = 136;
/// Options of RFC 4861 §4.6, RFC 4191 §2.3, RFC 8106 §5.
const PREFIX_INFORMATION: u8 = 3;
const MTU: u8 = 5;
const ROUTE_INFORMATION: u8 = 24;
const RDNSS: u8 = 25;
const DNSSL: u8 = 31;

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;
    use crate::onlink::{LONGEST, MOST_ROUTES6};

    fn link() -> Link6 {
        let prefix = Prefix::of("2001:db8:1:7::".parse().unwrap());
        Link6 { local: "fe80::1".parse().unwrap(), prefix, mtu: 1400, delegates: false }
    }

    fn received(payload: &[u8]) -> Received<'_> {
        let source = "fe80::7".parse().unwrap();
        Received { source, destination: "ff02::2".parse().unwrap(), hop_limit: 255, payload }
    }

    #[test]
    fn an_advertisement_has_prefix_mtu_and_whom_to_ask() {
        let directions = Directions {
            dns6: [Some("2620:fe::fe".parse().unwrap()), None],
            domain: Some("corp.example".parse().unwrap()),
            ..Directions::default()
        };
        let packet = advertisement(link(), &directions);
        let header =
            hex!("60000000 0068 3a ff fe800000000000000000000000000001 ff020000000000000000000000000001");
        assert_eq!(packet[..40], header);
        let message = hex!(
            "40 40 2328 00000000 00000000"
            "03 04 40 40 ffffffff ffffffff 00000000 20010db8000100070000000000000000"
            "05 01 0000 00000578"
            "19 03 0000 00002328 262000fe0000000000000000000000fe"
            "1f 03 0000 00002328 04636f7270076578616d706c65 00 0000"
        );
        assert_eq!((&packet[40..42], &packet[44..]), (&[134, 0][..], &message[..]));
    }

    #[test]
    fn with_routes_it_is_no_default_router() {
        let routes6 = ["2001:db8:7::/48", "::/0", "2001:db8::1/128"].map(|route| route.parse().unwrap());
        let directions = Directions { routes6: routes6.to_vec(), ..Directions::default() };
        let packet = advertisement(link(), &directions);
        assert_eq!(packet[44..48], hex!("40 00 0000"), "no lifetime, nothing more to ask for");
        let packet = advertisement(Link6 { delegates: true, ..link() }, &directions);
        assert_eq!(packet[44..48], hex!("40 40 0000"), "a prefix to ask for");
        let routes = hex!(
            "18 02 30 00 00002328 20010db800070000"
            "18 01 00 00 00002328"
            "18 03 80 00 00002328 20010db8000000000000000000000001"
        );
        assert!(packet.ends_with(&routes));
        let only_ipv4 = Directions { routes: vec!["10.0.0.0/8".parse().unwrap()], ..Directions::default() };
        assert_eq!(advertisement(link(), &only_ipv4)[46..48], [0, 0]);
    }

    #[test]
    fn as_many_routes_as_may_be_fit_beside_the_longest_domain() {
        let label = "a".repeat(63);
        let dns: Ipv6Addr = "2620:fe::fe".parse().unwrap();
        let directions = Directions {
            dns6: [Some(dns); 2],
            domain: Some(format!("{label}.{label}.{label}.{}", "a".repeat(61)).parse().unwrap()),
            routes6: (0..MOST_ROUTES6)
                .map(|number| format!("2001:db8::{number}/128").parse().unwrap())
                .collect(),
            ..Directions::default()
        };
        let packet = advertisement(link(), &directions);
        assert!(packet.len() <= LONGEST, "{} octets", packet.len());
    }

    #[test]
    fn who_asks_is_answered_and_who_is_far_is_not() {
        let directions = Directions::default();
        let solicitation = hex!("85000000 00000000");
        let asked = answer(received(&solicitation), link(), &directions);
        assert_eq!(asked, Some(advertisement(link(), &directions)));
        let far = Received { hop_limit: 254, ..received(&solicitation) };
        assert_eq!(answer(far, link(), &directions), None);
        assert_eq!(answer(received(&solicitation[..7]), link(), &directions), None);
        assert_eq!(answer(received(&hex!("86000000 00000000")), link(), &directions), None);
    }

    #[test]
    fn the_router_says_that_it_is_there_and_answers_pings() {
        let directions = Directions::default();
        let ours = hex!("87000000 00000000 fe800000000000000000000000000001");
        let packet = answer(received(&ours), link(), &directions).unwrap();
        assert_eq!(packet[24..40], "fe80::7".parse::<Ipv6Addr>().unwrap().octets());
        assert_eq!((packet[40], packet[44]), (136, ROUTER | SOLICITED));
        let nobodys = hex!("87000000 00000000 fe800000000000000000000000000007");
        assert_eq!(answer(received(&nobodys), link(), &directions), None);
        let ping = Received { destination: link().local, ..received(&hex!("80000000 00010002 aabb")) };
        let pong = answer(ping, link(), &directions).unwrap();
        assert_eq!((pong[40], &pong[44..]), (129, &hex!("00010002 aabb")[..]));
    }
}
