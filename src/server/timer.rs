//! What the server waits for, besides what its engines wait for by themselves.

use ipsec::PeerId;

use crate::datapath::SessionIndex;

/// Whose deadline it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Timer {
    /// A link's own `poll_timeout`.
    Link(SessionIndex),
    /// Time to see whether a session is in use.
    Watch(SessionIndex),
    /// Time for its router to say that it is still there.
    Advertisement(SessionIndex),
    /// The end of a connection whose last tunnel is gone.
    Farewell(PeerId),
    /// Time to see whether a connection has been silent.
    Care(PeerId),
    /// No tunnel has come of native ESP.
    NativeLost(PeerId),
}
