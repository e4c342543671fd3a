//! What the kernel can do for a UDP socket: segmentation (UDP_SEGMENT) and coalescing (UDP_GRO).

use std::fmt;

use socket2::Socket;

use super::set_option;
use crate::config::Switch;

/// Which offloads are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offload {
    /// Sends carry many datagrams that the kernel or the card takes apart (`UDP_SEGMENT`).
    pub segmentation: bool,
    /// Receives carry many datagrams that the kernel or the card put together (`UDP_GRO`).
    pub coalescing: bool,
}

impl Offload {
    /// None: every datagram goes alone.
    pub const OFF: Self = Self { segmentation: false, coalescing: false };

    /// What the running kernel is known to do right.
    #[must_use]
    pub fn detect() -> Self {
        Self::choose(Switch::Auto)
    }

    /// The same, with segmentation as the operator wants it. Coalescing is no choice: it is harmless, or it does not work.
    #[must_use]
    pub fn choose(segmentation: Switch) -> Self {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok();
        let known = release.and_then(|release| Release::parse(&release)).map_or(Self::OFF, Self::of);
        if segmentation == Switch::Auto && !known.segmentation {
            tracing::warn!(
                "this kernel is not trusted to cut datagrams: sending one at a time (`udp_gso: on` has it cut them all the same)"
            );
        }
        known.switched(segmentation)
    }

    fn switched(self, segmentation: Switch) -> Self {
        let segmentation = match segmentation {
            Switch::Auto => self.segmentation,
            Switch::On => true,
            Switch::Off => false,
        };
        Self { segmentation, ..self }
    }

    fn of(release: Release) -> Self {
        Self {
            // 7.0 mangles the UDP header and checksum of segments until 7.1.5, and there is no way to see
            // that from here.
            segmentation: release >= Release(4, 18, 0)
                && !(Release(7, 0, 0)..Release(7, 1, 5)).contains(&release),
            // Before 5.12 coalesced datagrams get lost or mixed up on some paths.
            coalescing: release >= Release(5, 12, 0),
        }
    }

    /// Switches on what is wished for and returns what the socket agreed to.
    pub(super) fn enable(self, socket: &Socket) -> Self {
        Self {
            // Zero means no size for the whole socket; only asks whether the option exists.
            segmentation: self.segmentation
                && set_option(socket, libc::SOL_UDP, libc::UDP_SEGMENT, 0).is_ok(),
            coalescing: self.coalescing && set_option(socket, libc::SOL_UDP, libc::UDP_GRO, 1).is_ok(),
        }
    }
}

impl fmt::Display for Offload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.segmentation, self.coalescing) {
            (true, true) => "segmentation and coalescing",
            (true, false) => "segmentation",
            (false, true) => "coalescing",
            (false, false) => "nothing",
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Release(u32, u32, u32);

impl Release {
    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(str::parse);
        let major = numbers.next()?.ok()?;
        let minor = numbers.next()?.ok()?;
        let patch = numbers.next().and_then(Result::ok).unwrap_or(0);
        Some(Self(major, minor, patch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(release: &str) -> (bool, bool) {
        switched(release, Switch::Auto)
    }

    fn switched(release: &str, segmentation: Switch) -> (bool, bool) {
        let known = Release::parse(release).map_or(Offload::OFF, Offload::of);
        let offload = known.switched(segmentation);
        (offload.segmentation, offload.coalescing)
    }

    #[test]
    fn releases_with_known_faults() {
        assert_eq!(of("4.14.0"), (false, false));
        assert_eq!(of("5.10.0-28-amd64\n"), (true, false));
        assert_eq!(of("6.1.0-21-amd64"), (true, true));
        assert_eq!(of("7.0-rc1"), (false, true));
        assert_eq!(of("7.1.4-arch1-1"), (false, true));
        assert_eq!(of("7.1.5"), (true, true));
        assert_eq!(of("Plan 9"), (false, false));
    }

    #[test]
    fn the_operator_decides_of_segmentation_alone() {
        assert_eq!(switched("7.1.4-arch1-1", Switch::On), (true, true));
        assert_eq!(switched("5.10.0-28-amd64", Switch::On), (true, false));
        assert_eq!(switched("6.1.0-21-amd64", Switch::Off), (false, true));
    }
}
