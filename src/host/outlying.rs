//! What the machine does for clients' addresses that lie in no pool: a route for each, and with `nat` what it does for the pools.
//!
//! The routes go with the device, and the rest with [`Host`](super::Host)'s tables.

use std::collections::BTreeSet;
use std::io;
use std::net::Ipv4Addr;

use anyhow::{Context, anyhow, bail};
use nix::ifaddrs::getifaddrs;

use super::rules::{self, Change};
use crate::config::Config;
use crate::io::rtnetlink::Rtnetlink;

/// Those that packets are led to the device for.
#[derive(Debug)]
pub struct Outlying {
    tun: String,
    /// The server's own address there.
    own: Ipv4Addr,
    nat: bool,
    led: BTreeSet<Ipv4Addr>,
}

impl Outlying {
    /// None yet.
    pub fn new(config: &Config) -> Self {
        let own = config.pools.first().map_or(Ipv4Addr::UNSPECIFIED, |pool| pool.range.server());
        Self { tun: config.tun.clone(), own, nat: config.nat, led: BTreeSet::new() }
    }

    /// Leads packets for these to the device, besides those of before.
    ///
    /// # Errors
    ///
    /// If one of them cannot be a client's here. Nothing has changed then.
    pub fn add(&mut self, addresses: &BTreeSet<Ipv4Addr>) -> anyhow::Result<()> {
        let new: BTreeSet<Ipv4Addr> = addresses.difference(&self.led).copied().collect();
        if new.is_empty() {
            return Ok(());
        }
        if let Some(own) = of_this_machine()?.intersection(&new).next() {
            bail!("no user can have the address {own}: it is this machine's own");
        }
        let mut kernel = Rtnetlink::of(&self.tun).context("routes")?;
        let mut done = BTreeSet::new();
        let routed = new.iter().try_for_each(|address| {
            kernel.add_host(*address, self.own).map_err(|error| self.not_led(*address, &error))?;
            done.insert(*address);
            Ok(())
        });
        let ruled = routed.and_then(|()| self.rule(Change::Add, &new));
        if ruled.is_err() {
            for address in &done {
                let _was_not_there = kernel.remove_host(*address, self.own);
            }
            return ruled;
        }
        self.led.extend(new);
        Ok(())
    }

    fn not_led(&self, address: Ipv4Addr, error: &io::Error) -> anyhow::Error {
        if error.kind() == io::ErrorKind::AlreadyExists {
            return anyhow!(
                "no user can have the address {address}: this machine has a route to it already (`ip route show {address}`)"
            );
        }
        anyhow!("cannot route a user's address {address} to {}: {error}", self.tun)
    }

    /// Leads packets there for no others than these any more, whatever was added.
    pub fn keep(&mut self, addresses: &BTreeSet<Ipv4Addr>) {
        let over: BTreeSet<Ipv4Addr> = self.led.difference(addresses).copied().collect();
        if over.is_empty() {
            return;
        }
        self.led.retain(|address| addresses.contains(address));
        if let Err(error) = self.forget(&over) {
            tracing::warn!(
                "addresses that users had outside of every pool still lead to {}: {error:#}",
                self.tun
            );
        }
    }

    fn forget(&self, over: &BTreeSet<Ipv4Addr>) -> anyhow::Result<()> {
        let mut kernel = Rtnetlink::of(&self.tun)?;
        let routed = over.iter().map(|address| {
            kernel.remove_host(*address, self.own).with_context(|| format!("route to {address}"))
        });
        // One that somebody has removed does not keep the others.
        let removed = routed.fold(Ok(()), Result::and);
        self.rule(Change::Delete, over).and(removed)
    }

    fn rule(&self, change: Change, addresses: &BTreeSet<Ipv4Addr>) -> anyhow::Result<()> {
        if !self.nat {
            return Ok(());
        }
        rules::change(&self.tun, change, addresses).context("masquerading users' addresses")
    }
}

/// A route does not lead there: the kernel takes such packets for itself.
fn of_this_machine() -> anyhow::Result<BTreeSet<Ipv4Addr>> {
    let all = getifaddrs().context("this machine's own addresses")?;
    Ok(all.filter_map(|interface| Some(interface.address?.as_sockaddr_in()?.ip())).collect())
}
