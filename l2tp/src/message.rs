//! Control messages as values, RFC 2661 §6: what clients send is parsed, what the LNS sends is written.

use std::num::NonZeroU16;

use crate::avp::{self, Avp, Avps};
use crate::iana::{Attribute, MessageType};
use crate::reason::Fault;
use crate::secret::{ChallengeResponse, Secret};

/// The Message Type AVP, which MUST be the first one (RFC 2661 §4.4.1), and the AVPs behind it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind<'a> {
    pub(crate) message_type: MessageType,
    /// Whether a receiver that does not know the type must clear the tunnel.
    pub(crate) mandatory: bool,
    /// All AVPs, the first one included.
    pub(crate) avps: &'a [u8],
}

impl<'a> Kind<'a> {
    pub(crate) fn parse(avps: &'a [u8]) -> Result<Self, Fault> {
        let first = Avps::new(avps, None).next().ok_or(Fault::NoMessageType)??;
        if first.attribute != Attribute::MESSAGE_TYPE {
            return Err(Fault::NoMessageType);
        }
        let message_type = MessageType(first.u16()?);
        Ok(Self { message_type, mandatory: first.is_mandatory(), avps })
    }
}

/// Start-Control-Connection-Request, RFC 2661 §6.1.
///
/// Protocol Version, Framing Capabilities and Host Name are mandatory there. Their absence harms nothing, and old
/// Windows clients send an empty Host Name, so only the Assigned Tunnel ID is insisted upon. The Tie Breaker is
/// ignored since an LNS that never calls cannot collide.
#[derive(Debug)]
pub(crate) struct Sccrq {
    pub(crate) assigned_tunnel_id: NonZeroU16,
    pub(crate) host_name: String,
    pub(crate) vendor_name: Option<String>,
    /// `None`: absent or 0, both of which mean [`DEFAULT_WINDOW`].
    pub(crate) receive_window: Option<NonZeroU16>,
    pub(crate) challenge: Option<Vec<u8>>,
}

impl Sccrq {
    pub(crate) fn parse(kind: Kind<'_>, secret: Option<&Secret>) -> Result<Self, Fault> {
        let mut assigned_tunnel_id = None;
        let mut host_name = String::new();
        let mut vendor_name = None;
        let mut receive_window = None;
        let mut challenge = None;
        for avp in Avps::new(kind.avps, secret) {
            let avp = avp?;
            match avp.attribute {
                Attribute::PROTOCOL_VERSION => {
                    let version = avp.u16()?;
                    // RFC 2661 §4.4.3: version 1, revision 0. A later revision is told apart by the version alone.
                    if version & 0xff00 != 0x0100 {
                        return Err(Fault::ProtocolVersion(version));
                    }
                }
                Attribute::ASSIGNED_TUNNEL_ID => assigned_tunnel_id = Some(id(&avp)?),
                Attribute::HOST_NAME => host_name = text(avp.bytes()),
                Attribute::VENDOR_NAME => vendor_name = Some(text(avp.bytes())),
                Attribute::RECEIVE_WINDOW_SIZE => {
                    receive_window = avp.tolerate(avp.u16())?.and_then(NonZeroU16::new);
                }
                Attribute::CHALLENGE => challenge = Some(avp.bytes().to_vec()),
                _ => {}
            }
        }
        let assigned_tunnel_id = assigned_tunnel_id.ok_or(Fault::Missing(Attribute::ASSIGNED_TUNNEL_ID.0))?;
        Ok(Self { assigned_tunnel_id, host_name, vendor_name, receive_window, challenge })
    }
}

/// The window of a peer that names none, RFC 2661 §4.4.3.
pub(crate) const DEFAULT_WINDOW: u16 = 4;

/// Start-Control-Connection-Reply, RFC 2661 §6.2.
///
/// The smallest set that every client is content with: Apple wants version, framing, host name and tunnel id,
/// xl2tpd framing capabilities, Android nothing but the tunnel id.
#[derive(Debug)]
pub(crate) struct Sccrp<'a> {
    pub(crate) host_name: &'a str,
    pub(crate) assigned_tunnel_id: NonZeroU16,
    pub(crate) receive_window: u16,
    pub(crate) challenge: Option<[u8; 16]>,
    pub(crate) response: Option<ChallengeResponse>,
}

impl Sccrp<'_> {
    pub(crate) fn avps(&self) -> Vec<u8> {
        let mut out = begin(MessageType::SCCRP);
        avp::write(Attribute::PROTOCOL_VERSION, &[1, 0], &mut out);
        avp::write(Attribute::FRAMING_CAPABILITIES, &3_u32.to_be_bytes(), &mut out);
        avp::write(Attribute::HOST_NAME, self.host_name.as_bytes(), &mut out);
        avp::write(Attribute::VENDOR_NAME, b"adit", &mut out);
        avp::write(Attribute::ASSIGNED_TUNNEL_ID, &self.assigned_tunnel_id.get().to_be_bytes(), &mut out);
        avp::write(Attribute::RECEIVE_WINDOW_SIZE, &self.receive_window.to_be_bytes(), &mut out);
        if let Some(challenge) = &self.challenge {
            avp::write(Attribute::CHALLENGE, challenge, &mut out);
        }
        if let Some(response) = &self.response {
            avp::write(Attribute::CHALLENGE_RESPONSE, &response.0, &mut out);
        }
        out
    }
}

/// Start-Control-Connection-Connected, RFC 2661 §6.3.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scccn {
    pub(crate) response: Option<ChallengeResponse>,
}

impl Scccn {
    pub(crate) fn parse(kind: Kind<'_>, secret: Option<&Secret>) -> Result<Self, Fault> {
        let mut response = None;
        for avp in Avps::new(kind.avps, secret) {
            let avp = avp?;
            if avp.attribute == Attribute::CHALLENGE_RESPONSE {
                response = avp.tolerate(avp.response())?;
            }
        }
        Ok(Self { response })
    }
}

/// Stop-Control-Connection-Notification, RFC 2661 §6.4.
#[derive(Debug)]
pub(crate) struct StopCcn {
    pub(crate) assigned_tunnel_id: NonZeroU16,
    pub(crate) result: ResultCode,
}

impl StopCcn {
    pub(crate) fn avps(&self) -> Vec<u8> {
        let mut out = begin(MessageType::STOP_CCN);
        avp::write(Attribute::ASSIGNED_TUNNEL_ID, &self.assigned_tunnel_id.get().to_be_bytes(), &mut out);
        self.result.write(&mut out);
        out
    }
}

/// Incoming-Call-Request, RFC 2661 §6.6. Nothing but the id matters to a server of tunnels that end in itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Icrq {
    pub(crate) assigned_session_id: NonZeroU16,
}

impl Icrq {
    pub(crate) fn parse(kind: Kind<'_>, secret: Option<&Secret>) -> Result<Self, Fault> {
        let mut assigned_session_id = None;
        for avp in Avps::new(kind.avps, secret) {
            let avp = avp?;
            if avp.attribute == Attribute::ASSIGNED_SESSION_ID {
                assigned_session_id = Some(id(&avp)?);
            }
        }
        let assigned_session_id =
            assigned_session_id.ok_or(Fault::Missing(Attribute::ASSIGNED_SESSION_ID.0))?;
        Ok(Self { assigned_session_id })
    }
}

/// Incoming-Call-Reply, RFC 2661 §6.7.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Icrp {
    pub(crate) assigned_session_id: NonZeroU16,
}

impl Icrp {
    pub(crate) fn avps(self) -> Vec<u8> {
        let mut out = begin(MessageType::ICRP);
        avp::write(Attribute::ASSIGNED_SESSION_ID, &self.assigned_session_id.get().to_be_bytes(), &mut out);
        out
    }
}

/// Incoming-Call-Connected, RFC 2661 §6.8. What a LAC learnt by proxy (§4.4.5) is ignored: LCP starts afresh.
/// Sequencing Required (§4.4.6) is told to the owner and otherwise ignored, since no client is known to send it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Iccn {
    /// Bits per second, 0 if not told.
    pub(crate) tx_connect_speed: u32,
    pub(crate) sequencing_required: bool,
}

impl Iccn {
    pub(crate) fn parse(kind: Kind<'_>, secret: Option<&Secret>) -> Result<Self, Fault> {
        let mut iccn = Self { tx_connect_speed: 0, sequencing_required: false };
        for avp in Avps::new(kind.avps, secret) {
            let avp = avp?;
            match avp.attribute {
                Attribute::TX_CONNECT_SPEED => iccn.tx_connect_speed = avp.tolerate(avp.u32())?.unwrap_or(0),
                Attribute::SEQUENCING_REQUIRED => iccn.sequencing_required = true,
                _ => {}
            }
        }
        Ok(iccn)
    }
}

/// Call-Disconnect-Notify, RFC 2661 §6.12.
#[derive(Debug)]
pub(crate) struct Cdn {
    pub(crate) assigned_session_id: NonZeroU16,
    pub(crate) result: ResultCode,
}

impl Cdn {
    pub(crate) fn avps(&self) -> Vec<u8> {
        let mut out = begin(MessageType::CDN);
        self.result.write(&mut out);
        avp::write(Attribute::ASSIGNED_SESSION_ID, &self.assigned_session_id.get().to_be_bytes(), &mut out);
        out
    }
}

/// What StopCCN or CDN say, read so that nothing in them can keep the end from happening.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Goodbye {
    pub(crate) assigned_id: Option<NonZeroU16>,
    pub(crate) result: ResultCode,
}

impl Goodbye {
    /// Reads as far as the AVPs can be read; `attribute` is the Assigned Tunnel or Session ID.
    pub(crate) fn parse(kind: Kind<'_>, attribute: Attribute, secret: Option<&Secret>) -> Self {
        let mut result = ResultCode::plain(0);
        for avp in Avps::new(kind.avps, secret).map_while(Result::ok) {
            if avp.attribute == Attribute::RESULT_CODE {
                result = ResultCode::parse(avp.bytes());
            }
        }
        Self { assigned_id: assigned_id(kind.avps, attribute, secret), result }
    }
}

/// The Result Code AVP, RFC 2661 §4.4.2.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ResultCode {
    pub(crate) result: u16,
    pub(crate) error: u16,
    pub(crate) message: String,
}

impl ResultCode {
    pub(crate) fn plain(result: u16) -> Self {
        Self { result, error: 0, message: String::new() }
    }

    /// Reads what real clients send: Android's value has two bytes, Apple's has eight of which only the first two
    /// mean something, in little-endian order (256 is 1, 768 is 3).
    fn parse(value: &[u8]) -> Self {
        let (result, rest) = value.split_first_chunk::<2>().unwrap_or((&[0, 0], &[]));
        let little_endian = value.len() == APPLE_RESULT_LEN && matches!(result, [low, 0] if *low != 0);
        if little_endian {
            return Self::plain(u16::from_le_bytes(*result));
        }
        let (error, message) = rest.split_first_chunk::<2>().unwrap_or((&[0, 0], &[]));
        Self {
            result: u16::from_be_bytes(*result),
            error: u16::from_be_bytes(*error),
            message: text(message),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        let mut value = self.result.to_be_bytes().to_vec();
        value.extend_from_slice(&self.error.to_be_bytes());
        value.extend_from_slice(self.message.as_bytes());
        avp::write(Attribute::RESULT_CODE, &value, out);
    }
}

const APPLE_RESULT_LEN: usize = 8;

/// HELLO, RFC 2661 §6.5.
pub(crate) fn hello() -> Vec<u8> {
    begin(MessageType::HELLO)
}

/// Checks a message of which no AVP matters but an unrecognised mandatory one (HELLO, WEN, SLI).
pub(crate) fn check(kind: Kind<'_>, secret: Option<&Secret>) -> Result<(), Fault> {
    Avps::new(kind.avps, secret).try_for_each(|avp| avp.map(drop))
}

/// Looks for an assigned id in a message that may be faulty elsewhere.
pub(crate) fn assigned_id(avps: &[u8], attribute: Attribute, secret: Option<&Secret>) -> Option<NonZeroU16> {
    let mut avps = Avps::new(avps, secret).map_while(Result::ok);
    avps.find(|avp| avp.attribute == attribute).and_then(|avp| id(&avp).ok())
}

fn begin(message_type: MessageType) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    avp::write(Attribute::MESSAGE_TYPE, &message_type.0.to_be_bytes(), &mut out);
    out
}

fn id(avp: &Avp<'_>) -> Result<NonZeroU16, Fault> {
    NonZeroU16::new(avp.u16()?).ok_or(Fault::Value(avp.attribute.0))
}

/// A peer's text as it may stand in a log line: bounded, no control characters, no trailing NUL (which Apple sends).
fn text(bytes: &[u8]) -> String {
    let bytes = bytes.get(..MAX_TEXT_LEN).unwrap_or(bytes);
    let clean = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    String::from_utf8_lossy(bytes).trim_end_matches('\0').chars().map(clean).collect()
}

const MAX_TEXT_LEN: usize = 64;

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    #[test]
    fn result_codes_of_real_clients() {
        let read = |value: &[u8]| {
            let ResultCode { result, error, message } = ResultCode::parse(value);
            (result, error, message)
        };
        assert_eq!(read(&hex!("0006")), (6, 0, String::new()), "Android");
        assert_eq!(read(&hex!("0001 0000")), (1, 0, String::new()));
        assert_eq!(read(&hex!("0002 0006 7768790a00")), (2, 6, "why\u{fffd}".into()));
        assert_eq!(read(&hex!("0300 000000000000")), (3, 0, String::new()), "Apple");
        assert_eq!(read(&hex!("0002 0008 74657874")), (2, 8, "text".into()), "as long as Apple's");
        assert_eq!(read(&[]), (0, 0, String::new()));
        assert_eq!(read(&[1]), (0, 0, String::new()));
    }

    #[test]
    fn a_goodbye_is_read_as_far_as_it_goes() {
        let kind = |avps| Kind { message_type: MessageType::STOP_CCN, mandatory: true, avps };
        let avps = hex!("80080000 0000 0004 80080000 0009 0005 80080000 03e7 0000 80080000 0001 0006");
        let goodbye = Goodbye::parse(kind(&avps), Attribute::ASSIGNED_TUNNEL_ID, None);
        assert_eq!(goodbye, Goodbye { assigned_id: NonZeroU16::new(5), result: ResultCode::plain(0) });
    }

    #[test]
    fn texts_are_fit_for_a_log_line() {
        assert_eq!(text(b"host\0"), "host");
        assert_eq!(text(b"a\nb\x1b[0m\xffc"), "a\u{fffd}b\u{fffd}[0m\u{fffd}c");
        assert_eq!(text(&[b'x'; 1000]).len(), 64);
        assert_eq!(text(b"\0\0"), "");
    }
}
