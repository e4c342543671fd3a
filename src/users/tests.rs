use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use ppp::NtHash;
use proptest::prelude::*;
use zeroize::Zeroizing;

use super::{Closed, Password, Users, WhenFull};
use crate::config::Routes;
use crate::pool::Pool;
use crate::scratch::Scratch;

fn pools() -> Vec<Pool> {
    [("a", "10.20.0.0/16"), ("b", "192.168.7.0/24")]
        .map(|(name, range)| Pool {
            name: name.to_owned(),
            range: range.parse().unwrap(),
            range6: None,
            delegate: None,
        })
        .into()
}

fn parsed(content: &str) -> Users {
    Users::parse(Path::new("users.yaml"), content.as_bytes(), &pools()).unwrap()
}

fn problems(content: &str) -> String {
    Users::parse(Path::new("users.yaml"), content.as_bytes(), &pools()).unwrap_err().to_string()
}

#[test]
fn the_example_file_is_good() {
    let users = parsed(include_str!("../../conf/users.yaml"));
    assert_eq!(users.len(), 3);
    assert_eq!(users.warnings(), []);
    let (name, bob) = users.find(b"bob").unwrap();
    assert_eq!(&**name, "bob");
    assert_eq!(bob.address, Some([10, 20, 0, 50].into()));
    assert_eq!(bob.settings.sessions, Some(1));
    assert_eq!(bob.settings.expires.unwrap().to_string(), "2027-06-30");
    assert!(!bob.settings.disabled);
    let carol = &users.find(b"carol@example.org").unwrap().1.settings;
    assert!(carol.disabled);
    assert_eq!((carol.sessions, carol.rate_up.unwrap().bits()), (Some(3), 5_000_000));
    assert_eq!(users.find(b"alice").unwrap().1.settings.sessions, Some(5));
    assert_eq!(users.addresses().collect::<Vec<_>>(), [std::net::Ipv4Addr::new(10, 20, 0, 50)]);
}

#[test]
fn a_name_is_found_with_and_without_a_domain_and_in_any_case() {
    let users = parsed("alice: { password: a }\n'CORP\\bob': { password: b }\nÉlodie: { password: c }");
    let found = |name: &str| users.find(name.as_bytes()).map(|(name, _)| &**name);
    assert_eq!(found("alice"), Some("alice"));
    assert_eq!(found("Alice"), Some("alice"));
    assert_eq!(found("CORP\\alice"), Some("alice"));
    assert_eq!(found("A\\B\\alice"), Some("alice"));
    assert_eq!(found("corp\\bob"), Some("CORP\\bob"));
    assert_eq!(found("bob"), None, "the file asks for the domain");
    assert_eq!(found("OTHER\\bob"), None);
    assert_eq!(found("élodie"), Some("Élodie"));
    assert_eq!(found("alice@corp"), None);
    assert_eq!(found("alice\\"), None);
    assert_eq!(found(""), None);
    assert!(users.find(b"\xff").is_none());
}

#[test]
fn the_whole_name_goes_before_the_part_after_the_backslash() {
    let users = parsed("bob: { password: a }\n'CORP\\bob': { password: b }");
    assert_eq!(&**users.find(b"CORP\\bob").unwrap().0, "CORP\\bob");
    assert_eq!(&**users.find(b"HOME\\bob").unwrap().0, "bob");
}

#[test]
fn a_password_beyond_ascii_has_two_hashes() {
    let users = parsed("a: { password: Grüße }\nb: { password: Gruesse }");
    assert_eq!(users.find(b"a").unwrap().1.nt_hashes().count(), 2);
    assert_eq!(users.find(b"b").unwrap().1.nt_hashes().count(), 1);
}

#[test]
fn an_account_works_until_its_last_day_is_over() {
    let users = parsed("a: { password: a, expires: 2027-06-30 }\nb: { password: b }");
    // date -u -d '2027-07-01' +%s
    let end = SystemTime::UNIX_EPOCH + Duration::from_secs(1_814_400_000);
    let account = users.find(b"a").unwrap().1;
    let second = Duration::from_secs(1);
    assert_eq!(account.settings.closed(end - second), None);
    assert_eq!(account.settings.closes_in(end - second), Some((second, Closed::Expired)));
    assert_eq!(account.settings.closed(end), Some(Closed::Expired));
    let other = &users.find(b"b").unwrap().1.settings;
    assert_eq!((other.closed(end), other.closes_in(end)), (None, None));
}

#[test]
fn problems_have_their_place() {
    let cases = [
        (
            "alice: { password: a }\nalice: { password: b }",
            "users.yaml:2:1: found key \"alice\" a second time, expected it once",
        ),
        (
            "alice: { password: a }\nAlice: { password: b }",
            "users.yaml:2:1: user: found \"Alice\", expected a name that differs from \"alice\" not only in case",
        ),
        (
            "alice: { pasword: a }",
            "users.yaml:1:10: found unknown key \"pasword\", expected one of password, nt_hash, certificate, password_expires, address, group, pool, sessions, when_full, expires, disabled, hours, rate_up, rate_down, quota, idle_timeout, session_timeout, routes, dns, domain, to",
        ),
        (
            "alice: { password: a, password: b }",
            "users.yaml:1:23: found key \"password\" a second time, expected it once",
        ),
        (
            "alice: {}",
            "users.yaml:1:1: user \"alice\": found neither password nor nt_hash, expected one of them",
        ),
        (
            "alice: { password: a, nt_hash: 8846f7eaee8fb117ad06bdd830b7586c }",
            "users.yaml:1:32: found both password and nt_hash, expected one of them",
        ),
        ("alice: hunter2", "users.yaml:1:8: found a single value, expected `key: value` settings"),
        ("alice:", "users.yaml:1:6: found nothing, expected `key: value` settings"),
        ("- alice", "users.yaml:1:1: found a list, expected `key: value` settings"),
        (
            "alice: { password: }",
            "users.yaml:1:1: user \"alice\": found neither password nor nt_hash, expected one of them",
        ),
        ("alice: { password: '' }", "users.yaml:1:20: password: found 0 characters, expected 1 to 256"),
        (
            "alice: { nt_hash: 8846f7eaee8fb117ad06bdd830b7586 }",
            "users.yaml:1:19: nt_hash: found 31 characters, expected 32 hexadecimal digits",
        ),
        (
            "alice: { nt_hash: 8846f7eaee8fb117ad06bdd830b7586g }",
            "users.yaml:1:19: nt_hash: found 32 characters, expected 32 hexadecimal digits",
        ),
        ("'': { password: a }", "users.yaml:1:1: user: found \"\", expected a name"),
        (
            "alice: { password: a, address: here }",
            "users.yaml:1:32: address: found \"here\", expected an IPv4 address",
        ),
        (
            "alice: { password: a, address: 127.0.0.9 }",
            "users.yaml:1:32: address: found \"127.0.0.9\", expected one that a client can have",
        ),
        (
            "alice: { password: a, address: 10.20.0.1 }",
            "users.yaml:1:32: address: found \"10.20.0.1\", expected another one: this is the server's in 10.20.0.0/16",
        ),
        (
            "alice: { password: a, address: 192.168.7.255 }",
            "users.yaml:1:32: address: found \"192.168.7.255\", expected one between the first and the last of 192.168.7.0/24",
        ),
        (
            "a: { password: a, address: 10.20.0.5 }\nb: { password: b, address: 10.20.0.5 }",
            "users.yaml:2:28: address: found \"10.20.0.5\", expected one that is not already \"a\"'s",
        ),
        (
            "alice: { password: a, sessions: 0 }",
            "users.yaml:1:33: sessions: found \"0\", expected a number from 1 to 65535 (to lock an account: `disabled: true`)",
        ),
        (
            "alice: { password: a, expires: 2027-02-29 }",
            "users.yaml:1:32: expires: found \"2027-02-29\", expected a day such as 2027-06-30",
        ),
        (
            "alice: { password: a, disabled: yes }",
            "users.yaml:1:33: disabled: found \"yes\", expected one of true, false",
        ),
        (
            "alice: { password: a, group: staff }",
            "users.yaml:1:30: group: found \"staff\", expected a group, and there is none",
        ),
        (
            "groups: { b: {}, a: {} }\nalice: { password: a, group: staff }",
            "users.yaml:2:30: group: found \"staff\", expected one of a, b",
        ),
        (
            "groups:\n  staff: { password: a }",
            "users.yaml:2:22: password: found it in a group, expected it in a user's own settings",
        ),
        (
            "default: { address: 10.20.0.5 }",
            "users.yaml:1:21: address: found it in default, expected it in a user's own settings",
        ),
        ("users: alice", "users.yaml:1:8: found a single value, expected `key: value` settings"),
        (
            "users:\n  alice: { password: a }\nALICE: { password: a }",
            "users.yaml:3:1: user: found \"ALICE\", expected a name that differs from \"alice\" not only in case",
        ),
        ("alice: { password: a, pool: c }", "users.yaml:1:29: pool: found \"c\", expected a pool: a, b"),
        (
            "alice: { password: a, when_full: wait }",
            "users.yaml:1:34: when_full: found \"wait\", expected one of replace, refuse",
        ),
        (
            "alice: { password: a, hours: [Mon 08:00-09:00 UTC, Tue 08:00-09:00] }",
            "users.yaml:1:52: hours: found \"Tue 08:00-09:00\", expected a stretch of a week with its zone, such as Mon-Fri 08:00-18:00 +01:00 or 22:00-06:00 UTC",
        ),
        (
            "alice: { password: a, hours: [] }",
            "users.yaml:1:30: hours: found an empty list, expected at least one stretch of a week (always: 00:00-24:00 UTC)",
        ),
        (
            "alice: { password: a, rate_up: 1 MB/s }",
            "users.yaml:1:32: rate_up: found \"1 MB/s\", expected a rate such as 512 kbit/s or 10 Mbit/s, from 8 kbit/s to 100 Gbit/s",
        ),
        (
            "alice: { password: a, quota: 50 }",
            "users.yaml:1:30: quota: found \"50\", expected an amount such as 50 GB per month (or per week, per day, or without a period)",
        ),
        (
            "alice: { password: a, idle_timeout: 59 }",
            "users.yaml:1:37: idle_timeout: found \"59\", expected a time such as 30 min or 8 h, from 1 min to 365 d",
        ),
        (
            "alice: { password: a, to: [] }",
            "users.yaml:1:27: to: found an empty list, expected at least one network (all: 0.0.0.0/0, ::/0)",
        ),
        (
            "alice: { password: a, to: [192.168.7.0/33] }",
            "users.yaml:1:28: to: found \"192.168.7.0/33\", expected an IPv4 range such as 192.168.7.0/24",
        ),
        (
            "alice: { password: a, to: ['2001:db8::/129'] }",
            "users.yaml:1:28: to: found \"2001:db8::/129\", expected an IPv6 range such as 2001:db8:7::/48",
        ),
        (
            "alice: { password: a, to: [192.168.7.1/24] }",
            "users.yaml:1:28: to: found \"192.168.7.1/24\", expected the range's first address: 192.168.7.0/24",
        ),
        (
            "alice: { password: a, dns: [9.9.9.9, 1.1.1.1, 8.8.8.8] }",
            "users.yaml:1:47: dns: found \"8.8.8.8\", expected two name servers of each family at most",
        ),
        (
            "alice: { password: a, domain: -..x }",
            "users.yaml:1:31: domain: found \"-..x\", expected a domain such as corp.example",
        ),
    ];
    for (content, expected) in cases {
        assert_eq!(problems(content), expected, "{content}");
    }
    let routes = ["192.168.7.0/24"; 41].join(", ");
    assert_eq!(
        problems(&format!("alice: {{ password: a, routes: [{routes}] }}")),
        "users.yaml:1:31: routes: found 41 of IPv4, expected at most 40: no more fit in what a client is told"
    );
    let long = format!("alice: {{ password: {} }}", "x".repeat(257));
    assert_eq!(problems(&long), "users.yaml:1:20: password: found 257 characters, expected 1 to 256");
}

#[test]
fn a_certificate_is_one_users() {
    let users = parsed("a: { certificate: 'A@corp.example' }\nb: { password: x, certificate: '00:11' }");
    let (_, a) = users.find(b"a").unwrap();
    assert!(a.bound && a.nt_hashes().next().is_none());
    assert!(users.find(b"b").unwrap().1.nt_hash.is_some());
    for (content, problem) in [
        (
            "a: { certificate: '' }",
            "users.yaml:1:19: certificate: found \"\", expected a name in the user's certificate, or its SHA2-256 fingerprint",
        ),
        (
            "a: { certificate: c@d }\nb: { certificate: C@D }",
            "users.yaml:2:19: certificate: found \"C@D\", expected one that is not already \"a\"'s",
        ),
        (
            "default: { certificate: c@d }\na: { password: x }",
            "users.yaml:1:25: certificate: found it in default, expected it in a user's own settings",
        ),
    ] {
        assert_eq!(problems(content), problem);
    }
}

/// Fingerprints are no secret, and some authorities sign whatever name they are asked for.
#[test]
fn nobody_has_a_fingerprint_by_being_called_so() {
    let (print, other) = ("ab".repeat(32), "cd".repeat(32));
    let users = parsed(&format!("alice: {{ certificate: '{print}' }}\nbob: {{ password: x }}\n"));
    let whose = |print: &str, name: &str| {
        users.whose(name.as_bytes(), print, [name].into_iter()).map(|(user, _)| user.to_string())
    };
    assert_eq!(whose(&print, "whoever").as_deref(), Some("alice"));
    assert_eq!(whose(&other, "Bob").as_deref(), Some("bob"));
    for name in [&*print, &print.to_uppercase(), "alice"] {
        assert_eq!(whose(&other, name), None, "{name}");
    }
}

#[test]
fn problems_of_several_users_are_told_at_once() {
    let expected = "\
users.yaml:1:29: sessions: found \"x\", expected a number from 1 to 65535 (to lock an account: `disabled: true`)
users.yaml:2:1: user \"b\": found neither password nor nt_hash, expected one of them";
    assert_eq!(problems("a: { password: a, sessions: x }\nb: { disabled: true }"), expected);
}

#[test]
fn the_users_words_go_over_the_groups_and_those_over_everybodys() {
    let users = parsed(
        "\
default: { sessions: 2, quota: 1 GB per day, idle_timeout: 30 min, dns: [9.9.9.9, '2620:fe::fe'] }
groups:
  staff: { sessions: 3, quota: none, hours: [Mon-Fri 08:00-18:00 +01:00], routes: [192.168.7.0/24, '2001:db8:7::/48'], pool: b }
  empty: {}
users:
  alice: { password: a, group: staff, sessions: 4, when_full: refuse, routes: [], to: [10.0.0.0/8, '2001:db8::/32'] }
  users: { password: a }
  carol: { password: a, group: staff }
  erin: { password: a, group: empty }
bob: { password: b, sessions: none }
",
    );
    assert_eq!(users.len(), 5);
    let account = |name: &str| users.find(name.as_bytes()).unwrap().1;
    let alice = &account("alice").settings;
    assert_eq!((alice.sessions, alice.when_full), (Some(4), WhenFull::Refuse));
    assert_eq!((alice.quota, alice.idle_timeout), (None, Some(Duration::from_secs(1_800))));
    assert!(alice.hours.is_some());
    assert_eq!(alice.routes, Some(Routes::default()));
    let carol = &account("carol").settings;
    let routes = carol.routes.as_ref().unwrap();
    assert_eq!((routes.ipv4.len(), routes.ipv6.len()), (1, 1));
    assert_eq!(carol.dns.as_ref().unwrap().ipv6.len(), 1);
    assert_eq!(alice.pool.as_deref(), Some("b"));
    let to = alice.to.as_deref().unwrap();
    assert_eq!(to.ipv4, ["10.0.0.0/8".parse().unwrap()]);
    assert_eq!(to.ipv6, ["2001:db8::/32".parse().unwrap()]);
    assert_eq!(account("alice").group.as_deref(), Some("staff"));
    let bob = &account("bob").settings;
    assert_eq!((bob.sessions, bob.when_full), (None, WhenFull::Replace));
    assert!(bob.quota.is_some() && bob.dns.is_some() && bob.routes.is_none());
    assert_eq!(account("users").settings.sessions, Some(2));
    // Who has no words of their own costs no memory of their own.
    assert!(std::sync::Arc::ptr_eq(&account("users").settings, &account("erin").settings));
    assert_eq!(account("carol").settings.sessions, Some(3));
}

#[test]
fn a_file_without_users_is_a_warning() {
    for content in ["", "# nobody yet\n", "{}"] {
        let warnings: Vec<_> = parsed(content).warnings().iter().map(ToString::to_string).collect();
        assert_eq!(warnings, ["users.yaml:1:1: found no user: nobody can log in"]);
    }
}

#[test]
fn a_file_that_others_can_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new();
    let path = scratch.write("users.yaml", "a: { password: a }");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    let users = Users::load(&path, &pools()).unwrap();
    let expected = "holds secrets and is readable by others than its owner (mode 0644), expected mode 0600";
    let warnings: Vec<_> = users.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(warnings, [format!("{}:1:1: {expected}", path.display())]);
}

/// CHAP is answered with the password itself; where only its hash is known, it cannot be.
#[test]
fn a_password_is_kept_where_the_file_has_it() {
    let users = parsed("a: { password: hunter2 }\nb: { nt_hash: 8846f7eaee8fb117ad06bdd830b7586c }");
    let password = |name: &[u8]| users.find(name).unwrap().1.password.as_ref().map(|text| text.to_string());
    assert_eq!(password(b"a").as_deref(), Some("hunter2"));
    assert_eq!(password(b"b"), None);
}

#[test]
fn a_password_is_good_until_its_last_day_is_over() {
    let users = parsed("a: { password: a, password_expires: 2027-06-30 }");
    let end = SystemTime::UNIX_EPOCH + Duration::from_secs(1_814_400_000);
    let account = users.find(b"a").unwrap().1;
    assert!(!account.is_password_expired(end - Duration::from_secs(1)));
    assert!(account.is_password_expired(end));
    assert_eq!(account.settings.closed(end), None);
}

#[test]
fn fifty_thousand_users_are_not_too_many() {
    let mut content = String::new();
    for n in 0..50_000 {
        writeln!(content, "user{n}: {{ nt_hash: {n:032x}, sessions: 2 }}").unwrap();
    }
    let users = parsed(&content);
    assert_eq!(users.len(), 50_000);
    assert_eq!(&**users.find(b"HOME\\User49999").unwrap().0, "user49999");
}

/// As if the edited file had been read.
#[test]
fn a_new_password_takes_the_old_ones_place() {
    let mut users = parsed(
        "a: { password: x, password_expires: 2026-01-01 }\nb: { nt_hash: 8846f7eaee8fb117ad06bdd830b7586c }",
    );
    for (name, plain, hashes) in [("A", Some("Grüße"), 2), ("b", None, 1)] {
        users.set_password(name, &"Grüße".into());
        let (_, account) = users.find(name.as_bytes()).unwrap();
        assert_eq!(account.password.as_ref().map(|password| password.as_str()), plain);
        assert_eq!(account.nt_hashes().count(), hashes);
        assert!(account.nt_hash.as_ref().unwrap().is(&NtHash::from_password("Grüße")));
        assert_eq!(account.password_expires, None);
        let may_change = |to: &str| account.may_change_to(&to.into());
        assert!(!may_change("Grüße") && !may_change("") && may_change("x"));
    }
}

/// With the password itself, every device gets in; with a hash, the kind on which it was chosen.
#[test]
fn a_new_password_beyond_ascii_is_hashed_as_its_device_does() {
    let mut users = parsed("a: { password: x }\nb: { nt_hash: 8846f7eaee8fb117ad06bdd830b7586c }");
    let [utf16, widened] = [NtHash::from_password("Grüße"), NtHash::from_password_octets("Grüße")];
    let chosen = Password::new(Zeroizing::new("Grüße".to_owned()), widened.clone());
    for name in ["a", "b"] {
        users.set_password(name, &chosen);
        assert!(!users.account(name).unwrap().may_change_to(&chosen));
    }
    let verifies =
        |name: &str, hash: &NtHash| users.account(name).unwrap().nt_hashes().any(|own| own.is(hash));
    assert!(verifies("a", &utf16) && verifies("a", &widened));
    assert!(!verifies("b", &utf16) && verifies("b", &widened));
}

#[test]
fn nothing_secret_shows() {
    let users = parsed("a: { password: hunter2 }\nb: { nt_hash: 8846f7eaee8fb117ad06bdd830b7586c }");
    assert!(format!("{users:?}").contains("Account"), "accounts show at all");
    let shown = format!("{users:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("8846") && !shown.contains("136, 70"), "{shown}");
}

#[test]
fn any_beginning_of_the_example_is_good_or_a_problem() {
    let example = include_bytes!("../../conf/users.yaml");
    for length in 0..example.len() {
        let _problem = Users::parse(Path::new("users.yaml"), example.get(..length).unwrap(), &pools());
    }
}

proptest! {
    #[test]
    fn any_bytes_are_good_or_a_problem(content in prop::collection::vec(any::<u8>(), 0..200)) {
        let _problem = Users::parse(Path::new("users.yaml"), &content, &pools());
    }

    #[test]
    fn any_name_is_looked_up(name in prop::collection::vec(any::<u8>(), 0..40)) {
        let users = parsed("alice: { password: a }");
        prop_assert!(users.find(&name).is_none_or(|(found, _)| &**found == "alice"));
    }
}
