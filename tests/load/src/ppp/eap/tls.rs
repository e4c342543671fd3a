//! EAP-TLS, the peer's side, RFC 5216 and RFC 9190: TLS by rustls, in pieces that fit a packet.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, ProtocolVersion, RootCertStore};

use crate::profile::TlsClient;

/// One end of a connection, and what has come and is to go of its flights.
pub(super) struct Tls {
    connection: ClientConnection,
    incoming: Vec<u8>,
    pieces: VecDeque<Vec<u8>>,
    /// What was heard within the connection.
    heard: Vec<u8>,
    failed: bool,
}

impl Tls {
    pub(super) fn new(client: &TlsClient) -> Self {
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_slice(client.ca.as_bytes()).expect("the test's own authority");
        roots.add(ca).expect("the test's own authority");
        let version = if client.tls13 { &rustls::version::TLS13 } else { &rustls::version::TLS12 };
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[version])
            .expect("a version that the provider has")
            .with_root_certificates(roots);
        let config = match client.certificate {
            Some((certificates, key)) => {
                let chain = CertificateDer::pem_slice_iter(certificates.as_bytes()).collect::<Result<_, _>>();
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("the test's own key");
                builder.with_client_auth_cert(chain.expect("the test's own certificate"), key)
            }
            None => Ok(builder.with_no_client_auth()),
        };
        let name = ServerName::try_from(client.server).expect("the test's own name");
        let config = config.expect("the test's own certificate and key");
        let connection = ClientConnection::new(Arc::new(config), name).expect("a client");
        Self { connection, incoming: Vec::new(), pieces: VecDeque::new(), heard: Vec::new(), failed: false }
    }

    /// The Response's type-data.
    pub(super) fn answer(&mut self, data: &[u8]) -> Vec<u8> {
        self.take(data);
        self.next()
    }

    /// Takes a Request's type-data.
    pub(super) fn take(&mut self, data: &[u8]) {
        let Some((flags, rest)) = data.split_first() else { return };
        let records = if flags & LENGTH == 0 { rest } else { rest.get(4..).unwrap_or(&[]) };
        self.incoming.extend(records);
        if flags & MORE != 0 {
            return;
        }
        let incoming = std::mem::take(&mut self.incoming);
        let mut records = &incoming[..];
        while !records.is_empty() && !self.failed {
            self.failed = self.connection.read_tls(&mut records).is_err()
                || self.connection.process_new_packets().is_err();
        }
        // "Would block" says that this was all.
        let _ = self.connection.reader().read_to_end(&mut self.heard);
        self.cut();
    }

    /// Says something within the connection.
    pub(super) fn say(&mut self, text: &[u8]) {
        self.connection.writer().write_all(text).expect("room for a few bytes");
        self.cut();
    }

    /// What was heard within the connection since it was asked last.
    pub(super) fn heard(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.heard)
    }

    fn cut(&mut self) {
        let mut flight = Vec::new();
        while self.connection.wants_write() {
            self.connection.write_tls(&mut flight).expect("a Vec takes everything");
        }
        let length = u32::try_from(flight.len()).expect("a short flight");
        let pieces = flight.chunks(PIECE);
        let last = pieces.len().saturating_sub(1);
        for (number, piece) in pieces.enumerate() {
            let more = if number < last { MORE } else { 0 };
            let head =
                if number == 0 { [&[LENGTH | more], &length.to_be_bytes()[..]].concat() } else { vec![more] };
            self.pieces.push_back([&head, piece].concat());
        }
    }

    /// The next piece, or a word that the server's has come.
    pub(super) fn next(&mut self) -> Vec<u8> {
        self.pieces.pop_front().unwrap_or_else(|| vec![0])
    }

    /// RFC 9190 §2.5: with TLS 1.3 the server says in one octet that this was all.
    pub(super) fn is_done(&self) -> bool {
        let tls13 = self.connection.protocol_version() == Some(ProtocolVersion::TLSv1_3);
        !self.failed && !self.connection.is_handshaking() && (!tls13 || self.heard == [0])
    }

    /// PEAP's tunnel key, [MS-PEAP] §3.1.5.5.2.1, RFC 9427 §2.1.
    pub(super) fn tunnel_key(&self) -> Option<[u8; 60]> {
        let (label, context): (&[u8], Option<&[u8]>) = match self.connection.protocol_version()? {
            ProtocolVersion::TLSv1_3 => (b"EXPORTER_EAP_TLS_Key_Material", Some(&[super::peap::TYPE])),
            _ => (b"client EAP encryption", None),
        };
        let material = self.connection.export_keying_material([0; 128], label, context).ok()?;
        material.first_chunk().copied()
    }
}

const LENGTH: u8 = 0x80;
const MORE: u8 = 0x40;
/// wpa_supplicant's is 1398, so that a chain of certificates would be one piece.
const PIECE: usize = 500;
