//! EAP, method by method: who is let in, and what the others, and the operator, are told.

use std::net::Ipv4Addr;
use std::time::Duration;

use load::profile::{Authentication, Eap, TlsClient};
use load::{Credentials, End, Event, Profile, Refusal};

use crate::world::{Device, PSK, Place, Quality, Setup, World};

const NAT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const PRIVATE: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 23);
const SOON: Duration = Duration::from_secs(15);

const ALL: &str = "eap: { methods: [md5, mschapv2, peap, tls], certificate: { cert: ../tests/vectors/pki/server.pem, \
     key: ../tests/vectors/pki/server.key, ca: ../tests/vectors/pki/ca.pem, crl: ../tests/vectors/pki/ca.crl } }";
/// Users whose certificates are of another authority than the server's.
const OTHERS: &str = "eap: { certificate: { cert: ../tests/vectors/pki/server.pem, \
     key: ../tests/vectors/pki/server.key, ca: ../tests/vectors/pki/other-ca.pem } }";

const KEY: &str = include_str!("../vectors/pki/client.key");
const ALICE: &str = include_str!("../vectors/pki/client.pem");
const MALLORY: &str = include_str!("../vectors/pki/client-other.pem");

/// A device that believes the authority of `server.pem`.
const TRUSTING: TlsClient = TlsClient {
    ca: include_str!("../vectors/pki/ca.pem"),
    server: "vpn.example.net",
    certificate: None,
    tls13: false,
};

const fn tls(certificate: &'static str, tls13: bool) -> Eap {
    Eap::Tls(TlsClient { certificate: Some((certificate, KEY)), tls13, ..TRUSTING })
}

const EVERY: [(Eap, &str); 6] = [
    (Eap::Md5, "(EAP-MD5)"),
    (Eap::MsChapV2, "(EAP-MSCHAPv2)"),
    (Eap::Peap(TRUSTING), "(PEAP/EAP-MSCHAPv2)"),
    (Eap::Peap(TlsClient { tls13: true, ..TRUSTING }), "(PEAP/EAP-MSCHAPv2)"),
    (tls(ALICE, false), "(EAP-TLS)"),
    (tls(ALICE, true), "(EAP-TLS)"),
];

/// The ways that have a password.
fn passwords() -> impl Iterator<Item = (Eap, &'static str)> {
    EVERY.into_iter().filter(|(method, _)| !matches!(method, Eap::Tls(_)))
}

fn dial(setup: &Setup, method: Eap, (user, password): (&str, &str)) -> (World, Device) {
    let mut world = World::new(setup);
    let nat = world.add_nat(NAT);
    let mut profile = Profile::windows_10();
    profile.ppp.authentication = Authentication::Eap(method);
    let credentials =
        Credentials { psk: PSK.into(), certificate: None, user: user.into(), password: password.into() };
    let device = world.dial_with(profile, Place::Behind(nat, PRIVATE), credentials);
    (world, device)
}

fn with(extra: &'static str) -> Setup {
    Setup { extra, ..Setup::default() }
}

/// Dials and is refused; what the device is told, and the one line that says why.
#[track_caller]
fn refused(setup: &Setup, method: Eap, who: (&str, &str), words: &[&str]) -> (World, Device, Refusal) {
    let (mut world, device) = dial(setup, method, who);
    let is_refused = |event: &Event| matches!(event, Event::Refused(_));
    world.until("the login is refused", SOON, |world| world.device(device).events.iter().any(is_refused));
    // A failure that is no question of ours is logged when the link has ended.
    world.run(Duration::from_secs(1));
    let refusal = world.device(device).events.iter().find_map(|event| match event {
        Event::Refused(refusal) => Some(refusal.clone()),
        _ => None,
    });
    let warnings = world.lines(&["Warn"]);
    assert_eq!(warnings.len(), 1, "{}", world.log.join("\n"));
    for word in [words, &["192.0.2.10:4500", who.0, "691"]].concat() {
        assert!(warnings[0].contains(word), "no {word:?} in: {}", warnings[0]);
    }
    (world, device, refusal.expect("just seen"))
}

/// Offered MS-CHAPv2 first, a device asks for EAP, and gets the method that it wants.
#[test]
fn the_right_password_or_certificate_lets_in() {
    for (method, _) in EVERY {
        let (mut world, device) = dial(&with(ALL), method, ("alice", "secret"));
        world.until_up(device, SOON);
        world.ping(device, SOON);
        assert_eq!(world.lines(&["Warn"]), Vec::<&str>::new());
        assert_eq!(world.status().sessions[0].user, "alice");
    }
}

/// Requests, Responses and the last word get lost and come twice.
#[test]
fn over_a_bad_link() {
    for (method, _) in EVERY {
        for seed in 0..6 {
            let setup = Setup { seed, quality: Quality::BAD, ..with(ALL) };
            let (mut world, device) = dial(&setup, method, ("alice", "secret"));
            world.until_up(device, Duration::from_secs(150));
        }
    }
}

#[test]
fn a_wrong_password() {
    for (method, name) in passwords() {
        let words = [name, "wrong password", "type it anew"];
        let (mut world, device, refusal) = refused(&with(ALL), method, ("alice", "Secret"), &words);
        if method == Eap::Md5 {
            assert!(matches!(world.until_closed(device, SOON), End::Refused(_)));
            world.until("it is forgotten", Duration::from_secs(60), |world| world.server.is_idle());
        } else {
            assert_eq!((refusal.code, refusal.retry), (691, true));
            world.with(device, |client, now| client.retry_password(now, "secret"));
            world.until_up(device, SOON);
        }
    }
}

/// The codes are those of MS-CHAPv2 wherever there is room for one.
#[test]
fn an_account_that_is_closed() {
    for method in [Eap::MsChapV2, Eap::Peap(TRUSTING)] {
        for (user, code) in [("carol", 647), ("dave", 708)] {
            let (mut world, device) = dial(&with(ALL), method, (user, "secret"));
            let End::Refused(refusal) = world.until_closed(device, SOON) else { panic!("{user} is in") };
            assert_eq!((refusal.code, refusal.retry), (code, false));
            assert_eq!(world.lines(&["Warn", user, &code.to_string()]).len(), 1, "{}", world.log.join("\n"));
        }
    }
}

/// A certificate is somebody's, whatever the device calls itself, and as good as the account.
#[test]
fn whose_a_certificate_is() {
    let (mut world, device) = dial(&with(ALL), tls(ALICE, true), ("anonymous", ""));
    world.until_up(device, SOON);
    assert_eq!(world.status().sessions[0].user, "alice");
    let users = "alice: { password: secret, disabled: true }\n";
    let setup = Setup { users, ..with(ALL) };
    let (mut world, device) = dial(&setup, tls(ALICE, false), ("alice", ""));
    assert!(matches!(world.until_closed(device, SOON), End::Refused(_)));
    let words = ["Warn", "\"alice\"", "(EAP-TLS)", "disabled", "647"];
    assert_eq!(world.lines(&words).len(), 1, "{}", world.log.join("\n"));
}

/// The file may say whose it is, by a name in it or by its fingerprint; then a name of the user's own is nothing.
#[test]
fn a_certificate_that_is_given_to_somebody() {
    for users in [
        "zoe: { certificate: 'Alice@example.net' }\nalice: { password: secret }\n",
        "zoe: { certificate: '13:F5:6A:91:00:9F:78:9E:56:20:D4:4C:05:3C:72:06:68:9E:82:E8:14:D1:58:58:B9:0D:2F:2A:8E:38:B7:0A' }\n",
    ] {
        let (mut world, device) = dial(&Setup { users, ..with(ALL) }, tls(ALICE, true), ("alice", ""));
        world.until_up(device, SOON);
        assert_eq!(world.status().sessions[0].user, "zoe");
        let setup = Setup { users, ..with(ALL) };
        let words = ["(EAP-MSCHAPv2)", "only a certificate", "EAP-TLS on the device"];
        refused(&setup, Eap::MsChapV2, ("zoe", "secret"), &words);
    }
    let users = "alice: { password: secret, certificate: another@example.net }\n";
    let words = ["(EAP-TLS)", "no user is called", "give it to one as `certificate`"];
    refused(&Setup { users, ..with(ALL) }, tls(ALICE, true), ("alice", ""), &words);
}

#[test]
fn a_certificate_of_nobody() {
    let words =
        ["(EAP-TLS)", "certificate \"O=Elsewhere,CN=mallory\" of \"alice@example.net\"", "no user is called"];
    refused(&with(OTHERS), tls(MALLORY, false), ("alice", ""), &words);
}

#[test]
fn certificates_that_are_not_believed() {
    for (certificate, words) in [
        (include_str!("../vectors/pki/client-2021.pem"), ["expired on 2022-01-01", "issue a new one"]),
        (include_str!("../vectors/pki/client-revoked.pem"), ["CN=carol", "revoked"]),
        (MALLORY, ["issued by \"O=Elsewhere,CN=Root\"", "add the authority"]),
        (include_str!("../vectors/pki/client-web.pem"), ["CN=www", "client authentication"]),
    ] {
        for tls13 in [false, true] {
            refused(
                &with(ALL),
                tls(certificate, tls13),
                ("alice", ""),
                &[&["(EAP-TLS)"], &words[..]].concat(),
            );
        }
    }
    let bare = Eap::Tls(TRUSTING);
    refused(&with(ALL), bare, ("alice", ""), &["(EAP-TLS)", "sent no certificate", "install one"]);
}

#[test]
fn a_device_that_does_not_believe_us() {
    let ca = include_str!("../vectors/pki/other-ca.pem");
    for tls13 in [false, true] {
        let method = Eap::Peap(TlsClient { ca, tls13, ..TRUSTING });
        let words = ["(PEAP/EAP-MSCHAPv2)", "does not believe this server's certificate", "UnknownCA"];
        refused(&with(ALL), method, ("alice", "secret"), &words);
    }
}

#[test]
fn a_method_that_there_is_not() {
    for (extra, method, words) in [
        ("", Eap::Peap(TRUSTING), ["we allow EAP-MSCHAPv2,", "wants PEAP/EAP-MSCHAPv2"]),
        ("", Eap::Md5, ["we allow EAP-MSCHAPv2,", "wants EAP-MD5"]),
        (OTHERS, Eap::Md5, ["we allow EAP-TLS, PEAP/EAP-MSCHAPv2, EAP-MSCHAPv2,", "wants EAP-MD5"]),
    ] {
        let (mut world, device) = dial(&with(extra), method, ("alice", "secret"));
        assert!(matches!(world.until_closed(device, SOON), End::Refused(_)));
        let words = [&words[..], &["Warn", "192.0.2.10:4500", "691", "`eap.methods`"]].concat();
        assert_eq!(world.lines(&words).len(), 1, "{}", world.log.join("\n"));
    }
}
