//! Certificates of devices and of users, and what the calendar and the operator make of them while the server serves.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use load::profile::{Authentication, Eap, TlsClient};
use load::{Certificate, Credentials, Profile};

use crate::world::{Device, PSK, Place, Setup, World};

const SOON: Duration = Duration::from_secs(15);

const KEY: &str = include_str!("../vectors/pki/client.key");
const ALICE_2021: &str = include_str!("../vectors/pki/client-2021.pem");
const SERVER: &str = include_str!("../vectors/pki/server.pem");

/// Two ways to show a certificate.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// The device's, in main mode.
    Ike,
    /// The user's, in EAP-TLS.
    Eap { tls13: bool },
}

const WAYS: [Way; 3] = [Way::Ike, Way::Eap { tls13: false }, Way::Eap { tls13: true }];

/// A server that takes certificates both ways.
fn setup() -> Setup {
    Setup { certificate: true, extra: "eap: { methods: [tls] }", ..Setup::default() }
}

impl Way {
    /// The device of this number starts to dial, with this certificate.
    fn dial(self, world: &mut World, number: u8, certificate: &'static str) -> Device {
        let mut profile = Profile::windows_10();
        let mut credentials = Credentials {
            psk: PSK.into(),
            certificate: None,
            user: "alice".into(),
            password: "secret".into(),
        };
        match self {
            Self::Ike => {
                let own = Certificate::from_pem(certificate.as_bytes(), KEY.as_bytes(), SERVER.as_bytes());
                credentials.certificate = Some(Arc::new(own.expect("a certificate with its key")));
            }
            Self::Eap { tls13 } => {
                let ca = include_str!("../vectors/pki/ca.pem");
                let tls =
                    TlsClient { ca, server: "vpn.example.net", certificate: Some((certificate, KEY)), tls13 };
                profile.ppp.authentication = Authentication::Eap(Eap::Tls(tls));
            }
        }
        world.dial_with(profile, Place::Public(Ipv4Addr::new(198, 51, 100, number)), credentials)
    }

    fn gets_in(self, world: &mut World, number: u8, certificate: &'static str) -> Device {
        let device = self.dial(world, number, certificate);
        world.until_up(device, SOON);
        device
    }

    /// The one line that says why not.
    fn is_refused(self, world: &mut World, number: u8, certificate: &'static str, word: &str) {
        let before = world.lines(&["Warn"]).len();
        let device = self.dial(world, number, certificate);
        world.run(SOON);
        assert!(!world.is_up(device));
        let lines = world.lines(&["Warn"]).split_off(before);
        assert_eq!(lines.len(), 1, "{self:?}:\n{}", world.log.join("\n"));
        assert!(lines[0].contains(word), "no {word:?} in: {}", lines[0]);
    }
}

/// By the one that somebody has set, from then on.
#[test]
fn certificates_are_judged_by_the_wall_clock() {
    const EXPIRED: &str = "expired on 2022-01-01";
    let middle_of_2021 = UNIX_EPOCH + Duration::from_secs(1_625_000_000);
    for way in WAYS {
        let mut world = World::new(&setup());
        way.is_refused(&mut world, 21, ALICE_2021, EXPIRED);
        world.with_server(|server, now| server.set_clock(now, middle_of_2021));
        let device = way.gets_in(&mut world, 22, ALICE_2021);
        let back = UNIX_EPOCH + Setup::default().wall;
        world.with_server(|server, now| server.set_clock(now, back));
        // Who is in is in.
        world.ping(device, SOON);
        way.is_refused(&mut world, 23, ALICE_2021, EXPIRED);
    }
}
