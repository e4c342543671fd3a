//! What distinguishes one client in the field from another, as data.
//!
//! A [`Profile`] says what a client offers, in which order and shape, what it insists on, when it repeats
//! itself and how it takes its leave. The constructors in the submodules copy real clients; every field is
//! public, so that a test can take one and change a detail.

mod android;
mod apple;
mod esp;
mod identifier;
mod ike;
mod l2tp;
mod linux;
mod ppp;
mod router;
mod vendor;
mod windows;

use std::time::Duration;

pub(crate) use self::esp::GCM_SALT_LEN;
use self::esp::esp_grid;
pub use self::esp::{EspLayout, EspProfile, EspTransform, GcmKey, IdentityPort};
pub use self::identifier::Identifier;
pub use self::ike::{IkeLayout, IkePadding, IkeProfile, IkeTransform, InitialContact, MessageIds};
pub use self::l2tp::{Avp, DataHeader, L2tpDemands, L2tpProfile, Pace, ResultCode};
pub use self::ppp::{Authentication, Eap, IpcpOption, LcpOption, PppProfile, TlsClient};
use crate::crypto::{Cipher, Hash};
use crate::dh::Group;

/// A client, layer by layer.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Name for messages of tests.
    pub name: &'static str,
    /// Main Mode and the ISAKMP SA.
    pub ike: IkeProfile,
    /// Quick Mode and ESP.
    pub esp: EspProfile,
    /// The control connection and the data header.
    pub l2tp: L2tpProfile,
    /// LCP, authentication, IPCP.
    pub ppp: PppProfile,
    /// How it takes its leave: each step, and how long it waits for the answer before the next.
    pub farewell: Vec<(Farewell, Duration)>,
}

/// A step of a disconnection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// LCP Terminate-Request.
    Terminate,
    /// Call-Disconnect-Notify.
    Cdn,
    /// Stop-Control-Connection-Notification.
    StopCcn,
    /// Delete for the ESP SA.
    DeleteEsp,
    /// Delete for the ISAKMP SA.
    DeleteIsakmp,
}

/// When an unanswered message is sent again: after each interval in turn, and after the last it is given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retransmit(pub Vec<Duration>);

impl Retransmit {
    /// The same interval every time.
    pub fn fixed(interval: Duration, times: usize) -> Self {
        Self(vec![interval; times])
    }

    /// Each interval `percent` of the one before, none above `cap`.
    pub fn backoff(first: Duration, percent: u32, cap: Duration, times: usize) -> Self {
        let grow = |last: &Duration| Some((*last * percent / 100).min(cap));
        Self(std::iter::successors(Some(first), grow).take(times).collect())
    }
}
