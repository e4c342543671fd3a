//! What a world starts with: the server's configuration and accounts, as an operator writes them.

use std::path::Path;
use std::time::Duration;

use adit::config::Config;
use adit::users::Users;

use super::Quality;

/// The pre-shared key of every world.
pub(crate) const PSK: &str = "correct horse battery staple";

/// How a world starts.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) seed: u64,
    pub(crate) quality: Quality,
    /// Datagrams that are there at the same time come to the server at once.
    pub(crate) batches: bool,
    /// Replaces the pool 10.20.0.0/24.
    pub(crate) range: &'static str,
    /// The pool's IPv6 range, if it has one.
    pub(crate) range6: Option<&'static str>,
    /// Where prefixes come from that are delegated.
    pub(crate) delegate: Option<&'static str>,
    pub(crate) algorithms: &'static str,
    pub(crate) encapsulation: &'static str,
    /// The wall clock at the start, since 1970.
    pub(crate) wall: Duration,
    /// What `ipsec.certificate` says.
    pub(crate) certificate: &'static str,
    /// The `id` of every key, if devices are to name their key.
    pub(crate) identifier: Option<&'static str>,
    /// How many cores the server has. Clients are numbered from 1 and go round: the first is on the last of two.
    pub(crate) shards: u32,
    pub(crate) steering: Steering,
    /// Further lines of the configuration.
    pub(crate) extra: &'static str,
    /// The file of accounts.
    pub(crate) users: &'static str,
}

/// To which core the kernel brings packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Steering {
    /// To the one that knows them.
    Right,
    /// To the one of their number: it makes no exceptions.
    ByNumber,
    /// To another one than that.
    Wrong,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            seed: 1,
            quality: Quality::CLEAN,
            batches: false,
            range: "10.20.0.0/24",
            range6: None,
            delegate: None,
            algorithms: "compatible",
            encapsulation: "always",
            // 2027-01-01.
            wall: Duration::from_secs(1_798_761_600),
            certificate: "null",
            identifier: None,
            shards: 2,
            steering: Steering::Right,
            extra: "",
            users: ACCOUNTS,
        }
    }
}

impl Setup {
    /// The configuration, as an operator brings it to a server that serves already.
    pub(crate) fn config(&self) -> Config {
        self.parse(&[("main", PSK)]).0
    }

    pub(super) fn parse(&self, keys: &[(&str, &str)]) -> (Config, Users) {
        let Self { range, algorithms, encapsulation, certificate, extra, .. } = self;
        let range6 = self.range6.map(|range6| format!(", range6: '{range6}'")).unwrap_or_default();
        let delegate = self.delegate.map(|range| format!(", delegate: '{range}'")).unwrap_or_default();
        let dns6 = if self.range6.is_some() { ", '2620:fe::fe'" } else { "" };
        let id = self.identifier.map(|id| format!(", id: '{id}'")).unwrap_or_default();
        let keys: String = keys
            .iter()
            .map(|(name, secret)| format!("    - {{ name: {name}, secret: '{secret}'{id} }}\n"))
            .collect();
        let config = format!(
            "listen: [203.0.113.1, '2001:db8::1']\n\
             ipsec:\n  algorithms: {algorithms}\n  encapsulation: {encapsulation}\n  certificate: {certificate}\n  psk:\n{keys}\
             pools: [{{ name: default, range: {range}{range6}{delegate} }}]\n\
             dns: [9.9.9.9, 149.112.112.112{dns6}]\n\
             mtu: 1400\n{extra}\n"
        );
        let config = Config::parse(Path::new(BESIDE), config.as_bytes()).expect("a right configuration");
        let users = Users::parse(Path::new("users.yaml"), self.users.as_bytes(), &config.pools);
        (config, users.expect("right accounts"))
    }
}

/// Where the configuration claims to be: next to a file of accounts, which it insists on.
const BESIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/conf/adit.yaml");

/// The server has a certificate besides its key.
pub(crate) const CERTIFICATE: &str = "{ cert: ../tests/vectors/pki/server.pem, key: ../tests/vectors/pki/server.key, \
     ca: ../tests/vectors/pki/ca.pem, crl: ../tests/vectors/pki/ca.crl }";

const ACCOUNTS: &str = "\
alice: { password: secret }
bob: { password: hunter2 }
carol: { password: secret, disabled: true }
dave: { password: secret, expires: 2026-12-31 }
erin: { password: 'Grüße, 100 %' }
frank: { nt_hash: 878d8014606cda29677a44efa1353fc7 } # secret
grace: { password: secret, password_expires: 2026-12-31 }
heidi: { nt_hash: 878d8014606cda29677a44efa1353fc7, password_expires: 2026-12-31 }
";
