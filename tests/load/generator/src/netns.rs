//! Sockets in another network namespace: one process can stand at both ends of the machine it loads.

use std::fs::File;
use std::path::Path;

use anyhow::Context as _;
use nix::sched::{CloneFlags, setns};

/// Runs `make` in the namespace `name` of `ip netns`; what it makes stays there. `None` is the process's own.
pub(crate) fn within<T: Send>(
    name: Option<&str>,
    make: impl FnOnce() -> anyhow::Result<T> + Send,
) -> anyhow::Result<T> {
    let Some(name) = name else { return make() };
    let path = Path::new("/run/netns").join(name);
    let namespace = File::open(&path).with_context(|| format!("no network namespace {name}"))?;
    // A thread of its own, so that the process stays where it is.
    let enter = move || {
        setns(namespace, CloneFlags::CLONE_NEWNET).with_context(|| format!("cannot enter {name}"))?;
        make()
    };
    std::thread::scope(|scope| match scope.spawn(enter).join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}
