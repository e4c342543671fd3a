//! Down: what the TUN device had ready becomes runs of sealed ESP packets.

use std::{ops::Range, time::Instant};

use arrayvec::ArrayVec;
use ipsec::{Lane, Path, PeerId, SealKey, Transmit};

use super::{
    Datapath, Discard, Inside, LANES, Origin, PPP_LEN, PREFIX_LEN, Policy, Session, SessionIndex, UDP_LEN,
    address::Ipv4,
    address6::Ipv6,
    ahead::AHEAD,
    checksum,
    envelope::{self, Envelope},
    mss, too_big, udp_header,
};
use crate::superpacket::{Left, Segment, Superpacket};

/// Sealed ESP packets, back to back in one buffer, as runs that one `UDP_SEGMENT` send each can take.
#[derive(Debug, Default)]
pub struct Downlink {
    arena: Vec<u8>,
    used: usize,
    packets: usize,
    runs: Vec<Run>,
    /// Of which runs it is time to send.
    turn: Pace,
    /// What senders of packets are told that could not be sent.
    back: Vec<Vec<u8>>,
    /// A packet that is being cut, kept for its memory.
    pub(super) whole: Vec<u8>,
}

/// Packets to one client, all of one size but for a shorter last; runs follow each other without a gap.
#[derive(Debug)]
struct Run {
    peer: usize,
    path: Path,
    bytes: Range<usize>,
    segment: usize,
    pace: Pace,
}

/// How long a cipher takes for a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Pace {
    #[default]
    Quick,
    /// So long that nobody else should wait for it.
    Slow,
}

impl Downlink {
    /// For every run that is to be sent now: its path, its bytes and the size of its segments. Only a run's last segment may be shorter.
    pub fn runs(&self) -> impl Iterator<Item = (Path, &[u8], usize)> + '_ {
        self.due().map(|run| (run.path, &self.arena[run.bytes.clone()], run.segment))
    }

    /// IP packets for the TUN device: to senders whose packets are too long for a client.
    pub fn back(&self) -> impl Iterator<Item = &[u8]> {
        self.back.iter().map(Vec::as_slice)
    }

    fn due(&self) -> impl Iterator<Item = &Run> {
        self.runs.iter().filter(|run| run.pace == self.turn)
    }

    fn clear(&mut self) {
        self.used = 0;
        self.packets = 0;
        self.runs.clear();
        self.turn = Pace::Quick;
        self.back.clear();
    }

    /// Room for one more packet of `len` bytes.
    pub(super) fn reserve(&mut self, len: usize) -> &mut [u8] {
        let end = self.used + len;
        if self.arena.len() < end {
            self.arena.resize(end.next_power_of_two(), 0);
        }
        &mut self.arena[self.used..end]
    }

    /// Keeps the packet that was written into the room for `len` bytes.
    pub(super) fn commit(&mut self, peer: usize, path: Path, len: usize, pace: Pace) {
        let bytes = self.used..self.used + len;
        self.used = bytes.end;
        self.packets += 1;
        match self.runs.last_mut() {
            Some(run)
                if run.peer == peer
                    && run.path == path
                    && len <= run.segment
                    && run.bytes.len() % run.segment == 0 =>
            {
                run.bytes.end = bytes.end;
            }
            _ => self.runs.push(Run { peer, path, bytes, segment: len, pace }),
        }
    }
}

impl Datapath {
    /// Takes IP `packets` down the stack by way of `down`, which `send` is handed when packets in it can go: first those whose cipher is
    /// quick, and then, while they are on their way, those that take long.
    pub(crate) fn down<'a>(
        &mut self,
        now: Instant,
        origin: Origin,
        packets: impl IntoIterator<Item = Superpacket<'a>>,
        down: &mut Downlink,
        mut send: impl FnMut(&Downlink),
    ) {
        down.clear();
        let mut packets = packets.into_iter();
        loop {
            let some: ArrayVec<_, AHEAD> = packets.by_ref().take(AHEAD).collect();
            if some.is_empty() {
                break;
            }
            self.look_ahead_down(&some);
            for packet in some {
                if let Err(Lost { packets, why }) = self.frame(now, origin, packet, down) {
                    self.discards.add(why, packets);
                }
            }
        }
        self.packets_out += down.packets as u64;
        for pace in [Pace::Quick, Pace::Slow] {
            down.turn = pace;
            if down.due().next().is_some() || !down.back.is_empty() {
                self.seal(down);
                send(down);
            }
            down.back.clear();
        }
    }

    /// Finds the session of `packet` and writes every segment of it, framed but not yet encrypted, into `down`.
    fn frame(
        &mut self,
        now: Instant,
        origin: Origin,
        packet: Superpacket<'_>,
        down: &mut Downlink,
    ) -> Result<(), Lost> {
        let all = |why| Lost { packets: packet.count(), why };
        let Headers { inside, len, tcp } = Headers::read(packet.bytes(), &self.policy).map_err(all)?;
        let packet = packet.truncate(len);
        let segments = packet.segments().map_err(|_| all(Discard::MalformedIp))?;
        let Some(session) = self.session_of(inside) else {
            let handed = self.elsewhere.hand_ip(origin, inside, packet);
            return if handed { Ok(()) } else { Err(all(Discard::NoRoute)) };
        };
        let Session { peer: place, prefix, mtu, mss, meter, limits, told, .. } = &mut self.sessions[session];
        let peer = &mut self.peers[*place];
        let outbound = peer.current.and_then(|current| peer.outbound.get_mut(current));
        let mut envelope = Envelope {
            peer: *place,
            path: peer.path,
            sa: &mut outbound.ok_or_else(|| all(Discard::NoSa))?.sa,
            ivs: &mut self.ivs,
            headers: envelope::headers(prefix, inside),
            meter,
        };
        let mss = match inside {
            Inside::V4(_) => *mss,
            Inside::V6(_) | Inside::Delegated(_) => mss::over_ipv6(*mss),
        };
        // Of what is cut, nothing opens a connection.
        let tcp = tcp.filter(|_| !matches!(packet.left(), Left::Segmentation { .. }));
        let write = |segment: &Segment<'_>, body: &mut [u8]| {
            segment.write(body);
            if let Some(segment) = tcp.clone().and_then(|place| body.get_mut(place)) {
                mss::clamp(segment, mss);
            }
        };
        for (index, segment) in segments.iter().enumerate() {
            let fits = segment.len() <= usize::from(*mtu);
            let sent = if !fits && too_big::is_atomic(packet.bytes()) {
                // Of what both have to admit, neither is used up for what the other refuses.
                if too_big::has_answer(packet.bytes()) && self.telling.admits(now) && told.admit(now) {
                    self.telling.admit(now);
                    down.back.extend(too_big::answer(packet.bytes(), *mtu));
                }
                Err(Discard::TooBig)
            } else if let Some(limits) = limits
                && let Err(discard) = limits.admit_down(now, segment.len())
            {
                self.discards.count(discard);
                Ok(())
            } else if fits {
                envelope.put(down, segment.len(), |body| write(&segment, body))
            } else {
                envelope.put_cut(down, segment.len(), |body| write(&segment, body), *mtu)
            };
            if let Err(why) = sent {
                if why == Discard::Exhausted && !self.exhausted.contains(&peer.id) {
                    self.exhausted.push(peer.id);
                }
                return Err(Lost { packets: packet.count() - index, why });
            }
        }
        Ok(())
    }

    /// The place of the session that packets to this destination belong to.
    pub(super) fn session_of(&self, inside: Inside) -> Option<usize> {
        match inside {
            Inside::V4(address) => self.by_address.get(&address),
            Inside::V6(prefix) => self.by_prefix.get(&prefix),
            Inside::Delegated(delegated) => self.by_prefix.get(&delegated.first()),
        }
        .copied()
    }

    /// Encrypts those packets of `down` whose turn it is, [`LANES`] at a time.
    fn seal(&self, down: &mut Downlink) {
        let mut lanes = ArrayVec::<Lane<'_, SealKey>, LANES>::new();
        let mut rest = &mut down.arena[..down.used];
        for run in &down.runs {
            let (packets, behind) = rest.split_at_mut(run.bytes.len());
            rest = behind;
            if run.pace != down.turn {
                continue;
            }
            let peer = &self.peers[run.peer];
            let outbound = peer.current.and_then(|current| peer.outbound.get(current));
            let outbound = outbound.expect("what is framed has its key: nothing leaves unprotected");
            for packet in packets.chunks_mut(run.segment) {
                if lanes.is_full() {
                    ipsec::seal_batch(&mut lanes);
                    lanes.clear();
                }
                lanes.push(Lane { key: outbound.sa.key(), packet });
            }
        }
        ipsec::seal_batch(&mut lanes);
    }

    /// Seals one L2TP control message to `port` of `peer`.
    pub(crate) fn seal_control(&mut self, peer: PeerId, port: u16, message: &[u8]) -> Option<Transmit> {
        let place = *self.by_peer.get(&peer)?;
        self.seal_one(place, &[&udp_header(port, u16::try_from(message.len()).ok()?), message])
    }

    /// Seals one PPP frame, address and control field included, into `session`.
    pub(crate) fn seal_frame(&mut self, session: SessionIndex, frame: &[u8]) -> Option<Transmit> {
        let session = self.by_session.get(&session)?;
        let Session { peer, port, prefix, .. } = self.sessions.get(*session)?;
        let place = *peer;
        let l2tp: [u8; PREFIX_LEN - UDP_LEN - PPP_LEN] = *prefix[UDP_LEN..].first_chunk()?;
        let udp = udp_header(*port, u16::try_from(l2tp.len() + frame.len()).ok()?);
        self.seal_one(place, &[&udp, &l2tp, frame])
    }

    /// Seals the concatenation of `parts` for the peer at `place`; counts and drops what has no SA to go through.
    fn seal_one(&mut self, place: usize, parts: &[&[u8]]) -> Option<Transmit> {
        let peer = self.peers.get_mut(place)?;
        let Some(outbound) = peer.current.and_then(|current| peer.outbound.get_mut(current)) else {
            self.discards.count(Discard::NoSa);
            return None;
        };
        let mut payload = parts.concat();
        checksum::fill(peer.path, &mut payload);
        let header_len = outbound.sa.header_len();
        let mut packet = vec![0; outbound.sa.packet_len(payload.len())];
        packet[header_len..header_len + payload.len()].copy_from_slice(&payload);
        if outbound.sa.frame(&mut self.ivs, &mut packet, payload.len()).is_err() {
            self.discards.count(Discard::Exhausted);
            return None;
        }
        ipsec::seal_batch(&mut [Lane { key: outbound.sa.key(), packet: &mut packet }]);
        Some(Transmit { path: peer.path, payload: packet })
    }
}

/// Packets of a superpacket that were not sent.
struct Lost {
    packets: usize,
    why: Discard,
}

/// What is read of an IP packet down.
pub(super) struct Headers {
    pub(super) inside: Inside,
    /// What follows in the buffer is padding.
    len: usize,
    tcp: Option<Range<usize>>,
}

impl Headers {
    pub(super) fn read(packet: &[u8], policy: &Policy) -> Result<Self, Discard> {
        match packet.first().map(|byte| byte >> 4) {
            Some(4) => {
                let ip = Ipv4::parse(packet).ok_or(Discard::MalformedIp)?;
                Ok(Self { inside: Inside::V4(ip.destination), len: ip.len, tcp: ip.tcp() })
            }
            Some(6) => {
                let ip = Ipv6::parse(packet).ok_or(Discard::MalformedIp)?;
                Ok(Self { inside: policy.inside6(ip.destination), len: ip.len, tcp: ip.tcp() })
            }
            _ => Err(Discard::NotIp),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(port: u16) -> Path {
        Path { local: ([203, 0, 113, 1], 4500).into(), remote: ([198, 51, 100, 7], port).into() }
    }

    fn put(down: &mut Downlink, port: u16, len: usize) {
        down.reserve(len).fill(u8::try_from(port).unwrap());
        down.commit(0, path(port), len, Pace::Quick);
    }

    #[test]
    fn equal_sizes_to_one_client_make_one_run_and_a_shorter_one_ends_it() {
        let mut down = Downlink::default();
        for len in [100, 100, 40, 100] {
            put(&mut down, 1, len);
        }
        let runs: Vec<_> = down.runs().map(|(_, bytes, segment)| (bytes.len(), segment)).collect();
        assert_eq!(runs, [(240, 100), (100, 100)]);
    }

    #[test]
    fn another_client_or_a_longer_packet_begins_a_run() {
        let mut down = Downlink::default();
        for (port, len) in [(1, 50), (2, 50), (2, 60), (1, 60)] {
            put(&mut down, port, len);
        }
        let runs: Vec<_> =
            down.runs().map(|(path, bytes, segment)| (path.remote.port(), bytes.len(), segment)).collect();
        assert_eq!(runs, [(1, 50, 50), (2, 50, 50), (2, 60, 60), (1, 60, 60)]);
        assert!(
            down.runs()
                .all(|(path, bytes, _)| bytes.iter().all(|byte| u16::from(*byte) == path.remote.port()))
        );
    }
}
