//! Forwarding and masquerading, set up and undone.

use std::fs;

use adit::host::Host;
use adit::pool::Range;

use crate::namespace::{run, within};

const IP_FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";

fn pools() -> [Range; 2] {
    ["10.20.0.0/16".parse().unwrap(), "10.30.0.0/24".parse().unwrap()]
}

fn forwarding() -> String {
    fs::read_to_string(IP_FORWARD).unwrap().trim().to_owned()
}

#[test]
fn what_was_set_up_is_undone() {
    within(|| {
        fs::write(IP_FORWARD, "0").unwrap();
        let before = run(&["nft", "list", "ruleset"]);
        let host = Host::prepare("adit-t0", &pools()).unwrap();
        assert_eq!(forwarding(), "1");
        let rules = run(&["nft", "list", "table", "ip", "adit_adit_t0"]);
        assert!(
            rules.contains("ip saddr { 10.20.0.0/16, 10.30.0.0/24 } oifname != \"adit-t0\" masquerade"),
            "{rules}"
        );
        drop(host);
        assert_eq!(forwarding(), "0");
        assert_eq!(run(&["nft", "list", "ruleset"]), before);
    });
}

#[test]
fn forwarding_that_was_on_stays_on() {
    within(|| {
        fs::write(IP_FORWARD, "1").unwrap();
        drop(Host::prepare("adit0", &pools()).unwrap());
        assert_eq!(forwarding(), "1");
    });
}

#[test]
fn the_rules_of_a_killed_run_are_replaced() {
    within(|| {
        std::mem::forget(Host::prepare("adit0", &pools()).unwrap());
        let one = Host::prepare("adit0", &pools()[..1]).unwrap();
        let rules = run(&["nft", "list", "ruleset"]);
        assert_eq!(rules.matches("masquerade").count(), 1, "{rules}");
        assert!(!rules.contains("10.30.0.0"), "{rules}");
        drop(one);
        assert!(!run(&["nft", "list", "ruleset"]).contains("adit"));
    });
}

#[test]
fn others_rules_are_left_alone() {
    within(|| {
        run(&["nft", "add table ip other; add chain ip other c"]);
        drop(Host::prepare("adit0", &pools()).unwrap());
        assert!(run(&["nft", "list", "ruleset"]).contains("table ip other"));
    });
}
