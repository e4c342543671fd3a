use crate::config::Config;
use crate::scratch::Scratch;

const SERVER: &str = include_str!("../../../tests/vectors/pki/server.pem");
const KEY: &str = include_str!("../../../tests/vectors/pki/server.key");
const OTHER_KEY: &str = include_str!("../../../tests/vectors/pki/client.key");
const AUTHORITY: &str = include_str!("../../../tests/vectors/pki/ca.pem");
const REVOKED: &str = include_str!("../../../tests/vectors/pki/ca.crl");

const ALL: &str = "ipsec: { certificate: { cert: server.pem, key: server.key, ca: ca.pem, crl: ca.crl } }";

/// The files of that content beside a configuration: their problems without the directory, or the configuration.
fn read(content: &str, files: &[(&str, &str)]) -> Result<Config, String> {
    let scratch = Scratch::new();
    scratch.write("users.yaml", "");
    for (name, content) in files {
        let path = scratch.write(name, content);
        let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(path, owner_only).unwrap();
    }
    let path = scratch.path("adit.yaml");
    Config::parse(&path, content.as_bytes())
        .map_err(|error| error.to_string().replace(&format!("{}/", scratch.directory().display()), ""))
}

fn good() -> [(&'static str, &'static str); 4] {
    [("server.pem", SERVER), ("server.key", KEY), ("ca.pem", AUTHORITY), ("ca.crl", REVOKED)]
}

#[test]
fn files_beside_the_configuration_do_without_a_pre_shared_key() {
    let config = read(ALL, &good()).unwrap();
    assert_eq!(config.certificate.unwrap().name(), "O=Example,CN=vpn.example.net");
    assert!(config.psks.is_empty());
    assert!(config.warnings.is_empty());
    assert!(read(&ALL.replace(", crl: ca.crl", ""), &good()).unwrap().certificate.is_some());
}

#[test]
fn what_is_wrong_with_a_file_is_said_at_its_place() {
    let with =
        |name: &str, content: &'static str| good().map(|(n, c)| (n, if n == name { content } else { c }));
    let problem = |files: &[(&str, &str)]| read(ALL, files).unwrap_err();
    assert_eq!(
        problem(&with("server.key", OTHER_KEY)),
        "adit.yaml:1:48: ipsec.certificate.key: found the private key of another certificate in server.key"
    );
    assert_eq!(
        problem(&with("server.pem", "")),
        "adit.yaml:1:31: ipsec.certificate.cert: found no certificate in server.pem"
    );
    assert_eq!(
        problem(&with("ca.pem", KEY)),
        "adit.yaml:1:64: ipsec.certificate.ca: found no certificate in ca.pem"
    );
    assert_eq!(
        problem(&with("ca.crl", AUTHORITY)),
        "adit.yaml:1:77: ipsec.certificate.crl: found no certificate revocation list of version 2 that can be read in ca.crl"
    );
    assert_eq!(
        problem(&good()[..2]),
        "adit.yaml:1:64: ipsec.certificate.ca: found No such file or directory (os error 2) at ca.pem, expected a file\n\
         adit.yaml:1:77: ipsec.certificate.crl: found No such file or directory (os error 2) at ca.crl, expected a file"
    );
}
