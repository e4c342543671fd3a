//! Address, routes and state of the interface.

use anyhow::Context;

use super::Interface;
use crate::io::rtnetlink::Rtnetlink;

/// Gives the interface its MTU, queue, addresses and routes, and puts it up.
pub(super) fn configure(interface: &Interface<'_>) -> anyhow::Result<()> {
    let mut kernel = Rtnetlink::of(interface.name)?;
    let has_ipv6 = interface.pools.iter().any(|pool| pool.range6.is_some());
    // There is no router among the clients: without this the kernel would ask for one. It may be compiled out where it is not needed.
    let settings =
        [("disable_ipv6", if has_ipv6 { "0" } else { "1" }), ("addr_gen_mode", "1"), ("accept_ra", "0")];
    for (setting, value) in settings {
        let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{}/{setting}", interface.name), value);
    }

    let mtu = u32::from(interface.mtu);
    kernel.put_up(mtu, QUEUE).with_context(|| format!("MTU {mtu}"))?;
    for pool in interface.pools {
        let range = pool.range;
        kernel.enter(range.server().into(), range.network().into(), range.prefix())?;
        if let (Some(range6), Some(own)) = (pool.range6, pool.server_prefix()) {
            let entered = kernel.enter(own.first().into(), range6.network().into(), range6.prefix());
            entered.context("IPv6 (a pool has `range6`)")?;
            if let Some(delegate) = pool.delegate {
                let range = delegate.range();
                kernel.lead(range.network().into(), range.prefix(), own.first().into())?;
            }
        }
    }
    Ok(())
}

/// Packets that may wait for us before the kernel drops: a few milliseconds of a fast link.
const QUEUE: u32 = 4096;
