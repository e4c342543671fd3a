//! The data path as the control plane sees it: every client has a shard, and what is to become of its packets is an order to it.
//!
//! The server runs on one shard's thread and obeys its own orders for that one at once; those for others wait in a queue each,
//! which the owner carries ([`Server::poll_orders`]). There are no locks and no shared maps: a table belongs to one shard.

use std::{collections::VecDeque, fmt, time::Instant};

use ipsec::{NAT_T_PORT, PeerId, SaPair, Spi, Transmit};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use zeroize::Zeroizing;

use super::{Server, exceptions::Exceptions};
use crate::{
    config::Config,
    datapath::{
        Datapath, Departed, Inside, Order, Outcome, Outlying, Policy, Prefixes, SessionIndex, ShardId,
        Shards, TCP_IPV4_HEADERS,
    },
    pool::{Pool, Prefix},
};

/// Every shard, one of them at hand.
pub(super) struct Plane {
    pub(super) blueprint: Blueprint,
    shards: Shards,
    /// The first shard, whose thread this is.
    pub(super) local: Datapath,
    queues: Vec<Queue>,
    outcome: Outcome,
    exceptions: Exceptions,
    /// Who was told to say something since the last [`Plane::speaker`].
    speakers: Speakers,
}

/// What the data paths of all shards have in common.
#[derive(Clone)]
pub struct Blueprint {
    shards: Shards,
    policy: Policy,
    seed: Zeroizing<[u8; 32]>,
}

impl Blueprint {
    pub(super) fn new(shards: Shards, config: &Config, outlying: Outlying, seed: [u8; 32]) -> Self {
        let policy = Policy {
            mss: config.mtu.saturating_sub(TCP_IPV4_HEADERS),
            client_to_client: config.client_to_client,
            networks: config.pools.iter().map(|pool| pool.range).collect(),
            outlying,
            local: config.pools.iter().map(|pool| pool.range.server()).collect(),
            networks6: config.pools.iter().flat_map(Pool::ranges6).collect(),
            local6: config.pools.iter().filter_map(Pool::server_prefix).map(Prefix::first).collect(),
            delegations: config.pools.iter().filter_map(|pool| pool.delegate).collect(),
            prefixes: Prefixes::of(&config.pools),
        };
        Self { shards, policy, seed: Zeroizing::new(seed) }
    }

    pub(crate) fn datapath(&self, shard: ShardId) -> Datapath {
        // Each has its own stretch of one random stream: no two make the same IV.
        let mut rng = ChaCha20Rng::from_seed(*self.seed);
        rng.set_stream(shard.0.into());
        let mut seed = [0; 32];
        rng.fill_bytes(&mut seed);
        Datapath::new(shard, self.shards, self.policy.clone(), seed)
    }
}

impl fmt::Debug for Blueprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blueprint").field("shards", &self.shards).finish_non_exhaustive()
    }
}

/// Orders for one shard.
#[derive(Debug, Default)]
struct Queue {
    ready: Vec<Order>,
    /// Keys that come from another shard, and the orders that must not overtake them.
    held: VecDeque<Held>,
}

#[derive(Debug)]
struct Held {
    newer: PeerId,
    older: PeerId,
    keys: Option<Departed>,
    then: Vec<Order>,
}

/// Orders for a shard, in the order in which they are to be obeyed.
#[derive(Debug)]
pub struct Orders(pub(crate) Vec<Order>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speakers {
    None,
    One(ShardId),
    Several,
}

impl Plane {
    pub(super) fn new(blueprint: Blueprint) -> Self {
        let (shards, local) = (blueprint.shards, blueprint.datapath(LOCAL));
        let queues = shards.iter().map(|_| Queue::default()).collect();
        Self {
            blueprint,
            shards,
            local,
            queues,
            outcome: Outcome::default(),
            exceptions: Exceptions::default(),
            speakers: Speakers::None,
        }
    }

    /// Where a client's packets are taken care of.
    pub(super) fn shard_of(&self, peer: PeerId) -> ShardId {
        self.shards.of_peer(peer)
    }

    /// Where the kernel brings packets to a client.
    fn shard_of_inside(&self, inside: Inside) -> ShardId {
        self.shards.of_inside(inside, &self.blueprint.policy.prefixes)
    }

    /// Has the client's shard do something.
    fn tell(&mut self, now: Instant, peer: PeerId, order: Order) {
        let shard = self.shards.of_peer(peer);
        if matches!(order, Order::Control { .. } | Order::Frame { .. }) {
            self.speakers = match self.speakers {
                Speakers::None => Speakers::One(shard),
                Speakers::One(other) if other == shard => Speakers::One(shard),
                Speakers::One(_) | Speakers::Several => Speakers::Several,
            };
        }
        self.tell_shard(now, shard, order);
    }

    fn tell_shard(&mut self, now: Instant, shard: ShardId, order: Order) {
        let Some(queue) = self.queues.get_mut(shard.0 as usize) else { return };
        if let Some(held) = queue.held.back_mut() {
            held.then.push(order);
        } else if shard == LOCAL {
            self.local.obey(now, order, &mut self.outcome);
        } else {
            queue.ready.push(order);
        }
    }

    /// Two clients are one: what `newer` has goes to `older`.
    fn merge(&mut self, now: Instant, newer: PeerId, older: PeerId) {
        let (from, to) = (self.shards.of_peer(newer), self.shards.of_peer(older));
        if from == to {
            return self.tell_shard(now, to, Order::Merge { newer, older });
        }
        if let Some(queue) = self.queues.get_mut(to.0 as usize) {
            queue.held.push_back(Held { newer, older, keys: None, then: Vec::new() });
        }
        self.tell_shard(now, from, Order::Release { newer, to });
        self.take_released(now);
    }

    /// What this shard gave up.
    fn take_released(&mut self, now: Instant) {
        while let Some((newer, keys)) = self.outcome.released.pop() {
            self.released(now, newer, keys);
        }
    }

    /// A shard gave up the keys of `newer`.
    fn released(&mut self, now: Instant, newer: PeerId, keys: Departed) {
        for shard in self.shards.iter() {
            let Some(queue) = self.queues.get_mut(shard.0 as usize) else { continue };
            let Some(held) = queue.held.iter_mut().find(|held| held.newer == newer) else { continue };
            let spis: Vec<Spi> = keys.spis().collect();
            held.keys = Some(keys);
            self.let_go(now, shard);
            // They may have moved before: who brings them knows where they were.
            for inbound in spis {
                let (ought, from) = (self.shards.of_spi(inbound), self.shards.of_peer(newer));
                if ought != from && ought != shard {
                    self.tell_shard(now, ought, Order::SaAway { inbound, to: shard });
                }
            }
            return;
        }
    }

    /// Gives orders that waited for keys which are here now.
    fn let_go(&mut self, now: Instant, shard: ShardId) {
        while let Some(queue) = self.queues.get_mut(shard.0 as usize)
            && let Some(keys) = queue.held.front_mut().and_then(|held| held.keys.take())
            && let Some(Held { older, then, .. }) = queue.held.pop_front()
        {
            let orders = std::iter::once(Order::Adopt { older, departed: keys }).chain(then);
            if shard == LOCAL {
                orders.for_each(|order| self.local.obey(now, order, &mut self.outcome));
            } else {
                queue.ready.extend(orders);
            }
        }
        self.take_released(now);
    }

    /// The one shard that was told to say something since this was asked last.
    fn speaker(&mut self) -> Option<ShardId> {
        match std::mem::replace(&mut self.speakers, Speakers::None) {
            Speakers::One(shard) => Some(shard),
            Speakers::None | Speakers::Several => None,
        }
    }
}

impl Server {
    /// The next orders for a shard that is not the server's own.
    pub fn poll_orders(&mut self) -> Option<(ShardId, Orders)> {
        let shards = self.plane.shards.iter().zip(&mut self.plane.queues);
        let (shard, queue) = shards.into_iter().find(|(_, queue)| !queue.ready.is_empty())?;
        Some((shard, Orders(std::mem::take(&mut queue.ready))))
    }

    /// Next, whose packets ought to come to that shard, from now on, or else to the one of their number again. Who can have
    /// the kernel do so saves the shards the handing over.
    pub fn poll_exception(&mut self) -> Option<(Inside, Option<ShardId>)> {
        self.plane.exceptions.poll()
    }

    /// Has the client's shard do something.
    pub(super) fn order(&mut self, now: Instant, peer: PeerId, order: Order) {
        self.plane.tell(now, peer, order);
        self.transmits.append(&mut self.plane.outcome.transmits);
    }

    /// Installs a pair of SAs. A client may have become another one since its SPI was chosen.
    pub(super) fn insert_sa(&mut self, now: Instant, peer: PeerId, sa: SaPair) {
        let inbound = sa.inbound.spi();
        let (ought, to) = (self.plane.shards.of_spi(inbound), self.plane.shard_of(peer));
        self.order(now, peer, Order::InsertSa { peer, sa: Box::new(sa) });
        if ought != to {
            self.plane.tell_shard(now, ought, Order::SaAway { inbound, to });
        }
    }

    /// Tells every shard which addresses outside of all pools are clients', if others than until now.
    pub(super) fn set_outlying(&mut self, now: Instant, outlying: Option<Outlying>) {
        let Some(outlying) = outlying else { return };
        for shard in self.plane.shards.iter() {
            self.plane.tell_shard(now, shard, Order::Outlying(outlying.clone()));
        }
    }

    /// Forgets one pair of SAs of a client, and that packets for it are to be handed over, if they are.
    pub(super) fn remove_sa(&mut self, now: Instant, peer: PeerId, inbound: Spi) {
        self.order(now, peer, Order::RemoveSa { inbound });
        let ought = self.plane.shards.of_spi(inbound);
        if ought != self.plane.shard_of(peer) {
            self.plane.tell_shard(now, ought, Order::RemoveSa { inbound });
        }
    }

    /// Lets packets flow between a session and its address or prefix.
    pub(super) fn assign(
        &mut self,
        now: Instant,
        peer: PeerId,
        session: SessionIndex,
        inside: Inside,
        mtu: u16,
    ) {
        self.order(now, peer, Order::Assign { session, inside, mtu });
        let (ought, to) = (self.plane.shard_of_inside(inside), self.plane.shard_of(peer));
        if ought != to {
            self.plane.tell_shard(now, ought, Order::Away { inside, to });
            self.plane.exceptions.make(inside, to);
        }
    }

    /// Nobody has the address or prefix that a client had any more.
    pub(super) fn unassign(&mut self, now: Instant, peer: PeerId, session: SessionIndex, inside: Inside) {
        self.order(now, peer, Order::Withdraw { session, inside });
        let ought = self.plane.shard_of_inside(inside);
        if ought != self.plane.shard_of(peer) {
            self.plane.tell_shard(now, ought, Order::Back { inside });
            self.plane.exceptions.end(inside);
        }
    }

    /// Makes one of two clients' keys.
    pub(super) fn merge_keys(&mut self, now: Instant, newer: PeerId, older: PeerId) {
        self.plane.merge(now, newer, older);
        self.transmits.append(&mut self.plane.outcome.transmits);
    }

    /// A shard gave up keys for another one.
    pub(super) fn keys_released(&mut self, now: Instant, newer: PeerId, keys: Departed) {
        self.plane.released(now, newer, keys);
        self.transmits.append(&mut self.plane.outcome.transmits);
    }

    /// Sends IKE messages, after what the same turn had L2TP and PPP say: a goodbye leaves before the Delete of the SA that
    /// carries it. (Not where several shards' clients had something said, and not where ESP is native: it has other sockets.)
    pub(super) fn send_after_speech(&mut self, now: Instant, messages: Vec<Transmit>) {
        let speaker = self.plane.speaker().filter(|shard| *shard != LOCAL);
        for transmit in messages {
            match speaker {
                Some(shard) if transmit.path.local.port() == NAT_T_PORT => {
                    self.plane.tell_shard(now, shard, Order::Send(transmit));
                }
                _ => self.transmits.push_back(transmit),
            }
        }
    }
}

/// The shard whose thread runs the control plane.
pub(super) const LOCAL: ShardId = ShardId(0);
