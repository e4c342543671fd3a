//! How a client takes its leave, step by step.

use std::time::Instant;

use super::{Client, End, Upper};
use crate::profile::Farewell;

/// A client on its way out.
pub(super) struct Leaving {
    /// Steps still to be taken, the next one last.
    steps: Vec<Farewell>,
    /// No later than this goes the next step.
    due: Instant,
    /// What the last step waits for.
    awaiting: Option<Farewell>,
    end: End,
}

impl Leaving {
    pub(super) fn due(&self) -> Instant {
        self.due
    }
}

impl Client {
    /// Says goodbye in the manner of its profile.
    pub fn disconnect(&mut self, now: Instant) {
        self.leave(now, End::Left);
        self.settle(now);
    }

    /// Vanishes without a word.
    pub fn vanish(&mut self) {
        self.close(End::Left);
    }

    /// The server hung up: what is left to say concerns IKE.
    pub(super) fn dismissed(&mut self, now: Instant, what: String) {
        if let Some(leaving) = &mut self.leaving {
            leaving.awaiting = None;
        } else {
            self.leave(now, End::Dismissed(what));
        }
    }

    /// The server answered our Terminate-Request.
    pub(super) fn terminate_acknowledged(&mut self) {
        if let Some(leaving) = &mut self.leaving {
            leaving.awaiting.take_if(|step| *step == Farewell::Terminate);
        }
    }

    pub(super) fn leave(&mut self, now: Instant, end: End) {
        if self.leaving.is_some() || self.end.is_some() {
            return;
        }
        let speaks = |step: &Farewell| match step {
            Farewell::Terminate => end == End::Left,
            Farewell::Cdn | Farewell::StopCcn => !matches!(end, End::Dismissed(_)),
            Farewell::DeleteEsp | Farewell::DeleteIsakmp => true,
        };
        let steps = self.profile.farewell.iter().rev().map(|(step, _)| *step).filter(speaks).collect();
        self.leaving = Some(Leaving { steps, due: now, awaiting: None, end });
    }

    /// Takes the next step if it is due; `false` if none was.
    pub(super) fn go_on_leaving(&mut self, now: Instant) -> bool {
        let Some(leaving) = &mut self.leaving else { return false };
        if self.end.is_some() {
            return false;
        }
        let answered = match leaving.awaiting {
            None => true,
            Some(Farewell::Cdn | Farewell::StopCcn) => match &self.upper {
                Upper::Nothing => true,
                Upper::Tunnel(lac) | Upper::Link(lac, _) => lac.is_idle(),
            },
            Some(_) => false,
        };
        if !answered && now < leaving.due {
            return false;
        }
        let Some(step) = leaving.steps.pop() else {
            let end = leaving.end.clone();
            self.close(end);
            return false;
        };
        let patience = self.profile.farewell.iter().find(|(found, _)| *found == step).map(|(_, time)| *time);
        let patience = patience.unwrap_or_default();
        leaving.due = now + patience;
        leaving.awaiting = (!patience.is_zero()).then_some(step);
        self.take_step(now, step);
        true
    }

    fn take_step(&mut self, now: Instant, step: Farewell) {
        match (step, &mut self.upper) {
            (Farewell::Terminate, Upper::Link(_, link)) => link.terminate(),
            (Farewell::Cdn, Upper::Tunnel(lac) | Upper::Link(lac, _)) => lac.send_cdn(now),
            (Farewell::StopCcn, Upper::Tunnel(lac) | Upper::Link(lac, _)) => lac.send_stop_ccn(now),
            (Farewell::DeleteEsp, _) => {
                let current = self.inbound.iter().filter(|(_, until)| until.is_none());
                let spis: Vec<[u8; 4]> = current.map(|(sa, _)| sa.spi()).collect();
                spis.into_iter().for_each(|spi| self.ike.send_delete_esp(spi));
            }
            (Farewell::DeleteIsakmp, _) => self.ike.send_delete_newest_isakmp(),
            _ => {}
        }
    }
}
