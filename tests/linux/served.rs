//! The whole program in a namespace, and a device that dials it.

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use load::{Client, Credentials, Event, IKE_PORT, NAT_T_PORT, Profile};
use nix::sys::signal::Signal;

const SERVER: Ipv4Addr = Ipv4Addr::LOCALHOST;
const DEVICE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// A directory that is gone when the test is over.
pub(crate) struct Directory(pub(crate) PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
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
pub(crate) struct Server(Child);

impl Server {
    pub(crate) fn start(directory: &Path) -> Self {
        let mut adit = Command::new(env!("CARGO_BIN_EXE_adit"));
        adit.args(["serve", "--config"]).arg(directory.join("adit.yaml"));
        Self(adit.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    pub(crate) fn signal(&self, signal: Signal) {
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
pub(crate) struct Device {
    pub(crate) client: Client,
    sockets: [(u16, UdpSocket); 2],
}

impl Device {
    pub(crate) fn dial(password: &str) -> Self {
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

    pub(crate) fn up(&mut self) {
        self.next(|event| matches!(event, Event::Up(_)).then_some(()));
    }

    /// Serves the client until there is such an event. The server may still be starting: the client repeats itself.
    pub(crate) fn next<T>(&mut self, wanted: impl Fn(&Event) -> Option<T>) -> T {
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
pub(crate) fn now() -> Instant {
    Instant::now()
}
