//! Several calls in one tunnel: one is spoken through, the others are set aside.

use std::time::Instant;

use super::{Lac, State};

/// A call that is up, and set aside.
pub(crate) struct Call {
    session: u16,
    peer_session: u16,
    data_ns: Option<u16>,
}

impl Lac {
    /// Calls once more; the call there was is set aside.
    pub(crate) fn call_again(&mut self, now: Instant) -> Call {
        let fresh =
            Call { session: self.session.wrapping_add(1).max(1), peer_session: 0, data_ns: self.data_ns };
        let before = self.take_up(fresh);
        self.call(now);
        before
    }

    /// Speaks through another call from now on; the one before is set aside.
    pub(crate) fn take_up(&mut self, call: Call) -> Call {
        let Call { session, peer_session, data_ns } = call;
        self.state = State::Open;
        Call {
            session: std::mem::replace(&mut self.session, session),
            peer_session: std::mem::replace(&mut self.peer_session, peer_session),
            data_ns: std::mem::replace(&mut self.data_ns, data_ns),
        }
    }
}
