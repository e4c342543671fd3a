//! Options of LCP and IPCP: what is asked for, and what is accepted, RFC 1661 §6, RFC 1332 §3, RFC 1877.

use std::net::Ipv4Addr;

use super::negotiation::{Answer, ConfigOption};
use crate::profile::{Authentication, IpcpOption, LcpOption};

/// What this client accepts of the server's LCP options; for its password it wants that protocol.
pub(super) fn judge_lcp(options: &[ConfigOption], wanted: Authentication) -> Answer {
    let wanted = match wanted {
        Authentication::MsChapV2 => MS_CHAP_V2,
        Authentication::Chap => CHAP_MD5,
        Authentication::Pap => PAP,
        Authentication::Eap(_) => EAP,
    };
    let known = |(kind, _): &&ConfigOption| [1, 2, 3, 5, 7, 8].contains(kind);
    let foreign: Vec<ConfigOption> = options.iter().filter(|option| !known(option)).cloned().collect();
    if !foreign.is_empty() {
        return Answer::Reject(foreign);
    }
    let wrong: Vec<ConfigOption> = options
        .iter()
        .filter(|(kind, value)| *kind == AUTHENTICATION && value != wanted)
        .map(|(kind, _)| (*kind, wanted.to_vec()))
        .collect();
    if wrong.is_empty() { Answer::Ack } else { Answer::Nak(wrong) }
}

/// What this client accepts of the server's IPCP options: its address.
pub(super) fn judge_ipcp(options: &[ConfigOption], server: &mut Option<Ipv4Addr>) -> Answer {
    let foreign: Vec<ConfigOption> =
        options.iter().filter(|(kind, _)| *kind != IP_ADDRESS).cloned().collect();
    if !foreign.is_empty() {
        return Answer::Reject(foreign);
    }
    let address = options.first().and_then(|(_, value)| <[u8; 4]>::try_from(value.as_slice()).ok());
    *server = address.map(Ipv4Addr::from);
    Answer::Ack
}

/// What this client accepts of the server's IPV6CP options: its interface identifier.
pub(super) fn judge_ipv6cp(options: &[ConfigOption]) -> Answer {
    let foreign: Vec<ConfigOption> = options.iter().filter(|(kind, _)| *kind != 1).cloned().collect();
    if foreign.is_empty() { Answer::Ack } else { Answer::Reject(foreign) }
}

pub(super) fn lcp_option(option: LcpOption, magic: [u8; 4], endpoint: [u8; 20]) -> ConfigOption {
    match option {
        LcpOption::Mru(size) => (1, size.to_be_bytes().to_vec()),
        LcpOption::AsyncMap(map) => (2, map.to_be_bytes().to_vec()),
        LcpOption::MagicNumber => (5, magic.to_vec()),
        LcpOption::ProtocolCompression => (7, Vec::new()),
        LcpOption::AddressCompression => (8, Vec::new()),
        LcpOption::Callback => (13, vec![6]),
        LcpOption::Mrru(size) => (17, size.to_be_bytes().to_vec()),
        LcpOption::Endpoint => (19, [&[1][..], &endpoint].concat()),
    }
}

pub(super) fn ipcp_option(option: IpcpOption) -> ConfigOption {
    match option {
        IpcpOption::VanJacobson => (2, vec![0x00, 0x2d, 0x0f, 0x01]),
        IpcpOption::Address => (IP_ADDRESS, vec![0; 4]),
        IpcpOption::Dns1 => (DNS_1, vec![0; 4]),
        IpcpOption::Nbns1 => (130, vec![0; 4]),
        IpcpOption::Dns2 => (DNS_2, vec![0; 4]),
        IpcpOption::Nbns2 => (132, vec![0; 4]),
    }
}

/// LCP option Authentication-Protocol.
const AUTHENTICATION: u8 = 3;
/// CHAP with algorithm 0x81.
const MS_CHAP_V2: &[u8] = &[0xc2, 0x23, 0x81];
/// CHAP with algorithm 5.
const CHAP_MD5: &[u8] = &[0xc2, 0x23, 0x05];
const EAP: &[u8] = &[0xc2, 0x27];
const PAP: &[u8] = &[0xc0, 0x23];

/// IPCP options, RFC 1332 §3.3 and RFC 1877 §1.
pub(super) const IP_ADDRESS: u8 = 3;
pub(super) const DNS_1: u8 = 129;
pub(super) const DNS_2: u8 = 131;
