//! A login from its refusal to the next try, and to its good end.

use std::time::Instant;

use super::chap::Response;
use super::negotiation::{self, Negotiation};
use super::{Event, Link, Phase, Refusal};
use crate::timeline::Mark;

impl Link {
    /// Answers a refusal that allows another try.
    pub(crate) fn retry(&mut self, now: Instant, password: &str) {
        if let Phase::Conversing(_) = self.phase {
            self.password = password.into();
            return self.converse_again();
        }
        let Phase::Refused { identifier, challenge } = self.phase else { return };
        self.password = password.into();
        let response = self.respond(identifier.wrapping_add(1), &challenge);
        self.phase = Phase::Responded(response.repeated(now + self.profile.restart));
    }

    /// Answers a refusal because of the password's age with another password.
    pub(crate) fn change_password(&mut self, now: Instant, password: &str) {
        let Phase::Refused { identifier, challenge } = self.phase else { return };
        let response = self.change(identifier.wrapping_add(1), &challenge, password);
        self.password = password.into();
        self.phase = Phase::Responded(response.repeated(now + self.profile.restart));
    }

    /// The login was refused.
    pub(super) fn refuse(&mut self, refusal: Refusal) {
        self.refusal = Some(refusal.clone());
        self.events.push_back(Event::Refused(refusal));
    }

    /// The login is done: now for the network.
    pub(super) fn enter_network(&mut self, now: Instant, response: Option<Response>) {
        self.phase = Phase::Network(response);
        self.refusal = None;
        self.events.push_back(Event::Passed(Mark::Authenticated));
        let tries = self.profile.max_configure;
        self.ipcp.start(now, tries, &mut self.outgoing);
        self.extras.clear();
        for (protocol, options) in self.profile.extras.clone() {
            let options = negotiation::decode_options(&options).unwrap_or_default();
            let mut extra = Negotiation::new(protocol, 1, options, self.profile.restart);
            extra.start(now, tries, &mut self.outgoing);
            self.extras.push(extra);
        }
    }
}
