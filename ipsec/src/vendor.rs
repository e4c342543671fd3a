//! Vendor IDs: what the client's software is and which extensions it speaks, RFC 2408 §3.16.

use crate::isakmp::iana::PayloadType;
use crate::isakmp::{Chain, Payloads};
use crate::nat::NatTraversal;

/// RFC 3706 §5.1, with its version 1.0.
pub(crate) const DPD: [u8; 16] = *b"\xaf\xca\xd7\x13\x68\xa1\xf1\xc9\x6b\x86\x96\xfc\x77\x57\x01\x00";

/// What a client's vendor IDs amount to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vendor {
    /// How it wants NAT traversal spoken, and the vendor ID that says yes.
    pub(crate) nat: Option<(NatTraversal, &'static [u8])>,
    /// It takes messages in pieces; the vendor ID that says so.
    pub(crate) fragmentation: Option<&'static [u8]>,
    /// It answers, and may send, dead peer detection.
    pub(crate) dpd: bool,
    /// Whose software it seems to be.
    pub(crate) name: Option<&'static str>,
}

impl Vendor {
    /// Reads the vendor IDs of a first message.
    pub(crate) fn read(payloads: &Payloads<'_>) -> Self {
        let has = |id: &[u8]| payloads.of(PayloadType::VENDOR_ID).any(|sent| sent == id);
        let nat = NAT_T.iter().find(|(id, _)| has(*id)).map(|(id, version)| (*version, &id[..]));
        let fragmentation = payloads.of(PayloadType::VENDOR_ID).find_map(fragmentation);
        Self { nat, fragmentation, dpd: has(&DPD), name: name(payloads, &has) }
    }

    /// Answers those vendor IDs that we mean too.
    pub(crate) fn acknowledge(self, chain: &mut Chain) {
        if let Some((_, id)) = self.nat {
            chain.push(PayloadType::VENDOR_ID, id);
        }
        if let Some(id) = self.fragmentation {
            chain.push(PayloadType::VENDOR_ID, id);
        }
        if self.dpd {
            chain.push(PayloadType::VENDOR_ID, &DPD);
        }
    }
}

/// What to answer to the announcement of fragmentation. Windows makes it without the word that tells for which modes; racoon,
/// strongSwan and Cisco add that, and read the highest bit of ours as Main Mode and Aggressive Mode.
fn fragmentation(id: &[u8]) -> Option<&'static [u8]> {
    match id.strip_prefix(&FRAGMENTATION)? {
        [] => Some(&FRAGMENTATION),
        [0x80..=0xff, _, _, _] => Some(&FRAGMENTATION_MAIN),
        _ => None,
    }
}

/// Guesses the software from what only it sends.
fn name(payloads: &Payloads<'_>, has: &dyn Fn(&[u8]) -> bool) -> Option<&'static str> {
    let windows = payloads.of(PayloadType::VENDOR_ID).find_map(|id| id.strip_prefix(&MS_NT5));
    if let Some(version) = windows {
        return Some(match version {
            [0, 0, 0, 2] => "Windows 2000",
            [0, 0, 0, 3 | 4] => "Windows XP",
            [0, 0, 0, 5 | 6] => "Windows Vista",
            [0, 0, 0, 7 | 8] => "Windows 7",
            [0, 0, 0, 9] => "Windows 8 or later",
            _ => "Windows",
        });
    }
    if has(&NAT_T_APPLE) {
        return Some("Apple");
    }
    if has(&STRONGSWAN) {
        return Some("strongSwan");
    }
    // Android's racoon is the one that announces draft 00 and fragmentation, but none of the drafts from 03 on.
    if has(&NAT_T_00) && has(&FRAGMENTATION_MAIN) && !has(&NAT_T_03) {
        return Some("Android");
    }
    let prefixed = |prefix: &[u8]| payloads.of(PayloadType::VENDOR_ID).any(|id| id.starts_with(prefix));
    if prefixed(b"OE") || prefixed(b"OP") {
        return Some("Openswan");
    }
    None
}

/// The NAT traversal vendor IDs we know, best first. Drafts 04 to 08 use payload numbers that were meant for other things
/// and are only ever sent along with better ones.
const NAT_T: [(&[u8; 16], NatTraversal); 6] = [
    (b"\x4a\x13\x1c\x81\x07\x03\x58\x45\x5c\x57\x28\xf2\x0e\x95\x45\x2f", NatTraversal::Rfc3947),
    (&NAT_T_03, NatTraversal::Draft),
    (b"\xcd\x60\x46\x43\x35\xdf\x21\xf8\x7c\xfd\xb2\xfc\x68\xb6\xa4\x48", NatTraversal::Draft),
    // Draft 02 with a line feed in what was hashed: Windows XP.
    (b"\x90\xcb\x80\x91\x3e\xbb\x69\x6e\x08\x63\x81\xb5\xec\x42\x7b\x1f", NatTraversal::Draft),
    (b"\x16\xf6\xca\x16\xe4\xa4\x06\x6d\x83\x82\x1a\x0f\x0a\xea\xa8\x62", NatTraversal::Draft),
    (&NAT_T_00, NatTraversal::Draft),
];

const NAT_T_03: [u8; 16] = *b"\x7d\x94\x19\xa6\x53\x10\xca\x6f\x2c\x17\x9d\x92\x15\x52\x9d\x56";
const NAT_T_00: [u8; 16] = *b"\x44\x85\x15\x2d\x18\xb6\xbb\xcd\x0b\xe8\xa8\x46\x95\x79\xdd\xcc";
const NAT_T_APPLE: [u8; 16] = *b"\x4d\xf3\x79\x28\xe9\xfc\x4f\xd1\xb3\x26\x21\x70\xd5\x15\xc6\x62";
const FRAGMENTATION: [u8; 16] = *b"\x40\x48\xb7\xd5\x6e\xbc\xe8\x85\x25\xe7\xde\x7f\x00\xd6\xc2\xd3";
const FRAGMENTATION_MAIN: [u8; 20] =
    *b"\x40\x48\xb7\xd5\x6e\xbc\xe8\x85\x25\xe7\xde\x7f\x00\xd6\xc2\xd3\x80\x00\x00\x00";
const STRONGSWAN: [u8; 16] = *b"\x88\x2f\xe5\x6d\x6f\xd2\x0d\xbc\x22\x51\x61\x3b\x2e\xbe\x5b\xeb";
/// "MS NT5 ISAKMPOAKLEY"; four octets of version follow.
const MS_NT5: [u8; 16] = *b"\x1e\x2b\x51\x69\x05\x99\x1c\x7d\x7c\x96\xfc\xbf\xb5\x87\xe4\x61";
