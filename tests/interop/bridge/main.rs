//! A bridge between a RADIUS client and our PPP authenticator, so that `eapol_test` can speak EAP with it.
//!
//! ```text
//!  eapol_test ── Access-Request: EAP-Message ──► bridge ── EAP in PPP ──► ppp::Link ── AuthRequest ──► one account
//!             ◄─ Access-Challenge, -Accept, -Reject ──   ◄──────────────
//! ```
//!
//! usage: eap-bridge ADDRESS:PORT SECRET NAME PASSWORD METHODS [CERT KEY [CA]]
//!
//! METHODS is one of more of md5, mschapv2, tls, peap, with commas between. One conversation at a time. Writes a line for what
//! each comes to.

mod radius;

use std::io::Write as _;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use ppp::{
    Accept, Addressing, AuthProtocol, AuthRequest, Config, EapConfig, EapMethod, Event, Ipv4Config, Link,
    NtHash, Proof, Protocol, TlsCredentials, TlsFiles, Verdict, parse_frame,
};
use radius::{Answer, Request};

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, secret, name, password, methods, files @ ..] = &*arguments else {
        return Err(std::io::Error::other(
            "usage: eap-bridge ADDRESS:PORT SECRET NAME PASSWORD METHODS [CERT KEY [CA]]",
        ));
    };
    let mut bridge = Bridge {
        config: Arc::new(config(methods, files)?),
        account: (name.clone(), password.clone()),
        link: None,
    };
    let socket = UdpSocket::bind(address)?;
    bridge.say("ready");
    let mut buffer = [0; 4096];
    loop {
        let (length, from) = socket.recv_from(&mut buffer)?;
        let Some(request) = Request::parse(&buffer[..length]) else { continue };
        if let Some(answer) = bridge.handle(&request) {
            socket.send_to(&request.answer(&answer, secret.as_bytes()), from)?;
        }
    }
}

fn config(methods: &str, files: &[String]) -> std::io::Result<Config> {
    let content = files.iter().map(std::fs::read).collect::<Result<Vec<_>, _>>()?;
    let tls = match &*content {
        [cert, key, ca @ ..] => {
            let files = TlsFiles { cert, key, ca: ca.first().map(Vec::as_slice), crl: None };
            Some(Arc::new(TlsCredentials::read(files).map_err(std::io::Error::other)?))
        }
        _ => None,
    };
    let named = [
        ("md5", EapMethod::Md5),
        ("mschapv2", EapMethod::MsChapV2),
        ("tls", EapMethod::Tls),
        ("peap", EapMethod::Peap),
    ];
    let methods = methods.split(',').filter_map(|word| named.iter().find(|(name, _)| *name == word));
    let methods = methods.map(|(_, method)| *method).collect();
    let eap = EapConfig { methods, tls };
    Ok(Config { auth: vec![AuthProtocol::Eap], eap, ..Config::default() })
}

/// The conversation that goes on, and whom it may let in.
struct Bridge {
    config: Arc<Config>,
    account: (String, String),
    link: Option<Link>,
}

impl Bridge {
    fn handle(&mut self, request: &Request) -> Option<Answer> {
        let mut eap = request.eap.clone();
        if !request.continues {
            let (link, identifier) = self.open()?;
            self.link = Some(link);
            // The client was asked who it is by its own access point.
            *eap.get_mut(1)? = identifier;
        }
        let frame = [&[0xc2, 0x27][..], &eap].concat();
        let mut link = self.link.take()?;
        link.handle_frame(now(), &frame);
        let mut last = None;
        loop {
            if let Some(frame) = link.poll_transmit() {
                match parse_frame(&frame) {
                    Ok((Protocol::EAP, packet)) => last = Some(packet.to_vec()),
                    // Terminate-Request: the client says goodbye as well.
                    Ok((Protocol::LCP, &[5, identifier, ..])) => {
                        link.handle_frame(now(), &[0xc0, 0x21, 6, identifier, 0, 4]);
                    }
                    _ => {}
                }
            } else if let Some(event) = link.poll_event() {
                match event {
                    Event::AuthRequest(request) => {
                        let verdict = self.judge(&request);
                        link.handle_verdict(now(), verdict);
                    }
                    Event::Job(job) => {
                        let unix = wall_clock().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                        link.handle_job(now(), job.run(unix));
                    }
                    Event::Closed(reason) => self.say(&format!("closed: {reason}")),
                    _ => {}
                }
            } else {
                break;
            }
        }
        self.link = Some(link);
        Answer::of(last?)
    }

    /// A link as far as the question who the client is, and that question's identifier.
    fn open(&self) -> Option<(Link, u8)> {
        let mut link = Link::new(now(), self.config.clone(), [0; 32]);
        let ours = link.poll_transmit()?;
        let (_, packet) = parse_frame(&ours).ok()?;
        // The same with the code of a Configure-Ack, and a Configure-Request without options.
        let ack = [&[0xc0, 0x21, 2][..], packet.get(1..)?].concat();
        link.handle_frame(now(), &ack);
        link.handle_frame(now(), &[0xc0, 0x21, 1, 1, 0, 4]);
        while let Some(frame) = link.poll_transmit() {
            if let Ok((Protocol::EAP, packet)) = parse_frame(&frame) {
                return Some((link, *packet.get(1)?));
            }
        }
        None
    }

    fn judge(&self, request: &AuthRequest) -> Verdict {
        let (name, password) = &self.account;
        let verified = match &request.proof {
            Proof::MsChapV2(proof) => proof.verify(&NtHash::from_password(password)),
            Proof::NewPassword(_) => None,
            Proof::Chap(proof) => proof.verify(password.as_bytes()),
            Proof::Password(typed) => typed.verify(&NtHash::from_password(password)),
            Proof::Certificate(proof) => {
                let of_account = proof.certificate().names().any(|other| other == name);
                of_account.then(|| proof.verified())
            }
        };
        let verified = verified.filter(|_| request.name == name.as_bytes());
        self.say(&format!(
            "{} of {:?}: {}",
            request.method,
            String::from_utf8_lossy(&request.name),
            verified.is_some()
        ));
        let Some(verified) = verified else {
            return request.reject(691, "no");
        };
        let (local, peer) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
        let addressing = Addressing { ipv4: Some(Ipv4Config { peer, local, dns: [None, None] }), ipv6: None };
        Verdict::Accept(Box::new(Accept { verified, message: "Welcome".into(), addressing }))
    }

    fn say(&self, line: &str) {
        // Whoever reads this has gone: there is nobody to tell.
        let _ = writeln!(std::io::stdout(), "{line}");
    }
}

#[expect(clippy::disallowed_methods, reason = "the peer lives in real time")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "and its certificates are of these days")]
fn wall_clock() -> SystemTime {
    SystemTime::now()
}
