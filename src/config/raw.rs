//! The keys of `adit.yaml`, all optional and unchecked.

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::yaml::{Hidden, Text};

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) listen: Option<Spanned<Vec<Text>>>,
    pub(super) ipsec: Option<Ipsec>,
    pub(super) dead_after: Option<Text>,
    pub(super) l2tp: Option<L2tp>,
    pub(super) pools: Option<Spanned<Vec<Pool>>>,
    pub(super) dns: Option<Spanned<Vec<Text>>>,
    pub(super) domain: Option<Text>,
    pub(super) mtu: Option<Text>,
    pub(super) routes: Option<Spanned<Vec<Text>>>,
    pub(super) client_to_client: Option<Text>,
    pub(super) auth: Option<Spanned<Vec<Text>>>,
    pub(super) eap: Option<Eap>,
    pub(super) users: Option<Text>,
    pub(super) tun: Option<Text>,
    pub(super) tun_offload: Option<Text>,
    pub(super) udp_gso: Option<Text>,
    pub(super) shards: Option<Text>,
    pub(super) nat: Option<Text>,
    pub(super) control: Option<Text>,
    pub(super) state: Option<Text>,
    pub(super) metrics: Option<Text>,
    pub(super) log: Option<Log>,
    pub(super) limits: Option<Limits>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ipsec {
    pub(super) psk: Option<Spanned<Vec<Psk>>>,
    pub(super) certificate: Option<Spanned<Certificate>>,
    pub(super) algorithms: Option<Text>,
    pub(super) encapsulation: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Certificate {
    pub(super) cert: Text,
    pub(super) key: Text,
    pub(super) ca: Text,
    pub(super) crl: Option<Text>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Eap {
    pub(super) methods: Option<Spanned<Vec<Text>>>,
    pub(super) certificate: Option<Spanned<EapCertificate>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EapCertificate {
    pub(super) cert: Text,
    pub(super) key: Text,
    pub(super) ca: Option<Text>,
    pub(super) crl: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Psk {
    pub(super) name: Text,
    pub(super) id: Option<Text>,
    pub(super) secret: Spanned<Hidden>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct L2tp {
    pub(super) secret: Option<Spanned<Hidden>>,
    pub(super) hello: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pool {
    pub(super) name: Text,
    pub(super) range: Text,
    pub(super) range6: Option<Text>,
    pub(super) delegate: Option<Text>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Log {
    pub(super) level: Option<Text>,
    pub(super) format: Option<Text>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    pub(super) half_open: Option<Text>,
    pub(super) half_open_per_source: Option<Text>,
}

/// The one key that `adit status` needs; whatever else stands in the file does not matter to it.
#[derive(Deserialize)]
pub(super) struct Control {
    pub(super) control: Option<Text>,
}
