use std::path::Path;
use std::sync::{Arc, mpsc};

use clap::Parser as _;

use super::{Arguments, Terminal, execute};
use crate::control;
use crate::reload::Serving;
use crate::scratch::Scratch;
use crate::status::Status;
use crate::users::Progress;

/// What a command says: standard output and standard error, or the sentence with which it exits with 1.
fn adit(arguments: &str) -> Result<(String, String), String> {
    run(arguments, false, "")
}

fn run(arguments: &str, is_person: bool, input: &str) -> Result<(String, String), String> {
    let words = std::iter::once("adit").chain(arguments.split_whitespace());
    let arguments =
        Arguments::try_parse_from(words).map_err(|error| format!("usage {}", error.exit_code()))?;
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut input = input.as_bytes();
    let mut terminal = Terminal { out: &mut out, err: &mut err, input: Some(&mut input), is_person };
    let result = execute(arguments.command, &mut terminal, |config, users| {
        anyhow::bail!("served {} with {} users", config.tun, users.len())
    });
    result.map_err(|error| format!("{error:#}"))?;
    Ok((String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap()))
}

#[test]
fn wrong_usage_is_2_and_help_is_0() {
    for wrong in ["", "serv", "check --confg x", "disconnect", "status --config a --control b", "init extra"]
    {
        assert_eq!(adit(wrong).unwrap_err(), "usage 2", "{wrong}");
    }
    for right in ["--help", "--version", "serve --help"] {
        assert_eq!(adit(right).unwrap_err(), "usage 0", "{right}");
    }
}

#[test]
fn check_sums_up_or_names_every_problem() {
    let scratch = Scratch::new();
    let directory = scratch.directory().display();
    adit(&format!("init --dir {directory}")).unwrap();
    let path = scratch.path("adit.yaml");
    let check = format!("check --config {}", path.display());
    let expected = format!(
        "\
{directory}/adit.yaml: good
  listen   0.0.0.0 UDP 500, 4500, :: UDP 500, 4500
  keys     main
  pools    default 10.20.0.0/16 (65533 clients)
  users    1 user in {directory}/users.yaml
  control  /run/adit/control.sock
"
    );
    assert_eq!(adit(&check), Ok((expected, String::new())));
    for (users, shown) in [
        (
            "a: { password: a, address: 192.0.2.7 }",
            ", one with an address outside of every pool: 192.0.2.7\n",
        ),
        (
            "a: { password: a, address: 192.0.2.7 }\nb: { password: b, address: 192.0.2.6 }",
            ", 2 with addresses outside of every pool, such as 192.0.2.6\n",
        ),
    ] {
        scratch.write("users.yaml", users);
        let (out, _) = adit(&check).unwrap();
        assert!(out.contains(&format!("/users.yaml{shown}")), "{out}");
    }

    let content = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, content.replace("mtu: 1400", "mtu: 1500")).unwrap();
    let (_, err) = adit(&check).unwrap();
    assert!(
        err.starts_with(&format!("warning: {directory}/adit.yaml:")) && err.contains("mtu: above 1404"),
        "{err}"
    );

    std::fs::write(&path, content.replace("mtu: 1400", "mtu: 1")).unwrap();
    let error = adit(&check).unwrap_err();
    assert!(error.starts_with(&format!("{directory}/adit.yaml:")), "{error}");
    assert!(error.ends_with(":6: mtu: found \"1\", expected a number from 576 to 1500"), "{error}");

    std::fs::write(&path, &content).unwrap();
    scratch.write("users.yaml", "alice: {}");
    let expected = "users.yaml:1:1: user \"alice\": found neither password nor nt_hash, expected one of them";
    assert_eq!(adit(&check).unwrap_err(), format!("{directory}/{expected}"));
}

#[test]
fn serve_gets_what_was_checked() {
    let scratch = Scratch::new();
    adit(&format!("init --dir {}", scratch.directory().display())).unwrap();
    let serve = format!("serve --config {}", scratch.path("adit.yaml").display());
    assert_eq!(adit(&serve).unwrap_err(), "served adit0 with 1 users");
    let expected = "cannot read /nowhere/adit.yaml: no such file";
    assert_eq!(adit("serve --config /nowhere/adit.yaml").unwrap_err(), expected);
}

#[test]
fn init_tells_secrets_to_a_person_only() {
    let (log, screen) = (Scratch::new(), Scratch::new());
    let (to_log, _) = run(&format!("init --dir {}", log.directory().display()), false, "").unwrap();
    let (to_screen, _) = run(&format!("init --dir {}", screen.directory().display()), true, "").unwrap();
    let secret_in = |scratch: &Scratch, file: &str, key: &str| {
        let content = std::fs::read_to_string(scratch.path(file)).unwrap();
        let (_, rest) = content.rsplit_once(&format!(" {key}: \"")).unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    for (file, key, length) in [("adit.yaml", "secret", 24), ("users.yaml", "password", 16)] {
        let secret = secret_in(&screen, file, key);
        assert_eq!(secret.len(), length);
        assert!(to_screen.contains(&secret));
        assert!(!to_log.contains(&secret_in(&log, file, key)));
    }
    let directory = screen.directory().display();
    assert!(to_screen.starts_with(&format!("Wrote {directory}/adit.yaml and {directory}/users.yaml.\n\n")));
    assert!(to_screen.ends_with(&format!("\nTo serve: adit serve --config {directory}/adit.yaml\n")));
    let again = format!("{directory}/adit.yaml exists already: init overwrites nothing");
    assert_eq!(adit(&format!("init --dir {directory}")).unwrap_err(), again);
}

#[test]
fn init_print_writes_nothing() {
    let scratch = Scratch::new();
    let (out, _) =
        adit(&format!("init --print --server vpn.example.org --dir {}", scratch.path("x").display()))
            .unwrap();
    assert!(out.contains("  server               vpn.example.org\n"));
    assert!(!scratch.path("x").exists());
}

/// A control socket, and what is asked by it.
fn served(socket: &Path) -> (control::Control, mpsc::Receiver<control::Command>) {
    let (commands, receiver) = mpsc::channel();
    let asked = control::Asked { commands, wake: Arc::new(|| {}), others: Vec::new(), device: String::new() };
    (control::serve(socket, asked, Serving::example(), Progress::default()).unwrap(), receiver)
}

#[test]
fn status_reload_and_disconnect_ask_the_server_that_the_configuration_names() {
    let scratch = Scratch::new();
    let path = scratch.write("adit.yaml", "control: c.sock").display().to_string();
    let (_control, receiver) = served(&scratch.path("c.sock"));
    std::thread::spawn(move || {
        for command in receiver {
            match command {
                control::Command::Status(reply) => reply.send(Status::default()),
                control::Command::Disconnect(who, reply) => reply.send(who.len()),
                control::Command::Reload(mut reload, _, reply) => {
                    reload.skip();
                    reply.send(reload);
                }
            }
        }
    });
    let said = |text: &str| Ok((text.to_owned(), String::new()));
    assert_eq!(adit(&format!("status --config {path}")), said("adit, up 0s, 0 sessions\n"));
    let json = r#"{"version":"","uptime_seconds":0,"sessions":[],"pools":[],"outlying":{"used":0,"size":0},"shards":[],"offloads":[],"discards":{}}"#;
    assert_eq!(adit(&format!("status --json --config {path}")), said(&format!("{json}\n")));
    assert_eq!(adit(&format!("disconnect --config {path} a")), said("1 session ended\n"));
    assert_eq!(adit(&format!("disconnect --config {path} alice")), said("5 sessions ended\n"));
    let (out, err) = adit(&format!("reload --config {path}")).unwrap();
    assert_eq!(out, "0 sessions ended, 0 changed; 3 users\n");
    assert!(err.contains("this is the example's secret"), "{err}");
    let socket = scratch.path("c.sock").display().to_string();
    assert_eq!(adit(&format!("disconnect --control {socket} ab")), said("2 sessions ended\n"));
    let nowhere = scratch.path("d.sock").display().to_string();
    let error = adit(&format!("status --control {nowhere}")).unwrap_err();
    assert!(
        error.starts_with(&format!("no server answers on {nowhere}: is `adit serve` running?: ")),
        "{error}"
    );
}

#[test]
fn disconnecting_nobody_is_a_no() {
    let scratch = Scratch::new();
    let socket = scratch.path("c.sock");
    let (_control, receiver) = served(&socket);
    std::thread::spawn(move || {
        for command in receiver {
            if let control::Command::Disconnect(_, reply) = command {
                reply.send(0);
            }
        }
    });
    let error = adit(&format!("disconnect --control {} bob", socket.display())).unwrap_err();
    assert_eq!(error, "no session has the user or id \"bob\"");
}

#[test]
fn users_are_added_changed_and_removed() {
    let scratch = Scratch::new();
    adit(&format!("init --dir {}", scratch.directory().display())).unwrap();
    let (config, path) = (scratch.path("adit.yaml").display().to_string(), scratch.path("users.yaml"));
    let head = std::fs::read_to_string(&path).unwrap();
    let users = |command: &str, input: &str| run(&format!("user {command} --config {config}"), false, input);
    let done = |what: &str| {
        let text = format!("{what} in {}; a running server takes it by: adit reload\n", path.display());
        Ok((text, String::new()))
    };
    let added = |line: &str| assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{head}{line}"));

    // Of `neu`.
    let hash = "nt_hash: 6342d55378b5c5ab77da13dda4c47bdf";
    assert_eq!(users("add alice", "neu\nignored\n"), done("\"alice\" is added"));
    added(&format!("alice: {{ {hash} }}\n"));
    assert_eq!(users("passwd ALICE --plain", "a b\r\n"), done("\"ALICE\" has a new password"));
    added("alice: { password: \"a b\" }\n");
    assert_eq!(users("disable alice", ""), done("\"alice\" is disabled"));
    added("alice: { password: \"a b\", disabled: true }\n");
    assert_eq!(users("list", "").unwrap().0, "alice  disabled\nvpn\n");
    assert_eq!(users("enable alice", ""), done("\"alice\" is enabled"));
    assert_eq!(users("remove alice", ""), done("\"alice\" is removed"));
    added("");

    let no = |command: &str, input: &str| users(command, input).unwrap_err();
    assert_eq!(no("remove alice", ""), "there is no user \"alice\"");
    assert_eq!(no("add vpn", "x"), "there is a user \"vpn\" already");
    assert_eq!(no("add bob", "\n"), "the password is empty");
    assert_eq!(no("add bob", ""), "the password is empty");
    assert!(
        no("add bob --group staff", "x").ends_with("found \"staff\", expected a group, and there is none")
    );
    assert_eq!(no("add", "x"), "usage 2");
    added("");
    let (_, err) = users("add erin", "Grüße").unwrap();
    assert!(err.starts_with("warning: the password has characters beyond ASCII"), "{err}");
}
