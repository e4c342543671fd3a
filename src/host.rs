//! What the machine around the TUN device must do: forward packets, and masquerade the clients behind its own address.
//!
//! All of it is undone when [`Host`] is dropped: the forwarding switch goes back if we moved it, and our rules stand
//! in a table of their own that is removed whole. A table left behind by a run that was killed is replaced.

use std::fs;
use std::io::{ErrorKind, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use crate::pool::Range;

/// The changes made to this machine.
#[derive(Debug)]
pub struct Host {
    _rules: Rules,
    _forwarding: Forwarding,
}

impl Host {
    /// Turns forwarding on and masquerades what the `pools` send out of any interface but `tun`.
    pub fn prepare(tun: &str, pools: &[Range]) -> anyhow::Result<Self> {
        let rules = Rules::install(tun, pools)?;
        let forwarding = Forwarding::enable().with_context(|| format!("cannot turn on {IP_FORWARD}"))?;
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

/// Our nftables table, there as long as this value.
#[derive(Debug)]
struct Rules {
    table: String,
}

impl Rules {
    fn install(tun: &str, pools: &[Range]) -> anyhow::Result<Self> {
        let table = table_name(tun)?;
        nft(&ruleset(&table, tun, pools)).with_context(|| {
            let pools: Vec<String> = pools.iter().map(Range::to_string).collect();
            format!("cannot masquerade {} (nat: false leaves that to you)", pools.join(", "))
        })?;
        Ok(Self { table })
    }
}

impl Drop for Rules {
    fn drop(&mut self) {
        if let Err(error) = nft(&format!("delete table ip {}\n", self.table)) {
            tracing::warn!("cannot remove the nftables table {}: {error:#}", self.table);
        }
    }
}

/// The forwarding switch, on as long as this value.
#[derive(Debug)]
struct Forwarding {
    was_off: bool,
}

impl Forwarding {
    fn enable() -> std::io::Result<Self> {
        let was_off = fs::read_to_string(IP_FORWARD)?.trim() == "0";
        if was_off {
            fs::write(IP_FORWARD, "1")?;
        }
        Ok(Self { was_off })
    }
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        if self.was_off
            && let Err(error) = fs::write(IP_FORWARD, "0")
        {
            tracing::warn!("cannot turn {IP_FORWARD} off again: {error}");
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
fn ruleset(table: &str, tun: &str, pools: &[Range]) -> String {
    let pools: Vec<String> = pools.iter().map(Range::to_string).collect();
    let pools = pools.join(", ");
    // Accepting here does not overrule another table that drops.
    format!(
        "add table ip {table}
delete table ip {table}
table ip {table} {{
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr {{ {pools} }} oifname != \"{tun}\" masquerade
    }}
    chain forwarding {{
        type filter hook forward priority filter; policy accept;
        iifname \"{tun}\" ip saddr {{ {pools} }} accept
        oifname \"{tun}\" ip daddr {{ {pools} }} accept
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
        let pools = ["10.20.0.0/16".parse().unwrap(), "10.30.0.0/24".parse().unwrap()];
        let rules = ruleset("adit_adit0", "adit0", &pools);
        assert!(rules.contains("ip saddr { 10.20.0.0/16, 10.30.0.0/24 } oifname != \"adit0\" masquerade"));
        assert!(rules.starts_with("add table ip adit_adit0\ndelete table ip adit_adit0\n"));
    }
}
