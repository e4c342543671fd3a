//! The question whether somebody may come in, answered from the user list.

use std::{fmt, net::Ipv4Addr, sync::Arc, time::Instant};

use ipsec::PeerId;
use l2tp::Disconnect;
use ppp::{
    Accept, Addressing, AuthRequest, ClientCertificate, InterfaceId, Ipv4Config, Ipv6Config, NewPassword,
    Proof, Verdict, Verified,
};

use super::{
    Level, Server,
    denial::Denial,
    session::{Asked, Login, Stage, Told},
};
use crate::{
    datapath::SessionIndex,
    users::{Password, Settings, WhenFull},
};

/// Somebody who proved to be the owner of an account that may be used.
struct Admitted {
    user: Arc<str>,
    verified: Verified,
    /// The address that is this account's alone.
    address: Option<Ipv4Addr>,
    settings: Arc<Settings>,
    /// What its password is to be from now on.
    new_password: Option<Password>,
}

impl Server {
    /// Answers a link that asks about a name and the proof of a password.
    pub(super) fn login(&mut self, now: Instant, index: SessionIndex, request: &AuthRequest) {
        // A client that negotiates its link anew logs in again, perhaps as somebody else.
        self.forget_login(now, index);
        let admitted = self.admit(now, request).and_then(|admitted| self.find_room(now, index, admitted));
        let verdict = match admitted {
            Err(denial) => {
                self.log_denial(now, index, request, denial.cause());
                request.reject(denial.code(), denial.message())
            }
            Ok(Admitted { user, verified, address, settings, new_password }) => {
                if let Some(password) = new_password {
                    self.change_password(index, &user, password);
                }
                let addressing = match self.take_address(now, index, address, &user, &settings) {
                    Some(address) => self.take_in(now, index, user, address, settings),
                    None => {
                        self.log_denial(now, index, request, &exhausted(&settings));
                        Addressing { ipv4: None, ipv6: None }
                    }
                };
                Verdict::Accept(Box::new(Accept { verified, message: "Welcome".into(), addressing }))
            }
        };
        if let Some(session) = self.sessions.get_mut(&index) {
            session.link.handle_verdict(now, verdict);
            self.touched.insert(index);
        }
        self.set_limits(now, index);
    }

    /// Somebody is in with that address: what their client is to be told by IPCP and IPV6CP.
    fn take_in(
        &mut self,
        now: Instant,
        index: SessionIndex,
        user: Arc<str>,
        address: Ipv4Addr,
        settings: Arc<Settings>,
    ) -> Addressing {
        let (prefix, delegable) = (self.pools.prefix_of(address), self.pools.delegated_of(address));
        let dns = self.directions.of_user(&settings).dns;
        let ipv4 = Ipv4Config { peer: address, local: self.local_address(address), dns };
        let (asked, told) = (Asked::Not, Told::default());
        self.log_in(index, Login { user, address, prefix, delegable, asked, told, at: now, settings });
        Addressing { ipv4: Some(ipv4), ipv6: prefix.map(|_| IDENTIFIERS) }
    }

    fn admit(&self, now: Instant, request: &AuthRequest) -> Result<Admitted, Denial> {
        let found = match &request.proof {
            Proof::MsChapV2(_) | Proof::NewPassword(_) | Proof::Chap(_) | Proof::Password(_) => {
                self.users.find(&request.name).ok_or(Denial::UnknownUser)
            }
            Proof::Certificate(proof) => self
                .users
                .of_certificate(&request.name, proof.certificate())
                .ok_or(Denial::UnknownCertificate),
        };
        let (user, account) = found?;
        let by_password = !matches!(request.proof, Proof::Certificate(_));
        if by_password && account.nt_hash.is_none() {
            return Err(Denial::OnlyCertificate);
        }
        let mut new_password = None;
        let verified = match &request.proof {
            Proof::MsChapV2(proof) => account.nt_hashes().find_map(|hash| proof.verify(hash)),
            Proof::NewPassword(proof) => {
                let new = account.nt_hashes().find_map(|hash| proof.verify(hash));
                new.map(|NewPassword { verified, password, nt_hash }| {
                    new_password = Some(Password::new(password, nt_hash));
                    verified
                })
            }
            Proof::Chap(proof) => proof.verify(account.password.as_ref().ok_or(Denial::OnlyHash)?.as_bytes()),
            Proof::Password(password) => account.nt_hashes().find_map(|hash| password.verify(hash)),
            Proof::Certificate(proof) => Some(proof.verified()),
        };
        let verified = verified.ok_or(Denial::WrongPassword)?;
        // Only who knows the password learns more about the account.
        let wall = self.wall(now);
        let settings = account.settings.clone();
        if let Some(closed) = settings.closed(wall) {
            return Err(closed.into());
        }
        if settings.quota.is_some_and(|quota| self.usage.is_used_up(user, quota, wall)) {
            return Err(Denial::QuotaUsedUp);
        }
        match &new_password {
            Some(password) if !account.may_change_to(password) => return Err(Denial::NewPassword),
            None if by_password && account.is_password_expired(wall) => return Err(Denial::PasswordExpired),
            Some(_) | None => {}
        }
        Ok(Admitted { user: user.clone(), verified, address: account.address, settings, new_password })
    }

    /// Sees that a user may have one more session, which ends those that the user left behind.
    fn find_room(
        &mut self,
        now: Instant,
        index: SessionIndex,
        admitted: Admitted,
    ) -> Result<Admitted, Denial> {
        let Admitted { user, settings, .. } = &admitted;
        self.end_stale(now, index, user);
        self.end_forgotten(now, index, user);
        match (settings.sessions, settings.when_full) {
            (Some(most), WhenFull::Refuse) if self.sessions_of(user).take(most).count() == most => {
                Err(Denial::TooManySessions)
            }
            (Some(most), WhenFull::Replace) => {
                self.keep_newest(now, user, most.saturating_sub(1), "the same user logged in again");
                Ok(admitted)
            }
            _ => Ok(admitted),
        }
    }

    /// Ends the oldest sessions of `user` beyond so many: who is at the door is there now, while an old session is
    /// most often one that a sleeping phone left behind.
    pub(super) fn keep_newest(&mut self, now: Instant, user: &Arc<str>, most: usize, why: &str) {
        loop {
            let held: Vec<SessionIndex> = self.sessions_of(user).take(most + 1).collect();
            match held.first() {
                Some(oldest) if held.len() > most => {
                    self.end_session(now, *oldest, why, Disconnect::Administrative);
                }
                _ => return,
            }
        }
    }

    /// The sessions of `user`, oldest first.
    pub(super) fn sessions_of(&self, user: &Arc<str>) -> impl Iterator<Item = SessionIndex> + '_ {
        let user = user.clone();
        let first = (user.clone(), self.started, SessionIndex::MIN);
        self.by_user.range(first..).take_while(move |held| held.0 == user).map(|(_, _, index)| *index)
    }

    /// An address for a session: the account's own, whose former session ends; or the one the user had last, if it is free; or any
    /// that is free in the user's pool, or in any pool if the user has none.
    fn take_address(
        &mut self,
        now: Instant,
        index: SessionIndex,
        own: Option<Ipv4Addr>,
        user: &Arc<str>,
        settings: &Settings,
    ) -> Option<Ipv4Addr> {
        let Some(address) = own else {
            let last = self.last_address.get(user).copied();
            let pool = settings.pool.as_deref();
            // The user may have been put into another pool since.
            let last = last.filter(|last| pool.is_none_or(|pool| self.pools.name_of(*last) == Some(pool)));
            let again = last.filter(|address| self.pools.lease_again(*address));
            let shard = self.plane.shard_of(self.sessions.get(&index)?.lac.peer);
            return again.or_else(|| match pool {
                Some(pool) => self.pools.lease(pool, shard),
                None => self.pools.lease_any(shard),
            });
        };
        if let Some(holder) = self.by_address.get(&address) {
            self.replace(now, *holder);
        }
        // A reload that gave it to this user may still be under way.
        self.pools.reserve(address);
        self.pools.claim(address).then_some(address)
    }

    /// Ends a session whose user came in anew, at once: the newcomer needs what it holds. Its client, if it is still there,
    /// hears of it by the CDN.
    pub(super) fn replace(&mut self, now: Instant, index: SessionIndex) {
        self.end_session(now, index, "the same user logged in again", Disconnect::Administrative);
    }

    fn log_in(&mut self, index: SessionIndex, login: Login) {
        let Some(session) = self.sessions.get_mut(&index) else { return };
        session.stage = Stage::LoggedIn(login.clone());
        let moved = session.meter.read();
        session.watch.begin(login.at, moved.bytes_in + moved.bytes_out);
        self.by_address.insert(login.address, index);
        self.by_user.insert((login.user, login.at, index));
    }

    fn forget_login(&mut self, now: Instant, index: SessionIndex) {
        let wall = self.wall(now);
        let Some(session) = self.sessions.get_mut(&index) else { return };
        let peer = session.lac.peer;
        self.usage.charge(now, wall, session);
        match std::mem::replace(&mut session.stage, Stage::Negotiating) {
            Stage::Negotiating => {}
            Stage::LoggedIn(before) => self.log_out(now, peer, index, &before),
            Stage::Up { login: before, since } => {
                let traffic = session.traffic();
                session.counted = session.meter.read();
                self.say_out(now, peer, &before, since, traffic, "it logs in anew");
                self.log_out(now, peer, index, &before);
            }
        }
    }

    /// Gives back what a login holds.
    pub(super) fn log_out(&mut self, now: Instant, peer: PeerId, index: SessionIndex, login: &Login) {
        for inside in login.insides() {
            self.unassign(now, peer, index, inside);
        }
        self.forget_link6(index);
        self.pools.release(login.address);
        self.last_address.insert(login.user.clone(), login.address);
        self.by_address.remove(&login.address);
        self.by_user.remove(&(login.user.clone(), login.at, index));
    }

    /// Our own end of the link to `client`: the server's address in its pool, else in the first one.
    pub(super) fn local_address(&self, client: Ipv4Addr) -> Ipv4Addr {
        self.pools.server_address(client).unwrap_or(self.server_address)
    }

    fn log_denial(&mut self, now: Instant, index: SessionIndex, request: &AuthRequest, cause: &str) {
        let Some(peer) = self.sessions.get(&index).map(|session| session.lac.peer) else { return };
        let Some(connection) = self.connections.get(&peer) else { return };
        let name = String::from_utf8_lossy(request.name.get(..MOST_NAME).unwrap_or(&request.name));
        let AuthRequest { method, proof, .. } = request;
        let whose = match proof {
            Proof::Certificate(proof) => format!(" with {}", Certified(proof.certificate())),
            Proof::MsChapV2(_) | Proof::NewPassword(_) | Proof::Chap(_) | Proof::Password(_) => String::new(),
        };
        let remote = connection.path.remote;
        let text = format!("login of {name:?}{whose} from {remote} refused ({method}): {cause}");
        self.say_of_client(now, Level::Warn, peer, text);
    }
}

/// Why there is no address, for the operator.
fn exhausted(settings: &Settings) -> String {
    let place = settings.pool.as_ref().map_or_else(|| "any pool".to_owned(), |pool| format!("pool {pool:?}"));
    format!("no address is free in {place}; Windows shows 736; enlarge `range` in `pools`")
}

/// Octets of a name that a line shows; RFC 2759 §4 has no longer ones.
const MOST_NAME: usize = 256;
/// The two ends of every link: fe80::1 is ours, and fe80::2 is for a client that has no name of its own.
const IDENTIFIERS: Ipv6Config =
    Ipv6Config { local: InterfaceId([0, 0, 0, 0, 0, 0, 0, 1]), peer: InterfaceId([0, 0, 0, 0, 0, 0, 0, 2]) };

/// A certificate and its names, as a log line shows what a stranger may have chosen.
struct Certified<'a>(&'a ClientCertificate);

impl fmt::Display for Certified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "certificate {:?}", self.0.subject())?;
        for (nth, name) in self.0.names().take(NAMED).enumerate() {
            write!(f, "{}{name:?}", if nth == 0 { " of " } else { ", " })?;
        }
        Ok(())
    }
}

/// How many names of a certificate a line shows.
const NAMED: usize = 4;
