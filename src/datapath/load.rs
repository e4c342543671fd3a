//! How much one shard does.

/// What a shard has done since it started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// IP packets from clients.
    pub packets_in: u64,
    /// IP packets to clients.
    pub packets_out: u64,
    /// Packets that the kernel brought here and another shard knew.
    pub handed_over: u64,
    /// Packets that went nowhere: layer, reason, number.
    pub discards: Vec<(&'static str, &'static str, u64)>,
}
