//! Long arithmetic, handed out so that it runs beside the packets.

use std::fmt;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use zeroize::Zeroizing;

use crate::dh::{BadPublicValue, Group, PrivateKey, SharedSecret};

/// Our half of one Diffie-Hellman exchange: draws a private value, computes the public and the shared one.
pub struct Job {
    pub(crate) ticket: Ticket,
    group: Group,
    seed: Zeroizing<[u8; 32]>,
    peer_public: Vec<u8>,
}

impl Job {
    pub(crate) fn new(ticket: Ticket, group: Group, seed: Zeroizing<[u8; 32]>, peer_public: &[u8]) -> Self {
        Self { ticket, group, seed, peer_public: peer_public.into() }
    }

    /// Does the arithmetic. Pure: no clock, no randomness but the seed the job carries.
    pub fn run(self) -> JobDone {
        let key = PrivateKey::generate(self.group, &mut ChaCha20Rng::from_seed(*self.seed));
        let outcome = key.shared(&self.peer_public).map(|shared| {
            let Self { peer_public, .. } = self;
            KeyExchange { peer_public, public: key.public(), shared }
        });
        JobDone { ticket: self.ticket, outcome }
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Job({}, {})", self.ticket.0, self.group)
    }
}

/// What a [`Job`] found, to be given back to the responder.
pub struct JobDone {
    pub(crate) ticket: Ticket,
    pub(crate) outcome: Result<KeyExchange, BadPublicValue>,
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
