//! Why a client was turned away: the one sentence that an operator reads.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::certificate::Fault;
use crate::isakmp::Id;
use crate::proposal::{Algorithms, Remedy};

/// An attempt that failed: where it came from, how far it got, why, what its user sees, and what to do about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    pub(crate) remote: SocketAddr,
    pub(crate) cause: Cause,
}

impl Refusal {
    /// What kind of failure it is, for a counter or a filter.
    pub fn name(&self) -> &'static str {
        match &self.cause {
            Cause::AggressiveMode { .. } => "aggressive_mode",
            Cause::UnknownIdentifier { .. } => "unknown_identifier",
            Cause::NoIkeProposal { .. } => "no_ike_proposal",
            Cause::NoNatTraversal { .. } => "no_nat_traversal",
            Cause::BadPublicValue => "bad_public_value",
            Cause::WrongPsk { .. } => "wrong_psk",
            Cause::Certificate { .. } => "certificate",
            Cause::SilentAfterKe { .. } => "silent_after_key_exchange",
            Cause::HashNotAccepted { .. } => "hash_not_accepted",
            Cause::NoEspProposal { .. } => "no_esp_proposal",
            Cause::TunnelMode => "tunnel_mode",
            Cause::NotEsp { .. } => "not_esp",
            Cause::NativeEsp => "native_esp",
            Cause::Selectors { .. } => "selectors",
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Cause {
    AggressiveMode {
        identity: Id,
    },
    UnknownIdentifier {
        identity: Id,
    },
    NoIkeProposal {
        stage: Stage,
        offer: String,
        policy: Algorithms,
        remedy: Option<Remedy>,
    },
    NoNatTraversal {
        stage: Stage,
    },
    BadPublicValue,
    WrongPsk {
        stage: Stage,
        keys: usize,
    },
    Certificate {
        fault: Fault,
    },
    SilentAfterKe {
        moved: bool,
    },
    /// The client has another key than the one our message 2 was made with; it said so, or nothing.
    HashNotAccepted {
        told: bool,
        identity: Id,
        psk: Arc<str>,
        keys: usize,
    },
    NoEspProposal {
        offer: String,
        policy: Algorithms,
        remedy: Option<Algorithms>,
    },
    TunnelMode,
    NotEsp {
        offer: String,
    },
    NativeEsp,
    Selectors {
        what: String,
    },
}

/// The message of a first phase that was turned down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    Main1,
    Main3,
    Main5,
    Aggressive1,
    Aggressive3,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Main1 => "main mode message 1",
            Self::Main3 => "main mode message 3",
            Self::Main5 => "main mode message 5",
            Self::Aggressive1 => "aggressive mode message 1",
            Self::Aggressive3 => "aggressive mode message 3",
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let remote = self.remote;
        match &self.cause {
            Cause::AggressiveMode { identity } => write!(
                f,
                "{remote} was refused at aggressive mode message 1: it calls itself \"{identity}\", and no key under \
                 `psk` has an `id`; Android and Apple devices time out; clear the \"IPSec identifier\" or \"Group Name\" \
                 on the device, or give its key that `id`"
            ),
            Cause::UnknownIdentifier { identity } => write!(
                f,
                "{remote} was refused at aggressive mode message 1: it calls itself \"{identity}\", which is the `id` of \
                 no key under `psk`; Android and Apple devices time out; correct the \"IPSec identifier\" or \"Group \
                 Name\" on the device, or give its key that `id`"
            ),
            Cause::NoIkeProposal { stage, offer, policy, remedy } => {
                write!(
                    f,
                    "{remote} was refused at {stage}: of its proposals ({offer}) `algorithms: {}` accepts none; \
                     Windows shows error 788 or 789, other devices time out; ",
                    policy.name()
                )?;
                write_remedy(
                    f,
                    *remedy,
                    "the client must be set to a pre-shared key and to stronger algorithms",
                )
            }
            Cause::NoNatTraversal { stage } => write!(
                f,
                "{remote} was refused at {stage}: it does not speak NAT traversal (RFC 3947 or drafts 00 to 03), and \
                 ESP is served inside UDP 4500 only; Windows shows error 789, other devices time out; switch NAT traversal \
                 on in the client, or set `encapsulation: auto`, which is for IPv4"
            ),
            Cause::BadPublicValue => write!(
                f,
                "{remote} was refused at the key exchange: its public value is not one of the group; the device times out; \
                 the client's software is broken or somebody tampers with its packets"
            ),
            Cause::WrongPsk { stage, keys } => write!(
                f,
                "{remote} was refused at {stage}: it does not decrypt and verify with {}, so the pre-shared key \
                 typed into the device is another one; Windows shows error 789, Android and Apple devices time out; type \
                 the key again on the device, or add its key to `psk`",
                match keys {
                    1 => "the configured key".to_string(),
                    keys => format!("any of the {keys} configured keys"),
                }
            ),
            Cause::Certificate { fault } => write!(
                f,
                "{remote} was refused at {}: {fault}; Windows shows error 789, other devices time out",
                Stage::Main5
            ),
            Cause::SilentAfterKe { moved } => write!(
                f,
                "{remote} went silent after main mode message 4: message 5 never came{}; Windows shows error 809 or 789, \
                 Android and Apple devices time out; check that UDP 4500 reaches this server",
                if *moved { ", and a client moves to UDP 4500 to send it" } else { "" }
            ),
            Cause::HashNotAccepted { told, identity, psk, keys } => {
                write!(f, "{remote}, which calls itself \"{identity}\", ")?;
                if *told {
                    write!(
                        f,
                        "turned aggressive mode message 2 down: the pre-shared key typed into the device is not {psk:?}"
                    )?;
                } else {
                    write!(
                        f,
                        "went silent after aggressive mode message 2: message 3 never came; either the pre-shared key \
                         typed into the device is not {psk:?}, or UDP 4500 does not reach this server"
                    )?;
                }
                f.write_str("; Android and Apple devices time out; ")?;
                if *keys > 1 {
                    f.write_str(
                        "connect again within a minute, for the next key of that `id` to be tried; else ",
                    )?;
                }
                f.write_str("type the key again on the device")?;
                f.write_str(if *told { "" } else { ", and check the firewall" })
            }
            Cause::NoEspProposal { offer, policy, remedy } => {
                write!(
                    f,
                    "{remote} was refused at quick mode message 1: of its ESP proposals ({offer}) `algorithms: {}` accepts \
                     none; Windows shows error 788 or 789, other devices time out; ",
                    policy.name()
                )?;
                write_remedy(
                    f,
                    remedy.map(Remedy::Algorithms),
                    "the client must be set to stronger algorithms",
                )
            }
            Cause::TunnelMode => write!(
                f,
                "{remote} was refused at quick mode message 1: it asks for tunnel mode, and L2TP runs in transport mode; the \
                 device times out; choose \"L2TP/IPsec\" as the kind of VPN, not \"IPsec\" or \"Cisco IPsec\""
            ),
            Cause::NotEsp { offer } => write!(
                f,
                "{remote} was refused at quick mode message 1: it offers no ESP of its own ({offer}), and AH or bundles are not \
                 served; Windows shows error 788, other devices time out; switch AH and compression off in the client"
            ),
            Cause::NativeEsp => write!(
                f,
                "{remote} was refused at quick mode message 1: it did not move to UDP 4500, where ESP would be served to it; \
                 the device times out; switch NAT traversal on in the client"
            ),
            Cause::Selectors { what } => write!(
                f,
                "{remote} was refused at quick mode message 1: it wants to protect {what}, and only UDP to port 1701 is \
                 served; the device times out; choose \"L2TP/IPsec\" as the kind of VPN"
            ),
        }
    }
}

fn write_remedy(f: &mut fmt::Formatter<'_>, remedy: Option<Remedy>, otherwise: &str) -> fmt::Result {
    match remedy {
        Some(Remedy::Algorithms(policy)) => write!(f, "`algorithms: {}` would accept it", policy.name()),
        Some(Remedy::Certificate(scheme, policy)) => write!(
            f,
            "`ipsec.certificate` with a key for {scheme} and `algorithms: {}` would accept it",
            policy.name()
        ),
        Some(Remedy::Psk(policy)) => {
            write!(f, "a key under `ipsec.psk` and `algorithms: {}` would accept it", policy.name())
        }
        None => f.write_str(otherwise),
    }
}

#[cfg(test)]
mod tests;
