//! How much one shard does.

use crate::status::OffloadStatus;

/// What a shard has done since it started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// IP packets from clients.
    pub packets_in: u64,
    /// IP packets to clients.
    pub packets_out: u64,
    /// Packets that the kernel brought here and another shard knew.
    pub handed_over: u64,
    /// What the kernel does for its sockets and its queue of the device.
    pub offloads: Vec<OffloadStatus>,
    /// Packets that went nowhere: layer, reason, number.
    pub discards: Vec<(&'static str, &'static str, u64)>,
}
