//! What a refusal of a login says, RFC 2759 §6: `E=eee R=r C=cc… V=v M=text`.

/// A refusal: a Failure of CHAP or a Nak of PAP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The error code `E=`.
    pub code: u32,
    /// Another try is allowed: `R=1`.
    pub retry: bool,
    /// The text `M=`.
    pub message: String,
}

impl Refusal {
    /// The refusal, and the fields beside it.
    pub(super) fn decode(text: &str) -> Option<(Self, &str)> {
        let (fields, message) = text.split_once(" M=").unwrap_or((text, ""));
        let code = field(fields, "E=")?.parse().ok()?;
        let retry = field(fields, "R=")? == "1";
        Some((Self { code, retry, message: message.into() }, fields))
    }

    /// The same of MS-CHAP-V2, where there is a challenge, and the version of the packets that may follow.
    pub(super) fn decode_mschap(text: &str) -> Option<(Self, [u8; 16])> {
        let (refusal, fields) = Self::decode(text)?;
        let digits = field(fields, "C=").filter(|digits| digits.len() == 32)?;
        let mut challenge = [0; 16];
        for (byte, digits) in challenge.iter_mut().zip(digits.as_bytes().as_chunks::<2>().0) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        (field(fields, "V=")? == "3").then_some((refusal, challenge))
    }
}

fn field<'t>(fields: &'t str, name: &str) -> Option<&'t str> {
    fields.split(' ').find_map(|field| field.strip_prefix(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_read() {
        let text = "E=691 R=1 C=000102030405060708090A0B0C0D0E0F V=3 M=Wrong name or password";
        let (refusal, challenge) = Refusal::decode_mschap(text).unwrap();
        assert_eq!((refusal.code, refusal.retry), (691, true));
        assert_eq!(refusal.message, "Wrong name or password");
        assert_eq!(challenge[15], 15);
        assert!(Refusal::decode_mschap("E=691 R=0 V=3").is_none(), "RFC 2759 §6 wants C=");
        assert_eq!(Refusal::decode("E=647 R=0 M=Disabled").unwrap().0.code, 647);
        assert!(Refusal::decode("Access denied").is_none());
    }
}
