//! Every refusal tells all that an operator needs: who, at which stage, the cause, what the device shows, the remedy.

use std::iter::successors;

use super::*;
use crate::crypto::signature::Scheme;
use crate::isakmp::IdPayload;

/// A line's parts are set off by semicolons: who and where and why; what the device shows; what to do.
#[test]
fn every_cause_names_client_stage_screen_and_remedy() {
    let remote = "192.0.2.10:4500".parse().unwrap();
    let causes: Vec<Cause> = successors(Some(first_cause()), next_cause).collect();
    assert_eq!(causes.len(), 16 + faults().len());
    for cause in causes {
        let refusal = Refusal { remote, cause };
        let line = refusal.to_string();
        assert!(line.starts_with("192.0.2.10:4500"), "who: {line}");
        let stages =
            ["main mode message", "aggressive mode message", "quick mode message", "the key exchange"];
        assert!(stages.iter().any(|stage| line.contains(stage)), "stage: {line}");
        assert!(
            line.contains("Windows shows error") || line.contains("time out") || line.contains("times out"),
            "screen: {line}"
        );
        assert!(line.split("; ").count() >= 3, "cause, screen, remedy: {line}");
        let remedies = [
            "clear the",
            "correct the",
            "would accept it",
            "must be set",
            "switch",
            "choose",
            "type the key again",
            "software is broken",
            "issue",
            "set this server's clock",
            "check that",
            "add the authority",
            "install",
            "get a new one",
            "make a new one",
        ];
        assert!(remedies.iter().any(|remedy| line.contains(remedy)), "remedy: {line}");
        assert!(!line.contains('\n') && !line.contains("  "), "one line: {line}");
        assert!(!refusal.name().is_empty());
    }
}

fn staff() -> Id {
    // Type 11 is KEY_ID; then protocol and port.
    IdPayload::parse(b"\x0b\0\0\0staff").unwrap().to_id()
}

fn first_cause() -> Cause {
    Cause::AggressiveMode { identity: staff() }
}

/// The cause that comes after this one in the enum. It does not compile without a new one.
fn next_cause(cause: &Cause) -> Option<Cause> {
    let offer = "DES-CBC/MD5".to_owned();
    let policy = Algorithms::Modern;
    Some(match cause {
        Cause::AggressiveMode { .. } => Cause::UnknownIdentifier { identity: staff() },
        Cause::UnknownIdentifier { .. } => {
            let remedy = Some(Remedy::Algorithms(Algorithms::Legacy));
            Cause::NoIkeProposal { stage: Stage::Main1, offer, policy, remedy }
        }
        Cause::NoIkeProposal { remedy: Some(_), .. } => {
            Cause::NoIkeProposal { stage: Stage::Aggressive1, offer, policy, remedy: None }
        }
        Cause::NoIkeProposal { remedy: None, .. } => Cause::NoNatTraversal { stage: Stage::Main3 },
        Cause::NoNatTraversal { .. } => Cause::BadPublicValue,
        Cause::BadPublicValue => Cause::WrongPsk { stage: Stage::Main5, keys: 2 },
        Cause::WrongPsk { .. } => Cause::Certificate { fault: Fault::Garbled },
        Cause::Certificate { fault } => match next_fault(fault) {
            Some(fault) => Cause::Certificate { fault },
            None => Cause::SilentAfterKe { moved: true },
        },
        Cause::SilentAfterKe { .. } => {
            Cause::HashNotAccepted { told: true, identity: staff(), psk: "main".into(), keys: 2 }
        }
        Cause::HashNotAccepted { told: true, .. } => {
            Cause::HashNotAccepted { told: false, identity: staff(), psk: "main".into(), keys: 1 }
        }
        Cause::HashNotAccepted { told: false, .. } => {
            Cause::NoEspProposal { offer, policy, remedy: Some(Algorithms::Legacy) }
        }
        Cause::NoEspProposal { remedy: Some(_), .. } => Cause::NoEspProposal { offer, policy, remedy: None },
        Cause::NoEspProposal { remedy: None, .. } => Cause::TunnelMode,
        Cause::TunnelMode => Cause::NotEsp { offer },
        Cause::NotEsp { .. } => Cause::NativeEsp,
        Cause::NativeEsp => Cause::Selectors { what: "10.0.0.0/8".into() },
        Cause::Selectors { .. } => return None,
    })
}

fn faults() -> Vec<Fault> {
    successors(Some(Fault::Garbled), next_fault).collect()
}

fn next_fault(fault: &Fault) -> Option<Fault> {
    let subject = || "CN=phone".to_owned();
    let issuer = || "CN=authority".to_owned();
    Some(match fault {
        Fault::Garbled => Fault::Missing,
        Fault::Missing => Fault::Unreadable,
        Fault::Unreadable => Fault::Expired { subject: subject(), above: false, until: "2021-12-31".into() },
        Fault::Expired { .. } => {
            Fault::NotYetValid { subject: subject(), above: true, from: "2031-01-01".into() }
        }
        Fault::NotYetValid { .. } => Fault::UnknownIssuer { subject: subject(), issuer: issuer() },
        Fault::UnknownIssuer { .. } => Fault::Revoked { subject: subject() },
        Fault::Revoked { .. } => Fault::WeakSignature { subject: subject(), legacy: true },
        Fault::WeakSignature { .. } => Fault::Usage { subject: subject() },
        Fault::Usage { .. } => Fault::NotSignedByIssuer { subject: subject(), issuer: issuer() },
        Fault::NotSignedByIssuer { .. } => Fault::Path { subject: subject(), error: "path too long".into() },
        Fault::Path { .. } => Fault::Identity { subject: subject(), identity: "CN=another".into() },
        Fault::Identity { .. } => Fault::Kind { subject: subject(), agreed: Scheme::Rsa },
        Fault::Kind { .. } => Fault::Signature { subject: subject() },
        Fault::Signature { .. } => Fault::RevocationList { error: "IssuerNotCrlSigner".into() },
        Fault::RevocationList { .. } => Fault::OwnKey,
        Fault::OwnKey => return None,
    })
}
