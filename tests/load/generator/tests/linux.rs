//! Every kind of load against a real server, on loopback in a network namespace of its own, so it needs root.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use adit::config::Config;
use adit::users::Users;
use nix::sched::{CloneFlags, unshare};
use serde_json::Value;

/// A server's own address in the tunnel, which is the far end here.
const FAR: &str = "10.20.0.1";
const SERVER: &str = "127.0.0.1";

/// Runs `body` in a namespace in which a server serves on loopback; it gets the file with the secrets.
fn served(body: impl FnOnce(&Path) + Send) {
    let directory = std::env::temp_dir().join(format!("adit-load-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let run = || {
        if let Err(error) = unshare(CloneFlags::CLONE_NEWNET) {
            panic!("this test needs root, for a network namespace of its own: {error}");
        }
        assert!(Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap().success());
        let config = configuration(&directory);
        let control = config.control.clone();
        let users = Users::load(&config.users, &config.pools).unwrap();
        std::thread::spawn(move || adit::eventloop::run(&config, users).unwrap());
        while !control.exists() {
            std::thread::sleep(Duration::from_millis(10));
        }
        body(&directory.join("secret"));
    };
    let outcome = std::thread::scope(|scope| scope.spawn(run).join());
    std::fs::remove_dir_all(&directory).unwrap();
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

fn configuration(directory: &Path) -> Config {
    let file = |name: &str, text: &str| -> PathBuf {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    file("secret", "a pre-shared key\na password\n");
    file("users.yaml", "load: { password: \"a password\" }\n");
    let text = "ipsec: { psk: [{ name: main, secret: \"a pre-shared key\" }] }\n\
        listen: [127.0.0.1]\nnat: false\nusers: users.yaml\ncontrol: control.sock\n";
    Config::load(&file("adit.yaml", text)).unwrap()
}

/// Runs the generator; its lines.
fn load(kind: &str, secret: &Path, arguments: &[&str]) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_load-generator"))
        .arg(kind)
        .args(["--server", SERVER, "--user", "load", "--secret"])
        .arg(secret)
        .args(arguments)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{kind} {arguments:?}: {errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn many_clients_come_in_at_once_and_stay() {
    served(|secret| {
        let [line] = &load("login", secret, &["--clients", "150", "--ike", "aes256-sha1-ecp256"])[..] else {
            panic!("one line expected");
        };
        assert_eq!((line["up"].as_u64(), line["dropped"].as_u64()), (Some(150), Some(0)), "{line}");
        let [p50, p99, max] = ["p50_ms", "p99_ms", "max_ms"].map(|field| line[field].as_f64().unwrap());
        assert!(0.0 < p50 && p50 <= p99 && p99 <= max, "{line}");

        let pid = std::process::id().to_string();
        let arguments = ["--clients", "20,60", "--seconds", "0.5", "--pid", &pid, "--addresses", "3"];
        let arguments = [&arguments[..], &["--from", "127.0.0.2"]].concat();
        let lines = load("hold", secret, &arguments);
        let sessions: Vec<_> = lines.iter().map(|line| line["sessions"].as_u64().unwrap()).collect();
        assert_eq!(sessions, [20, 60]);
        assert!(lines.iter().all(|line| line["memory"].as_u64() > Some(1 << 20)), "{lines:?}");
    });
}

#[test]
fn a_wrong_password_is_not_a_login() {
    served(|secret| {
        std::fs::write(secret, "a pre-shared key\nanother password\n").unwrap();
        let lines = load("login", secret, &["--clients", "3", "--patience", "2"]);
        assert_eq!((lines[0]["up"].as_u64(), lines[0]["dropped"].as_u64()), (Some(0), Some(3)));
    });
}

#[test]
fn floods_arrive_both_ways_of_every_client() {
    served(|secret| {
        for (suite, clients) in [("aes128-sha1", "1"), ("aes128gcm", "7")] {
            let directions = ["--direction", "up,down,both", "--train", "1,16", "--seconds", "0.05"];
            let who = ["--far", FAR, "--esp", suite, "--clients", clients, "--window", "64"];
            let lines = load("flood", secret, &[&directions[..], &who].concat());
            assert_eq!(lines.len(), 6);
            for line in lines {
                assert!(line["packets"].as_u64() > Some(0), "{line}");
                assert!(line["inner_gbit"].as_f64() > Some(0.0), "{line}");
                assert_eq!(line["esp"], suite);
            }
        }
    });
}

#[test]
fn echoes_come_back_alone_and_beside_a_flood() {
    served(|secret| {
        for (flood, expected) in
            [(&[][..], Value::Null), (&["--flood", "up"], "up".into()), (&["--flood", "down"], "down".into())]
        {
            let arguments =
                [&["--far", FAR, "--count", "100", "--interval", "3", "--window", "16"], flood].concat();
            let lines = load("ping", secret, &arguments);
            assert_eq!(lines[0]["flood"], expected);
            assert!(lines[0]["echoes"].as_u64() > Some(0), "{}", lines[0]);
            assert!(lines[0]["median_us"].as_f64() > Some(1.0), "{}", lines[0]);
        }
    });
}
