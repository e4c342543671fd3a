//! `conf/adit.yaml`, which is the manual: what it says is so.

use super::*;

#[test]
fn the_manual_says_what_the_defaults_are() {
    let manual = include_str!("../../../conf/adit.yaml");
    let mut config = parsed(manual);
    let warning = "adit.yaml:21:29: ipsec.psk.secret: this is the example's secret, which everybody knows";
    assert_eq!(config.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(), [warning]);
    config.warnings.clear();
    let mut least = parsed("ipsec: { psk: [{ name: main, secret: correct horse battery staple }] }");
    least.file = config.file.clone();
    least.warnings.clear();
    assert_eq!(format!("{config:#?}"), format!("{least:#?}"));
    assert_eq!(least.users, Path::new("users.yaml"));
    assert_eq!(least.control, Path::new("/run/adit/control.sock"));
}

#[test]
fn the_manual_has_every_key() {
    let manual = include_str!("../../../conf/adit.yaml");
    let unknown = problems("x: 1");
    let (_, keys) = unknown.rsplit_once("one of ").unwrap();
    for key in keys.split(", ") {
        assert!(manual.contains(&format!("\n{key}:")), "{key}");
    }
}

#[test]
fn any_beginning_of_the_manual_is_good_or_a_problem_with_a_place() {
    let manual = include_bytes!("../../../conf/adit.yaml");
    for length in 0..manual.len() {
        let prefix = manual.get(..length).unwrap();
        if let Err(problems) = Config::parse(Path::new("adit.yaml"), prefix) {
            assert!(problems.iter().all(|problem| problem.line >= 1 && problem.column >= 1));
        }
    }
}
