//! One TLS connection, server side, as rustls drives it: records in, records out.
//!
//! Its randomness is the provider's own and not of the link's seed: nonces and keys of TLS are made where the arithmetic is.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ServerConnection};
use rustls::time_provider::TimeProvider;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, ProtocolVersion, ServerConfig,
    SignatureScheme,
};
use zeroize::Zeroizing;

use super::certificate::ClientCertificate;
use super::credentials::TlsCredentials;
use super::fault::Fault;

/// The server's end of a TLS connection.
pub(crate) struct Tunnel {
    connection: Box<ServerConnection>,
    calendar: Arc<Calendar>,
    presented: Arc<OnceLock<(String, String)>>,
}

impl Tunnel {
    /// With `certificate`, the client must have one.
    pub(crate) fn new(credentials: &TlsCredentials, certificate: bool) -> Result<Self, Fault> {
        let calendar = Arc::<Calendar>::default();
        let presented = Arc::new(OnceLock::new());
        let builder = ServerConfig::builder_with_provider(credentials.provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(broken)?;
        let builder = match credentials.verifier.clone().filter(|_| certificate) {
            Some(inner) => {
                builder.with_client_cert_verifier(Arc::new(Verifier { inner, presented: presented.clone() }))
            }
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(credentials.own.clone());
        config.time_provider = calendar.clone();
        // Nothing is resumed: every login is to be looked at anew, and no session outlives its connection.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        let mut connection = Box::new(ServerConnection::new(Arc::new(config)).map_err(broken)?);
        // What is sent is cut by EAP, not by TLS.
        connection.set_buffer_limit(None);
        Ok(Self { connection, calendar, presented })
    }

    /// So long after 1970 is what certificates are judged by from now on.
    pub(crate) fn set_calendar(&mut self, unix: Duration) {
        self.calendar.0.store(unix.as_secs(), Ordering::Relaxed);
    }

    /// Takes records; what they say goes to [`Self::read`], what is answered to [`Self::take_output`]: after a fault, an alert.
    pub(crate) fn handle(&mut self, mut records: &[u8]) -> Result<(), Fault> {
        while !records.is_empty() {
            let taken = self.connection.read_tls(&mut records);
            if !matches!(taken, Ok(1..)) {
                return Err(Fault::Broken("more than a handshake has".into()));
            }
            self.connection.process_new_packets().map_err(|error| Fault::of(error, self.presented.get()))?;
        }
        Ok(())
    }

    /// The records that are to be sent.
    pub(crate) fn take_output(&mut self) -> Vec<u8> {
        let mut records = Vec::new();
        while self.connection.wants_write() && matches!(self.connection.write_tls(&mut records), Ok(1..)) {}
        records
    }

    /// Both sides have said Finished.
    pub(crate) fn is_established(&self) -> bool {
        !self.connection.is_handshaking()
    }

    pub(crate) fn is_tls13(&self) -> bool {
        self.connection.protocol_version() == Some(ProtocolVersion::TLSv1_3)
    }

    /// What the client said within the connection since it was asked last.
    pub(crate) fn read(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        // "Would block" is how rustls says that this was all.
        let _ = self.connection.reader().read_to_end(&mut text);
        text
    }

    /// Says something within the connection.
    pub(crate) fn write(&mut self, text: &[u8]) {
        // Without a limit the buffer takes everything.
        let _ = self.connection.writer().write_all(text);
    }

    /// Keys for others, RFC 5705.
    pub(crate) fn export<const N: usize>(
        &self,
        label: &[u8],
        context: Option<&[u8]>,
    ) -> Option<Zeroizing<[u8; N]>> {
        let mut keys = Zeroizing::new([0; N]);
        self.connection.export_keying_material(&mut keys[..], label, context).ok()?;
        Some(keys)
    }

    /// The client's certificate, once the connection is established.
    pub(crate) fn client(&self) -> Option<ClientCertificate> {
        let certificate = self.connection.peer_certificates()?.first()?;
        ClientCertificate::from_der(certificate).filter(|_| self.is_established())
    }
}

fn broken(error: Error) -> Fault {
    Fault::Broken(error.to_string())
}

/// webpki's verdict on a client's certificate, with a note of whose it was.
struct Verifier {
    inner: Arc<dyn ClientCertVerifier>,
    presented: Arc<OnceLock<(String, String)>>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier(…)")
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let certificate = ClientCertificate::from_der(end_entity).ok_or(CertificateError::BadEncoding)?;
        let names = (certificate.subject().to_owned(), certificate.issuer().to_owned());
        // A connection sees one certificate.
        let _ = self.presented.set(names);
        let verified = self.inner.verify_client_cert(end_entity, intermediates, now)?;
        if certificate.may_sign() { Ok(verified) } else { Err(CertificateError::InvalidPurpose.into()) }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// The calendar's time when records are taken, in seconds since 1970: rustls would ask a clock.
#[derive(Debug, Default)]
struct Calendar(AtomicU64);

impl TimeProvider for Calendar {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0.load(Ordering::Relaxed))))
    }
}
