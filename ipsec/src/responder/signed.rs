//! The end of a Main Mode with signatures: message 5 is verified and message 6 signed beside the packets.

use std::mem;
use std::sync::Arc;
use std::time::Instant;

use super::attempt::{Established, MAX_FAILURES};
use super::half_open::{Attempt, State};
use super::{Asker, Responder, Timer};
use crate::certificate::{Believed, Credentials, Fault};
use crate::crypto::Digest;
use crate::discard::Discard;
use crate::event::Credential;
use crate::isakmp::iana::NotifyType;
use crate::isakmp::{Cookies, Message};
use crate::isakmp_sa::Answered;
use crate::job::Task;
use crate::path::Path;
use crate::phase1::{Authenticating, AwaitId, MainMode};
use crate::refusal::Cause;

impl Responder {
    pub(super) fn signed5(
        &mut self,
        path: Path,
        message: Message<'_>,
        request: Digest,
        credentials: &Arc<Credentials>,
    ) -> Result<(), Discard> {
        let header = message.header;
        let cookies = header.cookies;
        if !header.flags.is_encrypted() {
            return Err(Discard::Unencrypted);
        }
        let attempt = self.half_open.get_mut(cookies).ok_or(Discard::UnknownCookies)?;
        let State::Main(MainMode::AwaitId(await_id)) = &mut attempt.state else {
            return Err(Discard::Unexpected);
        };
        if await_id.failures >= MAX_FAILURES {
            return Err(Discard::Unauthenticated);
        }
        let read = await_id.read_signed(&header, message.body, credentials, self.config.algorithms);
        let Some((signer, authenticate)) = read else {
            // Somebody else may have made this message up: the attempt goes on, and its client may yet be heard.
            await_id.failures += 1;
            let (id, first) = (attempt.id, await_id.failures == 1);
            if first {
                self.refuse(id, path, Cause::Certificate { fault: Fault::Garbled });
            }
            return Err(Discard::Unauthenticated);
        };
        let under_way = self.jobs.values().filter(|asker| matches!(asker, Asker::Authentication(_)));
        if under_way.count() >= self.config.max_jobs.div_ceil(2) {
            // Whoever has keys already must be able to renew them.
            return Err(Discard::JobLimit);
        }
        self.start_job(Asker::Authentication(cookies), Task::Authenticate(Box::new(authenticate)))?;
        self.timers.stop(Timer::ResendMessage4(cookies));
        let attempt = self.half_open.get_mut(cookies).ok_or(Discard::UnknownCookies)?;
        let State::Main(MainMode::AwaitId(await_id)) = mem::replace(&mut attempt.state, State::Refused)
        else {
            return Err(Discard::Unexpected);
        };
        let authenticating = Authenticating { path, await_id, signer };
        attempt.state = State::Main(MainMode::Authenticating(Box::new(authenticating)));
        attempt.last = Answered { request, response: Vec::new() };
        Ok(())
    }

    /// What a message decrypts to that came under this exchange's own key is from its client, so a fault in it is final.
    pub(super) fn main_mode_authenticated(
        &mut self,
        now: Instant,
        cookies: Cookies,
        outcome: Result<Believed, Fault>,
    ) {
        let Some(attempt) = self.half_open.get_mut(cookies) else { return };
        let State::Main(MainMode::Authenticating(authenticating)) =
            mem::replace(&mut attempt.state, State::Refused)
        else {
            return;
        };
        let path = authenticating.path;
        let believed = match outcome {
            Ok(believed) => believed,
            Err(fault) => {
                let cause = Cause::Certificate { fault };
                self.refuse_attempt(path, cookies, cause, NotifyType::AUTHENTICATION_FAILED, usize::MAX);
                return;
            }
        };
        let Some(Attempt { id: attempt, path: answered, last: Answered { request, .. }, .. }) =
            self.drop_attempt(cookies)
        else {
            return;
        };
        let Authenticating { await_id, signer, .. } = *authenticating;
        let AwaitId { agreed, traversal, timings, .. } = *await_id;
        let (identity, initial_contact) = (signer.identity.clone(), signer.initial_contact);
        let credential =
            Credential::Certificate { subject: believed.name.as_str().into(), digest: believed.digest };
        let (response, keys) = signer.message6(cookies, believed);
        let last = Answered { request, response: response.clone() };
        let established = Established {
            attempt,
            agreed,
            traversal,
            timings,
            identity,
            credential,
            reached: answered.remote.ip(),
            initial_contact,
            keys,
            last,
        };
        self.establish(now, path, cookies, established);
        self.transmit(path, response);
    }
}
