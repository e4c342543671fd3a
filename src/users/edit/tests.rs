use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use ppp::NtHash;

use super::*;
use crate::scratch::Scratch;

const FILE: &str = "\
# Who may log in.

alice: { password: \"secret\", password_expires: 2026-12-31 } # of the office
groups:
  staff: {}
bob:
  # since 2021
  nt_hash: 8846f7eaee8fb117ad06bdd830b7586c
  sessions: 1

# The end.
";
/// Of `neu`: printf neu | iconv -t utf-16le | openssl md4 -provider legacy.
const NEU: &str = "nt_hash: 6342d55378b5c5ab77da13dda4c47bdf";

/// What a change makes of `content`, or why it is none.
fn edited(content: &str, change: impl FnOnce(UsersFile<'_>) -> anyhow::Result<()>) -> Result<String, String> {
    let scratch = Scratch::new();
    let path = scratch.write("users.yaml", content);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let result = change(UsersFile { path: &path, pools: &[] });
    let after = fs::read_to_string(&path).unwrap();
    if let Err(error) = result {
        assert_eq!(after, content, "what fails changes nothing");
        return Err(format!("{error:#}").replace(&format!("{}/", scratch.directory().display()), ""));
    }
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    Ok(after)
}

#[test]
fn a_user_is_added_behind_the_others() {
    let add = |content: &str, name: &str, storage, group: Option<&str>| {
        edited(content, |file| file.add(name, &"neu".into(), storage, group))
    };
    assert_eq!(
        add(FILE, "carol", Storage::Hash, Some("staff")).unwrap(),
        FILE.replace("sessions: 1\n", &format!("sessions: 1\ncarol: {{ {NEU}, group: staff }}\n"))
    );
    assert_eq!(
        add("users: { a: { password: a } }", "Élodie \"x\"", Storage::Plain, None).unwrap(),
        "users: { a: { password: a }, \"Élodie \\\"x\\\"\": { password: \"neu\" } }"
    );
    assert_eq!(
        add("users:\n    a: { password: a }\n", "groups", Storage::Plain, None).unwrap(),
        "users:\n    a: { password: a }\n    groups: { password: \"neu\" }\n"
    );
    assert_eq!(add("", "null", Storage::Plain, None).unwrap(), "\"null\": { password: \"neu\" }\n");
    assert_eq!(add("users:\n", "a", Storage::Plain, None).unwrap(), "users:\na: { password: \"neu\" }\n");
}

#[test]
fn a_user_who_cannot_be_added_is_not() {
    let add = |name: &str, password: &str, group: Option<&str>| {
        edited(FILE, |file| file.add(name, &password.into(), Storage::Plain, group)).unwrap_err()
    };
    assert_eq!(add("ALICE", "x", None), "there is a user \"alice\" already");
    assert!(add("carol", "x", Some("nobody")).ends_with("group: found \"nobody\", expected one of staff"));
    assert!(add("carol", "", None).contains("after the change the file would be wrong: users.yaml:"));
    assert!(add("", "x", None).contains("user: found \"\", expected a name"));
    assert!(add("groups", "x", None).starts_with("at the top of the file \"groups\" is no user"));
    let broken = edited("alice: { pasword: x }", |file| file.add("bob", &"x".into(), Storage::Hash, None));
    assert!(broken.unwrap_err().starts_with("users.yaml:1:10: found unknown key \"pasword\""));
}

#[test]
fn a_new_password_takes_the_old_ones_place() {
    let set = |name: &str, storage| edited(FILE, |file| file.set_password(name, &"neu".into(), storage));
    let before = "password: \"secret\", password_expires: 2026-12-31";
    assert_eq!(set("alice", Storage::Hash).unwrap(), FILE.replace(before, NEU));
    assert_eq!(set("alice", Storage::AsBefore).unwrap(), FILE.replace(before, "password: \"neu\""));
    let before = "nt_hash: 8846f7eaee8fb117ad06bdd830b7586c";
    assert_eq!(set("BOB", Storage::AsBefore).unwrap(), FILE.replace(before, NEU));
    assert_eq!(set("bob", Storage::Plain).unwrap(), FILE.replace(before, "password: \"neu\""));
    assert_eq!(set("carol", Storage::Hash).unwrap_err(), "there is no user \"carol\"");
    assert_eq!(set("groups", Storage::Hash).unwrap_err(), "there is no user \"groups\"");
    let alias =
        edited("a: &a { password: x }\nb: *a\n", |file| file.set_password("b", &"y".into(), Storage::Hash));
    assert_eq!(alias.unwrap_err(), "\"b\" is written by way of an alias: edit it by hand");
}

#[test]
fn an_account_is_locked_and_unlocked() {
    let set = |content: &str, disabled| edited(content, |file| file.set_disabled("bob", disabled)).unwrap();
    let locked = set(FILE, true);
    assert_eq!(locked, FILE.replace("sessions: 1\n", "sessions: 1\n  disabled: true\n"));
    assert_eq!(set(&locked, false), locked.replace("true", "false"));
}

#[test]
fn the_user_behind_a_block_scalar_is_left_alone() {
    let file = "users:\n  alice:\n    password: |-\n      secret\n  bob:\n    password: b\n";
    let locked = edited(file, |file| file.set_disabled("alice", true)).unwrap();
    assert_eq!(locked, file.replace("secret\n", "secret\n    disabled: true\n"));
    let changed = edited(file, |file| file.set_password("alice", &"neu".into(), Storage::Hash)).unwrap();
    assert_eq!(changed, file.replace("password: |-\n      secret", NEU));
    let removed = edited(file, |file| file.remove("alice")).unwrap();
    assert_eq!(removed, "users:\n  bob:\n    password: b\n");
}

#[test]
fn a_change_that_others_would_share_is_none() {
    let refusal = "cannot change users.yaml: do it by hand: other accounts would change as well";
    let shared = "a: &a { password: x }\nb: *a\nc: { password: y }\n";
    let disable = |name: &str| edited(shared, |file| file.set_disabled(name, true));
    assert_eq!(disable("a").unwrap_err(), refusal);
    let set = edited(shared, |file| file.set_password("A", &"y".into(), Storage::Hash));
    assert_eq!(set.unwrap_err(), refusal);
    assert_eq!(disable("c").unwrap(), shared.replace("y }", "y, disabled: true }"));
}

#[test]
fn a_user_is_removed_with_its_lines() {
    let remove = |name: &str| edited(FILE, |file| file.remove(name));
    let bob = "bob:\n  # since 2021\n  nt_hash: 8846f7eaee8fb117ad06bdd830b7586c\n  sessions: 1\n";
    assert_eq!(remove("bob").unwrap(), FILE.replace(bob, ""));
    let alice = "alice: { password: \"secret\", password_expires: 2026-12-31 } # of the office\n";
    assert_eq!(remove("Alice").unwrap(), FILE.replace(alice, ""));
    assert_eq!(remove("carol").unwrap_err(), "there is no user \"carol\"");
    // Whoever others are written by is not taken away.
    let alias = edited("a: &a { password: x }\nb: *a\n", |file| file.remove("a")).unwrap_err();
    assert!(alias.starts_with("after the change the file would be wrong"), "{alias}");
}

#[test]
fn many_who_change_the_file_at_once_lose_nothing() {
    let scratch = Scratch::new();
    let path = scratch.write("users.yaml", "# head\n");
    let link = scratch.path("link.yaml");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let path = if thread % 2 == 0 { &path } else { &link };
            scope.spawn(move || {
                let file = UsersFile { path, pools: &[] };
                for number in 0..5 {
                    file.add(&format!("u{thread}-{number}"), &"x".into(), Storage::Hash, None).unwrap();
                }
            });
        }
    });
    assert_eq!(Users::load(&path, &[]).unwrap().len(), 20);
    assert!(link.is_symlink() && fs::read_to_string(&path).unwrap().starts_with("# head\n"));
    assert_eq!(fs::read_dir(scratch.directory()).unwrap().count(), 2, "nothing else is left");
}

/// Whatever was chosen as a password or a name is what is read back.
#[test]
fn every_character_is_written_as_yaml_reads_it() {
    let odd = "\0\u{1}\t\n\r\u{1b}\"\\/\u{7f}\u{80}\u{85}\u{9f}\u{a0}\u{2028}\u{2029}\u{d7ff}\u{e000}\u{feff}\u{fffd}\u{fffe}\u{ffff}😀";
    for character in odd.chars() {
        let password = format!("a{character}b");
        let after =
            edited(FILE, |file| file.set_password("alice", &password.as_str().into(), Storage::Plain))
                .unwrap();
        let controls = after.chars().filter(|c| c.is_control() && *c != '\n').count();
        assert_eq!(controls, 0, "{after:?}");
        let users = Users::parse(Path::new("users.yaml"), after.as_bytes(), &[]).unwrap();
        let read = users.account("alice").unwrap().password.as_ref().unwrap();
        assert_eq!(**read, password, "{:x}", u32::from(character));
    }
}

/// As the device has it on which it was chosen.
#[test]
fn a_hash_is_written_as_it_is() {
    let widened = Password::new(Zeroizing::new("ü".to_owned()), NtHash::from_password_octets("ü"));
    let set = |name: &str| edited(FILE, |file| file.set_password(name, &widened, Storage::AsBefore)).unwrap();
    assert!(set("alice").contains("password: \"ü\""));
    assert!(set("bob").contains(&format!("nt_hash: {}", *NtHash::from_password_octets("ü").to_hex())));
}
