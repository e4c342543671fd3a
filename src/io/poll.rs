//! Waiting for any of a handful of descriptors, until a deadline, or for another thread.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use arrayvec::ArrayVec;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::time::TimeSpec;

/// Waits until one of `descriptors` is readable (or broken: its next read says how), or `timeout` is over;
/// `None` waits for ever. A signal ends the wait with nothing ready.
///
/// # Panics
///
/// With more than [`MAX_DESCRIPTORS`] descriptors.
pub fn wait<'fd>(
    descriptors: impl IntoIterator<Item = BorrowedFd<'fd>>,
    timeout: Option<Duration>,
) -> io::Result<Ready> {
    let mut polled: ArrayVec<PollFd<'fd>, MAX_DESCRIPTORS> =
        descriptors.into_iter().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
    match ppoll(&mut polled, timeout.map(TimeSpec::from), None) {
        Ok(_) => {}
        Err(Errno::EINTR) => return Ok(Ready(0)),
        Err(errno) => return Err(errno.into()),
    }
    let bits = polled.iter().enumerate().filter(|(_, fd)| fd.any() != Some(false));
    Ok(Ready(bits.fold(0, |bits, (index, _)| bits | 1 << index)))
}

/// Which of the descriptors given to [`wait`] are ready, by their position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready(u64);

impl Ready {
    /// Whether the descriptor at `index` can be read.
    #[must_use]
    pub fn contains(self, index: usize) -> bool {
        index < MAX_DESCRIPTORS && self.0 & (1 << index) != 0
    }
}

/// Ends a [`wait`] from another thread; clones wake the same one.
#[derive(Clone, Debug)]
pub struct Waker(Arc<EventFd>);

impl Waker {
    /// A waker whose descriptor ([`AsFd`]) goes among those waited for.
    pub fn new() -> io::Result<Self> {
        let event = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
        Ok(Self(Arc::new(event)))
    }

    /// Makes the descriptor ready until [`Self::clear`].
    pub fn wake(&self) {
        // Fails only when 2^64 - 2 wake-ups are pending, and then it is ready anyway.
        let _ = self.0.write(1);
    }

    /// Takes back every wake-up so far. Clear first, then look for what the wake-up was about.
    pub fn clear(&self) {
        // Fails only when nothing is pending.
        let _ = self.0.read();
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The most descriptors one [`wait`] takes.
pub const MAX_DESCRIPTORS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ready_when_time_is_over() {
        let waker = Waker::new().unwrap();
        assert_eq!(wait([waker.as_fd()], Some(Duration::from_nanos(1500))).unwrap(), Ready(0));
    }

    #[test]
    fn another_thread_wakes_until_cleared() {
        let (idle, waker) = (Waker::new().unwrap(), Waker::new().unwrap());
        let other = waker.clone();
        let thread = std::thread::spawn(move || other.wake());
        let ready = wait([idle.as_fd(), waker.as_fd()], None).unwrap();
        thread.join().unwrap();
        assert!(!ready.contains(0) && ready.contains(1) && !ready.contains(64));
        assert!(wait([waker.as_fd()], None).unwrap().contains(0));
        waker.clear();
        assert_eq!(wait([waker.as_fd()], Some(Duration::ZERO)).unwrap(), Ready(0));
    }
}
