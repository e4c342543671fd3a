//! MD5-Challenge, type 4, RFC 3748 §5.4: CHAP's Challenge and Response in EAP.
//!
//! ```text
//!  type-data │ value size │ value │ name
//! ```

use super::EapMethod;
use super::method::{Settings, Step};
use super::packet::Response;
use crate::auth::chap::md5::ChapProof;
use crate::auth::{AuthRequest, Method, Proof, Verdict};
use crate::reason::{Reason, printable};
use crate::wire::{Discard, Wire};

/// One MD5-Challenge conversation. There is one try.
pub(super) struct Md5 {
    challenge: [u8; 16],
}

impl Md5 {
    pub(super) fn begin(settings: &Settings, wire: &mut Wire) -> (Self, Vec<u8>) {
        let challenge: [u8; 16] = wire.bytes();
        let data = [&[VALUE_SIZE], &challenge[..], settings.server_name.as_bytes()].concat();
        (Self { challenge }, data)
    }

    /// The identifier of EAP takes the place of CHAP's. The name is that of the Identity: what stands behind the value some
    /// clients leave out.
    pub(super) fn handle_response(&self, identity: &[u8], response: Response<'_>) -> Step {
        let Some((&VALUE_SIZE, value)) = response.data.split_first() else {
            return Step::Discard(Discard::Length);
        };
        let Some(&value) = value.first_chunk() else { return Step::Discard(Discard::Length) };
        Step::Ask(AuthRequest {
            name: identity.to_vec(),
            method: Method::Eap(EapMethod::Md5),
            proof: Proof::Chap(ChapProof::new(response.identifier, self.challenge, value)),
        })
    }

    pub(super) fn handle_verdict(&self, identity: &[u8], verdict: Verdict) -> Step {
        let Some(verdict) = verdict.on(&self.challenge) else { return Step::Waiting };
        match verdict {
            Verdict::Accept(accept) => Step::Accepted(accept),
            Verdict::Reject(reject) => {
                let name = printable(identity);
                Step::Failed(Reason::AuthFailed { name, code: reject.code, attempts: 1 })
            }
        }
    }
}

const VALUE_SIZE: u8 = 16;
