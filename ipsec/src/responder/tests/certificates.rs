//! Main Mode with signatures.

use std::sync::Arc;

use super::initiator::{Initiator, Signer};
use super::profile::Profile;
use super::{World, config, secs};
use crate::certificate::tests::{credentials, der};
use crate::crypto::Hash;
use crate::discard::Discard;
use crate::event::{Credential, Event};
use crate::isakmp::Message;
use crate::isakmp::iana::PayloadType;
use crate::responder::Config;

/// A responder with the certificate of that name, and pre-shared keys of those.
fn world(server: &str, psks: &[&str]) -> World {
    World::new(with_certificate(server, psks))
}

fn with_certificate(server: &str, psks: &[&str]) -> Config {
    Config { certificate: Some(Arc::new(credentials(server))), ..config(psks) }
}

fn signer(profile: Profile, method: u8, signer: Signer) -> Initiator {
    let mut client = Initiator::new(profile.signing(method), "none", 1);
    client.signer = Some(signer);
    client
}

fn rsa(profile: Profile) -> Initiator {
    signer(profile, 3, Signer::new("client.pem", "client.key", "server.pem"))
}

/// Up to message 5, which is not sent.
fn message5(world: &mut World, client: &mut Initiator) -> Vec<u8> {
    let message2 = world.ask(client.path(), &client.message1());
    let message4 = world.ask(client.path(), &client.message3(&message2));
    client.float(&message4);
    client.message5()
}

#[test]
fn windows_and_android_connect_with_rsa() {
    for profile in [Profile::windows10(), Profile::android(3), Profile::network_manager()] {
        let mut world = world("server", &["main"]);
        let mut client = rsa(profile);
        world.connect(&mut client);
        let (_, phase1) = world.established();
        let digest = Hash::Sha256.digest(&[&der("client.pem")]);
        let digest = *digest.first_chunk().expect("32 octets");
        assert_eq!(
            phase1.credential,
            Credential::Certificate { subject: "O=Example,CN=alice".into(), digest }
        );
        assert_eq!(phase1.credential.to_string(), r#"certificate "O=Example,CN=alice""#);
        assert_eq!(phase1.identity.to_string(), "O=Example,CN=alice");
        world.quick(&mut client);
    }
}

#[test]
fn ecdsa_connects_whatever_hash_was_negotiated() {
    for (method, client, server) in [(9, "client-p256", "server-p256"), (10, "client-p384", "server-p384")] {
        for profile in [Profile::windows10(), Profile::apple()] {
            let mut world = world(server, &[]);
            let own =
                Signer::new(&format!("{client}.pem"), &format!("{client}.key"), &format!("{server}.pem"));
            let mut client = signer(profile, method, own);
            world.connect(&mut client);
            world.quick(&mut client);
        }
    }
}

#[test]
fn a_pre_shared_key_does_beside_certificates() {
    let mut world = world("server", &["main"]);
    let mut client = Initiator::new(Profile::windows10(), "main", 1);
    let message2 = world.ask(client.path(), &client.message1());
    let message4 = world.ask(client.path(), &client.message3(&message2));
    let message = Message::parse(&message4).expect("message 4");
    let requests = message.payloads().expect("payloads").of(PayloadType::CERTIFICATE_REQUEST).count();
    assert_eq!(requests, 0, "who has a key is asked for no certificate");
    let path = client.float(&message4);
    let message6 = world.ask(path, &client.message5());
    client.finish(&message6);
    assert_eq!(world.established().1.credential, Credential::Psk("main".into()));
}

#[test]
fn message4_asks_for_certificates_of_our_authorities() {
    let mut world = world("server", &[]);
    let mut client = rsa(Profile::windows10());
    let message2 = world.ask(client.path(), &client.message1());
    let message4 = world.ask(client.path(), &client.message3(&message2));
    let message = Message::parse(&message4).expect("message 4");
    let payloads = message.payloads().expect("payloads");
    let requests: Vec<&[u8]> = payloads.of(PayloadType::CERTIFICATE_REQUEST).collect();
    let authority = crate::certificate::Certificate::from_der(&der("ca.pem")).expect("a certificate");
    assert_eq!(requests, [[&[4], authority.subject()].concat()]);
}

#[test]
fn a_retransmitted_message5_is_computed_once_and_answered_again() {
    let mut world = world("server", &[]);
    world.eager = false;
    let mut client = rsa(Profile::android(3));
    let message2 = world.ask(client.path(), &client.message1());
    let message3 = client.message3(&message2);
    assert!(world.send(client.path(), &message3).is_empty());
    world.eager = true;
    world.settle();
    let message4 = world.sent().remove(0);
    world.eager = false;
    let path = client.float(&message4);
    let message5 = client.message5();
    assert!(world.send(path, &message5).is_empty());
    world.discards(path, &message5, Discard::Retransmission);
    let job = world.responder.poll_job().expect("the authentication");
    assert_eq!(format!("{job:?}"), "Job(2, certificate)");
    assert!(world.responder.poll_job().is_none(), "once");
    world.responder.handle_job(world.now, job.run(world.unix));
    world.settle();
    let message6 = world.sent().remove(0);
    assert_eq!(world.ask(path, &message5), message6);
    client.finish(&message6);
    world.wait(secs(70));
    assert_eq!(world.responder.half_open.len(), 0);
}

#[test]
fn a_certificate_that_fails_is_refused_once_with_its_reason() {
    let cases = [
        ("client-other.pem", "client.key", r#""O=Elsewhere,CN=mallory" was issued by"#),
        ("client-revoked.pem", "client.key", "is revoked by `ipsec.certificate.crl`"),
        ("client.pem", "server.key", "signature does not verify"),
    ];
    for (certificate, key, reason) in cases {
        let mut world = world("server", &["main"]);
        let mut client = signer(Profile::windows10(), 3, Signer::new(certificate, key, "server.pem"));
        let message5 = message5(&mut world, &mut client);
        let told = world.ask(client.path(), &message5);
        assert!(told.len() <= message5.len());
        let refusals = world.refusals();
        assert_eq!(refusals.len(), 1);
        for part in ["198.51.100.7:11001", "main mode message 5", reason, "789", "time out"] {
            assert!(refusals[0].contains(part), "{}", refusals[0]);
        }
        assert_eq!(world.ask(client.path(), &message5), told, "the same again, and nothing computed");
        world.wait(secs(70));
        assert_eq!(world.log(), Vec::<String>::new());
        assert_eq!((world.responder.half_open.len(), world.responder.peers.len()), (0, 0));
    }
}

#[test]
fn a_client_without_a_certificate_is_told_so() {
    let mut world = world("server", &[]);
    let mut client = rsa(Profile::windows10());
    client.signer.as_mut().expect("a signer").certificates.clear();
    let message5 = message5(&mut world, &mut client);
    world.ask(client.path(), &message5);
    let refusals = world.refusals();
    assert!(refusals[0].contains("it sent no certificate"), "{}", refusals[0]);
}

#[test]
fn a_made_up_message5_does_not_stop_the_client() {
    let mut world = world("server", &[]);
    let mut client = rsa(Profile::windows10());
    let message5 = message5(&mut world, &mut client);
    let mut forged = message5.clone();
    forged[40] ^= 1;
    world.discards(client.path(), &forged, Discard::Unauthenticated);
    let refusals = world.refusals();
    assert!(refusals[0].contains("does not decrypt"), "{}", refusals[0]);
    let message6 = world.ask(client.path(), &message5);
    client.finish(&message6);
}

#[test]
fn a_certificate_is_judged_by_the_day_it_is_shown() {
    let mut world = world("server", &[]);
    world.unix = secs(1_640_995_100);
    let old = || signer(Profile::windows10(), 3, Signer::new("client-2021.pem", "client.key", "server.pem"));
    world.connect(&mut old());
    world.wait(secs(200));
    world.unix += secs(200);
    world.sent();
    let mut client = old().again(2);
    client.signer = old().signer;
    let message5 = message5(&mut world, &mut client);
    world.ask(client.path(), &message5);
    let refusals = world.refusals();
    assert!(refusals[0].contains("expired on 2022-01-01T00:00:00Z"), "{}", refusals[0]);
}

#[test]
fn who_lacks_what_is_configured_reads_what_to_configure() {
    let refusal = |mut world: World, client: &Initiator| {
        world.ask(client.path(), &client.message1());
        world.refusals().remove(0)
    };
    let certificate = refusal(World::with_psks(&["main"]), &rsa(Profile::windows10()));
    assert!(certificate.contains("AES-256/SHA1/ECP-384/RSA signatures"), "{certificate}");
    assert!(certificate.contains("`ipsec.certificate` with a key for RSA"), "{certificate}");
    let psk = refusal(world("server", &[]), &Initiator::new(Profile::windows10(), "main", 1));
    assert!(psk.contains("AES-256/SHA1/ECP-384/PSK"), "{psk}");
    assert!(psk.contains("a key under `ipsec.psk`"), "{psk}");
    let other_kind = refusal(world("server-p256", &[]), &rsa(Profile::windows10()));
    assert!(other_kind.contains("a key for RSA and `algorithms: compatible`"), "{other_kind}");
}

/// Whatever a stranger puts into message 5 under the right key is refused or discarded.
#[test]
fn rubbish_under_the_right_key_is_survived() {
    for len in [0, 1, 4, 300] {
        let mut world = world("server", &[]);
        let mut client = rsa(Profile::windows10());
        client.signer.as_mut().expect("a signer").certificates[0].truncate(len);
        let message5 = message5(&mut world, &mut client);
        world.send(client.path(), &message5);
        assert_eq!(world.refusals().len(), 1, "{len} octets of a certificate");
        assert!(!world.events.iter().any(|event| matches!(event, Event::Established { .. })));
    }
}

/// Half of what may wait is for those who are in already and renew their keys.
#[test]
fn strangers_certificates_leave_room_for_renewals() {
    let mut world = World::new(Config { max_jobs: 4, ..with_certificate("server", &["main"]) });
    let mut friend = Initiator::new(Profile::windows10(), "main", 9);
    world.connect(&mut friend);
    let mut stranger = |number| {
        let mut client = Initiator::new(Profile::windows10().signing(3), "none", number);
        client.signer = Some(Signer::new("client.pem", "client.key", "server.pem"));
        let message5 = message5(&mut world, &mut client);
        (client, message5)
    };
    let [first, second, mut third] = [1, 2, 3].map(&mut stranger);
    world.eager = false;
    for (client, message5) in [&first, &second] {
        assert!(world.send(client.path(), message5).is_empty());
    }
    world.discards(third.0.path(), &third.1, Discard::JobLimit);
    let mut renewing = friend.again(10);
    let message2 = world.ask(renewing.path(), &renewing.message1());
    assert!(world.send(renewing.path(), &renewing.message3(&message2)).is_empty());
    assert_eq!(world.responder.jobs.len(), 3, "two strangers, and the friend");
    world.eager = true;
    world.settle();
    world.sent();
    let message6 = world.ask(third.0.path(), &third.1);
    third.0.finish(&message6);
}
