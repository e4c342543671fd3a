//! The network inside the tunnel: pools, name servers, domain, routes, the longest packet.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde_saphyr::{Location, Spanned};

use super::number;
use crate::config::problem::Findings;
use crate::config::yaml::Text;
use crate::config::{Dns, Routes, raw};
use crate::domain::Domain;
use crate::pool::{Delegation, NotARange, Pool, Prefix, Range, Range6};

/// RFC 791 §3.2: every host takes 576 bytes. 1500 is PPP's own default (RFC 1661 §6.1), and more than any
/// path carries.
const MTU: RangeInclusive<u16> = 576..=1500;
/// The largest inner packet whose outer one is at most 1500 bytes with AES-CBC and a 12-byte ICV: 1500 − 20
/// (IP) − 8 (UDP) − 8 (ESP) − 16 (IV) − 12 (ICV) is 89 whole blocks; less padding trailer 2, UDP 8, L2TP 6,
/// PPP 4.
pub(crate) const MTU_UNFRAGMENTED: u16 = 1404;
/// RFC 8200 §5: what every link with IPv6 carries.
const IPV6_MINIMUM_MTU: u16 = 1280;

pub(super) fn pools(f: &mut Findings<'_>, list: Option<Spanned<Vec<raw::Pool>>>) -> Vec<Pool> {
    let Some(list) = list else {
        let range = "10.20.0.0/16".parse().expect("a constant range");
        return vec![Pool { name: "default".to_owned(), range, range6: None, delegate: None }];
    };
    if list.value.is_empty() {
        f.wrong(list.referenced, "pools: found an empty list, expected at least one `{ name: …, range: … }`");
    }
    let mut pools: Vec<Pool> = Vec::new();
    for pool in list.value {
        if pool.name.value.is_empty() {
            f.wrong_value("pools.name", &pool.name, "a name");
        }
        if pools.iter().any(|other| other.name == pool.name.value) {
            f.wrong_value("pools.name", &pool.name, "a name that no other pool has");
        }
        let Some(range) = range::<Range>(f, "pools.range", &pool.range, IPV4_RANGE) else { continue };
        let first = range.network();
        if first.is_loopback()
            || first.is_multicast()
            || first.is_link_local()
            || first.octets().starts_with(&[0])
        {
            f.wrong_value(
                "pools.range",
                &pool.range,
                "addresses that can be given to clients, such as 10.20.0.0/16",
            );
        } else if !(8..=30).contains(&range.prefix()) {
            let expected = "a prefix from /8 to /30: the network, the server and the broadcast address are not handed out";
            f.wrong_value("pools.range", &pool.range, expected);
        }
        if let Some(other) = pools.iter().find(|other| other.range.overlaps(&range)) {
            let expected = format!("a range that does not overlap {} of pool {:?}", other.range, other.name);
            f.wrong_value("pools.range", &pool.range, expected);
        }
        let mut taken: Vec<Range6> = pools.iter().flat_map(Pool::ranges6).collect();
        let range6 = pool.range6.and_then(|text| range6(f, &text, range, &taken));
        taken.extend(range6);
        let delegate = pool.delegate.and_then(|text| delegate(f, &text, range, range6, &taken));
        pools.push(Pool { name: pool.name.value, range, range6, delegate });
    }
    pools
}

/// As many prefixes of 64 bits as the pool has addresses.
fn range6(f: &mut Findings<'_>, text: &Text, range: Range, taken: &[Range6]) -> Option<Range6> {
    let range6 = clients_range6(f, "pools.range6", text, taken)?;
    if !range6.has_prefixes(range.host_bits()) {
        let most = Prefix::BITS.saturating_sub(range.host_bits());
        let expected = format!("a prefix of /{most} or shorter: one /64 for each address of {range}");
        f.wrong_value("pools.range6", text, expected);
    }
    Some(range6)
}

/// One prefix for each address of the pool, as short as the range allows.
fn delegate(
    f: &mut Findings<'_>,
    text: &Text,
    range: Range,
    range6: Option<Range6>,
    taken: &[Range6],
) -> Option<Delegation> {
    if range6.is_none() {
        f.wrong_value("pools.delegate", text, "a `range6` beside it: who is delegated a prefix has IPv6");
    }
    let whole = clients_range6(f, "pools.delegate", text, taken)?;
    let delegation = Delegation::new(whole, range.host_bits());
    if delegation.is_none() {
        let [least, most] = Delegation::range_lengths(range.host_bits());
        let expected = format!("a prefix from /{least} to /{most}: a /48 to /64 for each address of {range}");
        f.wrong_value("pools.delegate", text, expected);
    }
    delegation
}

/// A range for addresses of clients, apart from those that are taken.
fn clients_range6(f: &mut Findings<'_>, key: &str, text: &Text, taken: &[Range6]) -> Option<Range6> {
    let range: Range6 = range(f, key, text, "an IPv6 range such as 2001:db8:1::/48")?;
    let first = range.network();
    if first.is_multicast() || first.is_unicast_link_local() || first.is_loopback() {
        f.wrong_value(key, text, "addresses that can be given to clients, such as 2001:db8:1::/48");
        return None;
    }
    if let Some(other) = taken.iter().find(|other| other.overlaps(&range)) {
        f.wrong_value(key, text, format_args!("a range that does not overlap {other}"));
    }
    Some(range)
}

fn range<R>(f: &mut Findings<'_>, key: &str, text: &Text, expected: &str) -> Option<R>
where
    R: FromStr<Err = NotARange<R>> + fmt::Display,
{
    match text.value.parse() {
        Ok(range) => Some(range),
        Err(NotARange::HostBits(meant)) => {
            f.wrong_value(key, text, format_args!("the range's first address: {meant}"));
            None
        }
        Err(NotARange::Syntax) => {
            f.wrong_value(key, text, expected);
            None
        }
    }
}

pub(super) fn dns(f: &mut Findings<'_>, list: Option<Spanned<Vec<Text>>>) -> Dns {
    let Some(list) = list else { return Dns { ipv4: vec![Ipv4Addr::new(9, 9, 9, 9)], ipv6: Vec::new() } };
    let mut servers = Dns::default();
    for text in list.value {
        match text.value.parse() {
            Ok(IpAddr::V4(address)) => servers.ipv4.push(address),
            Ok(IpAddr::V6(address)) => servers.ipv6.push(address),
            Err(_) => f.wrong_value("dns", &text, "an IPv4 or IPv6 address"),
        }
    }
    for (family, found) in [("IPv4", servers.ipv4.len()), ("IPv6", servers.ipv6.len())] {
        if found > 2 {
            let found = format!(
                "dns: found {found} servers of {family}, expected at most 2: PPP has no room for more"
            );
            f.wrong(list.referenced, found);
        }
    }
    servers
}

pub(super) fn domain(f: &mut Findings<'_>, text: Option<Text>) -> Option<Domain> {
    let text = text?;
    let domain = text.value.parse().ok();
    if domain.is_none() {
        f.wrong_value("domain", &text, "a domain such as example.net");
    }
    domain
}

pub(super) fn mtu(f: &mut Findings<'_>, text: Option<Text>, pools: &[Pool]) -> u16 {
    let at = text.as_ref().map_or(Location::UNKNOWN, |text| text.referenced);
    let mtu = number(f, "mtu", text, MTU, 1400);
    if mtu < IPV6_MINIMUM_MTU && pools.iter().any(|pool| pool.range6.is_some()) {
        f.wrong(at, format!("mtu: found {mtu}, expected at least {IPV6_MINIMUM_MTU}: a pool has IPv6"));
    }
    if mtu > MTU_UNFRAGMENTED {
        let text = format!(
            "mtu: above {MTU_UNFRAGMENTED} a full packet does not fit an outer one of 1500 bytes and is sent in fragments"
        );
        f.warn(at, text);
    }
    mtu
}

pub(super) fn routes(f: &mut Findings<'_>, list: Option<Spanned<Vec<Text>>>) -> Routes {
    let Some(list) = list else { return Routes::default() };
    let mut routes = Routes::default();
    for text in list.value {
        if text.value.contains(':') {
            routes.ipv6.extend(range::<Range6>(f, "routes", &text, "an IPv6 range such as 2001:db8:1::/48"));
        } else {
            routes.ipv4.extend(range::<Range>(f, "routes", &text, IPV4_RANGE));
        }
    }
    if let Some(excess) = routes.excess() {
        f.wrong(list.referenced, excess);
    }
    routes
}

const IPV4_RANGE: &str = "an IPv4 range such as 10.20.0.0/16";
