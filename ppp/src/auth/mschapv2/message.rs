//! The texts of Success and Failure, RFC 2759 §5, §6.
//!
//! ```text
//!  Success   "S=<40 hex digits> M=<text>"
//!  Failure   "E=<code> R=<0|1> C=<32 hex digits> V=3 M=<text>"
//! ```

use std::fmt::Write as _;

use crate::auth::{MESSAGE_LENGTH, Reject};

/// §5.
pub(crate) fn success(authenticator_response: &[u8; 20], message: &str) -> String {
    let mut text = String::from("S=");
    push_hex(&mut text, authenticator_response);
    push_message(&mut text, message);
    text
}

/// §6. The challenge is exactly 32 digits even when it is of no use any more.
pub(crate) fn failure(reject: &Reject, retry: bool, challenge: &[u8; 16]) -> String {
    let mut text = format!("E={} R={} C=", reject.code, u8::from(retry));
    push_hex(&mut text, challenge);
    text.push_str(" V=3");
    push_message(&mut text, &reject.message);
    text
}

/// RFC 2759 §5: the digits must be upper case.
fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        write!(text, "{byte:02X}").expect("a String takes everything");
    }
}

fn push_message(text: &mut String, message: &str) {
    text.push_str(" M=");
    text.extend(message.chars().take(MESSAGE_LENGTH));
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    #[test]
    fn failures_are_written_as_windows_reads_them() {
        let reject = Reject { question: [0; 16], code: 647, message: "Disabled".to_owned() };
        let challenge = hex!("000102030405060708090a0b0c0d0eff");
        let text = "E=647 R=1 C=000102030405060708090A0B0C0D0EFF V=3 M=Disabled";
        assert_eq!(failure(&reject, true, &challenge), text);
        assert_eq!(failure(&reject, false, &challenge), text.replace("R=1", "R=0"));
    }

    #[test]
    fn successes_are_forty_digits_in_upper_case() {
        let text = success(&hex!("407A5589115FD0D6209F510FE9C04566932CDA56"), "Welcome");
        assert_eq!(text, "S=407A5589115FD0D6209F510FE9C04566932CDA56 M=Welcome");
    }
}
