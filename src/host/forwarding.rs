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
        self.turn(IP_FORWARD.into(), "1").with_context(|| format!("cannot turn on {IP_FORWARD}"))
    }

    /// A machine that forwards IPv6 stops believing routers' advertisements, and forgets the default route that it has of one, unless
    /// it is told to go on before.
    pub(super) fn enable_ipv6(&mut self) -> anyhow::Result<()> {
        let interfaces = fs::read_dir(IPV6_CONF).with_context(|| format!("cannot read {IPV6_CONF}"))?;
        for interface in interfaces.filter_map(Result::ok).map(|entry| entry.path()) {
            let accepts = interface.join("accept_ra");
            if fs::read_to_string(&accepts).is_ok_and(|value| value.trim() == "1") {
                self.turn(accepts, "2").context("cannot have an interface go on with accept_ra")?;
            }
        }
        let all = Path::new(IPV6_CONF).join("all/forwarding");
        self.turn(all, "1").with_context(|| format!("cannot turn on {IPV6_CONF}/all/forwarding"))
    }

    fn turn(&mut self, switch: PathBuf, value: &str) -> std::io::Result<()> {
        let before = fs::read_to_string(&switch)?.trim().to_owned();
        if before != value {
            fs::write(&switch, value)?;
            self.0.push((switch, before));
        }
        Ok(())
    }
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        for (switch, before) in self.0.iter().rev() {
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

const IP_FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";
const IPV6_CONF: &str = "/proc/sys/net/ipv6/conf";
