//! Long arithmetic that engines hand out.

use std::time::Duration;

use crate::datapath::SessionIndex;

/// Arithmetic of a key exchange or of a login, to be run anywhere.
#[derive(Debug)]
pub struct Job {
    pub(super) engine: Engine,
    /// The calendar's time since 1970, for certificates.
    pub(super) unix: Duration,
}

/// What a [`Job`] has come to, for [`Server::handle_job`](super::Server::handle_job).
#[derive(Debug)]
pub struct JobDone(pub(super) Done);

#[derive(Debug)]
pub(super) enum Engine {
    Ike(ipsec::Job),
    Ppp(SessionIndex, ppp::Job),
}

#[derive(Debug)]
pub(super) enum Done {
    Ike(ipsec::JobDone),
    Ppp(SessionIndex, ppp::JobDone),
}

impl Job {
    /// Does the arithmetic; depends on nothing but the job.
    pub fn run(self) -> JobDone {
        JobDone(match self.engine {
            Engine::Ike(job) => Done::Ike(job.run(self.unix)),
            Engine::Ppp(index, job) => Done::Ppp(index, job.run(self.unix)),
        })
    }
}
