//! Several users in one tunnel, as a LAC has that is not itself the device.

use std::time::Instant;

use super::{Client, Upper};
use crate::lac::Call;
use crate::ppp::Link;

/// A user's call that is up, and not listened to.
pub struct Parked {
    call: Call,
    link: Box<Link>,
}

impl Client {
    /// Calls once more through the tunnel there is, for another user; the call there was is handed out. `None` if there is none.
    pub fn call_again(&mut self, now: Instant, user: &str, password: &str) -> Option<Parked> {
        match std::mem::replace(&mut self.upper, Upper::Nothing) {
            Upper::Link(mut lac, link) => {
                let call = lac.call_again(now);
                self.upper = Upper::Tunnel(lac);
                self.credentials.user = user.into();
                self.credentials.password = password.into();
                self.settle(now);
                Some(Parked { call, link })
            }
            other => {
                self.upper = other;
                None
            }
        }
    }

    /// Speaks through another of its calls; the one there was is handed out. `None` if there is none.
    pub fn switch_to(&mut self, parked: Parked) -> Option<Parked> {
        let Upper::Link(lac, link) = &mut self.upper else { return None };
        Some(Parked { call: lac.take_up(parked.call), link: std::mem::replace(link, parked.link) })
    }
}
