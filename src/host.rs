//! What the machine around the TUN device must do: forward packets, and masquerade the clients behind its own address.
//!
//! All of it is undone when [`Host`] is dropped: the forwarding switches go back if we moved them, and our rules stand
//! in tables of their own that are removed whole. A table left behind by a run that was killed is replaced. IPv6 is left alone unless
//! a pool has it.

mod forwarding;
mod outlying;
mod rules;

use std::fs;

use anyhow::{Context, bail};

use crate::pool::Pool;
use forwarding::Forwarding;
pub use outlying::Outlying;
use rules::{Family, Rules};

/// The changes made to this machine.
#[derive(Debug)]
pub struct Host {
    _rules: Vec<Rules>,
    _forwarding: Forwarding,
}

impl Host {
    /// Turns forwarding on and masquerades what the `pools` send out of any interface but `tun`.
    pub fn prepare(tun: &str, pools: &[Pool]) -> anyhow::Result<Self> {
        let ranges: Vec<String> = pools.iter().map(|pool| pool.range.to_string()).collect();
        let ranges6: Vec<String> =
            pools.iter().flat_map(Pool::ranges6).map(|range| range.to_string()).collect();
        let mut rules = vec![Rules::install(Family::Ipv4, tun, &ranges)?];
        let mut forwarding = Forwarding::default();
        forwarding.enable_ipv4()?;
        if !ranges6.is_empty() {
            rules.push(Rules::install(Family::Ipv6, tun, &ranges6)?);
            forwarding.enable_ipv6()?;
        }
        Ok(Self { _rules: rules, _forwarding: forwarding })
    }
}

/// Checks, before anything is set up, that this process may configure interfaces; the error is one sentence.
pub fn check() -> anyhow::Result<()> {
    let status = fs::read_to_string("/proc/self/status").context("cannot read /proc/self/status")?;
    if effective_capabilities(&status).is_some_and(|set| set & CAP_NET_ADMIN == 0) {
        bail!("adit needs root (or CAP_NET_ADMIN and CAP_NET_BIND_SERVICE) to create a TUN device");
    }
    Ok(())
}

fn effective_capabilities(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

const CAP_NET_ADMIN: u64 = 1 << 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_read() {
        assert_eq!(effective_capabilities("Name:\tadit\nCapEff:\t0000000000001000\n"), Some(CAP_NET_ADMIN));
        assert_eq!(effective_capabilities("Name:\tadit\n"), None);
    }
}
