//! A core's share of the data path, apart from the control plane: still without IO.
//!
//! ```text
//!   sockets, TUN queue ─▶ handle_network, handle_tun ─▶ Uplink, Downlink
//!            orders    ─▶ handle_orders              ─▶ poll_transmit
//!     other shards     ─▶ handle_handover_up, _down  ─▶ poll_handover ─▶ other shards
//!                                                       poll_report   ─▶ Server::handle_report
//! ```
//!
//! The first shard has no `Shard`: the server that gives the orders has its data path in itself.

use std::{collections::VecDeque, time::Instant};

use ipsec::{Path, PeerId, Transmit};

use crate::{
    datapath::{
        Control, Datagram, Datapath, Departed, Downlink, Handover, Load, Origin, Outcome, ShardId, Uplink,
    },
    server::{Blueprint, Orders},
    superpacket::Superpacket,
};

/// One shard.
#[derive(Debug)]
pub struct Shard {
    id: ShardId,
    datapath: Datapath,
    outcome: Outcome,
    reports: VecDeque<Report>,
    control: Vec<Control>,
}

/// What the control plane has to know of one batch.
#[derive(Debug, Default)]
pub struct Report {
    /// The datagrams that are not data, or not only, in the order of arrival.
    pub(crate) datagrams: Vec<(Path, Vec<u8>)>,
    /// What they are.
    pub(crate) control: Vec<Control>,
    /// Clients whose outbound SA has no sequence number left.
    pub(crate) exhausted: Vec<PeerId>,
    /// Keys given up for another shard, by the client who had them.
    pub(crate) released: Vec<(PeerId, Departed)>,
}

impl Report {
    /// About how much memory it takes.
    pub(crate) fn octets(&self) -> usize {
        self.datagrams.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    /// Drops the messages of clients, and keeps what is said once only. Returns how many were dropped.
    pub(crate) fn shed(&mut self) -> u64 {
        let before = self.control.len();
        self.datagrams.clear();
        self.control.retain(|item| !item.is_message());
        (before - self.control.len()) as u64
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.control.is_empty() && self.exhausted.is_empty() && self.released.is_empty()
    }
}

impl Shard {
    /// Shard `id` as the server wants it.
    #[must_use]
    pub fn new(id: ShardId, blueprint: &Blueprint) -> Self {
        let datapath = blueprint.datapath(id);
        Self { id, datapath, outcome: Outcome::default(), reports: VecDeque::new(), control: Vec::new() }
    }

    /// Which one it is.
    #[must_use]
    pub fn id(&self) -> ShardId {
        self.id
    }

    /// Does what the server says.
    pub fn handle_orders(&mut self, now: Instant, orders: Orders) {
        for order in orders.0 {
            self.datapath.obey(now, order, &mut self.outcome);
        }
        let released = std::mem::take(&mut self.outcome.released);
        if !released.is_empty() {
            self.reports.push_back(Report { released, ..Report::default() });
        }
    }

    /// Takes what its sockets had ready, as [`crate::server::Server::handle_network`] does.
    pub fn handle_network(&mut self, now: Instant, datagrams: &mut [Datagram<'_>], up: &mut Uplink) {
        self.network(now, Origin::Kernel, datagrams, up);
    }

    /// Takes what its queue of the TUN device had ready, as [`crate::server::Server::handle_tun`] does.
    pub fn handle_tun<'a>(
        &mut self,
        now: Instant,
        packets: impl IntoIterator<Item = Superpacket<'a>>,
        down: &mut Downlink,
        send: impl FnMut(&Downlink),
    ) {
        self.tun(now, Origin::Kernel, packets, down, send);
    }

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

    /// The next UDP payload to send that is not in a [`Downlink`].
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.outcome.transmits.pop_front()
    }

    /// The next thing that the server has to know.
    pub fn poll_report(&mut self) -> Option<Report> {
        self.reports.pop_front()
    }

    /// The next packets that another shard knows.
    pub fn poll_handover(&mut self) -> Option<(ShardId, Handover)> {
        self.datapath.poll_handover()
    }

    /// What it has moved, and what it let go.
    #[must_use]
    pub fn load(&self) -> Load {
        self.datapath.load()
    }

    fn network(&mut self, now: Instant, origin: Origin, datagrams: &mut [Datagram<'_>], up: &mut Uplink) {
        self.datapath.up(now, origin, datagrams, up, &mut self.control);
        if self.control.is_empty() {
            return;
        }
        let mut report = Report::default();
        let mut copied = None;
        for item in self.control.drain(..) {
            // Several things may be said of one datagram, one after the other: it is copied once.
            let item = item.moved(|datagram| {
                if copied != Some(datagram) {
                    copied = Some(datagram);
                    let Datagram { path, bytes } = &datagrams[datagram];
                    report.datagrams.push((*path, bytes.to_vec()));
                }
                report.datagrams.len() - 1
            });
            report.control.push(item);
        }
        self.reports.push_back(report);
    }

    fn tun<'a>(
        &mut self,
        now: Instant,
        origin: Origin,
        packets: impl IntoIterator<Item = Superpacket<'a>>,
        down: &mut Downlink,
        send: impl FnMut(&Downlink),
    ) {
        self.datapath.down(now, origin, packets, down, send);
        let exhausted: Vec<PeerId> = std::iter::from_fn(|| self.datapath.poll_exhausted()).collect();
        if !exhausted.is_empty() {
            self.reports.push_back(Report { exhausted, ..Report::default() });
        }
    }
}
