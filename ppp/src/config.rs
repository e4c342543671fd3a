//! What the operator decides about every link.

use std::sync::Arc;
use std::time::Duration;

use crate::{AuthProtocol, EapMethod, TlsCredentials};

/// Settings shared by all links of a server.
#[derive(Clone, Debug)]
pub struct Config {
    /// The MRU we ask for, and the largest packet that [`Link::mtu`](crate::Link::mtu) allows toward a client.
    pub mru: u16,
    /// What a client may authenticate itself with, most wanted first; each is offered alone. With none
    /// nobody gets in.
    pub auth: Vec<AuthProtocol>,
    /// What there is within EAP.
    pub eap: EapConfig,
    /// The name in our challenges. Clients show it or look up passwords by it; most ignore it.
    pub server_name: String,
    /// How long a client must have been silent before an LCP Echo-Request asks whether it is still there.
    pub echo_interval: Duration,
    /// So many Echo-Requests in a row without any frame from the client end the link.
    pub echo_failures: u32,
    /// How often a client may answer wrongly before the link is terminated.
    pub auth_attempts: u32,
}

/// What clients find that authenticate themselves by EAP.
#[derive(Clone, Debug, Default)]
pub struct EapConfig {
    /// The methods, most wanted first; each is offered alone. Those that need TLS are left out where there are no
    /// credentials.
    pub methods: Vec<EapMethod>,
    /// Our certificate, and whose certificates clients may have.
    pub tls: Option<Arc<TlsCredentials>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mru: 1400,
            auth: vec![AuthProtocol::MsChapV2],
            eap: EapConfig::default(),
            server_name: "adit".to_owned(),
            // Phones sleep: three minutes of silence and more are ordinary, a stale session costs little.
            echo_interval: Duration::from_secs(30),
            echo_failures: 6,
            auth_attempts: 3,
        }
    }
}
