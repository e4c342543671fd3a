//! What a running server says about itself: the answer to `adit status`.

mod table;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::datapath::Load;

/// A server at one moment. It holds no secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// The server's version.
    pub version: String,
    /// Seconds since it started.
    pub uptime_seconds: u64,
    /// Every client that is logged in.
    pub sessions: Vec<SessionStatus>,
    /// How full each pool is.
    pub pools: Vec<PoolStatus>,
    /// Addresses of single accounts that lie in no pool.
    pub outlying: OutlyingStatus,
    /// What each core has moved.
    pub shards: Vec<ShardStatus>,
    /// What the kernel does for us with many packets at once.
    pub offloads: Vec<OffloadStatus>,
    /// What was discarded and why, by `group.reason`, since the start.
    pub discards: BTreeMap<String, u64>,
}

impl Status {
    /// Lays everything out for a person.
    pub fn table(&self) -> String {
        table::of(self)
    }

    /// Adds the next shard.
    pub fn include(&mut self, load: &Load) {
        let Load { packets_in, packets_out, handed_over, ref offloads, ref discards } = *load;
        self.shards.push(ShardStatus { packets_in, packets_out, handed_over });
        self.add_offloads(offloads.iter().cloned());
        self.count(discards.iter().copied());
    }

    /// Adds what the kernel does for a shard, unless it does the same for another one already.
    pub(crate) fn add_offloads(&mut self, offloads: impl IntoIterator<Item = OffloadStatus>) {
        for offload in offloads {
            let alike = |known: &&mut OffloadStatus| known.on == offload.on && known.used == offload.used;
            match self.offloads.iter_mut().find(alike) {
                Some(known) => known.refused += offload.refused,
                None => self.offloads.push(offload),
            }
        }
    }

    /// Adds discards: layer, reason, number.
    pub(crate) fn count(&mut self, discards: impl IntoIterator<Item = (&'static str, &'static str, u64)>) {
        for (layer, name, count) in discards {
            *self.discards.entry(format!("{layer}.{}", bare(layer, name))).or_default() += count;
        }
    }
}

/// A counter's name in its layer: most engines put their own name in front, so that their counters can be told apart without a
/// layer.
pub(crate) fn bare<'name>(layer: &str, name: &'name str) -> &'name str {
    name.strip_prefix(layer).map_or(name, |name| name.trim_start_matches('_'))
}

/// What one core has moved since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ShardStatus {
    /// Inner packets from clients.
    pub packets_in: u64,
    /// Inner packets to clients.
    pub packets_out: u64,
    /// Packets that came here and belonged to another core.
    pub handed_over: u64,
}

/// One logged-in client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionStatus {
    /// The connection's id: the one in the log, and what `adit disconnect` takes.
    pub id: String,
    /// The account.
    pub user: String,
    /// Where its datagrams come from.
    pub outside: SocketAddr,
    /// The address it was given.
    pub inside: Ipv4Addr,
    /// The prefix that is delegated to it for the hosts behind it.
    pub delegated: Option<String>,
    /// The name of the key that the client proved.
    pub key: String,
    /// Who is behind a NAT.
    pub nat: String,
    /// The phase 1 suite.
    pub ike: String,
    /// The ESP suite in use.
    pub esp: String,
    /// Seconds since the login.
    pub age_seconds: u64,
    /// Inner bytes from the client.
    pub bytes_in: u64,
    /// Inner packets from the client.
    pub packets_in: u64,
    /// Inner bytes to the client.
    pub bytes_out: u64,
    /// Inner packets to the client.
    pub packets_out: u64,
}

/// How full a pool is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolStatus {
    /// The pool's name.
    pub name: String,
    /// Addresses in use.
    pub used: u32,
    /// Addresses it has for clients.
    pub size: u32,
}

/// How many of the addresses that lie in no pool are in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OutlyingStatus {
    /// Addresses in use.
    pub used: usize,
    /// Addresses that accounts have.
    pub size: usize,
}

/// What the kernel does with many packets at once, on one socket or device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OffloadStatus {
    /// The socket's address, or the device's name.
    pub on: String,
    /// What is in use now.
    pub used: String,
    /// How often the kernel refused what it had agreed to; what was refused went one packet at a time.
    pub refused: u64,
}
