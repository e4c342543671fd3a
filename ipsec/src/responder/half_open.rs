//! Main modes that are not done: bounded in number, as a whole and per source.
//!
//! Anybody can send a first message, from any address. So one that nobody has answered to is worth little: when there is no
//! room, the oldest of those gives way to the newest. One whose client has returned our cookie stays.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::aggressive::Aggressive;
use crate::isakmp::{Cookie, Cookies};
use crate::isakmp_sa::Answered;
use crate::path::{Path, PeerId};
use crate::phase1::MainMode;

/// A main mode under way.
pub(super) struct Attempt {
    pub(super) id: PeerId,
    pub(super) path: Path,
    /// The client's address and port at message 1: with its cookie, the name of a retransmission.
    pub(super) first_remote: SocketAddr,
    pub(super) last: Answered,
    pub(super) state: State,
    /// How often message 4 was sent on our own.
    pub(super) resent: u32,
}

impl Attempt {
    /// How long an answer to its first message may be when that had so many octets: as long, so that nobody floods others
    /// through us. Aggressive Mode's answer holds what a whole Main Mode's do, so a short offer's is longer than that.
    pub(super) fn answer_limit(&self, request_len: usize) -> usize {
        match self.state {
            State::Aggressive(_) => 2 * request_len,
            State::Main(_) | State::Refused => request_len,
        }
    }
}

/// How far a first phase has come.
pub(super) enum State {
    /// Turned away; remembered so that its retransmissions get the same answer.
    Refused,
    Main(MainMode),
    Aggressive(Aggressive),
}

/// All of them, with what finds them.
pub(super) struct HalfOpen {
    max: usize,
    max_per_source: usize,
    attempts: BTreeMap<Cookies, Attempt>,
    /// Before a client knows our cookie.
    by_first: BTreeMap<(SocketAddr, Cookie), Cookies>,
    /// Those whose client has not returned our cookie, oldest first.
    unproven: BTreeMap<PeerId, Cookies>,
    unproven_by_source: BTreeSet<(IpAddr, PeerId)>,
    count_by_source: BTreeMap<IpAddr, usize>,
}

impl HalfOpen {
    pub(super) fn new(max: usize, max_per_source: usize) -> Self {
        Self {
            max,
            max_per_source,
            attempts: BTreeMap::new(),
            by_first: BTreeMap::new(),
            unproven: BTreeMap::new(),
            unproven_by_source: BTreeSet::new(),
            count_by_source: BTreeMap::new(),
        }
    }

    /// The attempt of these cookies.
    pub(super) fn get(&self, cookies: Cookies) -> Option<&Attempt> {
        self.attempts.get(&cookies)
    }

    /// The attempt of these cookies.
    pub(super) fn get_mut(&mut self, cookies: Cookies) -> Option<&mut Attempt> {
        self.attempts.get_mut(&cookies)
    }

    /// The attempt that a first message from there started.
    pub(super) fn of_first(&self, remote: SocketAddr, initiator: Cookie) -> Option<&Attempt> {
        self.attempts.get(self.by_first.get(&(remote, initiator))?)
    }

    /// What is under way from that source and has not returned our cookie.
    pub(super) fn unproven_of(&self, remote: SocketAddr) -> impl Iterator<Item = &Attempt> {
        let source = source(remote);
        let range = (source, PeerId(0))..=(source, PeerId(u64::MAX));
        let ids = self.unproven_by_source.range(range).map(|(_, id)| id);
        ids.filter_map(|id| self.attempts.get(self.unproven.get(id)?))
    }

    /// Who has to go so that one more from this source has room: nobody, the oldest of its unproven, or the oldest of all
    /// unproven. `Err` if all there are have proven themselves.
    pub(super) fn victim(&self, remote: SocketAddr) -> Result<Option<Cookies>, Full> {
        let source = source(remote);
        let full_source =
            self.count_by_source.get(&source).is_some_and(|count| *count >= self.max_per_source);
        let oldest = if full_source {
            let range = (source, PeerId(0))..=(source, PeerId(u64::MAX));
            self.unproven_by_source.range(range).next().map(|(_, id)| *id)
        } else if self.attempts.len() >= self.max {
            self.unproven.keys().next().copied()
        } else {
            return Ok(None);
        };
        oldest.and_then(|id| self.unproven.get(&id)).copied().map(Some).ok_or(Full)
    }

    /// Adds one, unproven.
    pub(super) fn insert(&mut self, cookies: Cookies, attempt: Attempt) {
        let source = source(attempt.first_remote);
        self.by_first.insert((attempt.first_remote, cookies.initiator), cookies);
        self.unproven.insert(attempt.id, cookies);
        self.unproven_by_source.insert((source, attempt.id));
        *self.count_by_source.entry(source).or_insert(0) += 1;
        self.attempts.insert(cookies, attempt);
    }

    /// The client returned our cookie: it is where it says it is.
    pub(super) fn prove(&mut self, cookies: Cookies) {
        if let Some(attempt) = self.attempts.get(&cookies) {
            self.unproven.remove(&attempt.id);
            self.unproven_by_source.remove(&(source(attempt.first_remote), attempt.id));
        }
    }

    /// Takes one out.
    pub(super) fn remove(&mut self, cookies: Cookies) -> Option<Attempt> {
        self.prove(cookies);
        let attempt = self.attempts.remove(&cookies)?;
        let source = source(attempt.first_remote);
        self.by_first.remove(&(attempt.first_remote, cookies.initiator));
        if let Some(count) = self.count_by_source.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.count_by_source.remove(&source);
            }
        }
        Some(attempt)
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        assert_eq!(self.attempts.len(), self.by_first.len());
        assert_eq!(self.unproven.len(), self.unproven_by_source.len());
        assert_eq!(self.attempts.len(), self.count_by_source.values().sum::<usize>());
        self.attempts.len()
    }
}

/// No room, and nobody to make it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Full;

/// One source is one IPv4 address, or one IPv6 network of 64 bits, which is what a single customer commands.
pub(super) fn source(remote: SocketAddr) -> IpAddr {
    match remote.ip().to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_customer_is_one_source() {
        let source_of = |text: &str| source(text.parse().expect("an address"));
        assert_eq!(source_of("[2001:db8:1:2:3::4]:500"), source_of("[2001:db8:1:2:ffff::9]:4500"));
        assert_ne!(source_of("[2001:db8:1:2::4]:500"), source_of("[2001:db8:1:3::4]:500"));
        assert_eq!(source_of("[::ffff:192.0.2.1]:500"), source_of("192.0.2.1:4500"));
        assert_ne!(source_of("192.0.2.1:500"), source_of("192.0.2.2:500"));
    }
}
