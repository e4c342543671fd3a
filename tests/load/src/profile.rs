//! What distinguishes one client in the field from another, as data.
//!
//! A [`Profile`] says what a client offers, in which order and shape, what it insists on, when it repeats
//! itself and how it takes its leave. The constructors in the submodules copy real clients; every field is
//! public, so that a test can take one and change a detail.

mod android;
mod apple;
mod linux;
mod windows;

use std::time::Duration;

use crate::crypto::{Cipher, Hash};
use crate::dh::Group;

/// A client, layer by layer.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Name for messages of tests.
    pub name: &'static str,
    /// Main Mode and the ISAKMP SA.
    pub ike: IkeProfile,
    /// Quick Mode and ESP.
    pub esp: EspProfile,
    /// The control connection and the data header.
    pub l2tp: L2tpProfile,
    /// LCP, authentication, IPCP.
    pub ppp: PppProfile,
    /// How it takes its leave: each step, and how long it waits for the answer before the next.
    pub farewell: Vec<(Farewell, Duration)>,
}

/// A step of a disconnection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// LCP Terminate-Request.
    Terminate,
    /// Call-Disconnect-Notify.
    Cdn,
    /// Stop-Control-Connection-Notification.
    StopCcn,
    /// Delete for the ESP SA.
    DeleteEsp,
    /// Delete for the ISAKMP SA.
    DeleteIsakmp,
}

/// When an unanswered message is sent again: after each interval in turn, and after the last it is given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retransmit(pub Vec<Duration>);

impl Retransmit {
    /// The same interval every time.
    pub fn fixed(interval: Duration, times: usize) -> Self {
        Self(vec![interval; times])
    }

    /// Each interval `percent` of the one before, none above `cap`.
    pub fn backoff(first: Duration, percent: u32, cap: Duration, times: usize) -> Self {
        let grow = |last: &Duration| Some((*last * percent / 100).min(cap));
        Self(std::iter::successors(Some(first), grow).take(times).collect())
    }
}

/// Main Mode (RFC 2409 §5.4) as one client does it.
#[derive(Clone, Debug)]
pub struct IkeProfile {
    /// The transforms in order.
    pub transforms: Vec<IkeTransform>,
    /// How a transform's attributes are laid out.
    pub layout: IkeLayout,
    /// Proposed life of the ISAKMP SA.
    pub lifetime: Duration,
    /// Vendor IDs of message 1, in order.
    pub vendor_ids: Vec<Vec<u8>>,
    /// Bytes of a nonce, in both phases.
    pub nonce_len: usize,
    /// Protocol and port of the identity in message 5: 17/500 or 0/0 (RFC 2407 §4.6.2).
    pub identity_port: (u8, u16),
    /// When INITIAL-CONTACT is sent.
    pub initial_contact: InitialContact,
    /// How encrypted messages are padded.
    pub padding: IkePadding,
    /// How Quick Mode's message ids are chosen.
    pub message_ids: MessageIds,
    /// Repetition of messages of both phases.
    pub retransmit: Retransmit,
    /// An unencrypted error notification ends the attempt (Windows) or is ignored (racoon).
    pub heeds_plain_notify: bool,
    /// Drops messages with payloads it does not expect, as racoon does.
    pub strict_payloads: bool,
    /// NAT keepalives on port 4500 (RFC 3948 §4).
    pub keepalive: Option<Duration>,
    /// Renews the ISAKMP SA this long after it was made.
    pub rekey_after: Option<Duration>,
    /// Sends a Delete for an ISAKMP SA that was replaced.
    pub deletes_replaced: bool,
    /// Message 1 of a renewal goes to port 4500 at once.
    pub renews_on_4500: bool,
}

/// One phase 1 transform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IkeTransform {
    /// Encryption algorithm and key length.
    pub cipher: Cipher,
    /// Hash algorithm.
    pub hash: Hash,
    /// Group description.
    pub group: Group,
}

impl IkeTransform {
    /// A transform from its three choices.
    pub const fn new(cipher: Cipher, hash: Hash, group: Group) -> Self {
        Self { cipher, hash, group }
    }
}

/// The order of attributes in a phase 1 transform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IkeLayout {
    /// Encryption, key length, hash, group, authentication, life type, life duration as a TLV of four bytes.
    Windows,
    /// Life type, life duration, encryption, key length, authentication, hash, group; all TV.
    Racoon,
    /// Encryption, key length, hash, group, authentication, life type, life duration; all TV.
    StrongSwan,
}

/// When a client says INITIAL-CONTACT (RFC 2407 §4.6.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitialContact {
    /// Never.
    Never,
    /// As a payload of message 5.
    InMessage5,
    /// In an Informational right after the first phase 1.
    Informational,
}

/// Padding of encrypted ISAKMP messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IkePadding {
    /// Zeros up to the block (RFC 2409 App. B).
    Zeros,
    /// One to two blocks of random bytes, the last of which is their number less one.
    Random,
}

/// The sequence of Quick Mode's message ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageIds {
    /// Random.
    Random,
    /// 1, 2, 3, … in little-endian order: the same for every Windows since Vista.
    Counting,
}

/// Quick Mode (RFC 2409 §5.5) and ESP as one client does it.
#[derive(Clone, Debug)]
pub struct EspProfile {
    /// The transforms in order.
    pub transforms: Vec<EspTransform>,
    /// How the offer is divided and its attributes are laid out.
    pub layout: EspLayout,
    /// Proposed life.
    pub lifetime: Duration,
    /// Proposed life in kilobytes.
    pub kilobytes: Option<u32>,
    /// Group of a second exchange, if perfect forward secrecy is wanted.
    pub pfs: Option<Group>,
    /// Sends its original address and the server's when a NAT was found (RFC 3947 §5.2).
    pub nat_oa: bool,
    /// The UDP port of its own identity.
    pub identity_port: IdentityPort,
    /// Pause between the phases.
    pub delay: Duration,
    /// Bytes of HMAC-SHA2-256's ICV: 16 by RFC 4868, 12 by a draft that some Android kernels follow.
    pub sha256_icv: usize,
    /// The inner UDP checksum is computed over the private address, or left out.
    pub udp_checksum: bool,
    /// Renews the SA this long after it was made.
    pub rekey_after: Option<Duration>,
    /// Sends a Delete for the SA that was replaced, after this time.
    pub deletes_replaced: Option<Duration>,
}

/// One ESP transform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EspTransform {
    /// Encryption algorithm and key length.
    pub cipher: Cipher,
    /// Hash of the HMAC.
    pub integrity: Hash,
}

impl EspTransform {
    /// A transform from its two choices.
    pub const fn new(cipher: Cipher, integrity: Hash) -> Self {
        Self { cipher, integrity }
    }
}

/// Shape of a phase 2 offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EspLayout {
    /// One proposal for each transform; lifetimes as TLVs of four bytes.
    Windows,
    /// One proposal; life type, life duration, mode, key length, authentication.
    Racoon,
    /// One proposal; key length, authentication, mode, life type, life duration.
    StrongSwan,
}

/// The port of the client's own identity in Quick Mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityPort {
    /// The port L2TP is sent from.
    Source,
    /// Zero: any.
    Any,
}

/// The control connection (RFC 2661) as one client builds it.
#[derive(Clone, Debug)]
pub struct L2tpProfile {
    /// Sends from 1701; otherwise from a port of its choice.
    pub source_port_1701: bool,
    /// AVPs of SCCRQ after the message type, in order.
    pub sccrq: Vec<Avp>,
    /// AVPs of ICRQ after the message type, in order.
    pub icrq: Vec<Avp>,
    /// AVPs of ICCN after the message type, in order.
    pub iccn: Vec<Avp>,
    /// Messages sent before the first is acknowledged.
    pub window: u16,
    /// Repetition of control messages.
    pub retransmit: Retransmit,
    /// A message that needs no other answer is acknowledged after this time.
    pub ack_delay: Duration,
    /// When ICRQ follows SCCCN, and PPP ICCN.
    pub pace: Pace,
    /// What it demands of control messages.
    pub demands: L2tpDemands,
    /// Shape of the Result Code AVP.
    pub result_code: ResultCode,
    /// Shape of data headers.
    pub data_header: DataHeader,
    /// HELLO after this much silence.
    pub hello: Option<Duration>,
}

/// An attribute-value pair of a client's message (RFC 2661 §4.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Avp {
    /// Protocol Version 1.0.
    ProtocolVersion,
    /// Framing Capabilities.
    FramingCapabilities(u32),
    /// Bearer Capabilities.
    BearerCapabilities(u32),
    /// Firmware Revision, not mandatory.
    FirmwareRevision(u16),
    /// Host Name.
    HostName(Vec<u8>),
    /// Vendor Name, not mandatory.
    VendorName(&'static str),
    /// Assigned Tunnel ID: a number of the client's choice.
    AssignedTunnelId,
    /// Receive Window Size.
    ReceiveWindowSize(u16),
    /// Assigned Session ID: a number of the client's choice.
    AssignedSessionId,
    /// Call Serial Number: a random number.
    CallSerialNumber,
    /// Bearer Type.
    BearerType(u32),
    /// Tx Connect Speed.
    TxConnectSpeed(u32),
    /// Framing Type.
    FramingType(u32),
    /// Microsoft's Correlation ID ([MS-L2TPIE] §2.2.1.1): vendor 311, type 1, a random GUID.
    CorrelationId,
}

/// What a client waits for within the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Sends the next message at once.
    BackToBack,
    /// Waits until SCCCN and ICCN are acknowledged.
    AwaitAcks,
}

/// How particular a client is about the server's control messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum L2tpDemands {
    /// What RFC 2661 says.
    Rfc,
    /// mtpd: exact flags, exact length, Message Type first with exact flags, Nr exactly its own Ns + 1.
    Mtpd,
    /// Apple's plug-in: SCCRP with five AVPs, nothing hidden, nothing unknown and mandatory, no Challenge.
    Apple,
}

/// Shapes of the Result Code AVP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultCode {
    /// Result and error code.
    Full,
    /// The result alone: two bytes.
    Short,
    /// Eight bytes, of which the first two count, in little-endian order.
    Apple,
}

/// Headers of L2TP data (RFC 2661 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataHeader {
    /// Tunnel and session only.
    Plain,
    /// With a length.
    Length,
    /// With sequence numbers until data without them arrives.
    SequencedUntilPlain,
}

/// PPP as one client speaks it.
#[derive(Clone, Debug)]
pub struct PppProfile {
    /// Options of the first LCP Configure-Request, in order.
    pub lcp: Vec<LcpOption>,
    /// Identifier of the first Configure-Request.
    pub first_identifier: u8,
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

/// Every transform of `ciphers` × `integrities`, ciphers outermost.
fn esp_grid(ciphers: &[Cipher], integrities: &[Hash]) -> Vec<EspTransform> {
    let row = |cipher: &Cipher| integrities.iter().map(|hash| EspTransform::new(*cipher, *hash)).collect();
    ciphers.iter().map(row).collect::<Vec<Vec<_>>>().concat()
}

/// Vendor IDs of the field, by name.
mod vendor {
    use hex_literal::hex;

    pub(super) const RFC_3947: [u8; 16] = hex!("4a131c81070358455c5728f20e95452f");
    pub(super) const NAT_T_DRAFT: [u8; 16] = hex!("4df37928e9fc4fd1b3262170d515c662");
    pub(super) const NAT_T_00: [u8; 16] = hex!("4485152d18b6bbcd0be8a8469579ddcc");
    pub(super) const NAT_T_02: [u8; 16] = hex!("cd60464335df21f87cfdb2fc68b6a448");
    pub(super) const NAT_T_02N: [u8; 16] = hex!("90cb80913ebb696e086381b5ec427b1f");
    pub(super) const NAT_T_03: [u8; 16] = hex!("7d9419a65310ca6f2c179d9215529d56");
    pub(super) const NAT_T_04: [u8; 16] = hex!("9909b64eed937c6573de52ace952fa6b");
    pub(super) const NAT_T_05: [u8; 16] = hex!("80d0bb3def54565ee84645d4c85ce3ee");
    pub(super) const NAT_T_06: [u8; 16] = hex!("4d1e0e136deafa34c4f3ea9f02ec7285");
    pub(super) const NAT_T_07: [u8; 16] = hex!("439b59f8ba676c4c7737ae22eab8f582");
    pub(super) const NAT_T_08: [u8; 16] = hex!("8f8d83826d246b6fc7a8a6a428c11de8");
    pub(super) const FRAGMENTATION: [u8; 16] = hex!("4048b7d56ebce88525e7de7f00d6c2d3");
    pub(super) const FRAGMENTATION_MAIN: [u8; 20] = hex!("4048b7d56ebce88525e7de7f00d6c2d380000000");
    pub(super) const DPD: [u8; 16] = hex!("afcad71368a1f1c96b8696fc77570100");
    pub(super) const XAUTH: [u8; 8] = hex!("09002689dfd6b712");
    pub(super) const MS_WINDOWS_8: [u8; 20] = hex!("01528bbbc00696121849ab9a1c5b2a5100000001");
    pub(super) const MS_NT5: [u8; 16] = hex!("1e2b516905991c7d7c96fcbfb587e461");
    pub(super) const MS_NEGOTIATION_DISCOVERY: [u8; 16] = hex!("fb1de3cdf341b7ea16b7e5be0855f120");
    pub(super) const MS_INITIAL_CONTACT: [u8; 16] = hex!("26244d38eddb61b3172a36e3d0cfb819");
    pub(super) const MS_IKE_CGA: [u8; 16] = hex!("e3a5966a76379fe707228231e5ce8652");
}
