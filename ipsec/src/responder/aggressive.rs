//! Aggressive Mode: from a stranger's first message to an ISAKMP SA.

use std::time::Instant;

use super::Responder;
use crate::discard::Discard;
use crate::isakmp::iana::NotifyType;
use crate::isakmp::{Cookie, Message};
use crate::path::Path;
use crate::refusal::Cause;

impl Responder {
    /// Aggressive Mode is refused, once per client and not once per retransmission.
    pub(super) fn aggressive_mode(
        &mut self,
        now: Instant,
        path: Path,
        message: Message<'_>,
        datagram: &[u8],
    ) -> Result<(), Discard> {
        if message.header.cookies.responder != Cookie::ZERO {
            return Err(Discard::UnknownCookies);
        }
        let cookies = self.admit(now, path, message, datagram)?;
        let Some(cookies) = cookies else { return Ok(()) };
        self.refuse_attempt(
            path,
            cookies,
            Cause::AggressiveMode,
            NotifyType::INVALID_EXCHANGE_TYPE,
            datagram.len(),
        );
        Ok(())
    }
}
