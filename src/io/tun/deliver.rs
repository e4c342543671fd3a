//! Handing packets to the kernel, together where it takes them so, and alone from the moment on that it does not.

use std::io::{self, ErrorKind};

use super::coalesce::{Write, coalesce};
use super::{Counters, Kinds};

/// Puts `packets` on the device by `put`, those of `kinds` together. A kind of which the kernel calls superpackets invalid, though
/// not their packets, is none any more; what the refused one held is written all the same.
pub(super) fn deliver<'a>(
    kinds: &mut Kinds,
    counters: &mut Counters,
    packets: impl IntoIterator<Item = &'a [u8]>,
    mut put: impl FnMut(&Write<'_>) -> io::Result<()>,
) {
    let mut accepted = *kinds;
    coalesce(*kinds, packets, |write| {
        let count = write.packets().len() as u64;
        let error = match put(write) {
            Ok(()) => {
                counters.sent += count;
                counters.coalesced += if count > 1 { count } else { 0 };
                return;
            }
            Err(error) => error,
        };
        let Some(transport) = write.transport().filter(|_| error.raw_os_error() == Some(libc::EINVAL)) else {
            return counters.lose(&error, count);
        };
        counters.uncoalesced += 1;
        let before = counters.sent;
        for packet in write.packets() {
            match put(&Write::plain(packet)) {
                Ok(()) => counters.sent += 1,
                Err(error) => counters.lose(&error, 1),
            }
        }
        if counters.sent > before {
            accepted = accepted.without(transport);
        }
    });
    if accepted != *kinds {
        *kinds = accepted;
        tracing::warn!("the kernel refuses superpackets on the TUN device; it still takes those of: {kinds}");
    }
}

impl Counters {
    fn lose(&mut self, error: &io::Error, packets: u64) {
        let full = error.kind() == ErrorKind::WouldBlock
            || matches!(error.raw_os_error(), Some(libc::ENOBUFS | libc::ENOMEM));
        let counter = if full { &mut self.full } else { &mut self.refused };
        *counter += packets;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::superpacket::{Superpacket, Transport};

    const ALL: Kinds = Kinds { tcp: true, udp: true };

    /// Three datagrams of one flow, with right checksums.
    fn train() -> Vec<Vec<u8>> {
        let mut headers =
            [&[0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0][..], &[192, 0, 2, 1, 192, 0, 2, 2]].concat();
        headers.extend([0, 9, 0, 9, 0, 0, 0, 0]);
        let whole = [&headers[..], &[7; 300]].concat();
        let left = crate::superpacket::Left::Segmentation { transport: Transport::Udp, size: 100 };
        let segments = Superpacket::new(&whole, left).segments().unwrap();
        segments
            .iter()
            .map(|segment| {
                let mut packet = vec![0; segment.len()];
                segment.write(&mut packet);
                packet
            })
            .collect()
    }

    /// Writes the train to a kernel that answers so; what of it arrived, and what is left of the kinds.
    fn written(answer: impl Fn(&Write<'_>) -> Option<i32>) -> (Vec<Vec<u8>>, Kinds, Counters) {
        let (mut kinds, mut counters, mut arrived) = (ALL, Counters::default(), Vec::new());
        let train = train();
        deliver(&mut kinds, &mut counters, train.iter().map(Vec::as_slice), |write| match answer(write) {
            Some(errno) => Err(io::Error::from_raw_os_error(errno)),
            None => {
                arrived.extend(write.packets().iter().map(|packet| packet.to_vec()));
                Ok(())
            }
        });
        (arrived, kinds, counters)
    }

    fn several(write: &Write<'_>) -> bool {
        write.packets().len() > 1
    }

    #[test]
    fn a_train_is_one_write() {
        let (arrived, kinds, counters) = written(|_| None);
        assert_eq!((arrived, kinds), (train(), ALL));
        assert_eq!(counters, Counters { sent: 3, coalesced: 3, ..Counters::default() });
    }

    #[test]
    fn what_is_refused_together_is_written_alone_and_not_tried_again() {
        let (arrived, kinds, counters) = written(|write| several(write).then_some(libc::EINVAL));
        assert_eq!((arrived, kinds), (train(), Kinds { tcp: true, udp: false }));
        assert_eq!(counters, Counters { sent: 3, uncoalesced: 1, ..Counters::default() });
    }

    #[test]
    fn packets_that_are_refused_alone_as_well_say_nothing_of_superpackets() {
        let (_, kinds, counters) = written(|_| Some(libc::EINVAL));
        assert_eq!(kinds, ALL);
        assert_eq!(counters, Counters { refused: 3, uncoalesced: 1, ..Counters::default() });
    }

    #[test]
    fn a_device_that_is_full_or_down_keeps_its_superpackets() {
        for errno in [libc::EAGAIN, libc::ENOBUFS] {
            let (_, kinds, counters) = written(|_| Some(errno));
            assert_eq!((kinds, counters), (ALL, Counters { full: 3, ..Counters::default() }));
        }
        let (_, kinds, counters) = written(|_| Some(libc::EIO));
        assert_eq!((kinds, counters), (ALL, Counters { refused: 3, ..Counters::default() }));
    }
}
