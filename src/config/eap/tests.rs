use ppp::EapMethod;

use crate::config::Config;
use crate::scratch::Scratch;

const SERVER: &str = include_str!("../../../tests/vectors/pki/server.pem");
const KEY: &str = include_str!("../../../tests/vectors/pki/server.key");
const AUTHORITY: &str = include_str!("../../../tests/vectors/pki/ca.pem");

/// What comes of these lines, beside the three files: problems without the directory, or the configuration.
fn read(lines: &str) -> Result<Config, String> {
    let scratch = Scratch::new();
    scratch.write("users.yaml", "");
    for (name, content) in [("server.pem", SERVER), ("server.key", KEY), ("ca.pem", AUTHORITY)] {
        let path = scratch.write(name, content);
        let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(path, owner_only).unwrap();
    }
    let content = format!("{lines}\nipsec: {{ psk: [{{ name: a, secret: 0123456789abcdef }}] }}");
    let path = scratch.path("adit.yaml");
    Config::parse(&path, content.as_bytes())
        .map_err(|error| error.to_string().replace(&format!("{}/", scratch.directory().display()), ""))
}

fn methods(lines: &str) -> Vec<EapMethod> {
    read(lines).unwrap().eap.methods
}

#[test]
fn methods_are_those_that_can_be_had() {
    use EapMethod::{Md5, MsChapV2, Peap, Tls};
    assert_eq!(methods(""), [MsChapV2]);
    assert_eq!(methods("eap: { certificate: { cert: server.pem, key: server.key } }"), [Peap, MsChapV2]);
    let all = "eap: { certificate: { cert: server.pem, key: server.key, ca: ca.pem } }";
    assert_eq!(methods(all), [Tls, Peap, MsChapV2]);
    assert_eq!(methods("eap: { methods: [md5, mschapv2] }"), [Md5, MsChapV2]);
    let chosen = "eap: { methods: [peap], certificate: { cert: server.pem, key: server.key } }";
    assert_eq!(methods(chosen), [Peap]);
}

#[test]
fn a_certificate_for_ipsec_does() {
    let scratch = Scratch::new();
    for (name, content) in [("users.yaml", ""), ("s.pem", SERVER), ("s.key", KEY), ("ca.pem", AUTHORITY)] {
        scratch.write(name, content);
    }
    let content = "ipsec: { certificate: { cert: s.pem, key: s.key, ca: ca.pem } }";
    let config = Config::parse(&scratch.path("adit.yaml"), content.as_bytes()).unwrap();
    // Machines' certificates open nobody's account unless that is said.
    assert_eq!(config.eap.methods, [EapMethod::Peap, EapMethod::MsChapV2]);
    assert!(config.eap.tls.is_some());
}

/// A key that is good for old devices, and not for TLS.
#[test]
fn a_certificate_for_ipsec_that_does_not_is_warned_about() {
    let scratch = Scratch::new();
    let cert = include_str!("../../../tests/vectors/pki/client-short.pem");
    let key = include_str!("../../../tests/vectors/pki/client-short.key");
    for (name, content) in [("users.yaml", ""), ("s.pem", cert), ("s.key", key), ("ca.pem", AUTHORITY)] {
        scratch.write(name, content);
    }
    let content = "ipsec: { certificate: { cert: s.pem, key: s.key, ca: ca.pem } }";
    let config = Config::parse(&scratch.path("adit.yaml"), content.as_bytes()).unwrap();
    assert_eq!(config.eap.methods, [EapMethod::MsChapV2]);
    let words = "1:23: no tls and no peap with `ipsec.certificate`: eap.certificate.key: found a private key that TLS";
    assert!(
        config.warnings.iter().any(|warning| warning.to_string().contains(words)),
        "{:?}",
        config.warnings
    );
}

#[test]
fn what_is_wrong_is_said_at_its_place() {
    for (lines, problem) in [
        (
            "eap: { methods: [] }",
            "adit.yaml:1:17: eap.methods: found an empty list, expected some of tls, peap, mschapv2, md5",
        ),
        (
            "eap: { methods: [ttls] }",
            "adit.yaml:1:18: eap.methods: found \"ttls\", expected one of tls, peap, mschapv2, md5",
        ),
        (
            "eap: { methods: [md5, md5] }",
            "adit.yaml:1:23: eap.methods: found \"md5\", expected each method once",
        ),
        (
            "eap: { methods: [peap] }",
            "adit.yaml:1:18: eap.methods: found \"peap\", expected it with `eap.certificate` or `ipsec.certificate`",
        ),
        (
            "eap: { methods: [tls], certificate: { cert: server.pem, key: server.key } }",
            "adit.yaml:1:18: eap.methods: found \"tls\", expected it with `ca` in `eap.certificate`",
        ),
        (
            "eap: { methods: [tls], certificate: { cert: server.pem, key: ca.pem, ca: ca.pem } }",
            "adit.yaml:1:62: eap.certificate.key: found no private key that can be read in ca.pem",
        ),
        (
            "eap: { certificate: { cert: server.pem, key: server.key, crl: none.crl } }",
            "adit.yaml:1:63: eap.certificate.crl: found No such file or directory (os error 2) at none.crl, expected a file",
        ),
    ] {
        assert_eq!(read(lines).unwrap_err(), problem, "{lines}");
    }
}
