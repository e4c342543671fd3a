//! What the server calls itself in DHCPv6, the same at each start (RFC 8415 §11): a router asks to extend what it has by that name, and
//! whom it does not find it looks for half an hour and more.
//!
//! ```text
//! /etc/machine-id ─┐
//! "adit …"        ─┼─ HMAC-SHA256 ─▶ UUID      so does sd_id128_get_machine_app_specific(3): nobody learns the machine's own
//! tun             ─┘
//! state/dhcpv6-id                 ─▶ UUID      drawn once, where a machine has none, as in most containers
//! ```

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use anyhow::Context as _;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::config::Config;
use crate::onlink::ServerId;
use crate::replace;

/// The one of this machine. What cannot be kept is drawn anew at each start, which is worth a word where anybody asks for it.
pub(super) fn of_this_machine(config: &Config) -> anyhow::Result<ServerId> {
    if let Some(machine_id) = machine_id(Path::new(MACHINE_ID)) {
        return Ok(derived(&machine_id, &config.tun));
    }
    let drawn = draw()?;
    if config.pools.iter().all(|pool| pool.range6.is_none()) {
        return Ok(drawn);
    }
    Ok(kept(&config.state.join("dhcpv6-id"), drawn).unwrap_or_else(|error| {
        tracing::warn!(
            "the machine has no {MACHINE_ID}, and {error:#}: routers behind which hosts have IPv6 do not know the server again after \
             a restart for the better part of an hour; give it a machine-id, or a `state` that it may write to"
        );
        drawn
    }))
}

/// What the file says; nothing if it is not there, or there and not yet filled in (machine-id(5)).
fn machine_id(path: &Path) -> Option<[u8; 16]> {
    let id = parse(&fs::read_to_string(path).ok()?)?;
    (id != [0; 16]).then_some(id)
}

/// Two servers on one machine have two devices.
fn derived(machine_id: &[u8; 16], device: &str) -> ServerId {
    ServerId(specific(machine_id, &[LABEL, device.as_bytes()].concat()))
}

/// A number of the machine for one purpose.
fn specific(machine_id: &[u8; 16], purpose: &[u8]) -> [u8; 16] {
    // unwrap: HMAC takes keys of any length.
    let mut mac = Hmac::<Sha256>::new_from_slice(machine_id).expect("a key of any length");
    mac.update(purpose);
    let digest = mac.finalize().into_bytes();
    as_uuid(std::array::from_fn(|place| digest[place]))
}

/// The one that is kept at `path`, or `drawn`, which is from now on.
fn kept(path: &Path, drawn: ServerId) -> anyhow::Result<ServerId> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        content => {
            let content = content.with_context(|| format!("{} cannot be read", path.display()))?;
            // One that is damaged is as good as none.
            if let Some(id) = parse(&content) {
                return Ok(ServerId(id));
            }
        }
    }
    if let Some(directory) = path.parent() {
        let created = fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
        created.with_context(|| format!("{} cannot be created", directory.display()))?;
    }
    replace::write(path, format!("{:032x}\n", u128::from_be_bytes(drawn.0)).as_bytes())?;
    Ok(drawn)
}

fn draw() -> anyhow::Result<ServerId> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).context("the system gives no random bytes")?;
    Ok(ServerId(as_uuid(id)))
}

/// 32 hexadecimal digits, and a line's end.
fn parse(text: &str) -> Option<[u8; 16]> {
    let digits = text.trim_end();
    let right = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = right.then(|| u128::from_str_radix(digits, 16).ok())?;
    number.map(u128::to_be_bytes)
}

/// RFC 9562 §5.4: version 4, and the variant.
fn as_uuid(mut bytes: [u8; 16]) -> [u8; 16] {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    bytes
}

const MACHINE_ID: &str = "/etc/machine-id";
const LABEL: &[u8] = b"adit DHCPv6 server identifier\0";

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;
    use crate::scratch::Scratch;

    const MACHINE: [u8; 16] = hex!("51df0b4bc3b04c9780e299b98ca373b8");

    /// From systemd's src/test/test-id128.c.
    #[test]
    fn a_machines_number_for_a_purpose_is_that_of_systemd() {
        let purpose = hex!("f03daaeb1c334b43a732172944bf772e");
        assert_eq!(specific(&MACHINE, &purpose), hex!("1dee5954e75c4d6fb96cc6c04ca18a86"));
    }

    #[test]
    fn each_device_of_a_machine_has_its_own() {
        assert_eq!(derived(&MACHINE, "adit0").0, derived(&MACHINE, "adit0").0);
        assert_ne!(derived(&MACHINE, "adit0").0, derived(&MACHINE, "adit1").0);
        assert_ne!(derived(&MACHINE, "adit0").0, derived(&[1; 16], "adit0").0);
    }

    #[test]
    fn a_machine_without_a_number_has_none() {
        let scratch = Scratch::new();
        assert_eq!(machine_id(&scratch.path("missing")), None);
        for (text, id) in [
            ("51df0b4bc3b04c9780e299b98ca373b8\n", Some(MACHINE)),
            ("", None),
            ("uninitialized\n", None),
            ("00000000000000000000000000000000\n", None),
            ("51df0b4bc3b04c9780e299b98ca373b\n", None),
            ("+1df0b4bc3b04c9780e299b98ca373b8\n", None),
        ] {
            assert_eq!(machine_id(&scratch.write("machine-id", text)), id, "{text:?}");
        }
    }

    #[test]
    fn what_was_drawn_once_is_kept() {
        let scratch = Scratch::new();
        let path = scratch.path("state/dhcpv6-id");
        let first = kept(&path, draw().unwrap()).unwrap();
        assert_eq!(kept(&path, draw().unwrap()).unwrap().0, first.0);
        fs::write(&path, "damaged").unwrap();
        let second = kept(&path, draw().unwrap()).unwrap();
        assert_ne!(second.0, first.0);
        assert_eq!(kept(&path, draw().unwrap()).unwrap().0, second.0);
        // A directory that is none.
        let error = kept(&path.join("dhcpv6-id"), first).unwrap_err();
        assert!(format!("{error:#}").contains("cannot be"), "{error:#}");
    }
}
