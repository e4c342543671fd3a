//! Secrets that people type on phones.

use anyhow::Context as _;
use zeroize::Zeroizing;

/// Returns `length` random letters, 4.5 bits each.
///
/// Letters only, and only lower case: everything is on the first page of a phone's keyboard. Without i, l and
/// o, which look like each other or like digits in some typefaces.
pub(super) fn letters(length: usize) -> anyhow::Result<Zeroizing<String>> {
    let mut secret = Zeroizing::new(String::with_capacity(length));
    let mut random = Zeroizing::new([0_u8; 64]);
    while secret.len() < length {
        getrandom::fill(&mut *random).context("the system gives no random bytes")?;
        let missing = length.saturating_sub(secret.len());
        secret.extend(random.iter().filter_map(|byte| letter(*byte)).take(missing));
    }
    Ok(secret)
}

/// Bytes beyond the last whole multiple of the alphabet are passed over, so that every letter is as likely as
/// any other.
fn letter(byte: u8) -> Option<char> {
    let size = u8::try_from(ALPHABET.len()).ok()?;
    let fair = u8::MAX - u8::MAX % size;
    let letter = ALPHABET.get(usize::from(byte % size))?;
    (byte < fair).then(|| char::from(*letter))
}

const ALPHABET: &[u8] = b"abcdefghjkmnpqrstuvwxyz";

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_letter_is_equally_likely() {
        let mut counts: BTreeMap<char, u32> = BTreeMap::new();
        for letter in (0..=u8::MAX).filter_map(letter) {
            *counts.entry(letter).or_default() += 1;
        }
        assert_eq!(counts.len(), 23);
        assert_eq!(counts.values().collect::<std::collections::BTreeSet<_>>().len(), 1, "{counts:?}");
    }

    #[test]
    fn secrets_have_their_length_and_differ() {
        assert_eq!(letters(24).unwrap().len(), 24);
        assert_eq!(letters(200).unwrap().len(), 200);
        assert_ne!(letters(24).unwrap(), letters(24).unwrap());
    }
}
