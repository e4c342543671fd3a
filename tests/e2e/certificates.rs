//! Certificates of devices and of users, and what the calendar and the operator make of them while the server serves.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use load::profile::{Authentication, Eap, TlsClient};
use load::{Certificate, Credentials, Mark, Profile};

use crate::world::{CERTIFICATE, Device, PSK, Place, Setup, World};

const SOON: Duration = Duration::from_secs(15);
const LATENCY: Duration = Duration::from_millis(20);

const KEY: &str = include_str!("../vectors/pki/client.key");
const ALICE: &str = include_str!("../vectors/pki/client.pem");
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

const USERS: &str = "alice: { password: secret, certificate: 'alice@example.net' }\n";

/// A server that takes certificates both ways.
fn setup() -> Setup {
    Setup { certificate: CERTIFICATE, extra: "eap: { methods: [tls] }", users: USERS, ..Setup::default() }
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
                credentials.psk = b"not the key".into();
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
        assert!(!world.is_up(device), "{self:?}:\n{}", world.log.join("\n"));
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

/// The operator brings these files; accounts stay.
fn reload(world: &mut World, certificate: &'static str) {
    let newer = Setup { certificate, ..setup() }.config();
    world.reload(USERS, |config| *config = config.updated(&newer));
}

const NO_LIST: &str = "{ cert: ../tests/vectors/pki/server.pem, key: ../tests/vectors/pki/server.key, \
     ca: ../tests/vectors/pki/ca.pem }";
const OTHER_AUTHORITY: &str = "{ cert: ../tests/vectors/pki/server.pem, key: ../tests/vectors/pki/server.key, \
     ca: ../tests/vectors/pki/other-ca.pem }";
/// A name that devices do not expect.
const OTHER_NAME: &str = "{ cert: ../tests/vectors/pki/client.pem, key: ../tests/vectors/pki/client.key, \
     ca: ../tests/vectors/pki/ca.pem }";
/// A key that clients with RSA cannot do with.
const OTHER_KEY: &str = "{ cert: ../tests/vectors/pki/server-p256.pem, key: ../tests/vectors/pki/server-p256.key, \
     ca: ../tests/vectors/pki/other-ca.pem }";

/// From a reload on, and whoever is in stays.
#[test]
fn who_was_revoked_is_refused_after_a_reload() {
    let revoked = include_str!("../vectors/pki/client-revoked.pem");
    for way in WAYS {
        let mut world = World::new(&Setup { certificate: NO_LIST, ..setup() });
        let device = way.gets_in(&mut world, 20, revoked);
        reload(&mut world, CERTIFICATE);
        world.ping(device, SOON);
        way.is_refused(&mut world, 21, revoked, "revoked");
        way.gets_in(&mut world, 22, ALICE);
    }
}

#[test]
fn authorities_change_by_a_reload() {
    for way in WAYS {
        let mut world = World::new(&Setup { certificate: OTHER_AUTHORITY, ..setup() });
        way.is_refused(&mut world, 20, ALICE, "was issued by");
        reload(&mut world, CERTIFICATE);
        way.gets_in(&mut world, 21, ALICE);
        reload(&mut world, OTHER_AUTHORITY);
        way.is_refused(&mut world, 22, ALICE, "was issued by");
    }
}

#[test]
fn the_servers_own_certificate_changes_by_a_reload() {
    for (way, before, word) in [
        (Way::Ike, OTHER_KEY, "`ipsec.certificate` with a key for RSA"),
        (Way::Eap { tls13: false }, OTHER_NAME, "does not believe this server's certificate"),
        (Way::Eap { tls13: true }, OTHER_NAME, "does not believe this server's certificate"),
    ] {
        let mut world = World::new(&Setup { certificate: before, ..setup() });
        way.is_refused(&mut world, 20, ALICE, word);
        reload(&mut world, CERTIFICATE);
        way.gets_in(&mut world, 21, ALICE);
    }
}

/// At whatever moment the files come.
#[test]
fn what_has_begun_ends_with_the_certificates_that_it_began_with() {
    for way in WAYS {
        let mut begun = 0;
        for moment in 0..100 {
            let mut world = World::new(&setup());
            let device = way.dial(&mut world, 20, ALICE);
            world.run(Duration::from_millis(5 * moment));
            let timeline = world.device(device).client.timeline();
            let has_begun = match way {
                Way::Ike => timeline.at(Mark::Message2).is_some(),
                // The server hears of it a little later.
                Way::Eap { .. } => timeline.at(Mark::LcpOpen).is_some_and(|at| at + LATENCY <= world.now),
            };
            begun += usize::from(has_begun && !world.is_up(device));
            reload(&mut world, OTHER_KEY);
            world.run(SOON);
            assert!(world.is_up(device) || !has_begun, "{way:?} at {moment}:\n{}", world.log.join("\n"));
        }
        assert!(begun > 5, "{way:?}: {begun} were on their way");
    }
}
