//! Which cores the process may use, and a thread's place on one of them.

use std::num::NonZeroU32;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use crate::server::Shards;

/// The cores that this process may use, as the kernel numbers them.
pub(super) struct Cores(Vec<usize>);

impl Cores {
    pub(super) fn allowed() -> Self {
        let set = sched_getaffinity(Pid::from_raw(0));
        let is_set = |core: &usize| set.as_ref().is_ok_and(|set| set.is_set(*core).unwrap_or(false));
        Self((0..CpuSet::count()).filter(is_set).collect())
    }

    /// As many shards as the operator wants; else one a core, or fewer where the process may not use its cores all the time.
    pub(super) fn shards(&self, wanted: Option<NonZeroU32>) -> Shards {
        let cores = std::thread::available_parallelism().map_or(1, usize::from).min(self.0.len().max(1));
        let auto = || u32::try_from(cores).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
        Shards::new(wanted.unwrap_or_else(auto).min(MOST_SHARDS))
    }

    /// Ties the calling thread to the core at `index`, if every core has one such thread. Fewer are left to the scheduler: it knows
    /// what else runs.
    pub(super) fn pin(&self, index: usize, shards: Shards) {
        let (Some(core), true) = (self.0.get(index), self.0.len() == shards.count().get() as usize) else {
            return;
        };
        let mut set = CpuSet::new();
        let pinned = set.set(*core).and_then(|()| sched_setaffinity(Pid::from_raw(0), &set));
        if let Err(error) = pinned {
            tracing::debug!("a thread cannot be tied to core {core}: {error}");
        }
    }
}

/// More would only cost memory on any machine of today.
pub(crate) const MOST_SHARDS: NonZeroU32 = NonZeroU32::new(64).expect("not zero");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_tied_to_its_core_and_one_of_few_is_not() {
        let cores = Cores::allowed();
        let all = Shards::new(NonZeroU32::try_from(cores.0.len() as u32).unwrap());
        let of_thread = |index: usize, shards: Shards| {
            let cores = Cores::allowed();
            let after = move || {
                cores.pin(index, shards);
                Cores::allowed().0
            };
            std::thread::spawn(after).join().unwrap()
        };
        let last = cores.0.len() - 1;
        assert_eq!(of_thread(last, all), [cores.0[last]]);
        let more = Shards::new(NonZeroU32::try_from(cores.0.len() as u32 + 1).unwrap());
        assert_eq!(of_thread(0, more), cores.0);
    }

    #[test]
    fn the_operator_has_the_last_word() {
        let cores = Cores::allowed();
        assert_eq!(cores.shards(NonZeroU32::new(3)).count().get(), 3);
        assert!((1..=64).contains(&cores.shards(None).count().get()));
    }
}
