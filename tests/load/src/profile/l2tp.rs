//! The control connection and the data header, as data.

use std::time::Duration;

use super::Retransmit;

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
    /// Bytes of a test's own: what no real client sends, or only one in a state that the profile knows nothing of.
    Raw(Vec<u8>),
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
