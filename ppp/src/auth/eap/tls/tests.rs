//! EAP-TLS and PEAP with rustls at the other end.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConfig, ServerConnection,
    SupportedProtocolVersion,
};
use std::io::{Read as _, Write as _};

use super::super::peap::Peap;
use super::fragment::{Incoming, Outgoing, Piece, Progress};
use super::*;
use crate::Addressing;
use crate::stories::addressing;

fn pki(name: &str) -> Vec<u8> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/pki/");
    std::fs::read(format!("{directory}{name}")).expect("a file of tests/vectors/pki.bash")
}

/// When most of the tests take place.
pub(in crate::auth::eap) const YEAR_2027: Duration = Duration::from_secs(1_798_761_600);

/// A server of `server.pem`, whose packets are of at most `mtu` octets.
pub(in crate::auth::eap) fn settings(mtu: usize) -> Settings {
    let (cert, key, ca, crl) = (pki("server.pem"), pki("server.key"), pki("ca.pem"), pki("ca.crl"));
    let files = TlsFiles { cert: &cert, key: &key, ca: Some(&ca), crl: Some(&crl) };
    Settings {
        server_name: "adit".to_owned(),
        tls: Some(Arc::new(TlsCredentials::read(files).unwrap())),
        mtu,
        refusals: 0,
        attempts: 3,
    }
}

/// The client's end of the connection, and of what carries it.
pub(in crate::auth::eap) struct Client {
    connection: ClientConnection,
    incoming: Incoming,
    outgoing: Option<Outgoing>,
    /// Records of nothing but an alert, once TLS has failed here.
    pub(in crate::auth::eap) failed: bool,
}

impl Client {
    /// With the certificate of this name, if any; believes this authority.
    pub(in crate::auth::eap) fn new(
        version: &'static SupportedProtocolVersion,
        certificate: Option<&str>,
        ca: &str,
    ) -> Self {
        Self::of(&Self::config(version, certificate, ca))
    }

    /// What a device remembers from one connection to the next.
    fn config(
        version: &'static SupportedProtocolVersion,
        certificate: Option<&str>,
        ca: &str,
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&pki(ca)).unwrap()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots);
        let config = match certificate {
            Some(name) => {
                let chain = CertificateDer::pem_slice_iter(&pki(&format!("{name}.pem")))
                    .collect::<Result<Vec<_>, _>>()
                    .unwrap();
                let key = PrivateKeyDer::from_pem_slice(&pki("client.key")).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        Arc::new(config)
    }

    fn of(config: &Arc<ClientConfig>) -> Self {
        let name = ServerName::try_from("vpn.example.net").unwrap();
        let connection = ClientConnection::new(config.clone(), name).unwrap();
        Self { connection, incoming: Incoming::default(), outgoing: None, failed: false }
    }

    /// The type-data of the Response to a Request's.
    pub(in crate::auth::eap) fn answer(&mut self, request: &[u8], room: usize) -> Vec<u8> {
        if let Some(next) = self.outgoing.as_mut().and_then(Outgoing::next) {
            assert_eq!(request, [0], "an acknowledgement");
            return next;
        }
        if request != START {
            match self.incoming.add(Piece::parse(request).unwrap()) {
                Progress::More => return vec![0],
                Progress::Wrong => panic!("pieces that do not fit"),
                Progress::Whole(records) => {
                    let mut records = &records[..];
                    while !records.is_empty() {
                        self.connection.read_tls(&mut records).unwrap();
                        self.failed |= self.connection.process_new_packets().is_err();
                    }
                }
            }
        }
        self.flush(room)
    }

    /// Says something within the connection.
    pub(in crate::auth::eap) fn say(&mut self, text: &[u8], room: usize) -> Vec<u8> {
        self.connection.writer().write_all(text).unwrap();
        self.flush(room)
    }

    /// Says something as soon as the connection is established, in the same flight.
    pub(in crate::auth::eap) fn say_early(&mut self, text: &[u8]) {
        self.connection.writer().write_all(text).unwrap();
    }

    /// Has new keys for its direction in the next flight, and wants some for the other, RFC 8446 §4.6.3.
    pub(in crate::auth::eap) fn update_keys(&mut self) {
        self.connection.refresh_traffic_keys().unwrap();
    }

    /// What the server said within the connection.
    pub(in crate::auth::eap) fn heard(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        let _ = self.connection.reader().read_to_end(&mut text);
        text
    }

    pub(in crate::auth::eap) fn export(&self, label: &[u8], context: Option<&[u8]>) -> [u8; 128] {
        self.connection.export_keying_material([0; 128], label, context).unwrap()
    }

    fn flush(&mut self, room: usize) -> Vec<u8> {
        let mut records = Vec::new();
        while self.connection.wants_write() {
            self.connection.write_tls(&mut records).unwrap();
        }
        let mut outgoing = Outgoing::new(records, room);
        let first = outgoing.next();
        self.outgoing = Some(outgoing);
        first.unwrap_or_else(|| vec![0])
    }
}

fn wire() -> Wire {
    Wire::new([9; 32])
}

/// What a Response comes to once the arithmetic is done.
fn respond(tls: &mut Tls, data: &[u8], wire: &mut Wire) -> Step {
    match tls.handle_response(b"alice", data, wire) {
        Step::Work(job) => {
            let again = tls.handle_response(b"alice", data, wire);
            assert!(matches!(again, Step::Discard(Discard::Response)), "one at a time");
            tls.handle_job(b"alice", job.run(YEAR_2027), wire)
        }
        step => step,
    }
}

/// Talks until there is something else than a Request; counts the Requests.
fn talk(tls: &mut Tls, mut request: Vec<u8>, client: &mut Client, room: usize) -> (Step, usize) {
    let mut wire = wire();
    for count in 1..200 {
        match respond(tls, &client.answer(&request, room), &mut wire) {
            Step::Request(next) => request = next,
            step => return (step, count),
        }
    }
    panic!("no end");
}

fn accept(request: &AuthRequest) -> Verdict {
    let Proof::Certificate(proof) = &request.proof else { panic!("another proof") };
    let addressing = Addressing { ipv4: Some(addressing()), ipv6: None };
    Verdict::Accept(Box::new(Accept { verified: proof.verified(), message: String::new(), addressing }))
}

#[test]
fn a_certificate_gets_in() {
    // RFC 5216 §2.1.1 and RFC 9190 §2.1.1: the flights that they draw, each in one piece or in many.
    for (version, mtu, requests) in [(&TLS12, 4000, 3), (&TLS13, 4000, 2), (&TLS12, 300, 8), (&TLS13, 300, 8)]
    {
        let settings = settings(mtu);
        let (mut tls, start) = Tls::begin(&settings, &mut wire()).unwrap();
        let mut client = Client::new(version, Some("client"), "ca.pem");
        let (step, count) = talk(&mut tls, start, &mut client, mtu - HEADER);
        let Step::Ask(request) = step else { panic!("no question") };
        assert!(if mtu == 4000 { count == requests } else { count >= requests }, "{count} Requests");
        assert_eq!((request.method.to_string(), &*request.name), ("EAP-TLS".to_owned(), &b"alice"[..]));
        let Proof::Certificate(proof) = &request.proof else { panic!("another proof") };
        let names: Vec<_> = proof.certificate().names().collect();
        assert_eq!(names, ["alice@example.net", "alice.example.net", "alice"]);
        match tls.handle_verdict(b"alice", accept(&request)) {
            Step::Accepted(_) => assert_eq!(version, &TLS12),
            Step::Request(commitment) => {
                assert_eq!(version, &TLS13);
                let answer = client.answer(&commitment, mtu - HEADER);
                assert_eq!((client.heard(), &*answer), (vec![0], &[0][..]), "RFC 9190 §2.5");
                assert!(matches!(respond(&mut tls, &answer, &mut wire()), Step::Accepted(_)));
            }
            _ => panic!("not in"),
        }
    }
}

/// RFC 8446 §4.6.3, and what nobody asked for.
#[test]
fn what_comes_beside_the_handshake_does_no_harm() {
    for version in [&TLS12, &TLS13] {
        let settings = settings(1400);
        let (mut tls, start) = Tls::begin(&settings, &mut wire()).unwrap();
        let mut client = Client::new(version, Some("client"), "ca.pem");
        client.say_early(b"hello");
        let (Step::Ask(request), _) = talk(&mut tls, start, &mut client, 1000) else { panic!("no question") };
        let step = match tls.handle_verdict(b"alice", accept(&request)) {
            Step::Request(commitment) => {
                client.update_keys();
                respond(&mut tls, &client.answer(&commitment, 1000), &mut wire())
            }
            step => step,
        };
        assert!(matches!(step, Step::Accepted(_)), "{version:?}");
    }
}

/// A server by our name that does resume: how the handshake with it goes.
fn elsewhere(config: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> HandshakeKind {
    let mut client = Client::of(config).connection;
    let mut server = ServerConnection::new(server.clone()).unwrap();
    while client.wants_write() || server.wants_write() {
        for step in [true, false] {
            let mut records = Vec::new();
            if step {
                while client.wants_write() {
                    client.write_tls(&mut records).unwrap();
                }
                server.read_tls(&mut &records[..]).unwrap();
                server.process_new_packets().unwrap();
            } else {
                while server.wants_write() {
                    server.write_tls(&mut records).unwrap();
                }
                client.read_tls(&mut &records[..]).unwrap();
                client.process_new_packets().unwrap();
            }
        }
    }
    client.handshake_kind().unwrap()
}

/// "Fast reconnect" of Windows: a device offers to go on with a connection that it remembers, and gets one that is new.
#[test]
fn a_client_that_would_resume_shows_its_certificate_anew() {
    for version in [&TLS12, &TLS13] {
        let settings = settings(1400);
        let config = Client::config(version, Some("client"), "ca.pem");
        let tls = settings.tls.as_ref().unwrap();
        let remembering = ServerConfig::builder_with_provider(tls.provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(tls.verifier.clone().unwrap())
            .with_cert_resolver(tls.own.clone());
        let remembering = Arc::new(remembering);
        let kinds = [(); 2].map(|()| elsewhere(&config, &remembering));
        assert_eq!(kinds, [HandshakeKind::Full, HandshakeKind::Resumed], "it does remember");

        for _ in 0..2 {
            let (mut tls, start) = Tls::begin(&settings, &mut wire()).unwrap();
            let mut client = Client::of(&config);
            let (Step::Ask(_), _) = talk(&mut tls, start, &mut client, 1000) else { panic!("no question") };
            assert_eq!(client.connection.handshake_kind(), Some(HandshakeKind::Full));
        }
    }
}

#[test]
fn a_verdict_belongs_to_its_question() {
    let settings = settings(1400);
    let (mut tls, start) = Tls::begin(&settings, &mut wire()).unwrap();
    let mut client = Client::new(&TLS12, Some("client"), "ca.pem");
    let (Step::Ask(mut other), _) = talk(&mut tls, start, &mut client, 1000) else { panic!("no question") };
    let own = other.clone();
    let Proof::Certificate(proof) = &mut other.proof else { panic!("another proof") };
    proof.conversation = [0; 16];
    assert!(matches!(tls.handle_verdict(b"alice", accept(&other)), Step::Waiting));
    assert!(matches!(tls.handle_verdict(b"alice", other.reject(691, "")), Step::Waiting));
    let Step::Failed(Reason::AuthFailed { code: 691, .. }) =
        tls.handle_verdict(b"alice", own.reject(691, ""))
    else {
        panic!("no refusal")
    };
}

/// A job that comes back late, to a link that has begun anew, is nobody's.
#[test]
fn a_job_belongs_to_its_conversation() {
    let settings = settings(1400);
    let mut wire = wire();
    let mut jobs = Vec::new();
    let conversations: [Tls; 2] = std::array::from_fn(|_| {
        let (mut tls, start) = Tls::begin(&settings, &mut wire).unwrap();
        let hello = Client::new(&TLS12, Some("client"), "ca.pem").answer(&start, 1000);
        let Step::Work(job) = tls.handle_response(b"alice", &hello, &mut wire) else { panic!("no job") };
        jobs.push(job);
        tls
    });
    for (mut tls, job) in conversations.into_iter().zip(jobs.into_iter().rev()) {
        assert!(matches!(tls.handle_job(b"alice", job.run(YEAR_2027), &mut wire), Step::Waiting));
    }
}

/// The reason for which TLS fails; the client hears of it by an alert.
#[track_caller]
fn refused(version: &'static SupportedProtocolVersion, certificate: Option<&str>, words: &[&str]) {
    let settings = settings(1400);
    let (mut tls, start) = Tls::begin(&settings, &mut wire()).unwrap();
    let mut client = Client::new(version, certificate, "ca.pem");
    let (step, _) = talk(&mut tls, start, &mut client, 1000);
    let Step::Failed(reason) = step else { panic!("let in") };
    assert!(client.failed, "the client has heard nothing of it");
    let line = reason.to_string();
    for word in ["\"alice\" (EAP-TLS)", "Windows shows"].iter().chain(words) {
        assert!(line.contains(word), "no {word:?} in: {line}");
    }
}

#[test]
fn who_does_not_get_in_and_why() {
    for version in [&TLS12, &TLS13] {
        refused(version, None, &["sent no certificate", "`eap.certificate.ca`"]);
        refused(
            version,
            Some("client-2021"),
            &["O=Example,CN=alice", "expired on 2022-01-01", "issue a new one"],
        );
        refused(
            version,
            Some("client-other"),
            &["CN=mallory", "issued by \"O=Elsewhere,CN=Root\"", "`eap.certificate.ca`"],
        );
        refused(version, Some("client-revoked"), &["CN=carol", "revoked", "`eap.certificate.crl`"]);
        refused(version, Some("client-web"), &["CN=www", "other uses", "client authentication"]);
        refused(version, Some("client-encipher"), &["CN=mail", "other uses", "digital signature"]);
        refused(version, Some("client-impostor"), &["CN=mallory", "did not sign it"]);
    }
}

#[test]
fn a_client_that_does_not_believe_us() {
    for version in [&TLS12, &TLS13] {
        let settings = settings(1400);
        let (mut tls, start) = Tls::begin(&settings, &mut wire()).unwrap();
        let mut client = Client::new(version, Some("client"), "other-ca.pem");
        let (Step::Failed(reason), _) = talk(&mut tls, start, &mut client, 1000) else { panic!("let in") };
        let line = reason.to_string();
        for word in ["does not believe this server's certificate", "UnknownCA", "install the authority"] {
            assert!(line.contains(word), "no {word:?} in: {line}");
        }
    }
}

proptest! {
    /// Whatever comes in whichever pieces: there is an answer or there is none, and never a question to the owner.
    #[test]
    fn strangers_get_nowhere(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 1..8)) {
        let settings = settings(1400);
        let mut wire = wire();
        let (mut tls, _) = Tls::begin(&settings, &mut wire).unwrap();
        let (mut peap, _) = Peap::begin(&settings, &mut wire).unwrap();
        for piece in &pieces {
            let step = match tls.handle_response(b"alice", piece, &mut wire) {
                Step::Work(job) => tls.handle_job(b"alice", job.run(YEAR_2027), &mut wire),
                step => step,
            };
            prop_assert!(!matches!(step, Step::Ask(_) | Step::Accepted(_)));
            let step = match peap.handle_response(b"alice", piece, &settings, &mut wire) {
                Step::Work(job) => peap.handle_job(b"alice", job.run(YEAR_2027), &settings, &mut wire),
                step => step,
            };
            prop_assert!(!matches!(step, Step::Ask(_) | Step::Accepted(_)));
        }
    }
}

#[test]
fn what_is_no_tls_is_refused_and_what_makes_no_sense_discarded() {
    let settings = settings(1400);
    let mut wire = wire();
    let (mut tls, _) = Tls::begin(&settings, &mut wire).unwrap();
    assert!(matches!(respond(&mut tls, &[], &mut wire), Step::Discard(Discard::Truncated)));
    assert!(matches!(respond(&mut tls, &[0], &mut wire), Step::Discard(Discard::Answer)));
    let Step::Request(alert) = respond(&mut tls, b"\x00GET / HTTP/1.1\r\n", &mut wire) else {
        panic!("no alert")
    };
    assert_eq!(alert[..2], [0, 21], "an alert");
    let reason = tls.refusal(b"alice").unwrap().to_string();
    assert!(reason.contains("not proper TLS"), "{reason}");
    assert!(matches!(respond(&mut tls, &[0], &mut wire), Step::Failed(_)));
}
