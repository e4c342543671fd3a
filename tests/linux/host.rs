//! Forwarding and masquerading, set up and undone.

use std::fs;

use adit::host::Host;
use adit::pool::{Delegation, Pool};

use crate::namespace::{run, within};

const IP_FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";

fn pools() -> [Pool; 2] {
    ["10.20.0.0/16", "10.30.0.0/24"].map(|range| Pool {
        name: range.into(),
        range: range.parse().unwrap(),
        range6: None,
        delegate: None,
    })
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
fn ipv6_is_forwarded_too_if_a_pool_has_it_and_the_default_route_stays() {
    within(|| {
        run(&["ip", "link", "add", "wan", "type", "veth", "peer", "name", "lan"]);
        let read = |switch: &str| fs::read_to_string(format!("/proc/sys/net/ipv6/conf/{switch}")).unwrap();
        let before = (read("all/forwarding"), read("wan/accept_ra"));
        assert_eq!(before, ("0\n".into(), "1\n".into()));
        let [mut pool, _] = pools();
        pool.range6 = Some("2001:db8:1::/48".parse().unwrap());
        pool.delegate = Delegation::new("2001:db8:100::/40".parse().unwrap(), 16);
        let host = Host::prepare("adit0", &[pool]).unwrap();
        assert_eq!((read("all/forwarding"), read("wan/accept_ra")), ("1\n".into(), "2\n".into()));
        let rules = run(&["nft", "list", "table", "ip6", "adit_adit0"]);
        let ranges = "{ 2001:db8:1::/48, 2001:db8:100::/40 }";
        assert!(rules.contains(&format!("ip6 saddr {ranges} oifname != \"adit0\" masquerade")), "{rules}");
        assert!(rules.contains(&format!("oifname \"adit0\" ip6 daddr {ranges} accept")), "{rules}");
        drop(host);
        assert_eq!((read("all/forwarding"), read("wan/accept_ra")), before);
        assert!(!run(&["nft", "list", "ruleset"]).contains("adit"));
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
        assert_eq!(rules.matches("ip saddr 10.20.0.0/16 oifname").count(), 1, "{rules}");
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

/// The switch for all interfaces moves all of them, and more.
#[test]
fn interfaces_that_forwarded_before_do_so_afterwards() {
    within(|| {
        run(&["ip", "link", "add", "wan", "type", "veth", "peer", "name", "lan"]);
        let switches = [
            "ipv4/conf/all/accept_redirects",
            "ipv4/conf/lan/forwarding",
            "ipv4/conf/wan/forwarding",
            "ipv4/conf/default/forwarding",
            "ipv4/ip_forward",
            "ipv6/conf/all/forwarding",
            "ipv6/conf/lan/forwarding",
            "ipv6/conf/wan/forwarding",
            "ipv6/conf/default/forwarding",
            "ipv6/conf/wan/accept_ra",
        ];
        let path = |switch: &str| format!("/proc/sys/net/{switch}");
        let all = || switches.map(|switch| fs::read_to_string(path(switch)).unwrap().trim().to_owned());
        for (on, shown) in [
            // As interfaces are that nobody has touched, but for one that forwards.
            (&["ipv4/conf/lan/forwarding", "ipv6/conf/lan/forwarding"][..], "0 1 0 0 0 0 1 0 0 1"),
            (&["ipv4/conf/all/accept_redirects", "ipv4/conf/default/forwarding"], "1 0 0 1 0 0 0 0 0 1"),
            (&["ipv6/conf/default/forwarding", "ipv6/conf/wan/forwarding"], "0 0 0 0 0 0 0 1 1 1"),
            // On for all, but for one that somebody has turned off.
            (&["ipv4/ip_forward", "ipv6/conf/all/forwarding"], "0 1 1 1 1 1 1 1 1 1"),
        ] {
            fs::write(path("ipv4/ip_forward"), "0").unwrap();
            switches.iter().for_each(|switch| fs::write(path(switch), "0").unwrap());
            fs::write(path("ipv6/conf/wan/accept_ra"), "1").unwrap();
            on.iter().for_each(|switch| fs::write(path(switch), "1").unwrap());
            let before = all();
            assert_eq!(before.join(" "), shown);
            let [mut pool, _] = pools();
            pool.range6 = Some("2001:db8:1::/48".parse().unwrap());
            let host = Host::prepare("adit0", &[pool]).unwrap();
            assert_eq!(all().join(" "), "0 1 1 1 1 1 1 1 1 2", "{on:?}");
            drop(host);
            assert_eq!(all(), before, "{on:?}");
        }
        // Who turned one of them off while all were on finds it off.
        fs::write(path("ipv4/conf/lan/forwarding"), "0").unwrap();
        fs::write(path("ipv6/conf/lan/forwarding"), "0").unwrap();
        let before = all();
        drop(Host::prepare("adit0", &pools()).unwrap());
        assert_eq!(all(), before);
    });
}
