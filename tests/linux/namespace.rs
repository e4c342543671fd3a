//! A network namespace that lives as long as a closure.

use std::process::Command;

use nix::sched::{CloneFlags, unshare};

/// Runs `body` on a thread of its own in a new network namespace with loopback up.
pub(crate) fn within<T: Send>(body: impl FnOnce() -> T + Send) -> T {
    let run = || {
        if let Err(error) = unshare(CloneFlags::CLONE_NEWNET) {
            panic!("this test needs root, for a network namespace of its own: {error}");
        }
        run(&["ip", "link", "set", "lo", "up"]);
        body()
    };
    std::thread::scope(|scope| match scope.spawn(run).join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

/// Runs a program in the calling thread's namespace and returns what it printed.
pub(crate) fn run(command: &[&str]) -> String {
    let (program, arguments) = command.split_first().expect("a program");
    let output =
        Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}
