//! Our nftables tables: what is forwarded, and what is masqueraded.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Write};
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// Of addresses, as nftables calls them.
#[derive(Clone, Copy, Debug)]
pub(super) enum Family {
    Ipv4,
    Ipv6,
}

impl Family {
    /// What a set of its addresses holds.
    const fn kind(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4_addr",
            Self::Ipv6 => "ipv6_addr",
        }
    }

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
pub(super) struct Rules {
    family: Family,
    table: String,
}

impl Rules {
    pub(super) fn install(family: Family, tun: &str, ranges: &[String]) -> anyhow::Result<Self> {
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

/// What is done to clients' addresses that lie in no pool.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Add,
    Delete,
}

/// Has the rules of `tun` hold for these addresses too, or no longer; at least one.
pub(super) fn change(tun: &str, change: Change, addresses: &BTreeSet<Ipv4Addr>) -> anyhow::Result<()> {
    let verb = match change {
        Change::Add => "add",
        Change::Delete => "delete",
    };
    let list: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let (family, table) = (Family::Ipv4.name(), table_name(tun)?);
    nft(&format!("{verb} element {family} {table} {OUTLYING} {{ {} }}\n", list.join(", ")))
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
    let (kind, pools) = (family.kind(), ranges.join(", "));
    let family = family.name();
    // Accepting here does not overrule another table that drops.
    format!(
        "add table {family} {table}
delete table {family} {table}
table {family} {table} {{
    set {OUTLYING} {{
        type {kind}
    }}
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        {family} saddr {{ {pools} }} oifname != \"{tun}\" masquerade
        {family} saddr @{OUTLYING} oifname != \"{tun}\" masquerade
    }}
    chain forwarding {{
        type filter hook forward priority filter; policy accept;
        iifname \"{tun}\" {family} saddr {{ {pools} }} accept
        iifname \"{tun}\" {family} saddr @{OUTLYING} accept
        oifname \"{tun}\" {family} daddr {{ {pools} }} accept
        oifname \"{tun}\" {family} daddr @{OUTLYING} accept
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

/// The set of clients' addresses that lie in no pool, in each of our tables.
const OUTLYING: &str = "outlying";

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(rules.contains("ip saddr @outlying oifname != \"adit0\" masquerade"));
        assert!(rules.starts_with("add table ip adit_adit0\ndelete table ip adit_adit0\n"));
        let rules = ruleset(Family::Ipv6, "adit_adit0", "adit0", &["2001:db8:1::/48".to_owned()]);
        assert!(rules.contains("ip6 saddr { 2001:db8:1::/48 } oifname != \"adit0\" masquerade"));
        assert!(rules.starts_with("add table ip6 adit_adit0\n"));
    }
}
