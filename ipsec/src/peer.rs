//! A client's connection: the ISAKMP SAs and ESP SAs that belong together.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use crate::esp::Spi;
use crate::event::{CloseReason, Credential};
use crate::isakmp::{Cookies, Id};
use crate::path::Path;
use crate::phase2::Terms;

/// One client connection. ESP SAs outlive the ISAKMP SA that made them.
pub(crate) struct Peer {
    /// Where its last authenticated packet came from.
    pub(crate) path: Path,
    pub(crate) who: Arc<Who>,
    /// The address to which its newest first phase was answered, and from which it went on: one that it did not make up.
    pub(crate) reached: IpAddr,
    /// Its ISAKMP SAs, oldest first.
    pub(crate) isakmp: VecDeque<Cookies>,
    /// Its ESP SAs, oldest first.
    pub(crate) pairs: VecDeque<Pair>,
    /// On which the last of them was made that it asked for.
    pub(crate) terms: Option<Terms>,
    /// It has had an ESP SA.
    pub(crate) opened: bool,
    /// What to say if it never gets another one.
    pub(crate) epitaph: CloseReason,
}

/// What a client says it is, and what it has proved that with. None is taken for another's renewal unless both are the same.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Who {
    pub(crate) identity: Id,
    pub(crate) credential: Credential,
}

/// Where a peer is to be found: at an address, among all there who say they are the same, by its port.
pub(crate) type Seat = (IpAddr, Arc<Who>, u16);

/// The place of whoever sends from there.
pub(crate) fn seat(path: Path, who: &Arc<Who>) -> Seat {
    (path.remote.ip(), who.clone(), path.remote.port())
}

/// What there is to know about a pair of ESP SAs besides its keys, which are the owner's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair {
    pub(crate) inbound: Spi,
    /// The client's inbound SPI, by which it deletes the pair.
    pub(crate) outbound: Spi,
    /// The client has shown that it has the pair too.
    pub(crate) confirmed: bool,
    /// The client has deleted it.
    pub(crate) retired: bool,
    /// The quick mode that made it.
    pub(crate) exchange: (Cookies, u32),
}

impl Pair {
    /// One that the client has yet to confirm.
    pub(crate) fn new(inbound: Spi, outbound: Spi, exchange: (Cookies, u32)) -> Self {
        Self { inbound, outbound, confirmed: false, retired: false, exchange }
    }
}

impl Peer {
    /// A peer without ESP SAs.
    pub(crate) fn new(path: Path, who: Arc<Who>, reached: IpAddr) -> Self {
        Self {
            path,
            who,
            reached,
            isakmp: VecDeque::new(),
            pairs: VecDeque::new(),
            terms: None,
            opened: false,
            epitaph: CloseReason::NoEsp,
        }
    }

    /// The pair that has to go for one more: a deleted one before an unconfirmed one before one in use, an old one before a new
    /// one.
    pub(crate) fn surplus(&self) -> Option<Spi> {
        if self.pairs.len() < MAX_PAIRS {
            return None;
        }
        let retired = self.pairs.iter().find(|pair| pair.retired);
        let unconfirmed = || self.pairs.iter().find(|pair| !pair.confirmed);
        retired.or_else(unconfirmed).or_else(|| self.pairs.front()).map(|pair| pair.inbound)
    }

    /// Takes a pair out.
    pub(crate) fn remove(&mut self, inbound: Spi) -> Option<Pair> {
        let index = self.pairs.iter().position(|pair| pair.inbound == inbound)?;
        self.pairs.remove(index)
    }
}

/// Pairs of ESP SAs a peer may have at once: Windows makes a new one every few seconds while L2TP is unanswered.
const MAX_PAIRS: usize = 8;

/// ISAKMP SAs a peer may have at once: one, two while it renews it, and some slack.
pub(crate) const MAX_ISAKMP_SAS: usize = 4;
