//! The whole program and its users file: a password that a user has changed stands in it and is good after a restart, and what an
//! operator changes is taken over.

use std::fs;
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
