//! From what stands in `adit.yaml` to a [`Config`]: defaults, ranges, and what must fit together.

mod inside;
pub(crate) use inside::MTU_UNFRAGMENTED;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use ipsec::Algorithms;
use serde_saphyr::{Location, Spanned};

use super::problem::{Findings, Problems};
use super::yaml::{Hidden, Text};
use super::{AuthMethod, Config, Limits, Log, LogFormat, LogLevel, Switch, raw};
use super::{certificate, eap};
use crate::eventloop::MOST_SHARDS;

/// Longest identifier of a pre-shared key in bytes: as long as a device lets one type.
const MAX_IDENTIFIER: usize = 255;
/// As long as a secret must be that is tried without our knowing: 16 random letters hold 75 bits, words hold fewer.
const LONG_SECRET: usize = 16;
/// The secret in `conf/adit.yaml`, known to everybody.
pub(crate) const EXAMPLE_SECRET: &str = "correct horse battery staple";

pub(super) fn config(path: &Path, file: Option<Spanned<raw::File>>) -> Result<Config, Problems> {
    let root = file.as_ref().map_or(Location::UNKNOWN, |file| file.referenced);
    let file = file.map_or_else(raw::File::default, |file| file.value);
    let directory = path.parent().unwrap_or_else(|| Path::new(""));
    let ipsec = file.ipsec.unwrap_or_default();
    let l2tp = file.l2tp.unwrap_or_default();
    let log = file.log.unwrap_or_default();
    let limits = file.limits.unwrap_or_default();

    let mut findings = Findings::new(path);
    let f = &mut findings;
    let pools = inside::pools(f, file.pools);
    let (eap, users_papers) =
        eap::read(f, directory, file.eap.unwrap_or_default(), ipsec.certificate.as_ref());
    let psks = psks(f, root, ipsec.psk, ipsec.certificate.is_some());
    let (certificate, machines_papers) =
        ipsec.certificate.and_then(|files| certificate::read(f, directory, files)).unzip();
    let mut config = Config {
        file: path.to_owned(),
        listen: listen(f, file.listen),
        psks,
        certificate,
        algorithms: word(f, "ipsec.algorithms", ipsec.algorithms, ALGORITHMS, Algorithms::Compatible),
        native_esp: word(f, "ipsec.encapsulation", ipsec.encapsulation, ENCAPSULATION, false),
        l2tp_secret: l2tp.secret.map(|secret| l2tp::Secret::new(self::secret(f, "l2tp.secret", &secret))),
        hello_interval: Duration::from_secs(number(f, "l2tp.hello", l2tp.hello, 10..=3600, 60)),
        dead_after: Duration::from_secs(number(f, "dead_after", file.dead_after, 60..=86_400, 300)),
        dns: inside::dns(f, file.dns),
        domain: inside::domain(f, file.domain),
        mtu: inside::mtu(f, file.mtu, &pools),
        pools,
        routes: inside::routes(f, file.routes),
        client_to_client: word(f, "client_to_client", file.client_to_client, BOOLEAN, false),
        auth: auth(f, file.auth),
        eap,
        users: users(f, root, directory, file.users),
        tun: tun(f, file.tun),
        tun_offload: word(f, "tun_offload", file.tun_offload, SWITCH, Switch::Auto),
        udp_gso: word(f, "udp_gso", file.udp_gso, SWITCH, Switch::Auto),
        shards: shards(f, file.shards),
        nat: word(f, "nat", file.nat, BOOLEAN, true),
        control: control(f, directory, file.control),
        state: state(f, directory, file.state),
        metrics: metrics(f, file.metrics),
        log: Log {
            level: word(f, "log.level", log.level, LEVELS, LogLevel::Info),
            format: word(f, "log.format", log.format, FORMATS, LogFormat::Text),
        },
        limits: Limits {
            half_open: number(f, "limits.half_open", limits.half_open, 1..=1_000_000, 8192),
            half_open_per_source: number(
                f,
                "limits.half_open_per_source",
                limits.half_open_per_source,
                1..=1_000_000,
                4096,
            ),
        },
        papers: machines_papers.flatten().into_iter().chain(users_papers).collect(),
        warnings: Vec::new(),
    };
    config.warnings = findings.finish()?;
    Ok(config)
}

fn listen(f: &mut Findings<'_>, list: Option<Spanned<Vec<Text>>>) -> Vec<IpAddr> {
    let Some(list) = list else {
        return vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
    };
    let mut addresses: Vec<IpAddr> = Vec::new();
    if list.value.is_empty() {
        f.wrong(list.referenced, "listen: found an empty list, expected at least one address");
    }
    for text in list.value {
        match text.value.parse() {
            Ok(address) if addresses.contains(&address) => {
                f.wrong_value("listen", &text, "each address once");
            }
            Ok(IpAddr::V6(address)) if address.is_unicast_link_local() => {
                f.wrong_value("listen", &text, "\"::\", which serves link-local addresses too");
            }
            Ok(IpAddr::V6(address)) if address.to_ipv4_mapped().is_some() => {
                f.wrong_value("listen", &text, "the IPv4 address itself");
            }
            Ok(address) => addresses.push(address),
            Err(_) => f.wrong_value("listen", &text, "an IPv4 or IPv6 address"),
        }
    }
    addresses
}

fn psks(
    f: &mut Findings<'_>,
    root: Location,
    list: Option<Spanned<Vec<raw::Psk>>>,
    certificate: bool,
) -> Vec<ipsec::Psk> {
    let at = list.as_ref().map_or(root, |list| list.referenced);
    let list = list.map(|list| list.value).unwrap_or_default();
    if list.is_empty() && !certificate {
        f.wrong(
            at,
            "ipsec.psk: found no key, expected at least one `{ name: …, secret: … }`, or `ipsec.certificate`",
        );
    }
    let mut psks: Vec<ipsec::Psk> = Vec::new();
    for psk in list {
        if psk.name.value.is_empty() {
            f.wrong_value("ipsec.psk.name", &psk.name, "a name");
        }
        if psks.iter().any(|other| *other.name == *psk.name.value) {
            f.wrong_value("ipsec.psk.name", &psk.name, "a name that no other key has");
        }
        if psk.secret.value.0.as_str() == EXAMPLE_SECRET {
            f.warn(
                psk.secret.referenced,
                "ipsec.psk.secret: this is the example's secret, which everybody knows",
            );
        }
        let secret = ipsec::Secret::new(secret(f, "ipsec.psk.secret", &psk.secret));
        let id = psk.id.map(|id| {
            // What fits a payload besides everything else of a first message, and a log line.
            if !(1..=MAX_IDENTIFIER).contains(&id.value.len()) {
                f.wrong_value("ipsec.psk.id", &id, "an identifier of 1 to 255 bytes");
            }
            if secret.as_bytes().len() < LONG_SECRET {
                f.warn(
                    psk.secret.referenced,
                    "ipsec.psk.secret: short for a key with an `id`, which lets anybody try secrets at home",
                );
            }
            id.value
        });
        psks.push(ipsec::Psk { name: psk.name.value.into(), id, secret });
    }
    psks
}

fn secret(f: &mut Findings<'_>, key: &str, secret: &Spanned<Hidden>) -> Vec<u8> {
    if secret.value.0.is_empty() {
        f.wrong(secret.referenced, format!("{key}: found an empty secret, expected at least one character"));
    }
    secret.value.0.as_bytes().to_vec()
}

fn auth(f: &mut Findings<'_>, list: Option<Spanned<Vec<Text>>>) -> Vec<AuthMethod> {
    let Some(list) = list else { return vec![AuthMethod::MsChapV2, AuthMethod::Eap] };
    let mut named: Vec<AuthMethod> = Vec::new();
    let mut mistaken = false;
    for text in list.value {
        match AUTH_METHODS.iter().find(|(word, _)| *word == text.value) {
            Some((_, method)) if named.contains(method) => {
                f.wrong_value("auth", &text, "each method once");
                mistaken = true;
            }
            Some((_, method)) => named.push(*method),
            None => {
                f.wrong_value("auth", &text, format_args!("one of {}", words(AUTH_METHODS)));
                mistaken = true;
            }
        }
    }
    if named.is_empty() && !mistaken {
        let found = format!("auth: found an empty list, expected some of {}", words(AUTH_METHODS));
        f.wrong(list.referenced, found);
    }
    named
}

fn users(f: &mut Findings<'_>, root: Location, directory: &Path, text: Option<Text>) -> std::path::PathBuf {
    let at = text.as_ref().map_or(root, |text| text.referenced);
    let path = directory.join(text.as_ref().map_or("users.yaml", |text| text.value.as_str()));
    match std::fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => {
            f.wrong(
                at,
                format!("users: found a directory at {}, expected a file of accounts", path.display()),
            );
        }
        Ok(_) => {}
        Err(error) => {
            let found = if error.kind() == std::io::ErrorKind::NotFound {
                "no file".to_owned()
            } else {
                error.to_string()
            };
            f.wrong(at, format!("users: found {found} at {}, expected a file of accounts", path.display()));
        }
    }
    path
}

fn tun(f: &mut Findings<'_>, text: Option<Text>) -> String {
    let Some(text) = text else { return "adit0".to_owned() };
    // The kernel's dev_valid_name(); '%' would make it a pattern.
    let good = |c: char| c.is_ascii_graphic() && !matches!(c, '/' | ':' | '%');
    let name = text.value.as_str();
    if !(1..=15).contains(&name.len()) || matches!(name, "." | "..") || !name.chars().all(good) {
        f.wrong_value("tun", &text, "a device name of 1 to 15 letters, digits or dashes");
    }
    text.value
}

fn shards(f: &mut Findings<'_>, text: Option<Text>) -> Option<NonZeroU32> {
    let text = text.filter(|text| text.value != "auto")?;
    let count = text.value.parse().ok().filter(|count| *count <= MOST_SHARDS);
    if count.is_none() {
        f.wrong_value("shards", &text, format_args!("auto or a number of cores from 1 to {MOST_SHARDS}"));
    }
    count
}

fn state(f: &mut Findings<'_>, directory: &Path, text: Option<Text>) -> std::path::PathBuf {
    if let Some(text) = text.as_ref().filter(|text| text.value.is_empty()) {
        f.wrong_value("state", text, "a directory");
    }
    directory.join(text.as_ref().map_or(super::STATE, |text| text.value.as_str()))
}

fn control(f: &mut Findings<'_>, directory: &Path, text: Option<Text>) -> std::path::PathBuf {
    let path = directory.join(text.as_ref().map_or(super::CONTROL, |text| text.value.as_str()));
    if let Some(text) = text {
        // sockaddr_un has room for 107 bytes and a final zero.
        if text.value.is_empty() || text.value.ends_with('/') || path.as_os_str().len() > 107 {
            f.wrong_value("control", &text, "the path of a socket, at most 107 bytes long in full");
        }
    }
    path
}

fn metrics(f: &mut Findings<'_>, text: Option<Text>) -> Option<SocketAddr> {
    let text = text?;
    match text.value.parse() {
        Ok(address) => {
            f.warn(text.referenced, "metrics: not built yet: ignored");
            Some(address)
        }
        Err(_) => {
            f.wrong_value("metrics", &text, "ADDRESS:PORT or null");
            None
        }
    }
}

fn number<T>(f: &mut Findings<'_>, key: &str, text: Option<Text>, range: RangeInclusive<T>, default: T) -> T
where
    T: FromStr + PartialOrd + fmt::Display,
{
    let Some(text) = text else { return default };
    match text.value.parse() {
        Ok(number) if range.contains(&number) => number,
        _ => {
            f.wrong_value(key, &text, format_args!("a number from {} to {}", range.start(), range.end()));
            default
        }
    }
}

fn word<T: Copy>(f: &mut Findings<'_>, key: &str, text: Option<Text>, known: &[(&str, T)], default: T) -> T {
    let Some(text) = text else { return default };
    if let Some((_, value)) = known.iter().find(|(word, _)| *word == text.value) {
        return *value;
    }
    f.wrong_value(key, &text, format_args!("one of {}", words(known)));
    default
}

pub(super) fn words<T>(known: &[(&str, T)]) -> String {
    known.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ")
}

const BOOLEAN: &[(&str, bool)] = &[("true", true), ("false", false)];
const SWITCH: &[(&str, Switch)] = &[("auto", Switch::Auto), ("on", Switch::On), ("off", Switch::Off)];
const ALGORITHMS: &[(&str, Algorithms)] =
    &[("modern", Algorithms::Modern), ("compatible", Algorithms::Compatible), ("legacy", Algorithms::Legacy)];
/// Whether native ESP is served.
const ENCAPSULATION: &[(&str, bool)] = &[("auto", true), ("always", false)];
const AUTH_METHODS: &[(&str, AuthMethod)] = &[
    ("mschapv2", AuthMethod::MsChapV2),
    ("eap", AuthMethod::Eap),
    ("chap", AuthMethod::Chap),
    ("pap", AuthMethod::Pap),
];
const FORMATS: &[(&str, LogFormat)] = &[("text", LogFormat::Text), ("json", LogFormat::Json)];
const LEVELS: &[(&str, LogLevel)] = &[
    ("error", LogLevel::Error),
    ("warn", LogLevel::Warn),
    ("info", LogLevel::Info),
    ("debug", LogLevel::Debug),
    ("trace", LogLevel::Trace),
];
