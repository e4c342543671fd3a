//! What the operator decided, as each engine wants to hear it.

use std::time::Duration;

use crate::{
    config::{AuthMethod, Config},
    datapath::Shards,
    onlink::Directions,
};

pub(super) fn ipsec(config: &Config, shards: Shards) -> ipsec::Config {
    ipsec::Config {
        psks: config.psks.clone(),
        certificate: config.certificate.clone(),
        algorithms: config.algorithms,
        native_esp: config.native_esp,
        mtu: config.mtu,
        shards: shards.count(),
        max_half_open: config.limits.half_open,
        max_half_open_per_source: config.limits.half_open_per_source,
        ..ipsec::Config::default()
    }
}

pub(super) fn l2tp(config: &Config) -> l2tp::Config {
    l2tp::Config {
        host_name: NAME.into(),
        secret: config.l2tp_secret.clone(),
        hello_interval: config.hello_interval,
        dead_after: config.dead_after,
        ..l2tp::Config::default()
    }
}

pub(super) fn ppp(config: &Config) -> ppp::Config {
    // Asked until the time is over: the last echo has as long as each of the others.
    let echoes = u32::try_from(config.dead_after.as_secs() / ECHO_INTERVAL.as_secs()).unwrap_or(u32::MAX);
    ppp::Config {
        mru: config.mtu,
        echo_interval: ECHO_INTERVAL,
        echo_failures: echoes.saturating_sub(1).max(1),
        auth: config.auth.iter().copied().map(auth).collect(),
        eap: config.eap.clone(),
        server_name: NAME.into(),
        ..ppp::Config::default()
    }
}

/// What every client is told.
pub(super) fn directions(config: &Config) -> Directions {
    Directions {
        dns: two(&config.dns.ipv4),
        dns6: two(&config.dns.ipv6),
        domain: config.domain.clone(),
        routes: config.routes.ipv4.clone(),
        routes6: config.routes.ipv6.clone(),
    }
}

fn two<T: Copy>(servers: &[T]) -> [Option<T>; 2] {
    [0, 1].map(|place| servers.get(place).copied())
}

fn auth(method: AuthMethod) -> ppp::AuthProtocol {
    match method {
        AuthMethod::MsChapV2 => ppp::AuthProtocol::MsChapV2,
        AuthMethod::Eap => ppp::AuthProtocol::Eap,
        AuthMethod::Chap => ppp::AuthProtocol::Chap,
        AuthMethod::Pap => ppp::AuthProtocol::Pap,
    }
}

/// After how much silence a link is asked whether it is there, and asked again.
pub(super) const ECHO_INTERVAL: Duration = Duration::from_secs(30);

/// What we call ourselves to clients.
const NAME: &str = "adit";
