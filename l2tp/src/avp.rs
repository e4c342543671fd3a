//! Attribute value pairs, RFC 2661 §4.
//!
//! ```text
//! |M|H| rsvd  |      Length       |           Vendor ID           |
//! |         Attribute Type        |        Attribute Value…
//! ```

use zeroize::Zeroizing;

use crate::iana::Attribute;
use crate::reason::Fault;
use crate::secret::{ChallengeResponse, Secret};

/// One recognised AVP, unhidden.
#[derive(Debug)]
pub(crate) struct Avp<'a> {
    pub(crate) attribute: Attribute,
    mandatory: bool,
    value: Value<'a>,
}

#[derive(Debug)]
enum Value<'a> {
    Plain(&'a [u8]),
    Unhidden(Zeroizing<Vec<u8>>),
}

impl Avp<'_> {
    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.value {
            Value::Plain(bytes) => bytes,
            Value::Unhidden(bytes) => bytes,
        }
    }

    /// The M bit as received.
    pub(crate) fn is_mandatory(&self) -> bool {
        self.mandatory
    }

    /// The value as a 16-bit number.
    pub(crate) fn u16(&self) -> Result<u16, Fault> {
        self.array().map(u16::from_be_bytes)
    }

    /// The value as a 32-bit number.
    pub(crate) fn u32(&self) -> Result<u32, Fault> {
        self.array().map(u32::from_be_bytes)
    }

    /// The value as a Challenge Response.
    pub(crate) fn response(&self) -> Result<ChallengeResponse, Fault> {
        self.array().map(ChallengeResponse)
    }

    fn array<const N: usize>(&self) -> Result<[u8; N], Fault> {
        self.bytes().try_into().map_err(|_| Fault::Length(self.attribute.0))
    }

    /// A bad value matters only in an AVP whose M bit is set, RFC 2661 §7.1.
    pub(crate) fn tolerate<T>(&self, value: Result<T, Fault>) -> Result<Option<T>, Fault> {
        match value {
            Ok(value) => Ok(Some(value)),
            Err(_) if !self.mandatory => Ok(None),
            Err(fault) => Err(fault),
        }
    }
}

/// Iterates over the AVPs of a message. Unrecognised AVPs without the M bit are passed over, those with it are a
/// fault (RFC 2661 §4.1). Nothing follows a fault.
#[derive(Debug)]
pub(crate) struct Avps<'a> {
    rest: &'a [u8],
    secret: Option<&'a Secret>,
    vector: Option<&'a [u8]>,
}

impl<'a> Avps<'a> {
    pub(crate) fn new(bytes: &'a [u8], secret: Option<&'a Secret>) -> Self {
        Self { rest: bytes, secret, vector: None }
    }

    /// Splits off the next AVP, whatever it is.
    fn split(&mut self) -> Result<Raw<'a>, Fault> {
        let (header, _) = self.rest.split_first_chunk::<AVP_HEADER_LEN>().ok_or(Fault::Structure)?;
        let [f0, f1, v0, v1, a0, a1] = *header;
        let flags = u16::from_be_bytes([f0, f1]);
        let (avp, rest) =
            self.rest.split_at_checked(usize::from(flags & LENGTH_MASK)).ok_or(Fault::Structure)?;
        let value = avp.get(AVP_HEADER_LEN..).ok_or(Fault::Structure)?;
        self.rest = rest;
        let vendor = u16::from_be_bytes([v0, v1]);
        Ok(Raw { flags, vendor, attribute: Attribute(u16::from_be_bytes([a0, a1])), value })
    }

    /// Recognises an AVP; `None` if it is none of ours or cannot be read.
    fn recognise(&self, raw: &Raw<'a>) -> Option<Value<'a>> {
        // RFC 2661 §4.1: an AVP with a reserved bit set MUST be treated as an unrecognised AVP.
        if raw.flags & RESERVED != 0 || raw.vendor != 0 {
            return None;
        }
        let definition = Definition::of(raw.attribute)?;
        if raw.flags & HIDDEN == 0 {
            return Some(Value::Plain(raw.value));
        }
        if !definition.hideable {
            return None;
        }
        // RFC 2661 §4.3: the Random Vector AVP precedes the first hidden AVP; the nearest one before it counts.
        self.secret?.unhide(raw.attribute, self.vector?, raw.value).map(Value::Unhidden)
    }
}

impl<'a> Iterator for Avps<'a> {
    type Item = Result<Avp<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let raw = match self.split() {
                Ok(raw) => raw,
                Err(fault) => {
                    self.rest = &[];
                    return Some(Err(fault));
                }
            };
            let mandatory = raw.flags & MANDATORY != 0;
            match self.recognise(&raw) {
                Some(value) => {
                    if raw.attribute == Attribute::RANDOM_VECTOR {
                        self.vector = Some(raw.value);
                    }
                    return Some(Ok(Avp { attribute: raw.attribute, mandatory, value }));
                }
                None if mandatory => {
                    self.rest = &[];
                    return Some(Err(raw.fault()));
                }
                None => {}
            }
        }
        None
    }
}

struct Raw<'a> {
    flags: u16,
    vendor: u16,
    attribute: Attribute,
    value: &'a [u8],
}

impl Raw<'_> {
    fn fault(&self) -> Fault {
        if self.vendor == 0 && self.flags & HIDDEN != 0 && Definition::of(self.attribute).is_some() {
            Fault::Hidden(self.attribute.0)
        } else {
            Fault::Unrecognised { vendor: self.vendor, attribute: self.attribute.0 }
        }
    }
}

/// Appends an AVP with the M bit that RFC 2661 §4.4 gives it, never hidden.
pub(crate) fn write(attribute: Attribute, value: &[u8], out: &mut Vec<u8>) {
    let value = value.get(..MAX_VALUE_LEN).unwrap_or(value);
    let length = u16::try_from(AVP_HEADER_LEN.saturating_add(value.len())).expect("at most 1023");
    let mandatory = Definition::of(attribute).is_some_and(|definition| definition.mandatory);
    let flags = if mandatory { MANDATORY | length } else { length };
    for field in [flags, 0, attribute.0] {
        out.extend_from_slice(&field.to_be_bytes());
    }
    out.extend_from_slice(value);
}

/// The human name of an attribute.
pub(crate) fn name(attribute: u16) -> Option<&'static str> {
    Definition::of(Attribute(attribute)).map(|definition| definition.name)
}

/// What RFC 2661 §4.4 says about an attribute.
struct Definition {
    attribute: Attribute,
    name: &'static str,
    mandatory: bool,
    hideable: bool,
}

impl Definition {
    fn of(attribute: Attribute) -> Option<&'static Self> {
        DEFINITIONS.iter().find(|definition| definition.attribute == attribute)
    }
}

const fn define(attribute: Attribute, name: &'static str, mandatory: bool, hideable: bool) -> Definition {
    Definition { attribute, name, mandatory, hideable }
}

#[rustfmt::skip]
static DEFINITIONS: &[Definition] = &[
    //                                                                                M      may be hidden
    define(Attribute::MESSAGE_TYPE,               "Message Type",                     true,  false),
    define(Attribute::RESULT_CODE,                "Result Code",                      true,  false),
    define(Attribute::PROTOCOL_VERSION,           "Protocol Version",                 true,  false),
    define(Attribute::FRAMING_CAPABILITIES,       "Framing Capabilities",             true,  true),
    define(Attribute::BEARER_CAPABILITIES,        "Bearer Capabilities",              true,  true),
    define(Attribute::TIE_BREAKER,                "Tie Breaker",                      false, false),
    define(Attribute::FIRMWARE_REVISION,          "Firmware Revision",                false, true),
    define(Attribute::HOST_NAME,                  "Host Name",                        true,  false),
    define(Attribute::VENDOR_NAME,                "Vendor Name",                      false, true),
    define(Attribute::ASSIGNED_TUNNEL_ID,         "Assigned Tunnel ID",               true,  true),
    define(Attribute::RECEIVE_WINDOW_SIZE,        "Receive Window Size",              true,  false),
    define(Attribute::CHALLENGE,                  "Challenge",                        true,  true),
    define(Attribute::Q931_CAUSE_CODE,            "Q.931 Cause Code",                 true,  false),
    define(Attribute::CHALLENGE_RESPONSE,         "Challenge Response",               true,  true),
    define(Attribute::ASSIGNED_SESSION_ID,        "Assigned Session ID",              true,  true),
    define(Attribute::CALL_SERIAL_NUMBER,         "Call Serial Number",               true,  true),
    define(Attribute::MINIMUM_BPS,                "Minimum BPS",                      true,  true),
    define(Attribute::MAXIMUM_BPS,                "Maximum BPS",                      true,  true),
    define(Attribute::BEARER_TYPE,                "Bearer Type",                      true,  true),
    define(Attribute::FRAMING_TYPE,               "Framing Type",                     true,  true),
    define(Attribute::CALLED_NUMBER,              "Called Number",                    true,  true),
    define(Attribute::CALLING_NUMBER,             "Calling Number",                   true,  true),
    define(Attribute::SUB_ADDRESS,                "Sub-Address",                      true,  true),
    define(Attribute::TX_CONNECT_SPEED,           "Tx Connect Speed",                 true,  true),
    define(Attribute::PHYSICAL_CHANNEL_ID,        "Physical Channel ID",              false, true),
    define(Attribute::INITIAL_RECEIVED_LCP_CONFREQ, "Initial Received LCP CONFREQ",   false, true),
    define(Attribute::LAST_SENT_LCP_CONFREQ,      "Last Sent LCP CONFREQ",            false, true),
    define(Attribute::LAST_RECEIVED_LCP_CONFREQ,  "Last Received LCP CONFREQ",        false, true),
    define(Attribute::PROXY_AUTHEN_TYPE,          "Proxy Authen Type",                false, true),
    define(Attribute::PROXY_AUTHEN_NAME,          "Proxy Authen Name",                false, true),
    define(Attribute::PROXY_AUTHEN_CHALLENGE,     "Proxy Authen Challenge",           false, true),
    define(Attribute::PROXY_AUTHEN_ID,            "Proxy Authen ID",                  false, true),
    define(Attribute::PROXY_AUTHEN_RESPONSE,      "Proxy Authen Response",            false, true),
    define(Attribute::CALL_ERRORS,                "Call Errors",                      true,  true),
    define(Attribute::ACCM,                       "ACCM",                             true,  true),
    define(Attribute::RANDOM_VECTOR,              "Random Vector",                    true,  false),
    define(Attribute::PRIVATE_GROUP_ID,           "Private Group ID",                 false, true),
    define(Attribute::RX_CONNECT_SPEED,           "Rx Connect Speed",                 false, true),
    define(Attribute::SEQUENCING_REQUIRED,        "Sequencing Required",              true,  false),
    define(Attribute::PPP_DISCONNECT_CAUSE,       "PPP Disconnect Cause",             false, true),
];

const AVP_HEADER_LEN: usize = 6;
const MAX_VALUE_LEN: usize = 1023 - AVP_HEADER_LEN;
const MANDATORY: u16 = 0x8000;
const HIDDEN: u16 = 0x4000;
const RESERVED: u16 = 0x3c00;
const LENGTH_MASK: u16 = 0x03ff;

#[cfg(test)]
mod tests {
    use hex_literal::hex;
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8], secret: Option<&Secret>) -> Result<Vec<(u16, bool, Vec<u8>)>, Fault> {
        Avps::new(bytes, secret)
            .map(|avp| avp.map(|avp| (avp.attribute.0, avp.is_mandatory(), avp.bytes().to_vec())))
            .collect()
    }

    #[test]
    fn plain() {
        let bytes = hex!("8008 0000 0000 0001 0009 0000 0008 4d5331 8006 0000 0007");
        let expected =
            vec![(0, true, hex!("0001").to_vec()), (8, false, b"MS1".to_vec()), (7, true, Vec::new())];
        assert_eq!(read(&bytes, None), Ok(expected));
    }

    #[test]
    fn unrecognised() {
        // Microsoft's Correlation ID, vendor 311, M clear ([MS-L2TPIE] 2.2.1.1).
        let correlation = hex!("0016 0137 0001 00112233445566778899aabbccddeeff");
        assert_eq!(read(&correlation, None), Ok(vec![]));
        let fault = Fault::Unrecognised { vendor: 311, attribute: 1 };
        assert_eq!(read(&hex!("8008 0137 0001 0000"), None), Err(fault));
        assert_eq!(read(&hex!("0008 0000 03e7 0000"), None), Ok(vec![]));
        let fault = Fault::Unrecognised { vendor: 0, attribute: 999 };
        assert_eq!(read(&hex!("8008 0000 03e7 0000"), None), Err(fault));
    }

    #[test]
    fn reserved_bits_make_an_avp_unrecognised() {
        for bit in [0x20, 0x10, 0x08, 0x04] {
            assert_eq!(read(&[bit, 8, 0, 0, 0, 9, 0, 1], None), Ok(vec![]));
            let fault = Fault::Unrecognised { vendor: 0, attribute: 9 };
            assert_eq!(read(&[0x80 | bit, 8, 0, 0, 0, 9, 0, 1], None), Err(fault));
        }
    }

    #[test]
    fn structure() {
        for length in [0, 1, 5, 9, 255] {
            assert_eq!(read(&[0x80, length, 0, 0, 0, 9, 0, 1], None), Err(Fault::Structure), "{length}");
        }
        let bytes = hex!("8008 0000 0009 0001");
        for end in 1..bytes.len() {
            assert_eq!(read(&bytes[..end], None), Err(Fault::Structure));
        }
    }

    #[test]
    fn hidden() {
        let secret = Secret::new("tunnel secret");
        let mut bytes = Vec::new();
        write(Attribute::RANDOM_VECTOR, &hex!("0011"), &mut bytes);
        write(Attribute::RANDOM_VECTOR, &hex!("a0a1"), &mut bytes); // the nearest one counts
        let vectors = bytes.len();
        let at = bytes.len();
        let subformat = secret.hide(Attribute::ASSIGNED_TUNNEL_ID, &hex!("a0a1"), &hex!("1234"), 9);
        write(Attribute::ASSIGNED_TUNNEL_ID, &subformat, &mut bytes);
        bytes[at] |= 0x40;
        let avps = read(&bytes, Some(&secret)).unwrap();
        assert_eq!(avps.last(), Some(&(9, true, hex!("1234").to_vec())));
        assert_eq!(read(&bytes, None), Err(Fault::Hidden(9)), "no secret");
        assert_eq!(read(&bytes[vectors..], Some(&secret)), Err(Fault::Hidden(9)), "no random vector");
        bytes[at] &= 0x7f;
        assert_eq!(read(&bytes, None).unwrap().len(), 2, "optional");
    }

    #[test]
    fn what_must_not_be_hidden() {
        let secret = Secret::new("tunnel secret");
        for attribute in [Attribute::MESSAGE_TYPE, Attribute::RESULT_CODE, Attribute::RANDOM_VECTOR] {
            let mut bytes = Vec::new();
            write(Attribute::RANDOM_VECTOR, &hex!("a0a1"), &mut bytes);
            let at = bytes.len();
            write(attribute, &secret.hide(attribute, &hex!("a0a1"), &hex!("0001"), 0), &mut bytes);
            bytes[at] |= 0x40;
            assert_eq!(read(&bytes, Some(&secret)), Err(Fault::Hidden(attribute.0)));
        }
    }

    #[test]
    fn table_is_in_order() {
        assert!(DEFINITIONS.is_sorted_by_key(|definition| definition.attribute.0));
    }

    #[test]
    fn written_value_is_bounded() {
        let mut bytes = Vec::new();
        write(Attribute::VENDOR_NAME, &[b'x'; 3000], &mut bytes);
        assert_eq!(bytes.len(), 1023);
        assert_eq!(bytes.first_chunk(), Some(&[0x03, 0xff]));
    }

    proptest! {
        #[test]
        fn random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes, None);
            let _ = read(&bytes, Some(&Secret::new("tunnel secret")));
        }
    }
}
