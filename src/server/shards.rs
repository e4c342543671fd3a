//! What the server hears from the other shards, and what it tells whoever starts them.

use std::time::Instant;

use super::{Blueprint, Server};
use crate::{
    datapath::{Datagram, Downlink, Handover, Load, Origin, ShardId, Uplink},
    shard::Report,
};

impl Server {
    /// Takes those packets going up that came to another shard; they stand in `handover`.
    pub fn handle_handover_up(&mut self, now: Instant, handover: &mut Handover, up: &mut Uplink) {
        self.network(now, Origin::Shard, &mut handover.datagrams(), up);
    }

    /// Takes those going down, as [`Self::handle_tun`] does.
    pub fn handle_handover_down(
        &mut self,
        now: Instant,
        handover: &Handover,
        down: &mut Downlink,
        send: impl FnMut(&Downlink),
    ) {
        self.tun(now, Origin::Shard, handover.packets(), down, send);
    }

    /// Takes what another shard could not do by itself.
    pub fn handle_report(&mut self, now: Instant, report: Report) {
        let Report { mut datagrams, control, exhausted, released } = report;
        let datagrams: Vec<Datagram<'_>> =
            datagrams.iter_mut().map(|(path, bytes)| Datagram { path: *path, bytes }).collect();
        for item in control {
            self.handle_control(now, &datagrams, item);
        }
        for peer in exhausted {
            self.exhausted(now, peer);
        }
        for (newer, keys) in released {
            self.keys_released(now, newer, keys);
        }
        self.settle(now);
    }

    /// The next packets that another shard knows.
    pub fn poll_handover(&mut self) -> Option<(ShardId, Handover)> {
        self.plane.local.poll_handover()
    }

    /// How to make the other shards.
    pub fn blueprint(&self) -> &Blueprint {
        &self.plane.blueprint
    }

    /// What the server's own shard has moved, and what it let go.
    pub fn load(&self) -> Load {
        self.plane.local.load()
    }
}
