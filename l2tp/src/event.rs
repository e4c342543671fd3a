//! What an [`crate::Lns`] hands to its owner.

use crate::reason::Reason;

/// Names a session by one side's ids.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SessionKey {
    /// Tunnel id.
    pub tunnel_id: u16,
    /// Session id.
    pub session_id: u16,
}

/// A control message to be sent: the UDP payload, from port 1701.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transmit<P> {
    /// To whom.
    pub peer: P,
    /// L2TP header and AVPs.
    pub payload: Vec<u8>,
}

/// What the owner has to know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event<P> {
    /// A tunnel stands; its [`Event::TunnelClosed`] will follow.
    TunnelOpened {
        /// Whose.
        peer: P,
        /// Our tunnel id.
        tunnel_id: u16,
        /// The client's Host Name, cleaned of control characters.
        host_name: String,
        /// The client's Vendor Name, cleaned likewise.
        vendor: Option<String>,
    },
    /// An attempt at a tunnel came to nothing.
    TunnelFailed {
        /// Whose.
        peer: P,
        /// The client's Host Name, if it came so far.
        host_name: String,
        /// Why.
        reason: Reason,
    },
    /// A session stands: PPP begins. Its [`Event::SessionClosed`] will follow.
    SessionOpened {
        /// Whose.
        peer: P,
        /// Our ids: what the client puts into the headers of its data.
        session: SessionKey,
        /// The client's ids: what we put into the headers of ours.
        peer_session: SessionKey,
        /// (Tx) Connect Speed in bits per second, 0 if the client told none.
        tx_speed: u32,
        /// The client demands sequence numbers in data. They are never sent; see the crate's deviations.
        sequencing_required: bool,
    },
    /// A call came to nothing.
    SessionFailed {
        /// Whose.
        peer: P,
        /// Our tunnel id.
        tunnel_id: u16,
        /// Why.
        reason: Reason,
    },
    /// A session is over, whoever ended it.
    SessionClosed {
        /// Whose.
        peer: P,
        /// Our ids.
        session: SessionKey,
        /// Why.
        reason: Reason,
    },
    /// A tunnel is over, whoever ended it; its sessions' events came before.
    TunnelClosed {
        /// Whose.
        peer: P,
        /// Our tunnel id.
        tunnel_id: u16,
        /// Why.
        reason: Reason,
    },
}
