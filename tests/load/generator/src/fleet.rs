//! Any number of clients, in one thread: an epoll for their sockets, a heap for their timers.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use load::{Client, End, Stage};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollTimeout};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::clock;
use crate::dial::Dial;
use crate::member::{Change, DATA, Member};
use crate::socket::LONGEST;

/// Clients of one server, each with a number in the order of dialling.
pub(crate) struct Fleet {
    dial: Dial,
    members: Vec<Member>,
    epoll: Epoll,
    /// When whom to call; entries that are out of date do no harm.
    due: BinaryHeap<Reverse<(Instant, usize)>>,
    events: Vec<EpollEvent>,
    buffer: Vec<u8>,
    /// How many came up.
    up: usize,
    /// Who ended, and why.
    ended: Vec<(usize, End)>,
}

impl Fleet {
    /// Nobody yet.
    pub(crate) fn new(dial: Dial) -> anyhow::Result<Self> {
        Ok(Self {
            dial,
            members: Vec::new(),
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            due: BinaryHeap::new(),
            events: vec![EpollEvent::empty(); 256],
            buffer: vec![0; LONGEST],
            up: 0,
            ended: Vec::new(),
        })
    }

    /// `count` clients that are all up.
    pub(crate) fn dialled(dial: Dial, count: usize) -> anyhow::Result<Self> {
        let mut fleet = Self::new(dial)?;
        fleet.dial_until(count, AT_ONCE, clock() + PATIENCE)?;
        match (fleet.ended.first(), fleet.up) {
            (Some((_, end)), _) => bail!("a connection ended: {end:?}"),
            (None, up) if up < count => {
                let mut connecting = fleet.members.iter_mut().map(Member::client);
                let last = connecting.find(|client| client.stage() != Stage::Up).map(|c| c.timeline().last());
                bail!("{} of {count} have no connection; the first is after {last:?}", count - up)
            }
            _ => Ok(fleet),
        }
    }

    /// Dials until `count` clients were dialled, no more than `at_once` of them under way, and each is up or ended; or until `end`.
    pub(crate) fn dial_until(&mut self, count: usize, at_once: usize, end: Instant) -> anyhow::Result<()> {
        allow_descriptors()?;
        while self.up + self.ended.len() < count && clock() < end {
            // A few at a time: who was dialled wants answers too.
            for _ in 0..STARTS {
                let under_way = self.members.len() - self.up - self.ended.len();
                if self.members.len() < count && under_way < at_once {
                    self.start()?;
                }
            }
            let starting =
                self.members.len() < count && self.members.len() - self.up - self.ended.len() < at_once;
            self.turn(if starting { clock() } else { end }, &mut |_, _| {})?;
        }
        Ok(())
    }

    fn start(&mut self) -> anyhow::Result<()> {
        let number = self.members.len();
        let member = Member::dial(clock(), &self.dial, number)?;
        member.register(&self.epoll, number).context("too many sockets")?;
        self.members.push(member);
        self.settle(number)
    }

    /// How many came up.
    pub(crate) fn up(&self) -> usize {
        self.up
    }

    /// Who ended, and why.
    pub(crate) fn ended(&self) -> &[(usize, End)] {
        &self.ended
    }

    /// Everybody, in order.
    pub(crate) fn members(&mut self) -> &mut [Member] {
        &mut self.members
    }

    /// One client.
    pub(crate) fn client(&mut self, number: usize) -> Option<&mut Client> {
        self.members.get_mut(number).map(Member::client)
    }

    /// Waits no longer than `until` for something to do, and does it; hands IP packets that arrived, with the number of whom
    /// they were for, to `take`.
    pub(crate) fn turn(
        &mut self,
        until: Instant,
        take: &mut dyn FnMut(usize, &[&[u8]]),
    ) -> anyhow::Result<()> {
        let next = self.due.peek().map_or(until, |Reverse((due, _))| until.min(*due));
        let wait = next.saturating_duration_since(clock());
        // Rounded up, so that what is due then is due.
        let wait = if wait.is_zero() { wait } else { wait + Duration::from_millis(1) };
        let count = self.wait(EpollTimeout::try_from(wait.min(Duration::from_secs(60)))?)?;
        for event in 0..count {
            let (number, which) = Member::place(&self.events[event]);
            let Some(member) = self.members.get_mut(number) else { continue };
            let now = clock();
            // A bounded turn: the others want one too.
            for _ in 0..TURN {
                let Some((length, segment)) = member.receive(which, &mut self.buffer)? else { break };
                let datagrams = self.buffer.get_mut(..length).unwrap_or_default().chunks_mut(segment);
                let packets: Vec<&[u8]> = datagrams
                    .filter_map(|datagram| {
                        let range = member.handle(now, which, datagram)?;
                        datagram.get(range)
                    })
                    .collect();
                if !packets.is_empty() {
                    take(number, &packets);
                }
            }
            self.settle(number)?;
        }
        self.call_due()
    }

    /// Counts the datagrams of `expected` bytes that there are, without waiting, and opens only some. Others are handled as far as they are read,
    /// but what there is to say to it waits for [`Self::catch_up`]: it would come with a sequence number after those of
    /// packets that are sealed and not sent yet, and the server would then take these for old.
    pub(crate) fn count(&mut self, expected: usize, tally: &mut Tally) -> anyhow::Result<u64> {
        let before = tally.counted;
        if let [only] = &mut self.members[..] {
            count(only, &mut self.buffer, expected, tally)?;
            return Ok(tally.counted - before);
        }
        for event in 0..self.wait(EpollTimeout::ZERO)? {
            let (number, which) = Member::place(&self.events[event]);
            // IKE can wait.
            if which == DATA
                && let Some(member) = self.members.get_mut(number)
            {
                count(member, &mut self.buffer, expected, tally)?;
            }
        }
        Ok(tally.counted - before)
    }

    /// Waits until `until` for a packet of `size` bytes inside to client `number`; how long it is outside.
    pub(crate) fn await_packet(
        &mut self,
        number: usize,
        size: usize,
        until: Instant,
    ) -> anyhow::Result<Option<usize>> {
        while clock() < until {
            wait([self.as_fd()].into_iter(), until)?;
            let Some(member) = self.members.get_mut(number) else { break };
            while let Some((length, segment)) = member.receive(DATA, &mut self.buffer)? {
                for datagram in self.buffer.get_mut(..length).unwrap_or_default().chunks_mut(segment) {
                    let packet = member.handle(clock(), DATA, datagram);
                    if packet.is_some_and(|packet| packet.len() == size) {
                        return Ok(Some(datagram.len()));
                    }
                }
            }
            self.settle(number)?;
        }
        Ok(None)
    }

    /// Lets everybody say what [`Self::count`] held back, and does what became due meanwhile.
    pub(crate) fn catch_up(&mut self) -> anyhow::Result<()> {
        for number in 0..self.members.len() {
            self.settle(number)?;
        }
        self.turn(clock(), &mut |_, _| {})
    }

    /// Everybody says goodbye.
    pub(crate) fn leave(mut self) -> anyhow::Result<()> {
        let end = clock() + GOODBYE;
        for number in 0..self.members.len() {
            if let Some(client) = self.client(number) {
                client.disconnect(clock());
            }
            self.settle(number)?;
            if number.is_multiple_of(STARTS) {
                self.turn(clock(), &mut |_, _| {})?;
            }
        }
        while self.ended.len() < self.members.len() && clock() < end {
            self.turn(end, &mut |_, _| {})?;
        }
        Ok(())
    }

    fn wait(&mut self, timeout: EpollTimeout) -> anyhow::Result<usize> {
        match self.epoll.wait(&mut self.events, timeout) {
            Ok(count) => Ok(count),
            Err(nix::Error::EINTR) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    fn call_due(&mut self) -> anyhow::Result<()> {
        let now = clock();
        while let Some(Reverse((due, number))) = self.due.peek().copied()
            && due <= now
        {
            self.due.pop();
            if self.members.get_mut(number).is_some_and(|member| member.handle_timeout(now)) {
                self.settle(number)?;
            }
        }
        Ok(())
    }

    fn settle(&mut self, number: usize) -> anyhow::Result<()> {
        let Some(member) = self.members.get_mut(number) else { return Ok(()) };
        match member.settle()? {
            None => {}
            Some(Change::Up) => self.up += 1,
            Some(Change::Ended(end)) => self.ended.push((number, end)),
        }
        self.due.extend(member.newly_due().map(|due| Reverse((due, number))));
        Ok(())
    }
}

impl AsFd for Fleet {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }
}

/// Packets of a flood that arrived so far.
#[derive(Default)]
pub(crate) struct Tally {
    counted: u64,
    receptions: u64,
}

/// Of most receptions only the beginning is read, for the reason that [`UdpSink`](crate::ends::UdpSink) has; of some, all of it,
/// and a packet in it is opened.
fn count(member: &mut Member, buffer: &mut [u8], expected: usize, tally: &mut Tally) -> anyhow::Result<()> {
    // A bounded turn: the source wants one too.
    for _ in 0..TURN {
        let opens = tally.receptions.is_multiple_of(VERIFIED);
        let room = if opens { LONGEST } else { BEGINNING };
        let Some(length) = member.receive_data(buffer.get_mut(..room).unwrap_or_default())? else { break };
        tally.receptions += 1;
        // The kernel puts together what is equally long, but for the last: something else, which is handled unless it was not read. Then it is
        // lost, as a network might lose it.
        tally.counted += (length / expected) as u64;
        let read = buffer.get_mut(..length.min(room)).unwrap_or_default();
        let (packets, rest) = read.split_at_mut(read.len() - read.len() % expected);
        if length <= room && !rest.is_empty() {
            member.handle(clock(), DATA, rest);
        }
        // One of them, in turn the first, the second…: to open all at once would stop everything else, for milliseconds if it is 3DES.
        let count = packets.len() / expected;
        if opens
            && count > 0
            && let Some(packet) =
                packets.chunks_mut(expected).nth((tally.receptions / VERIFIED) as usize % count)
            && member.handle(clock(), DATA, packet).is_none()
        {
            bail!("a packet of the flood is not what the server should send");
        }
    }
    Ok(())
}

/// Waits until one of them is readable, or until then; false when none is in time.
pub(crate) fn wait<'a>(
    descriptors: impl Iterator<Item = BorrowedFd<'a>>,
    until: Instant,
) -> anyhow::Result<bool> {
    let mut descriptors: Vec<PollFd<'_>> =
        descriptors.map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN)).collect();
    let left = until.saturating_duration_since(clock());
    // Rounded up, so that what is due then is due.
    let left = if left.is_zero() { left } else { left + Duration::from_millis(1) };
    match poll(&mut descriptors, PollTimeout::try_from(left)?) {
        Err(nix::Error::EINTR) => Ok(false),
        result => Ok(result? > 0),
    }
}

/// A client needs a descriptor, on its way in two, and the usual limit is a thousand.
fn allow_descriptors() -> anyhow::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).context("RLIMIT_NOFILE")
}

/// Receptions from one socket in one turn.
const TURN: usize = 64;

/// Clients started in one turn.
const STARTS: usize = 16;

/// Logins under way, where only their end matters.
const AT_ONCE: usize = 32;

/// Of one reception of this many a packet is opened.
const VERIFIED: u64 = 64;

/// Octets read of the others: a packet, so that what comes alone is whole.
const BEGINNING: usize = 2048;

/// How long logins may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long all goodbyes together may take.
const GOODBYE: Duration = Duration::from_secs(10);
