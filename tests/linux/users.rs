//! The whole program and its users file: a password that a user has changed stands in it and is good after a restart, and what an
//! operator changes is taken over.

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use load::{Client, Credentials, Event, IKE_PORT, NAT_T_PORT, Profile, Stage};
use nix::sys::signal::Signal;

use crate::namespace::within;

const SERVER: Ipv4Addr = Ipv4Addr::LOCALHOST;
const DEVICE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
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

/// A directory that is gone when the test is over.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("adit-linux-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _gone_already = fs::remove_dir_all(&self.0);
    }
}

/// `adit serve`, told to stop when it is dropped.
struct Server(Child);

impl Server {
    fn start(directory: &Path) -> Self {
        let mut adit = Command::new(env!("CARGO_BIN_EXE_adit"));
        adit.args(["serve", "--config"]).arg(directory.join("adit.yaml"));
        Self(adit.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn signal(&self, signal: Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.signal(Signal::SIGTERM);
        self.0.wait().unwrap();
    }
}

/// A client with a socket for each of the server's ports.
struct Device {
    client: Client,
    sockets: [(u16, UdpSocket); 2],
}

impl Device {
    fn dial(password: &str) -> Self {
        let sockets = [IKE_PORT, NAT_T_PORT].map(|port| {
            let socket = UdpSocket::bind((DEVICE, 0)).unwrap();
            socket.connect((SERVER, port)).unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
            (port, socket)
        });
        let credentials = Credentials {
            psk: b"of a test".to_vec(),
            certificate: None,
            user: "alice".into(),
            password: password.into(),
        };
        let client = Client::new(now(), Profile::windows_10(), credentials, DEVICE, SERVER, [7; 32]);
        Self { client, sockets }
    }

    fn up(&mut self) {
        self.next(|event| matches!(event, Event::Up(_)).then_some(()));
    }

    /// Serves the client until there is such an event. The server may still be starting: the client repeats itself.
    fn next<T>(&mut self, wanted: impl Fn(&Event) -> Option<T>) -> T {
        let deadline = now() + Duration::from_secs(30);
        let mut events = Vec::new();
        while now() < deadline {
            while let Some(transmit) = self.client.poll_transmit() {
                let (_, socket) = self.sockets.iter().find(|(port, _)| *port == transmit.to_port).unwrap();
                // Refused as long as nobody listens.
                let _lost = socket.send(&transmit.payload);
            }
            for (port, socket) in &self.sockets {
                let mut datagram = [0; 2048];
                if let Ok(length) = socket.recv(&mut datagram) {
                    self.client.handle_datagram(now(), *port, &datagram[..length]);
                }
            }
            if self.client.poll_timeout().is_some_and(|due| due <= now()) {
                self.client.handle_timeout(now());
            }
            while let Some(event) = self.client.poll_event() {
                if let Some(found) = wanted(&event) {
                    return found;
                }
                events.push(event);
            }
        }
        panic!("only {events:?}");
    }
}

#[expect(clippy::disallowed_methods, reason = "a test in real time")]
fn now() -> Instant {
    Instant::now()
}
