//! The network inside the tunnel: pools, name servers, domain, routes, the longest packet.

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

use serde_saphyr::{Location, Spanned};

use super::number;
use crate::config::problem::Findings;
use crate::config::raw;
use crate::config::yaml::Text;
use crate::domain::Domain;
use crate::pool::{NotARange, Pool, Range};

/// RFC 791 §3.2: every host takes 576 bytes. 1500 is PPP's own default (RFC 1661 §6.1), and more than any
/// path carries.
const MTU: RangeInclusive<u16> = 576..=1500;
/// The largest inner packet whose outer one is at most 1500 bytes with AES-CBC and a 12-byte ICV: 1500 − 20
/// (IP) − 8 (UDP) − 8 (ESP) − 16 (IV) − 12 (ICV) is 89 whole blocks; less padding trailer 2, UDP 8, L2TP 6,
/// PPP 4.
const MTU_UNFRAGMENTED: u16 = 1404;

pub(super) fn pools(f: &mut Findings<'_>, list: Option<Spanned<Vec<raw::Pool>>>) -> Vec<Pool> {
    let Some(list) = list else {
        let range = "10.20.0.0/16".parse().expect("a constant range");
        return vec![Pool { name: "default".to_owned(), range }];
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
        let Some(range) = range(f, "pools.range", &pool.range) else { continue };
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
        pools.push(Pool { name: pool.name.value, range });
    }
    pools
}

fn range(f: &mut Findings<'_>, key: &str, text: &Text) -> Option<Range> {
    match text.value.parse() {
        Ok(range) => Some(range),
        Err(NotARange::HostBits(meant)) => {
            f.wrong_value(key, text, format_args!("the range's first address: {meant}"));
            None
        }
        Err(NotARange::Syntax) if text.value.contains(':') => {
            f.wrong_value(key, text, "an IPv4 range such as 10.20.0.0/16 (IPv6 is not built yet)");
            None
        }
        Err(NotARange::Syntax) => {
            f.wrong_value(key, text, "an IPv4 range such as 10.20.0.0/16");
            None
        }
    }
}

pub(super) fn dns(f: &mut Findings<'_>, list: Option<Spanned<Vec<Text>>>) -> Vec<Ipv4Addr> {
    let Some(list) = list else { return vec![Ipv4Addr::new(9, 9, 9, 9)] };
    if list.value.len() > 2 {
        let found =
            format!("dns: found {} servers, expected at most 2: PPP has no room for more", list.value.len());
        f.wrong(list.referenced, found);
    }
    let mut servers = Vec::new();
    for text in list.value {
        match text.value.parse() {
            Ok(address) => servers.push(address),
            Err(_) => f.wrong_value("dns", &text, "an IPv4 address"),
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

pub(super) fn mtu(f: &mut Findings<'_>, text: Option<Text>) -> u16 {
    let at = text.as_ref().map_or(Location::UNKNOWN, |text| text.referenced);
    let mtu = number(f, "mtu", text, MTU, 1400);
    if mtu > MTU_UNFRAGMENTED {
        let text = format!(
            "mtu: above {MTU_UNFRAGMENTED} a full packet does not fit an outer one of 1500 bytes and is sent in fragments"
        );
        f.warn(at, text);
    }
    mtu
}

pub(super) fn routes(f: &mut Findings<'_>, list: Option<Spanned<Vec<Text>>>) -> Vec<Range> {
    let Some(list) = list else { return Vec::new() };
    list.value.iter().filter_map(|text| range(f, "routes", text)).collect()
}
