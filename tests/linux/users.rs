//! The whole program and its users file: a password that a user has changed stands in it and is good after a restart, and what an
//! operator changes is taken over.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::Command;

use load::{Event, Stage};
use nix::sys::signal::Signal;

use crate::namespace::within;
use crate::served::{Device, Directory, Server, now};

const CONFIG: &str = "\
listen: [127.0.0.1]
ipsec: { encapsulation: always, psk: [{ name: main, secret: of a test }] }
pools: [{ name: default, range: 10.20.0.0/24 }]
tun: adit-test
nat: false
control: control.sock
";
const USERS: &str = "\
# Who may log in.
bob: { password: b }
alice: { password: secret, password_expires: 2020-12-31 } # of the office
";

#[test]
fn a_changed_password_is_in_the_file() {
    within(|| {
        let directory = Directory::new();
        fs::write(directory.0.join("adit.yaml"), CONFIG).unwrap();
        let users = directory.0.join("users.yaml");
        fs::write(&users, USERS).unwrap();

        let server = Server::start(&directory.0);
        let mut device = Device::dial("secret");
        let refusal = device.next(|event| match event {
            Event::Refused(refusal) => Some(refusal.code),
            _ => None,
        });
        assert_eq!(refusal, 648);
        device.client.change_password(now(), "better");
        device.up();
        drop(server);
        let before = "alice: { password: secret, password_expires: 2020-12-31 }";
        assert_eq!(
            fs::read_to_string(&users).unwrap(),
            USERS.replace(before, "alice: { password: \"better\" }")
        );

        let _server = Server::start(&directory.0);
        Device::dial("better").up();
    });
}

#[test]
fn a_changed_file_is_taken_over_unless_it_is_broken() {
    within(|| {
        let directory = Directory::new();
        fs::write(directory.0.join("adit.yaml"), CONFIG).unwrap();
        let users = directory.0.join("users.yaml");
        fs::write(&users, "alice: { password: secret }\n").unwrap();
        let server = Server::start(&directory.0);
        let mut device = Device::dial("secret");
        device.up();

        // Whoever is not in it any more is disconnected, but not by a file that cannot be used.
        fs::write(&users, "bob: { pasword: secret }\n").unwrap();
        let mut adit = Command::new(env!("CARGO_BIN_EXE_adit"));
        let said = adit.args(["reload", "--config"]).arg(directory.0.join("adit.yaml")).output().unwrap();
        let error = String::from_utf8(said.stderr).unwrap();
        assert_eq!(said.status.code(), Some(1), "{error}");
        assert!(error.contains("users.yaml:1:8: found unknown key \"pasword\""), "{error}");
        fs::write(&users, "bob: { password: secret }\n").unwrap();
        assert!(matches!(device.client.stage(), Stage::Up));
        server.signal(Signal::SIGHUP);
        device.next(|event| matches!(event, Event::Closed(_)).then_some(()));
    });
}

/// With the capabilities that the service has, a file stays whose it was: root's own, and another group's to read or another user's.
#[test]
fn the_service_may_give_the_file_to_its_owner() {
    let unit = include_str!("../../conf/adit.service");
    let set = unit.lines().find_map(|line| line.strip_prefix("CapabilityBoundingSet=")).unwrap();
    let set: Vec<String> = set.split(' ').map(|name| name.replace("CAP_", "+").to_lowercase()).collect();
    let directory = Directory::new();
    let users = directory.0.join("users.yaml");
    let (config, file) = (directory.0.join("adit.yaml"), users.clone());
    fs::write(&config, CONFIG).unwrap();
    let change = |set: &str| {
        let mut adit = Command::new("setpriv");
        adit.args(["--bounding-set", &format!("-all,{set}"), env!("CARGO_BIN_EXE_adit")]);
        adit.args(["user", "disable", "alice", "--config"]).arg(&config).output().unwrap()
    };
    for (user, group, mode) in [(0, 0, 0o600), (0, 4242, 0o640), (4242, 0, 0o640)] {
        fs::write(&file, USERS).unwrap();
        std::os::unix::fs::chown(&file, Some(user), Some(group)).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let said = change(&set.join(","));
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        let after = fs::metadata(&users).unwrap();
        assert_eq!((after.uid(), after.gid(), after.mode() & 0o7777), (user, group, mode));
        assert!(fs::read_to_string(&users).unwrap().contains("disabled: true"));
    }
    // Without, nothing changes and the operator reads why.
    fs::write(&file, USERS).unwrap();
    let said = change("+net_admin");
    let error = String::from_utf8(said.stderr).unwrap();
    assert!(!said.status.success() && error.contains("it belongs to user 4242, group 0, and"), "{error}");
    assert_eq!(fs::read_to_string(&users).unwrap(), USERS);
}
