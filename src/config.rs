//! `adit.yaml`: read once, checked once. A [`Config`] is proof that every value in it can be used.
//!
//! `conf/adit.yaml` is the reference: every key with its default and what it means.

mod certificate;
mod check;
mod eap;
mod live;
mod papers;
pub(crate) use check::{EXAMPLE_SECRET, MTU_UNFRAGMENTED};
pub(crate) mod problem;
mod raw;
pub(crate) mod yaml;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_saphyr::Spanned;

use crate::domain::Domain;
use crate::onlink;
use crate::pool::{Pool, Range, Range6};
pub use papers::Papers;
pub use problem::{Problem, Problems};

/// Where the control socket is unless the configuration says otherwise.
pub(crate) const CONTROL: &str = "/run/adit/control.sock";

/// Where what outlasts a restart is unless the configuration says otherwise.
const STATE: &str = "/var/lib/adit";

/// What an operator has decided.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it was read from.
    pub file: PathBuf,
    /// Local addresses; UDP 500 and 4500 on each. An unspecified one is all of its family, if there are any.
    pub listen: Vec<IpAddr>,
    /// The pre-shared keys, at least one unless there is a certificate; message 5 of main mode decides which of them a client
    /// has.
    pub psks: Vec<ipsec::Psk>,
    /// Our certificate and those of the authorities whose clients are believed.
    pub certificate: Option<Arc<ipsec::Credentials>>,
    /// Which algorithms are acceptable.
    pub algorithms: ipsec::Algorithms,
    /// Whether ESP also travels as IP protocol 50, where no NAT is in the way.
    pub native_esp: bool,
    /// The L2TP tunnel secret, if clients are to prove one.
    pub l2tp_secret: Option<l2tp::Secret>,
    /// After how much silence an L2TP HELLO is sent.
    pub hello_interval: Duration,
    /// After how much silence a client is taken for gone.
    pub dead_after: Duration,
    /// Client addresses, at least one pool; ranges do not overlap.
    pub pools: Vec<Pool>,
    /// Name servers the clients are told, at most two of each kind.
    pub dns: Dns,
    /// What clients put behind a name without a dot.
    pub domain: Option<Domain>,
    /// The largest inner packet.
    pub mtu: u16,
    /// Destinations the clients are told to send here; empty is everything.
    pub routes: Routes,
    /// Whether clients may talk to each other.
    pub client_to_client: bool,
    /// How clients may log in, in the order of offering; at least one, and built.
    pub auth: Vec<AuthMethod>,
    /// What there is within EAP.
    pub eap: ppp::EapConfig,
    /// The accounts' file.
    pub users: PathBuf,
    /// The TUN device's name.
    pub tun: String,
    /// Whether the kernel may leave checksums and segmentation to us on the TUN device, and we to it.
    pub tun_offload: Switch,
    /// Whether the kernel cuts what is sent outside into datagrams.
    pub udp_gso: Switch,
    /// How many cores serve packets; nothing: all that the process may use.
    pub shards: Option<NonZeroU32>,
    /// Whether to set up forwarding and masquerading of the pools.
    pub nat: bool,
    /// The control socket.
    pub control: PathBuf,
    /// The directory of what outlasts a restart.
    pub state: PathBuf,
    /// Where to serve metrics. Not used yet.
    pub metrics: Option<SocketAddr>,
    /// What is logged, and how.
    pub log: Log,
    /// What strangers may occupy.
    pub limits: Limits,
    /// What the files of certificates say.
    pub papers: Vec<Papers>,
    /// What works but is probably not meant.
    pub warnings: Vec<Problem>,
}

impl Config {
    /// Reads and checks the file; relative paths inside it are relative to it.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let mut config = Self::parse(path, &yaml::read(path)?)?;
        config.warnings.extend(problem::readable_by_others(path));
        Ok(config)
    }

    /// Reads only where the control socket is, so that a running server can be asked while its file is being
    /// edited.
    ///
    /// A file that is not there names the default.
    pub fn control_of(path: &Path) -> anyhow::Result<PathBuf> {
        if !path.exists() {
            return Ok(CONTROL.into());
        }
        let file: Option<raw::Control> = yaml::parse(path, &yaml::read(path)?)?;
        let control =
            file.and_then(|file| file.control).map_or_else(|| CONTROL.to_owned(), |control| control.value);
        Ok(path.parent().unwrap_or_else(|| Path::new("")).join(control))
    }

    /// Checks a file's content; `path` is where it is from.
    pub fn parse(path: &Path, content: &[u8]) -> Result<Self, Problems> {
        let file: Option<Spanned<raw::File>> = yaml::parse(path, content)?;
        check::config(path, file)
    }
}

/// Name servers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dns {
    /// Reached over IPv4.
    pub ipv4: Vec<Ipv4Addr>,
    /// Reached over IPv6.
    pub ipv6: Vec<Ipv6Addr>,
}

/// Destinations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes {
    /// Of IPv4.
    pub ipv4: Vec<Range>,
    /// Of IPv6.
    pub ipv6: Vec<Range6>,
}

impl Routes {
    /// What is wrong with them as those that clients are told, if there are too many for that.
    pub(crate) fn excess(&self) -> Option<String> {
        let families =
            [("IPv4", self.ipv4.len(), onlink::MOST_ROUTES), ("IPv6", self.ipv6.len(), onlink::MOST_ROUTES6)];
        let (family, found, most) = families.into_iter().find(|(_, found, most)| found > most)?;
        Some(format!(
            "routes: found {found} of {family}, expected at most {most}: no more fit in what a client is told"
        ))
    }
}

/// Whether to use something that not every kernel does right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// Where it is known, or can be tried, to work.
    Auto,
    /// Wherever there is such a thing.
    On,
    /// Nowhere.
    Off,
}

/// A way to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    /// MS-CHAPv2, RFC 2759.
    MsChapV2,
    /// EAP, RFC 3748.
    Eap,
    /// CHAP with MD5, RFC 1994.
    Chap,
    /// PAP, RFC 1334 §2.
    Pap,
}

/// What is logged, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// The least important level that is written.
    pub level: LogLevel,
    /// The shape of a line.
    pub format: LogFormat,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// What stops the service.
    Error,
    /// And what an operator should look at.
    Warn,
    /// And each client's coming and going.
    Info,
    /// And each step of a connection.
    Debug,
    /// And each discarded message.
    Trace,
}

/// The shape of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Time, level, message.
    Text,
    /// One JSON object a line.
    Json,
}

/// What strangers may occupy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Phase 1 attempts under way, in all.
    pub half_open: usize,
    /// Phase 1 attempts under way from one address.
    pub half_open_per_source: usize,
}

#[cfg(test)]
mod tests;
