mod manual;

use std::path::Path;

use proptest::prelude::*;

use super::{Config, LogFormat, LogLevel, Switch};
use crate::scratch::Scratch;

/// What an operator sees for `content`: every problem, one a line, without the directory.
fn problems(content: &str) -> String {
    let scratch = Scratch::new();
    scratch.write("users.yaml", "");
    let path = scratch.path("adit.yaml");
    let error = Config::parse(&path, content.as_bytes()).unwrap_err();
    error.to_string().replace(&format!("{}/", scratch.directory().display()), "")
}

/// What an operator sees for one line that follows a good beginning.
fn problem_in(line: &str) -> String {
    problems(&format!("ipsec: {{ psk: [{{ name: a, secret: b }}] }}\n{line}\n"))
}

fn parsed(content: &str) -> Config {
    let scratch = Scratch::new();
    scratch.write("users.yaml", "");
    let path = scratch.path("adit.yaml");
    let mut config = Config::parse(&path, content.as_bytes()).unwrap();
    let strip = |path: &Path| path.strip_prefix(scratch.directory()).unwrap_or(path).to_owned();
    config.users = strip(&config.users);
    config.control = strip(&config.control);
    for warning in &mut config.warnings {
        warning.file = strip(&warning.file);
    }
    config
}

fn warnings(content: &str) -> Vec<String> {
    parsed(&format!("ipsec: {{ psk: [{{ name: a, secret: b }}] }}\n{content}\n"))
        .warnings
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn a_short_secret_with_an_id_is_warned_about() {
    let warnings =
        |content: &str| -> Vec<String> { parsed(content).warnings.iter().map(ToString::to_string).collect() };
    assert_eq!(
        warnings("ipsec: { psk: [{ name: a, id: staff, secret: hunter2 }] }"),
        [
            "adit.yaml:1:46: ipsec.psk.secret: short for a key with an `id`, which lets anybody try secrets at home"
        ]
    );
    assert!(warnings("ipsec: { psk: [{ name: a, id: staff, secret: abcdefghijklmnop }] }").is_empty());
    assert!(warnings("ipsec: { psk: [{ name: a, secret: hunter2 }] }").is_empty());
}

#[test]
fn every_key_can_be_set() {
    let config = parsed(
        "\
listen: [192.0.2.1, 192.0.2.2, '2001:db8::1']
ipsec:
  psk: [{ name: old, secret: 0x10 }, { name: new, id: staff, secret: 'a: b, and so much more' }]
  algorithms: legacy
  encapsulation: auto
l2tp: { secret: s, hello: 10 }
pools: [{ name: a, range: 10.0.0.0/8 }, { name: b, range: 192.168.7.0/30 }]
dns: []
mtu: 1280
client_to_client: true
auth: [mschapv2]
tun: tun7
tun_offload: off
udp_gso: on
shards: 3
nat: false
control: c.sock
log: { level: trace, format: json }
limits: { half_open: 1, half_open_per_source: 2 }
",
    );
    assert_eq!(config.listen.len(), 3);
    let secrets: Vec<_> = config.psks.iter().map(|psk| (&*psk.name, psk.secret.as_bytes())).collect();
    assert_eq!(secrets, [("old", b"0x10".as_slice()), ("new", b"a: b, and so much more".as_slice())]);
    let ids: Vec<_> = config.psks.iter().map(|psk| psk.id.as_deref()).collect();
    assert_eq!(ids, [None, Some("staff")]);
    assert_eq!(config.algorithms, ipsec::Algorithms::Legacy);
    assert!(config.native_esp && config.l2tp_secret.is_some());
    assert_eq!(config.hello_interval.as_secs(), 10);
    assert_eq!(
        config.pools.iter().map(|pool| pool.range.to_string()).collect::<Vec<_>>(),
        ["10.0.0.0/8", "192.168.7.0/30"]
    );
    assert_eq!((config.dns.ipv4.len(), config.mtu), (0, 1280));
    assert_eq!(config.shards.map(|count| count.get()), Some(3));
    assert!(config.client_to_client && !config.nat);
    assert_eq!((config.tun.as_str(), config.tun_offload, config.udp_gso), ("tun7", Switch::Off, Switch::On));
    assert_eq!(config.control, Path::new("c.sock"));
    assert_eq!((config.log.level, config.log.format), (LogLevel::Trace, LogFormat::Json));
    assert_eq!((config.limits.half_open, config.limits.half_open_per_source), (1, 2));
    assert_eq!(config.warnings, []);
}

#[test]
fn shape_problems_have_their_place() {
    let cases = [
        (
            "lisen: [0.0.0.0]",
            "adit.yaml:2:1: found unknown key \"lisen\", expected one of listen, ipsec, dead_after, l2tp, pools, dns, domain, mtu, routes, client_to_client, auth, eap, users, tun, tun_offload, udp_gso, shards, nat, control, state, metrics, log, limits",
        ),
        ("log:\n  levl: info", "adit.yaml:3:3: found unknown key \"levl\", expected one of level, format"),
        ("mtu: 1400\nmtu: 1300", "adit.yaml:3:1: found key \"mtu\" a second time, expected it once"),
        ("mtu: [1400]", "adit.yaml:2:6: found a list, expected a single value"),
        ("mtu: { is: 1400 }", "adit.yaml:2:6: found `key: value` settings, expected a single value"),
        ("mtu:\n  is: 1400", "adit.yaml:3:3: found `key: value` settings, expected a single value"),
        ("dns: 9.9.9.9", "adit.yaml:2:6: found a single value, expected a list"),
        ("dns: { a: b }", "adit.yaml:2:6: found `key: value` settings, expected a list"),
        ("dns: [null]", "adit.yaml:2:7: found nothing, expected a value"),
        ("log: info", "adit.yaml:2:6: found a single value, expected `key: value` settings"),
        ("log:\n  - info", "adit.yaml:3:3: found a list, expected `key: value` settings"),
        ("pools: [{ name: a }]", "adit.yaml:2:11: found no key `range`, expected it here"),
        ("pools: [null]", "adit.yaml:2:9: found nothing, expected `key: value` settings"),
        ("tun: \"adit0", "adit.yaml:2:6: found unclosed quote, expected valid YAML"),
        ("tun: @dit0", "adit.yaml:2:6: found unexpected character: `@', expected valid YAML"),
        (
            "log:\n\tlevel: info",
            "adit.yaml:3:2: found tabs disallowed within this context (block indentation), expected valid YAML",
        ),
        ("tun: *name", "adit.yaml:2:6: found alias references unknown anchor, expected valid YAML"),
        ("---\nmtu: 1400", "adit.yaml:3:1: found a second document, expected one"),
    ];
    for (line, expected) in cases {
        assert_eq!(problem_in(line), expected, "{line}");
    }
}

#[test]
fn value_problems_have_their_place() {
    let cases = [
        ("listen: []", "adit.yaml:2:9: listen: found an empty list, expected at least one address"),
        ("listen: [all]", "adit.yaml:2:10: listen: found \"all\", expected an IPv4 or IPv6 address"),
        (
            "listen: ['fe80::1']",
            "adit.yaml:2:10: listen: found \"fe80::1\", expected \"::\", which serves link-local addresses too",
        ),
        (
            "listen: ['::ffff:192.0.2.1']",
            "adit.yaml:2:10: listen: found \"::ffff:192.0.2.1\", expected the IPv4 address itself",
        ),
        (
            "listen: ['2001:db8::1', '2001:db8:0::1']",
            "adit.yaml:2:25: listen: found \"2001:db8:0::1\", expected each address once",
        ),
        (
            "listen: [192.0.2.1, 192.0.2.1]",
            "adit.yaml:2:21: listen: found \"192.0.2.1\", expected each address once",
        ),
        (
            "l2tp: { secret: '' }",
            "adit.yaml:2:17: l2tp.secret: found an empty secret, expected at least one character",
        ),
        ("l2tp: { hello: 5 }", "adit.yaml:2:16: l2tp.hello: found \"5\", expected a number from 10 to 3600"),
        (
            "pools: []",
            "adit.yaml:2:8: pools: found an empty list, expected at least one `{ name: …, range: … }`",
        ),
        (
            "pools: [{ name: '', range: 10.0.0.0/8 }]",
            "adit.yaml:2:17: pools.name: found \"\", expected a name",
        ),
        (
            "pools: [{ name: a, range: 10.0.0.0 }]",
            "adit.yaml:2:27: pools.range: found \"10.0.0.0\", expected an IPv4 range such as 10.20.0.0/16",
        ),
        (
            "pools: [{ name: a, range: 'fd00::/64' }]",
            "adit.yaml:2:27: pools.range: found \"fd00::/64\", expected an IPv4 range such as 10.20.0.0/16",
        ),
        (
            "pools: [{ name: a, range: 10.20.0.1/16 }]",
            "adit.yaml:2:27: pools.range: found \"10.20.0.1/16\", expected the range's first address: 10.20.0.0/16",
        ),
        (
            "pools: [{ name: a, range: 10.20.0.0/31 }]",
            "adit.yaml:2:27: pools.range: found \"10.20.0.0/31\", expected a prefix from /8 to /30: the network, the server and the broadcast address are not handed out",
        ),
        (
            "pools: [{ name: a, range: 224.0.0.0/8 }]",
            "adit.yaml:2:27: pools.range: found \"224.0.0.0/8\", expected addresses that can be given to clients, such as 10.20.0.0/16",
        ),
        (
            "pools: [{ name: a, range: 10.0.0.0/8 }, { name: b, range: 10.20.0.0/16 }]",
            "adit.yaml:2:59: pools.range: found \"10.20.0.0/16\", expected a range that does not overlap 10.0.0.0/8 of pool \"a\"",
        ),
        (
            "pools: [{ name: a, range: 10.0.0.0/16 }, { name: a, range: 10.1.0.0/16 }]",
            "adit.yaml:2:50: pools.name: found \"a\", expected a name that no other pool has",
        ),
        ("dns: [one.one]", "adit.yaml:2:7: dns: found \"one.one\", expected an IPv4 or IPv6 address"),
        (
            "dns: [9.9.9.9, 1.1.1.1, 8.8.8.8]",
            "adit.yaml:2:6: dns: found 3 servers of IPv4, expected at most 2: PPP has no room for more",
        ),
        (
            "routes: ['2001:db8::/129']",
            "adit.yaml:2:10: routes: found \"2001:db8::/129\", expected an IPv6 range such as 2001:db8:1::/48",
        ),
        (
            "pools: [{ name: a, range: 10.0.0.0/16, range6: 10.1.0.0/16 }]",
            "adit.yaml:2:48: pools.range6: found \"10.1.0.0/16\", expected an IPv6 range such as 2001:db8:1::/48",
        ),
        (
            "pools: [{ name: a, range: 10.0.0.0/16, range6: '2001:db8::/49' }]",
            "adit.yaml:2:48: pools.range6: found \"2001:db8::/49\", expected a prefix of /48 or shorter: one /64 for each address of 10.0.0.0/16",
        ),
        (
            "pools: [{ name: a, range: 10.0.0.0/16, range6: '2001:db8::1/48' }]",
            "adit.yaml:2:48: pools.range6: found \"2001:db8::1/48\", expected the range's first address: 2001:db8::/48",
        ),
        (
            "pools: [{ name: a, range: 10.0.0.0/16, range6: 'fe80::/10' }]",
            "adit.yaml:2:48: pools.range6: found \"fe80::/10\", expected addresses that can be given to clients, such as 2001:db8:1::/48",
        ),
        (
            "pools: [{ name: a, range: 10.0.0.0/16, range6: '2001:db8::/32' }, { name: b, range: 10.1.0.0/16, range6: '2001:db8:1::/48' }]",
            "adit.yaml:2:106: pools.range6: found \"2001:db8:1::/48\", expected a range that does not overlap 2001:db8::/32",
        ),
        (
            "pools: [{ name: a, range: 10.0.0.0/16, delegate: '2001:db8:100::/40' }]",
            "adit.yaml:2:50: pools.delegate: found \"2001:db8:100::/40\", expected a `range6` beside it: who is delegated a prefix has IPv6",
        ),
        (
            "pools: [{ name: a, range: 10.0.0.0/16, range6: 'fd00::/48', delegate: '2001:db8::/49' }]",
            "adit.yaml:2:71: pools.delegate: found \"2001:db8::/49\", expected a prefix from /32 to /48: a /48 to /64 for each address of 10.0.0.0/16",
        ),
        (
            "pools: [{ name: a, range: 10.0.0.0/16, range6: 'fd00::/48', delegate: '2000::/16' }]",
            "adit.yaml:2:71: pools.delegate: found \"2000::/16\", expected a prefix from /32 to /48: a /48 to /64 for each address of 10.0.0.0/16",
        ),
        (
            "pools: [{ name: a, range: 10.0.0.0/16, range6: 'fd00::/48', delegate: 'fd00::/40' }]",
            "adit.yaml:2:71: pools.delegate: found \"fd00::/40\", expected a range that does not overlap fd00::/48",
        ),
        (
            "pools: [{ name: a, range: 10.0.0.0/16, range6: 'fd00::/48', delegate: 'fd01::/40' }, { name: b, range: 10.1.0.0/16, range6: 'fd01::/48' }]",
            "adit.yaml:2:125: pools.range6: found \"fd01::/48\", expected a range that does not overlap fd01::/40",
        ),
        (
            "pools: [{ name: a, range: 10.0.0.0/16, range6: 'fd00::/48', delegate: 'ff00::/40' }]",
            "adit.yaml:2:71: pools.delegate: found \"ff00::/40\", expected addresses that can be given to clients, such as 2001:db8:1::/48",
        ),
        (
            "pools: [{ name: a, range: 10.0.0.0/16, range6: '2001:db8::/48' }]\nmtu: 1279",
            "adit.yaml:3:6: mtu: found 1279, expected at least 1280: a pool has IPv6",
        ),
        ("domain: a b", "adit.yaml:2:9: domain: found \"a b\", expected a domain such as example.net"),
        ("mtu: 575", "adit.yaml:2:6: mtu: found \"575\", expected a number from 576 to 1500"),
        ("mtu: 1501", "adit.yaml:2:6: mtu: found \"1501\", expected a number from 576 to 1500"),
        ("mtu: 70000", "adit.yaml:2:6: mtu: found \"70000\", expected a number from 576 to 1500"),
        ("mtu: many", "adit.yaml:2:6: mtu: found \"many\", expected a number from 576 to 1500"),
        (
            "routes: [everything]",
            "adit.yaml:2:10: routes: found \"everything\", expected an IPv4 range such as 10.20.0.0/16",
        ),
        (
            "client_to_client: yes",
            "adit.yaml:2:19: client_to_client: found \"yes\", expected one of true, false",
        ),
        ("auth: []", "adit.yaml:2:7: auth: found an empty list, expected some of mschapv2, eap, chap, pap"),
        ("auth: [mschap]", "adit.yaml:2:8: auth: found \"mschap\", expected one of mschapv2, eap, chap, pap"),
        ("auth: [mschapv2, mschapv2]", "adit.yaml:2:18: auth: found \"mschapv2\", expected each method once"),
        (
            "users: nobody.yaml",
            "adit.yaml:2:8: users: found no file at nobody.yaml, expected a file of accounts",
        ),
        ("users: .", "adit.yaml:2:8: users: found a directory at ., expected a file of accounts"),
        (
            "tun: a-name-of-16-car",
            "adit.yaml:2:6: tun: found \"a-name-of-16-car\", expected a device name of 1 to 15 letters, digits or dashes",
        ),
        (
            "tun: a/b",
            "adit.yaml:2:6: tun: found \"a/b\", expected a device name of 1 to 15 letters, digits or dashes",
        ),
        ("shards: 0", "adit.yaml:2:9: shards: found \"0\", expected auto or a number of cores from 1 to 64"),
        (
            "shards: 65",
            "adit.yaml:2:9: shards: found \"65\", expected auto or a number of cores from 1 to 64",
        ),
        (
            "shards: all",
            "adit.yaml:2:9: shards: found \"all\", expected auto or a number of cores from 1 to 64",
        ),
        ("nat: 1", "adit.yaml:2:6: nat: found \"1\", expected one of true, false"),
        (
            "control: ''",
            "adit.yaml:2:10: control: found \"\", expected the path of a socket, at most 107 bytes long in full",
        ),
        ("state: ''", "adit.yaml:2:8: state: found \"\", expected a directory"),
        ("metrics: 9469", "adit.yaml:2:10: metrics: found \"9469\", expected ADDRESS:PORT or null"),
        (
            "log: { level: loud }",
            "adit.yaml:2:15: log.level: found \"loud\", expected one of error, warn, info, debug, trace",
        ),
        ("log: { format: xml }", "adit.yaml:2:16: log.format: found \"xml\", expected one of text, json"),
        (
            "limits: { half_open: 0 }",
            "adit.yaml:2:22: limits.half_open: found \"0\", expected a number from 1 to 1000000",
        ),
        (
            "limits: { half_open_per_source: -1 }",
            "adit.yaml:2:33: limits.half_open_per_source: found \"-1\", expected a number from 1 to 1000000",
        ),
        (
            "tun: \"a\\e[2J\"",
            "adit.yaml:2:6: tun: found \"a\\u{1b}[2J\", expected a device name of 1 to 15 letters, digits or dashes",
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(problem_in(line), expected, "{line}");
    }
}

#[test]
fn keys_need_names_and_secrets_that_are_not_shown() {
    let cases = [
        (
            "",
            "adit.yaml:1:1: ipsec.psk: found no key, expected at least one `{ name: …, secret: … }`, or `ipsec.certificate`",
        ),
        (
            "# nothing\n",
            "adit.yaml:1:1: ipsec.psk: found no key, expected at least one `{ name: …, secret: … }`, or `ipsec.certificate`",
        ),
        (
            "ipsec: { psk: [] }",
            "adit.yaml:1:15: ipsec.psk: found no key, expected at least one `{ name: …, secret: … }`, or `ipsec.certificate`",
        ),
        (
            "ipsec: { psk: [{ name: a, secret: '' }] }",
            "adit.yaml:1:35: ipsec.psk.secret: found an empty secret, expected at least one character",
        ),
        ("ipsec: { psk: [{ name: a, secret: }] }", "adit.yaml:1:33: found nothing, expected a value"),
        (
            "ipsec: { psk: [{ name: a, secret: [hunter2] }] }",
            "adit.yaml:1:35: found a list, expected a single value",
        ),
        ("ipsec: { psk: hunter2 }", "adit.yaml:1:15: found a single value, expected a list"),
        ("ipsec: { psk: [hunter2] }", "adit.yaml:1:16: found a single value, expected `key: value` settings"),
        (
            "ipsec: { psk: [{ name: '', secret: b }] }",
            "adit.yaml:1:24: ipsec.psk.name: found \"\", expected a name",
        ),
        (
            "ipsec: { psk: [{ name: a, id: '', secret: b }] }",
            "adit.yaml:1:31: ipsec.psk.id: found \"\", expected an identifier of 1 to 255 bytes",
        ),
        (
            "ipsec: { psk: [{ name: a, secret: b }, { name: a, secret: c }] }",
            "adit.yaml:1:48: ipsec.psk.name: found \"a\", expected a name that no other key has",
        ),
        (
            "ipsec: { psk: [{ name: a, secret: b }], algorithms: all }",
            "adit.yaml:1:53: ipsec.algorithms: found \"all\", expected one of modern, compatible, legacy",
        ),
        (
            "ipsec: { psk: [{ name: a, secret: b }], encapsulation: native }",
            "adit.yaml:1:56: ipsec.encapsulation: found \"native\", expected one of auto, always",
        ),
    ];
    for (content, expected) in cases {
        assert_eq!(problems(content), expected, "{content}");
    }
}

#[test]
fn all_problems_are_told_at_once_in_the_files_order() {
    let expected = "\
adit.yaml:2:6: tun: found \"\", expected a device name of 1 to 15 letters, digits or dashes
adit.yaml:3:6: mtu: found \"1\", expected a number from 576 to 1500
adit.yaml:4:12: dns: found \"y\", expected an IPv4 or IPv6 address";
    assert_eq!(problem_in("tun: ''\nmtu: 1\ndns: [     y]"), expected);
}

#[test]
fn routes_are_as_many_as_a_client_can_be_told() {
    let routes = |count: usize, route: &str| format!("routes: [{}]", vec![route; count].join(", "));
    for (most, family, route) in [(40, "IPv4", "192.168.7.0/24"), (36, "IPv6", "'2001:db8:7::/48'")] {
        assert_eq!(warnings(&routes(most, route)), Vec::<String>::new());
        let found = most + 1;
        let expected = format!(
            "adit.yaml:2:9: routes: found {found} of {family}, expected at most {most}: no more fit in what a client is told"
        );
        assert_eq!(problem_in(&routes(found, route)), expected);
    }
}

#[test]
fn what_is_not_built_yet_is_a_warning() {
    assert_eq!(warnings("metrics: 127.0.0.1:9469"), ["adit.yaml:2:10: metrics: not built yet: ignored"]);
    let large = "adit.yaml:2:6: mtu: above 1404 a full packet does not fit an outer one of 1500 bytes and is sent in fragments";
    assert_eq!(warnings("mtu: 1405"), [large]);
    assert_eq!(
        warnings("mtu: 1404\nmetrics: null\nroutes: [192.168.7.0/24]\ndns: null\ndomain: a.example"),
        Vec::<String>::new()
    );
}

#[test]
fn a_missing_users_file_that_is_not_named_is_the_whole_files_problem() {
    let scratch = Scratch::new();
    let path = scratch.path("adit.yaml");
    let error = Config::parse(&path, b"\nipsec: { psk: [{ name: a, secret: b }] }").unwrap_err();
    let directory = scratch.directory().display();
    let expected = format!(
        "{directory}/adit.yaml:2:1: users: found no file at {directory}/users.yaml, expected a file of accounts"
    );
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_file_that_others_can_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new();
    scratch.write("users.yaml", "");
    let path = scratch.write("adit.yaml", "ipsec: { psk: [{ name: a, secret: b }] }");
    for (mode, count) in [(0o644, 1), (0o640, 1), (0o600, 0)] {
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        let warnings = Config::load(&path).unwrap().warnings;
        assert_eq!(warnings.len(), count);
        for warning in warnings {
            let expected = format!(
                "holds secrets and is readable by others than its owner (mode {mode:04o}), expected mode 0600"
            );
            assert_eq!(warning.to_string(), format!("{}:1:1: {expected}", path.display()));
        }
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::load(Path::new("/nowhere/adit.yaml")).unwrap_err();
    assert_eq!(format!("{error:#}"), "cannot read /nowhere/adit.yaml: no such file");
}

#[test]
fn bytes_that_are_not_text_have_a_place() {
    let error = Config::parse(Path::new("adit.yaml"), b"tun: a\nnat: \xc3\xa9\xff").unwrap_err();
    assert_eq!(error.to_string(), "adit.yaml:2:7: found bytes that are not UTF-8, expected text");
}

#[test]
fn the_control_socket_is_found_in_a_file_with_problems() {
    let scratch = Scratch::new();
    let path = scratch.write("adit.yaml", "mtu: [\"half an edit\"]\ncontrol: c.sock\n");
    assert_eq!(Config::control_of(&path).unwrap(), scratch.path("c.sock"));
    let default = Path::new("/run/adit/control.sock");
    assert_eq!(Config::control_of(&scratch.path("none.yaml")).unwrap(), default);
    assert_eq!(Config::control_of(&scratch.write("empty.yaml", "")).unwrap(), default);
}

#[test]
fn secrets_do_not_show() {
    let config = parsed("ipsec: { psk: [{ name: a, secret: hunter2 }] }\nl2tp: { secret: hunter3 }");
    assert!(!format!("{config:?}").contains("hunter"));
}

proptest! {
    #[test]
    fn any_bytes_are_good_or_a_problem(content in prop::collection::vec(any::<u8>(), 0..200)) {
        let _problem = Config::parse(Path::new("adit.yaml"), &content);
    }

    #[test]
    fn any_text_from_yamls_alphabet_is_good_or_a_problem(
        content in "([-a-c{}\\[\\]:,#&*!|>'\"%@`~ \t\n0-9./<?]|ipsec|psk|pools|range|name|: |\n  )*",
    ) {
        let _problem = Config::parse(Path::new("adit.yaml"), content.as_bytes());
    }
}
