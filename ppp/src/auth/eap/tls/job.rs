//! The long part of a TLS handshake, to be done elsewhere: certificates, signatures, key exchange.

use std::fmt;
use std::time::Duration;

use super::fault::Fault;
use super::tunnel::Tunnel;

/// Records of a client's, and the connection that they are for.
pub struct Job {
    pub(super) ticket: [u8; 8],
    pub(super) tunnel: Tunnel,
    pub(super) records: Vec<u8>,
}

impl Job {
    /// Does the arithmetic; depends on nothing but the job and the calendar's time since 1970, by which certificates are judged.
    pub fn run(self, unix: Duration) -> JobDone {
        let Self { ticket, mut tunnel, records } = self;
        tunnel.set_calendar(unix);
        let fault = tunnel.handle(&records).err();
        JobDone { ticket, tunnel, fault }
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Job(…)")
    }
}

/// What a [`Job`] has come to, for [`Link::handle_job`](crate::Link::handle_job).
pub struct JobDone {
    pub(super) ticket: [u8; 8],
    pub(super) tunnel: Tunnel,
    pub(super) fault: Option<Fault>,
}

impl fmt::Debug for JobDone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JobDone(…)")
    }
}
