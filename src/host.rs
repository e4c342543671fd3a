//! What the machine around the TUN device must do: forward packets, and masquerade the clients behind its own address.
//!
//! All of it is undone when [`Host`] is dropped: the forwarding switches go back if we moved them, and our rules stand
//! in tables of their own that are removed whole. A table left behind by a run that was killed is replaced. IPv6 is left alone unless
//! a pool has it.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use crate::pool::Pool;

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
        let ranges6: Vec<String> = pools.iter().filter_map(|pool| Some(pool.range6?.to_string())).collect();
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

/// Of addresses, as nftables calls them.
#[derive(Clone, Copy, Debug)]
enum Family {
    Ipv4,
    Ipv6,
}

impl Family {
    /// Tables and matches have one name.
    const fn name(self) -> &'static str {
        match self {
            Self::Ipv4 => "ip",
            Self::Ipv6 => "ip6",
        }
    }
}

/// Our nftables table of a family, there as long as this value.
#[derive(Debug)]
struct Rules {
    family: Family,
    table: String,
}

impl Rules {
    fn install(family: Family, tun: &str, ranges: &[String]) -> anyhow::Result<Self> {
        let table = table_name(tun)?;
        nft(&ruleset(family, &table, tun, ranges)).with_context(|| {
            format!("cannot masquerade {} (nat: false leaves that to you)", ranges.join(", "))
        })?;
        Ok(Self { family, table })
    }
}

impl Drop for Rules {
    fn drop(&mut self) {
        let Self { family, table } = self;
        if let Err(error) = nft(&format!("delete table {} {table}\n", family.name())) {
            tracing::warn!("cannot remove the nftables table {table}: {error:#}");
        }
    }
}

/// Switches that were moved, with what they showed before; they go back in the other order.
#[derive(Debug, Default)]
struct Forwarding(Vec<(PathBuf, String)>);

impl Forwarding {
    fn enable_ipv4(&mut self) -> anyhow::Result<()> {
        self.turn(IP_FORWARD.into(), "1").with_context(|| format!("cannot turn on {IP_FORWARD}"))
    }

    /// A machine that forwards IPv6 stops believing routers' advertisements, and forgets the default route that it has of one, unless
    /// it is told to go on before.
    fn enable_ipv6(&mut self) -> anyhow::Result<()> {
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

/// The name of our table; a TUN name that would need quoting there is refused.
fn table_name(tun: &str) -> anyhow::Result<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if tun.is_empty() || !tun.chars().all(plain) {
        bail!("{tun:?} as the name of an interface: letters, digits, '-', '_' and '.' only");
    }
    Ok(format!("adit_{}", tun.replace(['-', '.'], "_")))
}

/// Everything in one transaction: the old table goes (created first, so that there is one) as the new one comes.
fn ruleset(family: Family, table: &str, tun: &str, ranges: &[String]) -> String {
    let (family, pools) = (family.name(), ranges.join(", "));
    // Accepting here does not overrule another table that drops.
    format!(
        "add table {family} {table}
delete table {family} {table}
table {family} {table} {{
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        {family} saddr {{ {pools} }} oifname != \"{tun}\" masquerade
    }}
    chain forwarding {{
        type filter hook forward priority filter; policy accept;
        iifname \"{tun}\" {family} saddr {{ {pools} }} accept
        oifname \"{tun}\" {family} daddr {{ {pools} }} accept
    }}
}}
"
    )
}

/// Runs `nft` with these commands: all of them or none.
fn nft(commands: &str) -> anyhow::Result<()> {
    let spawn = |program| {
        Command::new(program)
            .args(["-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
    };
    // Not everybody's PATH has the system's programs.
    let child = spawn("nft").or_else(|_| spawn("/usr/sbin/nft"));
    let mut child = child.map_err(|error| match error.kind() {
        ErrorKind::NotFound => anyhow::anyhow!("the program nft is missing: install the package nftables"),
        _ => anyhow::anyhow!("cannot run nft: {error}"),
    })?;
    if let Some(mut stdin) = child.stdin.take() {
        // A failure to write means that nft has ended; what it said explains it better.
        let _ = stdin.write_all(commands.as_bytes());
    }
    let output = child.wait_with_output().context("nft")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("nft: {}", said.lines().next().unwrap_or("failed without a word"));
    }
    Ok(())
}

const IP_FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";
const IPV6_CONF: &str = "/proc/sys/net/ipv6/conf";

const CAP_NET_ADMIN: u64 = 1 << 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_read() {
        assert_eq!(effective_capabilities("Name:\tadit\nCapEff:\t0000000000001000\n"), Some(CAP_NET_ADMIN));
        assert_eq!(effective_capabilities("Name:\tadit\n"), None);
    }

    #[test]
    fn names_that_would_need_quoting_are_refused() {
        assert_eq!(table_name("adit-0.1").unwrap(), "adit_adit_0_1");
        for name in ["", "a b", "a\"b", "a{", "a/b", "a;b", "ä"] {
            assert!(table_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn all_pools_are_masqueraded_except_among_themselves() {
        let pools = ["10.20.0.0/16".to_owned(), "10.30.0.0/24".to_owned()];
        let rules = ruleset(Family::Ipv4, "adit_adit0", "adit0", &pools);
        assert!(rules.contains("ip saddr { 10.20.0.0/16, 10.30.0.0/24 } oifname != \"adit0\" masquerade"));
        assert!(rules.starts_with("add table ip adit_adit0\ndelete table ip adit_adit0\n"));
        let rules = ruleset(Family::Ipv6, "adit_adit0", "adit0", &["2001:db8:1::/48".to_owned()]);
        assert!(rules.contains("ip6 saddr { 2001:db8:1::/48 } oifname != \"adit0\" masquerade"));
        assert!(rules.starts_with("add table ip6 adit_adit0\n"));
    }
}
