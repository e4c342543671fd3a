//! The question whether somebody may come in, answered from the user list.

use std::{net::Ipv4Addr, sync::Arc, time::Instant};

use ipsec::PeerId;
use l2tp::Disconnect;
use ppp::{Accept, Addressing, AuthRequest, Ipv4Config, Proof, Reject, Verdict, Verified};

use super::{
    Level, Server,
    session::{Login, Stage},
};
use crate::{datapath::SessionIndex, users::Closed};

/// Why somebody may not come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Denial {
    UnknownUser,
    WrongPassword,
    /// The account has an NT hash, which what the client shows cannot be compared with.
    OnlyHash,
    Disabled,
    Expired,
    Hours,
}

/// Somebody who proved to be the owner of an account that may be used.
struct Admitted {
    user: Arc<str>,
    verified: Verified,
    /// The address that is this account's alone.
    address: Option<Ipv4Addr>,
    /// How many sessions it may have.
    sessions: Option<usize>,
}

impl Server {
    /// Answers a link that asks about a name and the proof of a password.
    pub(super) fn login(&mut self, now: Instant, index: SessionIndex, request: &AuthRequest) {
        // A client that negotiates its link anew logs in again, perhaps as somebody else.
        self.forget_login(now, index);
        let verdict = match self.admit(now, request) {
            Err(denial) => {
                self.log_denial(now, index, request, denial.cause());
                Verdict::Reject(Reject { code: denial.code(), message: denial.message().into() })
            }
            Ok(Admitted { user, verified, address, sessions }) => {
                self.end_stale(now, index, &user);
                self.end_forgotten(now, index, &user);
                self.make_room(now, &user, sessions);
                let Some(address) = self.take_address(now, index, address, &user) else {
                    self.log_denial(
                        now,
                        index,
                        request,
                        "no address is free; Windows shows 720; enlarge `range` in `pools`",
                    );
                    return self.hang_up(now, index, ppp::Reason::NoAddress);
                };
                self.log_in(index, Login { user, address, at: now });
                let ipv4 = Ipv4Config {
                    peer: address,
                    local: self.local_address(address),
                    dns: self.directions.dns,
                };
                let addressing = Addressing { ipv4 };
                Verdict::Accept(Box::new(Accept { verified, message: "Welcome".into(), addressing }))
            }
        };
        if let Some(session) = self.sessions.get_mut(&index) {
            session.link.handle_verdict(now, verdict);
            self.touched.insert(index);
        }
    }

    fn admit(&self, now: Instant, request: &AuthRequest) -> Result<Admitted, Denial> {
        let (user, account) = self.users.find(&request.name).ok_or(Denial::UnknownUser)?;
        let verified = match &request.proof {
            Proof::MsChapV2(proof) => account.nt_hashes().find_map(|hash| proof.verify(hash)),
            Proof::Chap(proof) => proof.verify(account.password.as_ref().ok_or(Denial::OnlyHash)?.as_bytes()),
            Proof::Password(password) => account.nt_hashes().find_map(|hash| password.verify(hash)),
        };
        let verified = verified.ok_or(Denial::WrongPassword)?;
        // Only who knows the password learns more about the account.
        match account.settings.closed(self.wall(now)) {
            Some(Closed::Disabled) => return Err(Denial::Disabled),
            Some(Closed::Expired) => return Err(Denial::Expired),
            Some(Closed::Hours) => return Err(Denial::Hours),
            None => {}
        }
        let sessions = account.settings.sessions;
        Ok(Admitted { user: user.clone(), verified, address: account.address, sessions })
    }

    /// Ends the oldest sessions of `user` until one more fits: who is at the door is there now, while an old session is
    /// most often one that a sleeping phone left behind.
    fn make_room(&mut self, now: Instant, user: &Arc<str>, sessions: Option<usize>) {
        let Some(limit) = sessions.map(|limit| limit.max(1)) else { return };
        loop {
            let held: Vec<SessionIndex> = self.sessions_of(user).take(limit).collect();
            match held.first() {
                Some(oldest) if held.len() == limit => self.replace(now, *oldest),
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
    /// that is free.
    fn take_address(
        &mut self,
        now: Instant,
        index: SessionIndex,
        own: Option<Ipv4Addr>,
        user: &Arc<str>,
    ) -> Option<Ipv4Addr> {
        let Some(address) = own else {
            let last = self.last_address.get(user).copied();
            let again = last.filter(|address| self.pools.lease_again(*address));
            let shard = self.plane.shard_of(self.sessions.get(&index)?.lac.peer);
            return again.or_else(|| self.pools.lease_any(shard));
        };
        if let Some(holder) = self.by_address.get(&address) {
            self.replace(now, *holder);
        }
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
        self.by_address.insert(login.address, index);
        self.by_user.insert((login.user, login.at, index));
    }

    fn forget_login(&mut self, now: Instant, index: SessionIndex) {
        let Some(session) = self.sessions.get_mut(&index) else { return };
        let peer = session.lac.peer;
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
        self.unassign(now, peer, index, login.address);
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
        let name = String::from_utf8_lossy(&request.name);
        let AuthRequest { method, .. } = request;
        let text = format!("login of {name:?} from {} refused ({method}): {cause}", connection.path.remote);
        self.say_of_client(now, Level::Warn, peer, text);
    }
}

impl Denial {
    /// What the device shows, RFC 2759 §6; 708 is Windows' own.
    const fn code(self) -> u16 {
        match self {
            Self::UnknownUser | Self::WrongPassword | Self::OnlyHash => 691,
            Self::Disabled => 647,
            Self::Expired => 708,
            Self::Hours => 646,
        }
    }

    /// What the client is told. A stranger does not learn whether it was the name or the password.
    const fn message(self) -> &'static str {
        match self {
            Self::UnknownUser | Self::WrongPassword | Self::OnlyHash => "wrong user name or password",
            Self::Disabled => "this account is disabled",
            Self::Expired => "this account has expired",
            Self::Hours => "this account may not be used at this hour",
        }
    }

    /// Cause, what the user sees, and remedy, for the operator.
    const fn cause(self) -> &'static str {
        match self {
            Self::UnknownUser => {
                "no such user; Windows shows 691, phones ask for the password again; add the user to the users file"
            }
            Self::WrongPassword => {
                "wrong password; Windows shows 691, phones ask for it again; type it anew there or set it in the users file"
            }
            Self::OnlyHash => {
                "the account has only an nt_hash, and CHAP-MD5 needs the password itself; Windows shows 691, phones ask for the password again; allow MS-CHAPv2 on the device, or give the user a `password` in the users file"
            }
            Self::Disabled => {
                "the account is disabled; Windows shows 647; remove `disabled` in the users file"
            }
            Self::Expired => "the account has expired; Windows shows 708; move `expires` in the users file",
            Self::Hours => {
                "the account may not be used at this hour; Windows shows 646; widen `hours` in the users file"
            }
        }
    }
}
