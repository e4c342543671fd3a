use std::time::Duration;

use super::*;

const SERVER: &[u8] = include_bytes!("../../../tests/vectors/pki/server.pem");
const OTHER: &[u8] = include_bytes!("../../../tests/vectors/pki/server-p256.pem");
const AUTHORITY: &[u8] = include_bytes!("../../../tests/vectors/pki/ca.pem");
const REVOKED: &[u8] = include_bytes!("../../../tests/vectors/pki/ca.crl");

const KEY: &str = "ipsec.certificate";

const ALL: Content<'_> = Content { cert: SERVER, key: b"a", ca: Some(AUTHORITY), crl: Some(REVOKED) };

fn papers(content: Content<'_>) -> Papers {
    Papers::read(KEY, content).unwrap()
}

fn news_of(before: Option<Content<'_>>, after: Option<Content<'_>>) -> Vec<String> {
    let all = |content: Option<Content<'_>>| content.map(papers).into_iter().collect::<Vec<_>>();
    news(&all(before), &all(after))
}

/// When the list of these tests is to be replaced; that differs from one run of pki.bash to the next.
fn due() -> Time {
    papers(ALL).next_update.unwrap()
}

#[test]
fn what_is_new_is_named() {
    assert!(news_of(Some(ALL), Some(ALL)).is_empty());
    assert!(news_of(None, None).is_empty());
    let certificate =
        "this server's certificate \"O=Example,CN=vpn.example.net\", valid until 2120-01-01T00:00:00Z";
    let list = format!("list of revoked certificates, to be replaced by {}", due());
    for (before, after, line) in [
        (None, Some(ALL), format!("is read anew: {certificate}; authorities; {list}")),
        (Some(ALL), None, "is gone".to_owned()),
        (Some(Content { cert: OTHER, ..ALL }), Some(ALL), format!("is read anew: {certificate}")),
        (Some(Content { key: b"b", ..ALL }), Some(ALL), "is read anew: its key".to_owned()),
        (Some(Content { ca: Some(b""), ..ALL }), Some(ALL), "is read anew: authorities".to_owned()),
        (Some(Content { crl: None, ..ALL }), Some(ALL), format!("is read anew: {list}")),
        (
            Some(ALL),
            Some(Content { crl: None, ..ALL }),
            "is read anew: no list of revoked certificates".to_owned(),
        ),
        (Some(ALL), Some(Content { ca: None, ..ALL }), "is read anew: no authorities".to_owned()),
    ] {
        assert_eq!(news_of(before, after), [format!("`{KEY}` {line}")]);
    }
}

#[test]
fn of_several_lists_the_first_that_is_due_counts() {
    assert_eq!(next_update(&REVOKED.repeat(2)), Some(due()));
    let der = CertificateRevocationListDer::pem_slice_iter(REVOKED).next().unwrap().unwrap();
    assert_eq!(next_update(&der), Some(due()), "DER");
    assert_eq!(next_update(b""), None);
}

#[test]
fn what_is_out_of_date_is_said() {
    let at = |unix| papers(ALL).remarks(SystemTime::UNIX_EPOCH + unix).collect::<Vec<_>>();
    let expired = Duration::from_secs(4_733_510_400);
    assert!(at(expired - Duration::from_secs(1)).is_empty());
    let remarks = at(expired + Duration::from_secs(1));
    assert!(
        remarks[0].contains("valid from 2020-01-01T00:00:00Z until 2120-01-01T00:00:00Z only"),
        "{remarks:?}"
    );
    assert_eq!(remarks.len(), 1);
    assert_eq!(at(due().to_unix_duration()).len(), 1);
    let remarks = at(due().to_unix_duration() + Duration::from_secs(1));
    let overdue = format!("`ipsec.certificate.crl` should have been replaced on {}", due());
    assert!(remarks[1].contains(&overdue), "{remarks:?}");
}
