//! Long arithmetic, handed out so that it runs beside the packets.

use std::fmt;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use rustls_pki_types::UnixTime;
use zeroize::Zeroizing;

use crate::certificate::{Authenticate, Believed, Fault};
use crate::dh::{BadPublicValue, Group, PrivateKey, SharedSecret};

/// Something to compute.
pub struct Job {
    pub(crate) ticket: Ticket,
    task: Task,
    seed: Zeroizing<[u8; 32]>,
}

/// What.
pub(crate) enum Task {
    /// Our half of one Diffie-Hellman exchange: draws a private value, computes the public and the shared one.
    Exchange { group: Group, peer_public: Vec<u8> },
    /// Verifies a client's certificate and signature, and signs.
    Authenticate(Box<Authenticate>),
}

impl Task {
    pub(crate) fn exchange(group: Group, peer_public: &[u8]) -> Self {
        Self::Exchange { group, peer_public: peer_public.into() }
    }
}

impl Job {
    pub(crate) fn new(ticket: Ticket, task: Task, seed: Zeroizing<[u8; 32]>) -> Self {
        Self { ticket, task, seed }
    }

    /// Does the arithmetic; `unix` is the calendar's time since 1970, by which certificates are judged. Pure: no clock, no
    /// randomness but the seed the job carries.
    pub fn run(self, unix: Duration) -> JobDone {
        let mut rng = ChaCha20Rng::from_seed(*self.seed);
        let outcome = match self.task {
            Task::Exchange { group, peer_public } => {
                let key = PrivateKey::generate(group, &mut rng);
                Outcome::Exchange(key.shared(&peer_public).map(|shared| KeyExchange {
                    peer_public,
                    public: key.public(),
                    shared,
                }))
            }
            Task::Authenticate(authenticate) => {
                Outcome::Authenticated(authenticate.run(UnixTime::since_unix_epoch(unix), &mut rng))
            }
        };
        JobDone { ticket: self.ticket, outcome }
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.task {
            Task::Exchange { group, .. } => write!(f, "Job({}, {group})", self.ticket.0),
            Task::Authenticate(_) => write!(f, "Job({}, certificate)", self.ticket.0),
        }
    }
}

/// What a [`Job`] found, to be given back to the responder.
pub struct JobDone {
    pub(crate) ticket: Ticket,
    pub(crate) outcome: Outcome,
}

/// Of either task.
pub(crate) enum Outcome {
    Exchange(Result<KeyExchange, BadPublicValue>),
    Authenticated(Result<Believed, Fault>),
}

impl fmt::Debug for JobDone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JobDone({})", self.ticket.0)
    }
}

/// A finished exchange of public values.
pub(crate) struct KeyExchange {
    /// `g^xi`: the body of the client's KE payload.
    pub(crate) peer_public: Vec<u8>,
    /// `g^xr`: the body of ours.
    pub(crate) public: Vec<u8>,
    /// `g^xy`.
    pub(crate) shared: SharedSecret,
}

/// Tells who asked for a job.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Ticket(pub(crate) u64);
