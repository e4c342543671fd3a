use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use super::{Ask, Asked, Command, Control, Report, disconnect, reload, serve, status};
use crate::reload::Serving;
use crate::scratch::Scratch;
use crate::server::Load;
use crate::status::Status;
use crate::users::Progress;

/// A server that has one session of alice, until it is told to stop by dropping the `Control`.
fn running(path: &Path) -> (Control, Arc<AtomicUsize>) {
    let (sender, receiver) = mpsc::channel();
    let woken = Arc::new(AtomicUsize::new(0));
    let waker = woken.clone();
    std::thread::spawn(move || {
        let mut reads = 0;
        for command in receiver {
            match command {
                Command::Status(reply) => reply.send(Status { uptime_seconds: 7, ..Status::default() }),
                Command::Reload(mut reload, _, reply) => {
                    // A user chose a password while it was read for the first time.
                    reads += 1;
                    if reads > 1 {
                        reload.skip();
                    }
                    reply.send(reload);
                }
                Command::Disconnect(who, _silence) if who == "nobody answers" => {}
                Command::Disconnect(who, reply) => reply.send(usize::from(who == "alice")),
            }
        }
    });
    let wake = Arc::new(move || _ = waker.fetch_add(1, Ordering::SeqCst));
    let load = |count| Load { packets_in: count, discards: vec![("data", "runt", count)], ..Load::default() };
    let ask = |count| -> Ask { Arc::new(move |reply| reply.send(load(count))) };
    let asked = Asked { commands: sender, wake, others: vec![ask(10), ask(20)], device: "lo".to_owned() };
    let control = serve(path, asked, Serving::example(), Progress::default()).unwrap();
    (control, woken)
}

/// Whoever is not asked.
fn nobody() -> Asked {
    let (commands, _) = mpsc::channel();
    Asked { commands, wake: Arc::new(|| {}), others: Vec::new(), device: String::new() }
}

#[test]
fn asks_and_answers() {
    let scratch = Scratch::new();
    let path = scratch.path("new/control.sock");
    let (control, woken) = running(&path);
    let status = status(&path).unwrap();
    assert_eq!((status.uptime_seconds, status.discards["data.runt"]), (7, 30));
    assert_eq!(status.discards["tun.read_full"], 0);
    assert_eq!(status.shards.iter().map(|shard| shard.packets_in).collect::<Vec<_>>(), [10, 20]);
    assert_eq!(disconnect(&path, "alice").unwrap(), 1);
    assert_eq!(disconnect(&path, "bob").unwrap(), 0);
    let report = reload(&path).unwrap();
    assert_eq!(report, Report { users: 3, remarks: report.remarks.clone(), ..Report::default() });
    assert_eq!(report.to_string(), "0 sessions ended, 0 changed; 3 users");
    let kept = |kept| Report { changed: 3, kept, ..report.clone() }.to_string();
    let head = "0 sessions ended, 3 changed; 3 users; ";
    assert_eq!(
        kept(1),
        format!("{head}1 session keeps its address of another pool until the user logs in again")
    );
    assert_eq!(
        kept(2),
        format!("{head}2 sessions keep their addresses of other pools until their users log in again")
    );
    control.reload();
    while woken.load(Ordering::SeqCst) < 6 {
        std::thread::yield_now();
    }
    assert_eq!(woken.load(Ordering::SeqCst), 6);
    let error = disconnect(&path, "nobody answers").unwrap_err();
    assert_eq!(error.to_string(), "the server says: the server is stopping");
    drop(control);
    assert!(!path.exists());
}

#[test]
fn only_the_owner_may_open_it() {
    let scratch = Scratch::new();
    let path = scratch.path("new/control.sock");
    let (_control, _) = running(&path);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn many_lines_on_one_connection_and_nonsense_among_them() {
    let scratch = Scratch::new();
    let path = scratch.path("control.sock");
    let (_control, _) = running(&path);
    let mut stream = UnixStream::connect(&path).unwrap();
    let lines = "{\"command\":\"disconnect\",\"who\":\"alice\"}\nhello\n{\"command\":\"disconnect\",\"who\":\"bob\"}\n";
    stream.write_all(lines.as_bytes()).unwrap();
    let mut answers = BufReader::new(stream).lines().map(Result::unwrap);
    assert_eq!(answers.next().unwrap(), r#"{"disconnected":1}"#);
    assert_eq!(answers.next().unwrap(), r#"{"error":"not a command: expected value at line 1 column 1"}"#);
    assert_eq!(answers.next().unwrap(), r#"{"disconnected":0}"#);
}

#[test]
fn an_endless_line_ends_the_connection() {
    let scratch = Scratch::new();
    let path = scratch.path("control.sock");
    let (_control, _) = running(&path);
    let mut stream = UnixStream::connect(&path).unwrap();
    // The server may close before all is written.
    let _broken_pipe = stream.write_all(&vec![b'x'; 200_000]);
    let mut answer = String::new();
    let end = BufReader::new(stream).read_line(&mut answer);
    assert!(matches!(end, Ok(0)) || end.is_err(), "{answer}");
    assert_eq!(status(&path).unwrap().uptime_seconds, 7);
}

#[test]
fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
    let scratch = Scratch::new();
    let path = scratch.path("control.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let (_control, _) = running(&path);
    let error = serve(&path, nobody(), Serving::example(), Progress::default()).unwrap_err();
    let expected = format!("another adit serves here already: something answers on {}", path.display());
    assert_eq!(error.to_string(), expected);
    assert_eq!(status(&path).unwrap().uptime_seconds, 7);
}

#[test]
fn a_file_in_the_way_stays() {
    let scratch = Scratch::new();
    let path = scratch.path("control.sock");
    fs::write(&path, "precious").unwrap();
    let error = serve(&path, nobody(), Serving::example(), Progress::default()).unwrap_err();
    let expected = format!("{} is in the way of the control socket and is not a socket", path.display());
    assert_eq!(error.to_string(), expected);
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn without_a_server_the_question_is_whether_it_runs() {
    let scratch = Scratch::new();
    let path = scratch.path("control.sock");
    let expected = format!("no server answers on {}: is `adit serve` running?", path.display());
    assert_eq!(status(&path).unwrap_err().to_string(), expected);
    drop(UnixListener::bind(&path).unwrap());
    assert_eq!(status(&path).unwrap_err().to_string(), expected);
}

#[test]
fn the_end_leaves_a_successors_socket_alone() {
    let scratch = Scratch::new();
    let path = scratch.path("control.sock");
    let (control, _) = running(&path);
    fs::remove_file(&path).unwrap();
    let (_successor, _) = running(&path);
    drop(control);
    assert_eq!(status(&path).unwrap().uptime_seconds, 7);
}
