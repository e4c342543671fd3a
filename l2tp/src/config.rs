//! What the owner decides.

use std::time::Duration;

use crate::secret::Secret;

/// What the owner decides; the defaults suit every known client.
#[derive(Clone, Debug)]
pub struct Config {
    /// Our Host Name AVP.
    pub host_name: String,
    /// The tunnel secret. With one, every client has to prove that it knows it (RFC 2661 §5.1.1).
    pub secret: Option<Secret>,
    /// How long a client may be silent before it is sent a HELLO (RFC 2661 §5.5). Zero: no HELLO is ever sent.
    pub hello_interval: Duration,
    /// After how much silence a client that leaves HELLOs unanswered is given up.
    pub dead_after: Duration,
    /// Our Receive Window Size AVP, and how many messages of a tunnel may overtake others.
    pub receive_window: u16,
    /// How often a message is retransmitted before the tunnel is given up (RFC 2661 §5.8). 5 take 31 s.
    pub retransmissions: u32,
    /// How long a client may take from SCCRQ to SCCCN, from ICRQ to ICCN, or keep a tunnel without a session.
    pub setup_timeout: Duration,
    /// How many tunnels a peer may have.
    pub max_tunnels: usize,
    /// How many sessions a tunnel may have.
    pub max_sessions: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            host_name: "adit".into(),
            secret: None,
            hello_interval: Duration::from_secs(60),
            dead_after: Duration::from_secs(300),
            receive_window: 8,
            retransmissions: 5,
            setup_timeout: Duration::from_secs(60),
            max_tunnels: 8,
            max_sessions: 32,
        }
    }
}
