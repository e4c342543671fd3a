//! The far end: where traffic goes to and comes from on the other side of the server.

use std::net::{Ipv4Addr, SocketAddr};

use clap::Args;

use crate::netns;

#[derive(Args)]
pub(crate) struct FarEnd {
    /// The network namespace of the far end
    #[arg(long)]
    far_netns: Option<String>,
    /// The address of the far end
    #[arg(long)]
    far: Ipv4Addr,
}

impl FarEnd {
    /// Its address.
    pub(crate) fn address(&self) -> Ipv4Addr {
        self.far
    }

    /// Where floods go to and come from.
    pub(crate) fn socket(&self) -> SocketAddr {
        (self.far, PORT).into()
    }

    /// Runs `make` there; what it makes stays there.
    pub(crate) fn within<T: Send>(
        &self,
        make: impl FnOnce() -> anyhow::Result<T> + Send,
    ) -> anyhow::Result<T> {
        netns::within(self.far_netns.as_deref(), make)
    }
}

/// The far end's port, and a client's.
const PORT: u16 = 9000;
