//! What a client tells its owner: where it stands, what happened, how it ended.

use std::net::Ipv4Addr;

use super::{Client, Upper};
use crate::ppp::{Link, Refusal};
use crate::profile::Profile;
use crate::timeline::Timeline;

/// Where a client stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// On the way up: the last stage passed is in the timeline.
    Connecting,
    /// It has an address.
    Up,
    /// The login was refused and may be tried again.
    Refused(Refusal),
    /// It says goodbye.
    Leaving,
    /// It is over.
    Closed(End),
}

/// Why a client is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The user disconnected.
    Left,
    /// The server ended it, with this message.
    Dismissed(String),
    /// The server refused in the clear: a notification of this type.
    Notified(u16),
    /// The server refused the login for good.
    Refused(Refusal),
    /// Nothing came in spite of retransmissions; this was awaited.
    NoAnswer(&'static str),
    /// The server did what this client cannot live with.
    Violated(String),
}

/// What happened to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Phase 1 is done.
    Established {
        /// The client moved to port 4500.
        behind_nat: bool,
        /// It replaces an earlier one.
        renewed: bool,
    },
    /// A pair of ESP SAs is in use.
    SaOpened {
        /// It replaces an earlier one.
        renewed: bool,
    },
    /// The server deleted the SA that the client sent on.
    SaDeleted,
    /// The server deleted an ISAKMP SA.
    IsakmpDeleted,
    /// The server sent an authenticated notification.
    Notified(u16),
    /// The client has its address.
    Up(Ipv4Addr),
    /// The server refused the login; [`Client::retry_password`] may follow.
    Refused(Refusal),
    /// It is over.
    Closed(End),
}

impl Client {
    /// Where the client stands.
    pub fn stage(&self) -> Stage {
        if let Some(end) = &self.end {
            return Stage::Closed(end.clone());
        }
        if self.leaving.is_some() {
            return Stage::Leaving;
        }
        match &self.upper {
            Upper::Link(_, link) if link.is_up() => Stage::Up,
            Upper::Link(_, link) => link.refusal().map_or(Stage::Connecting, Stage::Refused),
            _ => Stage::Connecting,
        }
    }

    /// The profile it was made with.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Its address, while it is up.
    pub fn address(&self) -> Option<Ipv4Addr> {
        self.link()?.address()
    }

    /// The server's address in the tunnel.
    pub fn server_address(&self) -> Option<Ipv4Addr> {
        self.link()?.server()
    }

    /// The DNS servers it was given.
    pub fn dns(&self) -> Vec<Ipv4Addr> {
        self.link().map(Link::dns).unwrap_or_default()
    }

    /// Its interface identifier, once there is IPv6.
    pub fn interface_id(&self) -> Option<[u8; 8]> {
        self.link()?.interface_id()
    }

    /// PPP protocols the server rejected.
    pub fn rejected_protocols(&self) -> &[u16] {
        self.link().map_or(&[], Link::rejected)
    }

    /// What the server said as it ended IPCP.
    pub fn ipcp_ended(&self) -> Option<&str> {
        self.link()?.ipcp_ended()
    }

    /// The tunnel and session id it chose.
    pub fn l2tp_ids(&self) -> Option<(u16, u16)> {
        match &self.upper {
            Upper::Nothing => None,
            Upper::Tunnel(lac) | Upper::Link(lac, _) => Some(lac.ids()),
        }
    }

    /// When it passed which stage.
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    pub(super) fn link(&self) -> Option<&Link> {
        match &self.upper {
            Upper::Link(_, link) => Some(link),
            _ => None,
        }
    }
}
