//! What the control plane tells a shard's data path. Orders to one shard are obeyed in the order in which they were given.

use std::{collections::VecDeque, time::Instant};

use ipsec::{Path, PeerId, SaPair, Spi, Transmit};

use super::{Datapath, Inside, Limits, Opening, Outlying, SessionIndex, ShardId, sa::Departed};

#[derive(Debug)]
pub(crate) enum Order {
    InsertSa {
        peer: PeerId,
        sa: Box<SaPair>,
    },
    Confirm {
        inbound: Spi,
    },
    RetireSa {
        inbound: Spi,
    },
    RemoveSa {
        inbound: Spi,
    },
    SetPath {
        peer: PeerId,
        path: Path,
    },
    RemovePeer {
        peer: PeerId,
    },
    /// Both clients are here and are one.
    Merge {
        newer: PeerId,
        older: PeerId,
    },
    /// The client is one with another, who is at `to`: give up its keys, and hand over what still comes for them. What is there
    /// before the keys are, some microseconds, is lost.
    Release {
        newer: PeerId,
        to: ShardId,
    },
    /// Those are the keys.
    Adopt {
        older: PeerId,
        departed: Departed,
    },
    OpenSession(Opening),
    Assign {
        session: SessionIndex,
        inside: Inside,
        mtu: u16,
    },
    /// Have it keep to these limits from now on.
    Limit {
        session: SessionIndex,
        limits: Option<Box<Limits>>,
    },
    Withdraw {
        session: SessionIndex,
        inside: Inside,
    },
    CloseSession {
        session: SessionIndex,
    },
    /// The kernel brings packets to that SPI here, but its SA is at `to`.
    SaAway {
        inbound: Spi,
        to: ShardId,
    },
    /// The same of packets to an address or a prefix.
    Away {
        inside: Inside,
        to: ShardId,
    },
    /// Not any more.
    Back {
        inside: Inside,
    },
    /// Clients have these addresses outside of every pool from now on.
    Outlying(Outlying),
    /// Send an L2TP control message.
    Control {
        peer: PeerId,
        port: u16,
        message: Vec<u8>,
    },
    /// Send a PPP frame.
    Frame {
        session: SessionIndex,
        frame: Vec<u8>,
    },
    /// Send this after all that was said before.
    Send(Transmit),
}

/// What comes of orders at once.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) transmits: VecDeque<Transmit>,
    /// Keys given up, by the client who had them.
    pub(crate) released: Vec<(PeerId, Departed)>,
}

impl Datapath {
    pub(crate) fn obey(&mut self, now: Instant, order: Order, outcome: &mut Outcome) {
        match order {
            Order::InsertSa { peer, sa } => self.insert_sa(peer, *sa),
            Order::Confirm { inbound } => self.confirm(inbound),
            Order::RetireSa { inbound } => self.retire_sa(inbound),
            Order::RemoveSa { inbound } => self.remove_sa(inbound),
            Order::SetPath { peer, path } => self.set_path(peer, path),
            Order::RemovePeer { peer } => self.remove_peer(peer),
            Order::Merge { newer, older } => {
                if let Some(departed) = self.release(newer) {
                    self.adopt(older, departed);
                }
            }
            Order::Release { newer, to } => {
                let departed = self.release(newer).unwrap_or_default();
                self.elsewhere.moved(departed.spis(), to);
                outcome.released.push((newer, departed));
            }
            Order::Adopt { older, departed } => self.adopt(older, departed),
            Order::OpenSession(opening) => self.open_session(now, opening),
            Order::Assign { session, inside, mtu } => self.assign(session, inside, mtu),
            Order::Limit { session, limits } => self.limit(now, session, limits),
            Order::Withdraw { session, inside } => self.withdraw(session, inside),
            Order::CloseSession { session } => self.close_session(session),
            Order::SaAway { inbound, to } => _ = self.elsewhere.spis.insert(inbound, to),
            Order::Away { inside, to } => _ = self.elsewhere.insides.insert(inside, to),
            Order::Back { inside } => _ = self.elsewhere.insides.remove(&inside),
            Order::Outlying(outlying) => self.policy.outlying = outlying,
            Order::Control { peer, port, message } => {
                outcome.transmits.extend(self.seal_control(peer, port, &message));
            }
            Order::Frame { session, frame } => {
                outcome.transmits.extend(self.seal_frame(session, &frame));
            }
            Order::Send(transmit) => outcome.transmits.push_back(transmit),
        }
    }
}
