//! One layer of settings over another: only what is said changes.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde_saphyr::Spanned;

use super::quantity;
use super::raw::Raw;
use super::{Date, Hours, Settings, WhenFull};
use crate::config::problem::Findings;
use crate::config::yaml::Text;
use crate::config::{Dns, Routes};
use crate::pool::{NotARange, Pool, Range, Range6};

/// `base` with what `raw` says otherwise; `base` itself if that is nothing.
pub(super) fn apply(f: &mut Findings<'_>, base: &Arc<Settings>, raw: &Raw, pools: &[Pool]) -> Arc<Settings> {
    let mut settings = Settings::clone(base);
    let s = &mut settings;
    optional(f, "pool", &raw.pool, &mut s.pool, expected_pool(pools), |text| {
        pools.iter().find(|pool| pool.name == text).map(|pool| pool.name.as_str().into())
    });
    optional(f, "sessions", &raw.sessions, &mut s.sessions, SESSIONS, |text| {
        text.parse().ok().filter(|number| (1..=65_535).contains(number))
    });
    word(f, "when_full", &raw.when_full, &mut s.when_full, WHEN_FULL);
    optional(f, "expires", &raw.expires, &mut s.expires, A_DAY, |text| text.parse().ok());
    word(f, "disabled", &raw.disabled, &mut s.disabled, BOOLEAN);
    if let Some(windows) = &raw.hours {
        s.hours = hours(f, windows);
    }
    optional(f, "rate_up", &raw.rate_up, &mut s.rate_up, A_RATE, |text| text.parse().ok());
    optional(f, "rate_down", &raw.rate_down, &mut s.rate_down, A_RATE, |text| text.parse().ok());
    optional(f, "quota", &raw.quota, &mut s.quota, A_QUOTA, |text| text.parse().ok());
    optional(f, "idle_timeout", &raw.idle_timeout, &mut s.idle_timeout, A_TIME, time);
    optional(f, "session_timeout", &raw.session_timeout, &mut s.session_timeout, A_TIME, time);
    if let Some(list) = &raw.routes {
        let routes = networks(f, "routes", list);
        if let Some(excess) = routes.excess() {
            f.wrong(list.referenced, excess);
        }
        s.routes = Some(routes);
    }
    if let Some(servers) = &raw.dns {
        s.dns = Some(dns(f, servers));
    }
    optional(f, "domain", &raw.domain, &mut s.domain, A_DOMAIN, |text| text.parse().ok());
    if let Some(list) = &raw.to {
        if list.value.is_empty() {
            f.wrong(
                list.referenced,
                "to: found an empty list, expected at least one network (all: 0.0.0.0/0, ::/0)",
            );
        }
        s.to = Some(Arc::new(networks(f, "to", list)));
    }
    if settings == **base { base.clone() } else { Arc::new(settings) }
}

/// A day, or nothing and a problem.
pub(super) fn date(f: &mut Findings<'_>, key: &str, text: &Text) -> Option<Date> {
    let date = text.value.parse().ok();
    if date.is_none() {
        f.wrong_value(key, text, "a day such as 2027-06-30");
    }
    date
}

/// A setting that a layer can also take away again, by `none`.
fn optional<T>(
    f: &mut Findings<'_>,
    key: &str,
    text: &Option<Text>,
    setting: &mut Option<T>,
    expected: impl fmt::Display,
    parse: impl FnOnce(&str) -> Option<T>,
) {
    let Some(text) = text else { return };
    if text.value == NONE {
        *setting = None;
        return;
    }
    match parse(&text.value) {
        Some(value) => *setting = Some(value),
        None => f.wrong_value(key, text, expected),
    }
}

/// One of a few words.
fn word<T: Copy>(f: &mut Findings<'_>, key: &str, text: &Option<Text>, setting: &mut T, words: &[(&str, T)]) {
    let Some(text) = text else { return };
    match words.iter().find(|(word, _)| *word == text.value) {
        Some((_, value)) => *setting = *value,
        None => {
            let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            f.wrong_value(key, text, format_args!("one of {}", words.join(", ")));
        }
    }
}

fn hours(f: &mut Findings<'_>, windows: &Spanned<Vec<Text>>) -> Option<Hours> {
    if windows.value.is_empty() {
        f.wrong(
            windows.referenced,
            "hours: found an empty list, expected at least one stretch of a week (always: 00:00-24:00 UTC)",
        );
    }
    let parsed = Hours::parse(windows.value.iter().map(|window| window.value.as_str()));
    if let Err(bad) = &parsed
        && let Some(window) = windows.value.get(*bad)
    {
        let expected =
            "a stretch of a week with its zone, such as Mon-Fri 08:00-18:00 +01:00 or 22:00-06:00 UTC";
        f.wrong_value("hours", window, expected);
    }
    parsed.ok()
}

fn networks(f: &mut Findings<'_>, key: &str, list: &Spanned<Vec<Text>>) -> Routes {
    let mut networks = Routes::default();
    for text in &list.value {
        if text.value.contains(':') {
            networks.ipv6.extend(range::<Range6>(f, key, text, "an IPv6 range such as 2001:db8:7::/48"));
        } else {
            networks.ipv4.extend(range::<Range>(f, key, text, "an IPv4 range such as 192.168.7.0/24"));
        }
    }
    networks
}

fn range<R: FromStr<Err = NotARange<R>> + fmt::Display>(
    f: &mut Findings<'_>,
    key: &str,
    text: &Text,
    expected: &str,
) -> Option<R> {
    match text.value.parse() {
        Ok(range) => return Some(range),
        Err(NotARange::HostBits(meant)) => {
            f.wrong_value(key, text, format_args!("the range's first address: {meant}"));
        }
        Err(NotARange::Syntax) => f.wrong_value(key, text, expected),
    }
    None
}

fn dns(f: &mut Findings<'_>, list: &Spanned<Vec<Text>>) -> Dns {
    let mut servers = Dns::default();
    for text in &list.value {
        match text.value.parse() {
            Ok(IpAddr::V4(server)) if servers.ipv4.len() < 2 => servers.ipv4.push(server),
            Ok(IpAddr::V6(server)) if servers.ipv6.len() < 2 => servers.ipv6.push(server),
            Ok(_) => f.wrong_value("dns", text, "two name servers of each family at most"),
            Err(_) => f.wrong_value("dns", text, "an IPv4 or IPv6 address"),
        }
    }
    servers
}

fn time(text: &str) -> Option<Duration> {
    quantity::duration(text).ok().filter(|time| TIMES.contains(time))
}

fn expected_pool(pools: &[Pool]) -> String {
    let names: Vec<_> = pools.iter().map(|pool| pool.name.as_str()).collect();
    format!("a pool: {}", names.join(", "))
}

/// Takes away what a lower layer says.
const NONE: &str = "none";
const SESSIONS: &str = "a number from 1 to 65535 (to lock an account: `disabled: true`)";
const A_DAY: &str = "a day such as 2027-06-30";
const A_RATE: &str = "a rate such as 512 kbit/s or 10 Mbit/s, from 8 kbit/s to 100 Gbit/s";
const A_QUOTA: &str = "an amount such as 50 GB per month (or per week, per day, or without a period)";
const A_TIME: &str = "a time such as 30 min or 8 h, from 1 min to 365 d";
const A_DOMAIN: &str = "a domain such as corp.example";
const WHEN_FULL: &[(&str, WhenFull)] = &[("replace", WhenFull::Replace), ("refuse", WhenFull::Refuse)];
const BOOLEAN: &[(&str, bool)] = &[("true", true), ("false", false)];
const TIMES: RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(365 * 86_400);
