//! Accounts that take the place of others while clients are connected.
//!
//! New logins are held against the new ones from the first moment on. Those who are in are gone through bit by bit, so that packets do
//! not wait for ten thousand of them.

use std::{collections::BTreeSet, net::Ipv4Addr, ops::Bound, sync::Arc, time::Instant};

use super::{Server, engines, watch};
use crate::{
    config::{Config, Papers},
    datapath::{Outlying, SessionIndex},
    onlink::Directions,
    pool,
    users::Users,
};

/// What is to be taken over, and how far that has come.
#[derive(Debug)]
pub struct Reload {
    begin: Option<Begin>,
    /// Addresses that belong to nobody in particular any more.
    given_back: Vec<Ipv4Addr>,
    /// Addresses that belong to somebody now.
    reserved: Vec<Ipv4Addr>,
    /// Those outside of every pool that somebody has after it, if others than before.
    outlying: Option<Outlying>,
    /// The last session that was looked at.
    last: SessionIndex,
    outcome: Reloaded,
    /// The accounts that there were, for whoever has time to take them apart.
    retired: Option<Users>,
}

/// What changes at once.
#[derive(Debug)]
struct Begin {
    users: Users,
    psks: Vec<ipsec::Psk>,
    directions: Directions,
    /// Addresses outside of every pool that somebody has before or after it, if the two are not the same.
    outlying: Option<Outlying>,
    certificate: Option<Arc<ipsec::Credentials>>,
    ppp: Arc<ppp::Config>,
    papers: Vec<Papers>,
}

/// What came of a reload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Accounts that there are.
    pub users: usize,
    /// Sessions that ended.
    pub ended: usize,
    /// Sessions that go on with other settings.
    pub changed: usize,
    /// Of those, the ones whose user has another pool now: they keep their address.
    pub kept: usize,
}

impl Reload {
    /// To `users`, from accounts with these addresses of their own, with what else of a configuration can change while it serves.
    pub fn new(old: &BTreeSet<Ipv4Addr>, users: Users, config: &Config) -> Self {
        let new: BTreeSet<Ipv4Addr> = users.addresses().collect();
        let outlying = |of: &BTreeSet<Ipv4Addr>| pool::outlying(&config.pools, of.iter().copied());
        let (before, after) = (outlying(old), outlying(&new));
        let differ = before != after;
        let either = before.union(&after).copied();
        let begin = Begin {
            psks: config.psks.clone(),
            directions: engines::directions(config),
            outlying: differ.then(|| either.collect()),
            certificate: config.certificate.clone(),
            ppp: Arc::new(engines::ppp(config)),
            papers: config.papers.clone(),
            users,
        };
        Self {
            given_back: old.difference(&new).copied().collect(),
            reserved: new.difference(old).copied().collect(),
            outlying: differ.then(|| after.iter().copied().collect()),
            last: SessionIndex::default(),
            outcome: Reloaded { users: begin.users.len(), ..Reloaded::default() },
            retired: None,
            begin: Some(begin),
        }
    }

    /// As if a server had taken it over.
    #[cfg(test)]
    pub(crate) fn skip(&mut self) {
        self.begin = None;
    }

    /// Whether a server takes it over or has done so.
    pub fn is_begun(&self) -> bool {
        self.begin.is_none()
    }

    /// What came of it.
    pub fn outcome(&self) -> Reloaded {
        self.outcome
    }
}

impl Server {
    /// Goes on with a reload by so many addresses and sessions; true once those were the last.
    pub fn reload(&mut self, now: Instant, reload: &mut Reload, steps: usize) -> bool {
        if let Some(Begin { users, psks, directions, outlying, certificate, ppp, papers }) =
            reload.begin.take()
        {
            reload.retired = Some(std::mem::replace(&mut self.users, users));
            self.ike.set_psks(psks);
            self.directions = directions;
            self.set_outlying(now, outlying);
            self.ike.set_certificate(certificate);
            self.ppp = ppp;
            self.narrow.clear();
            self.say_of_papers(now, &papers);
        }
        let done = (0..steps).any(|_| !self.reload_one(now, reload));
        if done {
            self.set_outlying(now, reload.outlying.take());
        }
        self.settle(now);
        done
    }

    /// One address, or one session; false if there is none left.
    fn reload_one(&mut self, now: Instant, reload: &mut Reload) -> bool {
        if let Some(address) = reload.given_back.pop() {
            self.pools.give_back(address);
        } else if let Some(address) = reload.reserved.pop() {
            self.pools.reserve(address);
        } else if let Some(index) = self.session_after(reload.last) {
            reload.last = index;
            self.renew_config(index);
            match self.reconsider(now, index) {
                Standing::Same => {}
                Standing::Changed(address) => {
                    reload.outcome.changed += 1;
                    reload.outcome.kept += usize::from(address == Address::OfFormerPool);
                }
                Standing::Over => reload.outcome.ended += 1,
            }
        } else {
            return false;
        }
        true
    }

    /// Who negotiates the link anew authenticates itself by what is decided now.
    fn renew_config(&mut self, index: SessionIndex) {
        let Some(mru) = self.sessions.get(&index).map(|session| session.link.config().mru) else { return };
        let config = self.ppp_with(mru);
        if let Some(session) = self.sessions.get_mut(&index) {
            session.link.set_config(config);
        }
    }

    fn session_after(&self, index: SessionIndex) -> Option<SessionIndex> {
        self.sessions.range((Bound::Excluded(index), Bound::Unbounded)).next().map(|(index, _)| *index)
    }

    /// Holds a session against what its account is now.
    fn reconsider(&mut self, now: Instant, index: SessionIndex) -> Standing {
        let wall = self.wall(now);
        let Some(login) = self.sessions.get_mut(&index).and_then(|session| session.login_mut()) else {
            return Standing::Same;
        };
        let user = login.user.clone();
        let account = self.users.account(&user).ok_or("the account was removed").and_then(|account| {
            // One of a pool that was the user's alone may be kept as any other.
            let is_lost = || self.pools.name_of(login.address).is_none();
            let another = self.users.owner(login.address).is_some_and(|owner| *owner != *user)
                || account.address.map_or_else(is_lost, |own| own != login.address);
            let closed = account.settings.closed(wall).map(watch::closed);
            let why = closed.or_else(|| another.then_some("the user has another address now"));
            why.map_or(Ok(account), Err)
        });
        let address = login.address;
        let (settings, is_own) = match account {
            Ok(account) => (account.settings.clone(), account.address.is_some()),
            Err(why) => {
                self.hang_up(now, index, ppp::Reason::Policy(why));
                return Standing::Over;
            }
        };
        // Until now the old settings counted: a quota that is new does not count what was moved before.
        if let Some(session) = self.sessions.get_mut(&index) {
            self.usage.charge(now, wall, session);
        }
        let Some(login) = self.sessions.get_mut(&index).and_then(|session| session.login_mut()) else {
            return Standing::Same;
        };
        let before = std::mem::replace(&mut login.settings, settings.clone());
        if before == settings {
            return Standing::Same;
        }
        if let Some(most) = settings.sessions {
            self.keep_newest(now, &user, most, "the user may have fewer sessions now");
        }
        if !self.sessions.contains_key(&index) {
            return Standing::Over;
        }
        self.set_limits(now, index);
        let fits = settings.pool.as_deref().is_none_or(|pool| self.pools.name_of(address) == Some(pool));
        let is_moved = before.pool != settings.pool && !is_own && !fits;
        Standing::Changed(if is_moved { Address::OfFormerPool } else { Address::Right })
    }
}

/// How a session stands after a look at its account.
enum Standing {
    Same,
    Changed(Address),
    Over,
}

/// Whether a session has an address that its user would get now.
#[derive(PartialEq, Eq)]
enum Address {
    Right,
    /// It has been agreed on for as long as the link is up.
    OfFormerPool,
}
