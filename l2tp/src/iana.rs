//! Number registries of L2TP, RFC 2661 §3.2, §4.4 and §10.

use std::fmt;

/// Message type, RFC 2661 §3.2. Unknown values are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct MessageType(pub(crate) u16);

impl MessageType {
    pub(crate) const SCCRQ: Self = Self(1);
    pub(crate) const SCCRP: Self = Self(2);
    pub(crate) const SCCCN: Self = Self(3);
    pub(crate) const STOP_CCN: Self = Self(4);
    pub(crate) const HELLO: Self = Self(6);
    pub(crate) const OCRQ: Self = Self(7);
    pub(crate) const OCRP: Self = Self(8);
    pub(crate) const OCCN: Self = Self(9);
    pub(crate) const ICRQ: Self = Self(10);
    pub(crate) const ICRP: Self = Self(11);
    pub(crate) const ICCN: Self = Self(12);
    pub(crate) const CDN: Self = Self(14);
    pub(crate) const WEN: Self = Self(15);
    pub(crate) const SLI: Self = Self(16);

    /// Whether RFC 2661 defines it.
    pub(crate) fn is_known(self) -> bool {
        matches!(self.0, 1..=4 | 6..=12 | 14..=16)
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Self::SCCRQ => "SCCRQ",
            Self::SCCRP => "SCCRP",
            Self::SCCCN => "SCCCN",
            Self::STOP_CCN => "StopCCN",
            Self::HELLO => "HELLO",
            Self::OCRQ => "OCRQ",
            Self::OCRP => "OCRP",
            Self::OCCN => "OCCN",
            Self::ICRQ => "ICRQ",
            Self::ICRP => "ICRP",
            Self::ICCN => "ICCN",
            Self::CDN => "CDN",
            Self::WEN => "WEN",
            Self::SLI => "SLI",
            Self(other) => return write!(f, "message type {other}"),
        };
        f.write_str(name)
    }
}

/// Attribute type of an IETF AVP (vendor 0), RFC 2661 §4.4; names and rules are in [`crate::avp`]'s table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Attribute(pub(crate) u16);

impl Attribute {
    pub(crate) const MESSAGE_TYPE: Self = Self(0);
    pub(crate) const RESULT_CODE: Self = Self(1);
    pub(crate) const PROTOCOL_VERSION: Self = Self(2);
    pub(crate) const FRAMING_CAPABILITIES: Self = Self(3);
    pub(crate) const BEARER_CAPABILITIES: Self = Self(4);
    pub(crate) const TIE_BREAKER: Self = Self(5);
    pub(crate) const FIRMWARE_REVISION: Self = Self(6);
    pub(crate) const HOST_NAME: Self = Self(7);
    pub(crate) const VENDOR_NAME: Self = Self(8);
    pub(crate) const ASSIGNED_TUNNEL_ID: Self = Self(9);
    pub(crate) const RECEIVE_WINDOW_SIZE: Self = Self(10);
    pub(crate) const CHALLENGE: Self = Self(11);
    pub(crate) const Q931_CAUSE_CODE: Self = Self(12);
    pub(crate) const CHALLENGE_RESPONSE: Self = Self(13);
    pub(crate) const ASSIGNED_SESSION_ID: Self = Self(14);
    pub(crate) const CALL_SERIAL_NUMBER: Self = Self(15);
    pub(crate) const MINIMUM_BPS: Self = Self(16);
    pub(crate) const MAXIMUM_BPS: Self = Self(17);
    pub(crate) const BEARER_TYPE: Self = Self(18);
    pub(crate) const FRAMING_TYPE: Self = Self(19);
    pub(crate) const CALLED_NUMBER: Self = Self(21);
    pub(crate) const CALLING_NUMBER: Self = Self(22);
    pub(crate) const SUB_ADDRESS: Self = Self(23);
    pub(crate) const TX_CONNECT_SPEED: Self = Self(24);
    pub(crate) const PHYSICAL_CHANNEL_ID: Self = Self(25);
    pub(crate) const INITIAL_RECEIVED_LCP_CONFREQ: Self = Self(26);
    pub(crate) const LAST_SENT_LCP_CONFREQ: Self = Self(27);
    pub(crate) const LAST_RECEIVED_LCP_CONFREQ: Self = Self(28);
    pub(crate) const PROXY_AUTHEN_TYPE: Self = Self(29);
    pub(crate) const PROXY_AUTHEN_NAME: Self = Self(30);
    pub(crate) const PROXY_AUTHEN_CHALLENGE: Self = Self(31);
    pub(crate) const PROXY_AUTHEN_ID: Self = Self(32);
    pub(crate) const PROXY_AUTHEN_RESPONSE: Self = Self(33);
    pub(crate) const CALL_ERRORS: Self = Self(34);
    pub(crate) const ACCM: Self = Self(35);
    pub(crate) const RANDOM_VECTOR: Self = Self(36);
    pub(crate) const PRIVATE_GROUP_ID: Self = Self(37);
    pub(crate) const RX_CONNECT_SPEED: Self = Self(38);
    pub(crate) const SEQUENCING_REQUIRED: Self = Self(39);
    /// RFC 3145 §2.
    pub(crate) const PPP_DISCONNECT_CAUSE: Self = Self(46);
}

/// Result codes of StopCCN, RFC 2661 §4.4.2.
pub(crate) mod stop {
    pub(crate) const CLEARED: u16 = 1;
    pub(crate) const GENERAL_ERROR: u16 = 2;
    pub(crate) const NOT_AUTHORIZED: u16 = 4;
    pub(crate) const VERSION_NOT_SUPPORTED: u16 = 5;
    pub(crate) const SHUTTING_DOWN: u16 = 6;
    pub(crate) const STATE_MACHINE_ERROR: u16 = 7;

    pub(crate) fn describe(result: u16) -> &'static str {
        match result {
            CLEARED => "general request to clear the tunnel",
            GENERAL_ERROR => "general error",
            3 => "tunnel already exists",
            NOT_AUTHORIZED => "not authorized",
            VERSION_NOT_SUPPORTED => "protocol version not supported",
            SHUTTING_DOWN => "shutting down",
            STATE_MACHINE_ERROR => "finite state machine error",
            _ => "unknown result code",
        }
    }
}

/// Result codes of CDN, RFC 2661 §4.4.2.
pub(crate) mod disconnect {
    pub(crate) const LOSS_OF_CARRIER: u16 = 1;
    pub(crate) const GENERAL_ERROR: u16 = 2;
    pub(crate) const ADMINISTRATIVE: u16 = 3;
    pub(crate) const TEMPORARY_LACK: u16 = 4;
    pub(crate) const PERMANENT_LACK: u16 = 5;
    pub(crate) const NOT_ESTABLISHED_IN_TIME: u16 = 10;

    pub(crate) fn describe(result: u16) -> &'static str {
        match result {
            LOSS_OF_CARRIER => "loss of carrier",
            GENERAL_ERROR => "general error",
            ADMINISTRATIVE => "administrative reasons",
            TEMPORARY_LACK => "facilities temporarily not available",
            PERMANENT_LACK => "facilities not available",
            6 => "invalid destination",
            7 => "no carrier",
            8 => "busy",
            9 => "no dial tone",
            NOT_ESTABLISHED_IN_TIME => "call not established in time",
            11 => "no appropriate framing",
            _ => "unknown result code",
        }
    }
}

/// General error codes, RFC 2661 §4.4.2.
pub(crate) mod error {
    pub(crate) const NONE: u16 = 0;
    pub(crate) const WRONG_LENGTH: u16 = 2;
    pub(crate) const BAD_VALUE: u16 = 3;
    pub(crate) const NO_RESOURCES: u16 = 4;
    pub(crate) const VENDOR_SPECIFIC: u16 = 6;
    pub(crate) const UNKNOWN_MANDATORY_AVP: u16 = 8;

    pub(crate) fn describe(error: u16) -> &'static str {
        match error {
            NONE => "no general error",
            1 => "no control connection exists",
            WRONG_LENGTH => "length is wrong",
            BAD_VALUE => "field value out of range",
            NO_RESOURCES => "insufficient resources",
            5 => "invalid session id",
            VENDOR_SPECIFIC => "vendor-specific error",
            7 => "try another",
            UNKNOWN_MANDATORY_AVP => "unknown mandatory AVP",
            _ => "unknown error code",
        }
    }
}
