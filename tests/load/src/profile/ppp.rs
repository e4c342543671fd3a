//! LCP, authentication and IPCP, as data.

use std::time::Duration;

/// PPP as one client speaks it.
#[derive(Clone, Debug)]
pub struct PppProfile {
    /// Options of the first LCP Configure-Request, in order.
    pub lcp: Vec<LcpOption>,
    /// Identifier of the first Configure-Request.
    pub first_identifier: u8,
    /// How it proves its password.
    pub authentication: Authentication,
    /// Texts sent in LCP Identification (RFC 1570) once LCP is open.
    pub identification: Vec<Vec<u8>>,
    /// Options of the first IPCP Configure-Request, in order.
    pub ipcp: Vec<IpcpOption>,
    /// Configure-Requests for other protocols, which a server may refuse: protocol and options.
    pub extras: Vec<(u16, Vec<u8>)>,
    /// LCP Echo-Request at this interval, and how many may go unanswered.
    pub echo: Option<(Duration, u32)>,
    /// Frames that arrive within this time after the call is up are lost.
    pub attach_delay: Duration,
    /// Restart timer (RFC 1661 §4.6).
    pub restart: Duration,
    /// Configure-Requests without an answer before giving up.
    pub max_configure: u32,
}

/// The protocol that the user, or whoever set the device up, has allowed for the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// RFC 2759, as every client does it unless told otherwise.
    MsChapV2,
    /// RFC 1994, with MD5.
    Chap,
    /// RFC 1334: a box of its own in Windows' security settings.
    Pap,
    /// RFC 3748, with this method.
    Eap(Eap),
}

/// An EAP method, and what it needs beside name and password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eap {
    /// RFC 3748 §5.4.
    Md5,
    /// EAP-MSCHAPv2.
    MsChapV2,
    /// RFC 5216, RFC 9190.
    Tls(TlsClient),
    /// PEAP version 0 with EAP-MSCHAPv2 and cryptobinding.
    Peap(TlsClient),
}

/// TLS as a client is set up for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsClient {
    /// The authority whose servers it believes, in PEM.
    pub ca: &'static str,
    /// The name that the server's certificate must have.
    pub server: &'static str,
    /// Its user's certificate, with those above it, and the key, in PEM.
    pub certificate: Option<(&'static str, &'static str)>,
    /// Whether it speaks 1.3, and otherwise 1.2.
    pub tls13: bool,
}

/// An LCP option (RFC 1661 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LcpOption {
    /// Maximum-Receive-Unit.
    Mru(u16),
    /// Async-Control-Character-Map.
    AsyncMap(u32),
    /// Magic-Number: a random number.
    MagicNumber,
    /// Protocol-Field-Compression.
    ProtocolCompression,
    /// Address-and-Control-Field-Compression.
    AddressCompression,
    /// Callback with CBCP.
    Callback,
    /// Multilink Maximum-Received-Reconstructed-Unit (RFC 1990).
    Mrru(u16),
    /// Endpoint Discriminator, locally assigned, 20 random bytes (RFC 1990).
    Endpoint,
}

/// An IPCP option (RFC 1332, RFC 1877).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpcpOption {
    /// IP-Compression-Protocol: Van Jacobson, 16 slots, slot compression.
    VanJacobson,
    /// IP-Address.
    Address,
    /// Primary-DNS-Address.
    Dns1,
    /// Primary-NBNS-Address.
    Nbns1,
    /// Secondary-DNS-Address.
    Dns2,
    /// Secondary-NBNS-Address.
    Nbns2,
}
