//! What a measurement cost: a core's time, a process's time and memory, from `/proc`.

use anyhow::Context as _;
use serde::Serialize;

/// Whose use is measured.
#[derive(Clone, Copy, Default, clap::Args)]
pub(crate) struct Watched {
    /// The core that the server has, to show how busy it was
    #[arg(long)]
    core: Option<usize>,
    /// The server's process, to show its time and memory
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
}

/// The state of everything that is watched, at one moment.
#[derive(Clone, Copy)]
pub(crate) struct Snapshot {
    core: Option<Ticks>,
    own_core: Option<Ticks>,
    process: Option<f64>,
}

/// What was used between two moments.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Usage {
    /// The share of the server's core that was in use, by whatever it was, and the same in seconds.
    pub(crate) core_busy: Option<f64>,
    /// The share of our own core.
    pub(crate) own_core_busy: Option<f64>,
    /// Seconds that the server's process ran.
    pub(crate) process_seconds: Option<f64>,
}

impl Watched {
    /// Looks.
    pub(crate) fn snapshot(&self) -> anyhow::Result<Snapshot> {
        let stat = std::fs::read_to_string("/proc/stat")?;
        Ok(Snapshot {
            core: self.core.map(|core| Ticks::of(&stat, core).context("no such core")).transpose()?,
            own_core: own_core().and_then(|core| Ticks::of(&stat, core)),
            process: self.pid.map(process_seconds).transpose()?,
        })
    }

    /// What was used since.
    pub(crate) fn since(&self, before: &Snapshot) -> anyhow::Result<Usage> {
        let after = self.snapshot()?;
        let share =
            |before: Option<Ticks>, after| before.zip(after).map(|(b, a): (Ticks, _)| b.busy_until(a));
        Ok(Usage {
            core_busy: share(before.core, after.core),
            own_core_busy: share(before.own_core, after.own_core),
            process_seconds: before.process.zip(after.process).map(|(before, after)| after - before),
        })
    }

    /// Bytes of memory that the process has, of its own and not of files.
    pub(crate) fn memory(&self) -> anyhow::Result<Option<u64>> {
        self.pid.map(process_memory).transpose()
    }
}

/// What a core did since the machine started, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ticks {
    busy: u64,
    all: u64,
}

impl Ticks {
    /// Reads a core's line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal.
    fn of(stat: &str, core: usize) -> Option<Self> {
        let prefix = format!("cpu{core} ");
        let line = stat.lines().find_map(|line| line.strip_prefix(&prefix))?;
        let ticks: Vec<u64> = line.split_whitespace().take(8).map_while(|word| word.parse().ok()).collect();
        let all = ticks.iter().sum();
        let idle: u64 = ticks.iter().skip(3).take(2).sum();
        Some(Self { busy: all - idle, all })
    }

    fn busy_until(self, later: Self) -> f64 {
        let (busy, all) = (later.busy - self.busy, later.all - self.all);
        if all == 0 { 0.0 } else { busy as f64 / all as f64 }
    }
}

/// The core that this process may use, if it is one.
fn own_core() -> Option<usize> {
    let cores = nix::sched::sched_getaffinity(nix::unistd::Pid::this()).ok()?;
    let mut allowed = (0..nix::sched::CpuSet::count()).filter(|core| cores.is_set(*core).unwrap_or(false));
    allowed.next().filter(|_| allowed.next().is_none())
}

/// Seconds for which the threads that the process has now were running.
fn process_seconds(pid: u32) -> anyhow::Result<f64> {
    let tasks =
        std::fs::read_dir(format!("/proc/{pid}/task")).with_context(|| format!("no process {pid}"))?;
    let mut nanoseconds = 0;
    for task in tasks {
        // A thread may end meanwhile.
        let Ok(text) = std::fs::read_to_string(task?.path().join("schedstat")) else { continue };
        nanoseconds += text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0_u64);
    }
    Ok(nanoseconds as f64 / 1e9)
}

fn process_memory(pid: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))
        .with_context(|| format!("no process {pid}"))?;
    anonymous(&status).context("a process without RssAnon")
}

/// The line `RssAnon: … kB`, in bytes.
fn anonymous(status: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    Some(value.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_is_busy_when_it_is_not_idle() {
        let before = "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 1 0 1 10 2 0 1 0 0 0\ncpu1 5 0 5 80 0 0 0 0 0 0\n";
        let after = "cpu0 2 0 3 14 3 0 2 1 0 0\n";
        let [before, after] = [before, after].map(|stat| Ticks::of(stat, 0).unwrap());
        assert_eq!(before, Ticks { busy: 3, all: 15 });
        assert_eq!(before.busy_until(after), 0.5);
        assert_eq!(Ticks::of("cpu0 1 0\n", 1), None);
    }

    #[test]
    fn memory_is_what_the_process_has_of_its_own() {
        assert_eq!(anonymous("VmRSS:\t  900 kB\nRssAnon:\t     12 kB\n"), Some(12_288));
        assert_eq!(anonymous("VmRSS:\t  900 kB\n"), None);
    }
}
