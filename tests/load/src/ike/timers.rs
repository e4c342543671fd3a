//! What is due: messages again, new keys, keepalives, the end of a lifetime.

use std::time::Instant;

use super::{Event, Ike, IsakmpSa, nat, quick_mode};
use crate::resend::Due;

impl Ike {
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.resend_main_mode(now);
        self.resend_aggressive(now);
        self.resend_quick_modes(now);
        self.resend_answers(now);
        if self.quick_mode_due.is_some_and(|due| now >= due) && !self.sas.is_empty() {
            self.start_quick_mode(now);
        }
        if self.renew_esp.is_some_and(|due| now >= due) {
            self.start_quick_mode(now);
        }
        if self.keepalive.is_some_and(|due| now >= due) {
            self.keepalive = self.setup.ike.keepalive.map(|interval| now + interval);
            if self.port() == nat::NAT_T_PORT {
                self.outgoing.push_back((nat::NAT_T_PORT, Vec::new()));
            }
        }
        if let Some(sa) = self.sas.last()
            && self.renewal_of(sa).is_some_and(|due| now >= due)
        {
            self.start_phase1(now);
        }
        if let Some(sa) = self.sas.last()
            && now >= sa.since + self.setup.ike.lifetime
        {
            self.forget_isakmp();
        }
    }

    fn renewal_of(&self, sa: &IsakmpSa) -> Option<Instant> {
        let idle = self.negotiation.is_none() && self.aggressive.is_none();
        self.setup.ike.rekey_after.filter(|_| idle).map(|after| sa.since + after)
    }

    fn resend_main_mode(&mut self, now: Instant) {
        let Some(negotiation) = &mut self.negotiation else { return };
        match negotiation.resend.check(now) {
            Due::Later => {}
            Due::Again => self.outgoing.push_back((negotiation.port, negotiation.sent.clone())),
            Due::GiveUp => {
                self.events.push_back(Event::NoAnswer(negotiation.stage()));
                self.negotiation = None;
            }
        }
    }

    fn resend_quick_modes(&mut self, now: Instant) {
        let port = self.port();
        let mut given_up = false;
        for quick in &mut self.quick_modes {
            let quick_mode::State::AwaitAnswer(waiting) = &mut quick.state else { continue };
            match waiting.resend.check(now) {
                Due::Later => {}
                Due::Again => self.outgoing.push_back((port, quick.sent.clone())),
                Due::GiveUp => {
                    quick.state = quick_mode::State::Done(Vec::new());
                    given_up = true;
                }
            }
        }
        if given_up {
            self.events.push_back(Event::NoAnswer("message 2 of Quick Mode"));
        }
    }

    fn resend_answers(&mut self, now: Instant) {
        let port = self.port();
        for answer in &mut self.answers {
            let due = answer.waiting.as_mut().map(|waiting| waiting.resend.check(now));
            match due {
                Some(Due::Again) => self.outgoing.push_back((port, answer.sent.clone())),
                Some(Due::GiveUp) => answer.waiting = None,
                Some(Due::Later) | None => {}
            }
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let quick_modes = self.quick_modes.iter().filter_map(|quick| match &quick.state {
            quick_mode::State::AwaitAnswer(waiting) => Some(waiting.resend.due()),
            quick_mode::State::Done(_) => None,
        });
        let answers = self.answers.iter().filter_map(|answer| Some(answer.waiting.as_ref()?.resend.due()));
        let newest = self.sas.last();
        [
            self.negotiation.as_ref().map(|active| active.resend.due()),
            self.aggressive.as_ref().map(|active| active.resend.due()),
            self.quick_mode_due.filter(|_| newest.is_some()),
            self.renew_esp,
            self.keepalive,
            newest.and_then(|sa| self.renewal_of(sa)),
            newest.map(|sa| sa.since + self.setup.ike.lifetime),
        ]
        .into_iter()
        .flatten()
        .chain(quick_modes)
        .chain(answers)
        .min()
    }
}
