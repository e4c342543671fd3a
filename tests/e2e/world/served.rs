//! The server in the world: what reaches it, and what it does.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use adit::server::Server;
use adit::superpacket::Superpacket;
use ipsec::Path;
use nix::time::{ClockId, clock_gettime};

use super::network::{Incoming, Network, server_for};
use super::{Recorded, World};

impl World {
    /// Brings one datagram to the server; the bytes it sends at once to where it came from.
    pub(crate) fn inject(&mut self, from: SocketAddr, port: u16, payload: &[u8]) -> usize {
        let before = self.record.len();
        self.deliver(vec![Incoming { from, port, payload: payload.to_vec() }]);
        self.record[before..]
            .iter()
            .filter(|sent| !sent.to_server && sent.remote == from)
            .map(|sent| sent.payload.len())
            .sum()
    }

    /// Brings datagrams to the server at once, and the packets in them to where they are going.
    pub(crate) fn deliver(&mut self, batch: Vec<Incoming>) {
        let recorded = batch.iter().map(|Incoming { from, port, payload }| Recorded {
            remote: *from,
            to_server: true,
            port: *port,
            payload: payload.clone(),
        });
        self.record.extend(recorded);
        let before = self.record.len();
        let all_first = batch.iter().all(|datagram| is_first_message(datagram.port, &datagram.payload));
        let length: usize = batch.iter().map(|datagram| datagram.payload.len()).sum();
        self.bring_datagrams(batch);
        if all_first {
            let answer: usize = self.record[before..].iter().map(|sent| sent.payload.len()).sum();
            assert!(answer <= length, "strangers' {length} bytes were answered with {answer}");
        }
    }

    /// IP packets come out of the TUN device, at once.
    pub(crate) fn send_from_beyond(&mut self, packets: &[&[u8]]) {
        self.send_superpackets(packets.iter().map(|packet| Superpacket::from(*packet)));
    }

    /// The same of packets that the kernel has left something to do for.
    pub(crate) fn send_superpackets<'a>(&mut self, packets: impl IntoIterator<Item = Superpacket<'a>>) {
        self.bring_packets(packets);
    }

    /// Runs jobs, sends and logs until the server is quiet; whether there was anything.
    pub(super) fn drain_server(&mut self) -> bool {
        let mut any = false;
        while self.drain_once() {
            any = true;
        }
        any
    }

    fn drain_once(&mut self) -> bool {
        let mut any = false;
        let now = self.now;
        while let Some(job) = self.server.poll_job(now) {
            any = true;
            self.timed(|server| server.handle_job(now, job.run()));
        }
        while let Some(transmit) = self.server.poll_transmit() {
            any = true;
            send(&mut self.network, &mut self.record, now, transmit.path, transmit.payload);
        }
        any |= self.drain_shards();
        while let Some(line) = self.server.poll_event() {
            any = true;
            self.log.push(format!("{:>12.6} {:?} {line}", self.elapsed().as_secs_f64(), line.level));
        }
        any
    }

    /// Calls the server and counts its processor time.
    pub(super) fn timed<T>(&mut self, call: impl FnOnce(&mut Server) -> T) -> T {
        let before = processor_time();
        let result = call(&mut self.server);
        let stage = self.devices.first().and_then(|device| device.client.timeline().last());
        *self.processor.entry(stage).or_default() += processor_time() - before;
        result
    }
}

/// Puts a datagram of the server on the network.
pub(super) fn send(
    network: &mut Network,
    record: &mut Vec<Recorded>,
    now: Instant,
    path: Path,
    payload: Vec<u8>,
) {
    assert_eq!(path.local.ip(), server_for(path.remote.ip()), "the server answers from where it was asked");
    let port = path.local.port();
    record.push(Recorded { remote: path.remote, to_server: false, port, payload: payload.clone() });
    network.send_from_server(now, port, path.remote, payload);
}

/// An IKE message that carries no cookie of ours: from anybody.
fn is_first_message(port: u16, payload: &[u8]) -> bool {
    let message = if port == 500 { Some(payload) } else { payload.strip_prefix(&[0; 4]) };
    message.and_then(|message| message.get(8..16)) == Some(&[0; 8])
}

fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}
