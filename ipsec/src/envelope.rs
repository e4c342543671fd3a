//! Encrypted messages: RFC 2408 §3.1 (flag), RFC 2409 §5 and Appendix B (padding, IV).

use zeroize::Zeroizing;

use crate::crypto::{CipherKey, Iv};
use crate::isakmp::{Chain, MessageWriter};

/// Decrypts a body. `None` if it is not whole blocks; what comes out may be rubbish and is yet to be verified.
///
/// `iv` moves on to the message's last block only for the caller who keeps it: pass a copy until the message is verified.
pub(crate) fn open(key: &CipherKey, iv: &mut Iv, body: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if body.is_empty() {
        return None;
    }
    let mut text = Zeroizing::new(body.to_vec());
    key.decrypt(iv, &mut text).ok()?;
    Some(text)
}

/// Encrypts a chain of payloads into a message, padded with zeros to whole blocks.
pub(crate) fn seal(key: &CipherKey, iv: &mut Iv, writer: MessageWriter, chain: &Chain) -> Vec<u8> {
    writer.encrypted(chain, |payloads| {
        let mut text = payloads.to_vec();
        text.resize(payloads.len().next_multiple_of(key.cipher().block_len()), 0);
        key.encrypt(iv, &mut text).expect("padded to whole blocks");
        text
    })
}
