//! Passwords that users choose when theirs have expired.

use std::sync::Arc;

use super::{Level, Server};
use crate::{
    datapath::SessionIndex,
    users::{NewPassword, Password},
};

impl Server {
    /// From now on `user` logs in with that password; the file will say so too.
    pub(super) fn change_password(&mut self, index: SessionIndex, user: &Arc<str>, password: Password) {
        self.users.set_password(user, &password);
        self.new_passwords.push_back(NewPassword { user: user.clone(), password });
        let peer = self.sessions.get(&index).map(|session| session.lac.peer);
        self.say(Level::Info, peer, format!("{user:?} has a new password"));
    }

    /// The next password that is to be written into the users file.
    pub fn poll_new_password(&mut self) -> Option<NewPassword> {
        self.new_passwords.pop_front()
    }
}
