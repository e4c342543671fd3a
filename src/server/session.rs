//! What is known of one PPP session.

use std::{borrow::Cow, net::Ipv4Addr, sync::Arc, time::Instant};

use l2tp::SessionKey;
use ppp::Link;

use super::{Lac, watch::Watch};
use crate::{
    datapath::{Inside, Meter, Traffic},
    onlink::{Directions, Iaid, Link6},
    pool::{Delegated, Prefix},
    users::Settings,
};

/// One PPP link and who is behind it.
pub(super) struct Session {
    pub(super) link: Link,
    pub(super) lac: Lac,
    pub(super) key: SessionKey,
    /// When the incoming call was connected.
    pub(super) opened: Instant,
    /// When something came out of it last, to the second.
    pub(super) heard: Instant,
    pub(super) stage: Stage,
    /// The link as its router knows it, while IPV6CP is up.
    pub(super) link6: Option<Link6>,
    /// Everything that it ever moved.
    pub(super) meter: Arc<Meter>,
    /// What of that was moved before its present login.
    pub(super) counted: Traffic,
    /// What is known of its being used.
    pub(super) watch: Watch,
}

/// How far the session has come.
#[derive(Debug)]
pub(super) enum Stage {
    /// LCP, then authentication.
    Negotiating,
    /// The user is known and has an address; IPCP is under way.
    LoggedIn(Login),
    /// Packets flow since `since`.
    Up { login: Login, since: Instant },
}

/// Who logged in, and the address that is theirs until the session ends.
#[derive(Clone, Debug)]
pub(super) struct Login {
    pub(super) user: Arc<str>,
    pub(super) address: Ipv4Addr,
    /// What its IPv6 addresses begin with, if it may have some.
    pub(super) prefix: Option<Prefix>,
    /// What addresses of hosts behind it may begin with, if there is such a prefix for it.
    pub(super) delegable: Option<Delegated>,
    pub(super) asked: Asked,
    /// What of that the operator has read.
    pub(super) told: Told,
    pub(super) at: Instant,
    /// What the user gets and may do; changes when the operator changes it.
    pub(super) settings: Arc<Settings>,
}

/// Whether the client asked for a prefix to be delegated to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Not,
    /// It did, and there is none.
    InVain,
    /// It did, and has it in that association of its own.
    Holds(Iaid),
}

/// What was said in the log of a login's prefix for what is behind it: a client may ask and give back as often as it likes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    pub(super) delegated: bool,
    pub(super) given_back: bool,
}

impl Login {
    /// Everything that packets to it may be for.
    pub(super) fn insides(&self) -> impl Iterator<Item = Inside> + use<> {
        std::iter::once(Inside::V4(self.address)).chain(self.insides6())
    }

    /// The same of IPv6.
    pub(super) fn insides6(&self) -> impl Iterator<Item = Inside> + use<> {
        self.prefix.map(Inside::V6).into_iter().chain(self.delegated().map(Inside::Delegated))
    }

    /// The prefix that is delegated to it.
    pub(super) fn delegated(&self) -> Option<Delegated> {
        self.delegable.filter(|_| matches!(self.asked, Asked::Holds(_)))
    }
}

impl Session {
    /// What it moved since its login.
    pub(super) fn traffic(&self) -> Traffic {
        self.meter.read().since(self.counted)
    }

    /// What its client is told: what everybody is, but for what its user has of their own.
    pub(super) fn directions<'a>(&self, everybodys: &'a Directions) -> Cow<'a, Directions> {
        self.login().map_or(Cow::Borrowed(everybodys), |login| everybodys.of_user(&login.settings))
    }

    pub(super) fn login(&self) -> Option<&Login> {
        match &self.stage {
            Stage::Negotiating => None,
            Stage::LoggedIn(login) | Stage::Up { login, .. } => Some(login),
        }
    }

    pub(super) fn login_mut(&mut self) -> Option<&mut Login> {
        match &mut self.stage {
            Stage::Negotiating => None,
            Stage::LoggedIn(login) | Stage::Up { login, .. } => Some(login),
        }
    }

    /// The account's name, once the password was right.
    pub(super) fn user(&self) -> Option<&str> {
        self.login().map(|login| &*login.user)
    }
}
