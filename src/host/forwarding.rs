//! The kernel's forwarding switches, which go back to where they stood.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Switches that were moved, with what they showed before; they go back in the other order.
#[derive(Debug, Default)]
pub(super) struct Forwarding(Vec<(PathBuf, String)>);

impl Forwarding {
    pub(super) fn enable_ipv4(&mut self) -> anyhow::Result<()> {
        // Hosts believe redirects, routers do not: the kernel sees to that, whatever was wanted before.
        self.turn_all(IPV4_CONF, &["accept_redirects"])
    }

    /// A machine that forwards IPv6 stops believing routers' advertisements, and forgets the default route that it has of one, unless
    /// it is told to go on before.
    pub(super) fn enable_ipv6(&mut self) -> anyhow::Result<()> {
        for interface in interfaces(IPV6_CONF)? {
            let accepts = interface.join("accept_ra");
            if shows(&accepts, "1") {
                self.turn(accepts, "2").context("cannot have an interface go on with accept_ra")?;
            }
        }
        self.turn_all(IPV6_CONF, &[])
    }

    /// Turns forwarding on. The switch for all moves those of each interface and of interfaces to come, and `others`, whichever way it is
    /// moved: they go back after it.
    fn turn_all(&mut self, conf: &str, others: &[&str]) -> anyhow::Result<()> {
        let all = Path::new(conf).join("all");
        let forwarding = all.join("forwarding");
        if shows(&forwarding, "1") {
            return Ok(());
        }
        others.iter().for_each(|other| self.remember(all.join(other)));
        interfaces(conf)?.for_each(|interface| self.remember(interface.join("forwarding")));
        let context = format!("cannot turn on {}", forwarding.display());
        self.turn(forwarding, "1").context(context)
    }

    fn turn(&mut self, switch: PathBuf, value: &str) -> std::io::Result<()> {
        let before = fs::read_to_string(&switch)?.trim().to_owned();
        if before != value {
            fs::write(&switch, value)?;
            self.0.push((switch, before));
        }
        Ok(())
    }

    /// For what is moved with another one.
    fn remember(&mut self, switch: PathBuf) {
        if let Ok(before) = fs::read_to_string(&switch) {
            self.0.push((switch, before.trim().to_owned()));
        }
    }
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        for (switch, before) in self.0.iter().rev().filter(|(switch, before)| !shows(switch, before)) {
            match fs::write(switch, before) {
                // An interface may have gone meanwhile, with its switches.
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    tracing::warn!("cannot set {} to {before} again: {error}", switch.display());
                }
                _ => {}
            }
        }
    }
}

/// The directory of each interface, and those called `all` and `default`.
fn interfaces(conf: &str) -> anyhow::Result<impl Iterator<Item = PathBuf> + use<>> {
    let entries = fs::read_dir(conf).with_context(|| format!("cannot read {conf}"))?;
    Ok(entries.filter_map(Result::ok).map(|entry| entry.path()))
}

fn shows(switch: &Path, value: &str) -> bool {
    fs::read_to_string(switch).is_ok_and(|shown| shown.trim() == value)
}

const IPV4_CONF: &str = "/proc/sys/net/ipv4/conf";
const IPV6_CONF: &str = "/proc/sys/net/ipv6/conf";
