//! Users' addresses outside of every pool: the machine leads packets for them into the tunnel as long as somebody may have them.

use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use adit::config::{Config, Switch};
use adit::host::{Host, Outlying};
use adit::io::tun::{Interface, Tun};
use load::Event;

use crate::namespace::{run, within};
use crate::served::{Device, Directory, Server};

const CONFIG: &str = "\
listen: [127.0.0.1]
ipsec: { encapsulation: always, psk: [{ name: main, secret: of a test }] }
pools: [{ name: default, range: 10.20.0.0/24 }]
users: users.yaml
tun: adit-test
control: control.sock
";

/// To which addresses there is a route of its own by the device.
fn routes() -> Vec<Ipv4Addr> {
    let all = run(&["ip", "-4", "route", "show", "dev", "adit-test", "proto", "static"]);
    let hosts = all.lines().filter_map(|line| line.split(' ').next()?.parse().ok());
    hosts.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Which addresses are masqueraded besides those of pools.
fn masqueraded() -> Vec<Ipv4Addr> {
    let set = run(&["nft", "list", "set", "ip", "adit_adit_test", "outlying"]);
    let words = set.split(|c: char| !c.is_ascii_digit() && c != '.');
    words.filter_map(|word| word.parse().ok()).collect::<BTreeSet<_>>().into_iter().collect()
}

fn ip(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, last)
}

#[test]
fn addresses_come_all_or_none_and_go() {
    within(|| {
        let directory = Directory::new();
        fs::write(directory.0.join("users.yaml"), "").unwrap();
        let config = Config::parse(&directory.0.join("adit.yaml"), CONFIG.as_bytes()).unwrap();
        let (name, pools) = (&config.tun, &config.pools);
        let interface = Interface { name, pools, mtu: 1400, offload: Switch::Auto };
        let tun = Tun::create(&interface).unwrap();
        let host = Host::prepare(name, pools).unwrap();
        assert!((routes(), masqueraded()) == (vec![], vec![]));
        let rules = run(&["nft", "list", "table", "ip", "adit_adit_test"]);
        assert!(rules.contains("ip saddr @outlying oifname != \"adit-test\" masquerade"), "{rules}");

        let mut outlying = Outlying::new(&config);
        outlying.add(&[7, 9].map(ip).into()).unwrap();
        outlying.add(&[8, 9].map(ip).into()).unwrap();
        assert_eq!((routes(), masqueraded()), ([7, 8, 9].map(ip).to_vec(), [7, 8, 9].map(ip).to_vec()));
        assert!(run(&["ip", "route", "get", "192.0.2.7"]).contains("dev adit-test src 10.20.0.1"));

        // What the machine has itself, or sends elsewhere, is nobody's.
        run(&["ip", "addr", "add", "192.0.2.11/32", "dev", "lo"]);
        run(&["ip", "route", "add", "192.0.2.12/32", "dev", "lo"]);
        for (taken, why) in [
            (11, "no user can have the address 192.0.2.11: it is this machine's own"),
            (
                12,
                "no user can have the address 192.0.2.12: this machine has a route to it already (`ip route show 192.0.2.12`)",
            ),
        ] {
            let error = outlying.add(&[10, taken].map(ip).into()).unwrap_err();
            assert_eq!(format!("{error:#}"), why);
            assert_eq!((routes(), masqueraded()), ([7, 8, 9].map(ip).to_vec(), [7, 8, 9].map(ip).to_vec()));
        }
        // One that somebody has taken away does not keep the others.
        run(&["ip", "route", "del", "192.0.2.7/32", "dev", "adit-test"]);
        outlying.keep(&[8].map(ip).into());
        assert_eq!((routes(), masqueraded()), (vec![ip(8)], vec![ip(8)]));
        drop((host, tun));
        assert!(!run(&["nft", "list", "ruleset"]).contains("adit"));
        assert!(!run(&["ip", "route"]).contains("192.0.2.8"));
    });
}

#[test]
fn a_reload_adds_and_removes() {
    within(|| {
        let directory = Directory::new();
        let before = (run(&["ip", "route"]), run(&["nft", "list", "ruleset"]));
        let users = directory.0.join("users.yaml");
        fs::write(directory.0.join("adit.yaml"), CONFIG).unwrap();
        fs::write(&users, "alice: { password: secret, address: 192.0.2.7 }\n").unwrap();
        let server = Server::start(&directory.0);
        let mut device = Device::dial("secret");
        device.up();
        assert_eq!(device.client.address(), Some(ip(7)));
        assert_eq!((routes(), masqueraded()), (vec![ip(7)], vec![ip(7)]));
        reload(&directory.0, 0);

        // Nothing has changed by a file that cannot be used, whatever else is in it.
        let bad =
            "alice: { password: secret, address: 192.0.2.8 }\nbob: { password: b, address: 192.0.2.9 }\n";
        run(&["ip", "addr", "add", "192.0.2.9/32", "dev", "lo"]);
        fs::write(&users, bad).unwrap();
        assert_eq!(
            reload(&directory.0, 1),
            "the server says: no user can have the address 192.0.2.9: it is this machine's own\n"
        );
        assert_eq!((routes(), masqueraded()), (vec![ip(7)], vec![ip(7)]));

        run(&["ip", "addr", "del", "192.0.2.9/32", "dev", "lo"]);
        fs::write(&users, bad).unwrap();
        reload(&directory.0, 0);
        assert_eq!((routes(), masqueraded()), ([8, 9].map(ip).to_vec(), [8, 9].map(ip).to_vec()));
        device.next(|event| matches!(event, Event::Closed(_)).then_some(()));
        let mut device = Device::dial("secret");
        device.up();
        assert_eq!(device.client.address(), Some(ip(8)));
        let said = Command::new(env!("CARGO_BIN_EXE_adit"))
            .args(["status", "--config"])
            .arg(directory.0.join("adit.yaml"))
            .output()
            .unwrap();
        let status = String::from_utf8(said.stdout).unwrap();
        assert!(status.contains("\noutside of every pool: "), "{status}");
        drop(server);
        assert_eq!((run(&["ip", "route"]), run(&["nft", "list", "ruleset"])), before);
    });
}

/// What `adit reload` complains of; it ends with that code.
fn reload(directory: &Path, code: i32) -> String {
    let mut adit = Command::new(env!("CARGO_BIN_EXE_adit"));
    let said = adit.args(["reload", "--config"]).arg(directory.join("adit.yaml")).output().unwrap();
    let error = String::from_utf8(said.stderr).unwrap();
    assert_eq!(said.status.code(), Some(code), "{error}");
    error
}
