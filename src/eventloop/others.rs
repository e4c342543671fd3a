//! The threads of all cores but the first.

use std::thread::JoinHandle;

use anyhow::Context as _;
use ipsec::Transmit;

use super::{
    clock,
    cores::Cores,
    ports::Ports,
    post::{LETTERS, Letter, Mailbox, Post, Read},
};
use crate::{
    io::poll::{self, Waker},
    server::{Handover, Load, ShardId, Shards},
    shard::Shard,
};
use std::os::fd::AsFd as _;

/// Every core, the first one included, as whoever writes to them knows them.
#[derive(Clone, Debug)]
pub(super) struct Posts(Vec<Post>);

impl Posts {
    pub(super) fn new(posts: Vec<Post>) -> Self {
        Self(posts)
    }

    /// All but the first.
    pub(super) fn others(&self) -> &[Post] {
        self.0.get(1..).unwrap_or_default()
    }

    pub(super) fn of(&self, shard: ShardId) -> Option<&Post> {
        self.0.get(shard.0 as usize)
    }

    /// Hands packets over to another core; says how many were lost because it is behind.
    pub(super) fn hand_over(&self, shard: ShardId, packets: Handover) -> u64 {
        let Some(post) = self.of(shard) else { return packets.count() };
        let lost = post.hand_over(packets);
        post.wake();
        lost
    }
}

/// The threads of the other cores. Dropping it ends them.
pub(super) struct Others {
    posts: Posts,
    threads: Vec<JoinHandle<()>>,
}

impl Others {
    pub(super) fn new(posts: Posts) -> Self {
        Self { posts, threads: Vec::new() }
    }

    /// Starts the thread of one more.
    pub(super) fn start(
        &mut self,
        shard: Shard,
        shards: Shards,
        ports: Ports,
        waker: Waker,
        mailbox: Mailbox,
    ) -> anyhow::Result<()> {
        let core = Core { shard, ports, waker, mailbox, posts: self.posts.clone(), lost: 0 };
        let thread = std::thread::Builder::new()
            .name(format!("shard-{}", core.shard.id().0))
            .spawn(move || {
                let first = core.posts.of(ShardId(0)).cloned();
                Cores::allowed().pin(core.shard.id().0 as usize, shards);
                if let Err(error) = core.run()
                    && let Some(first) = first
                {
                    first.put(Letter::Failed(error));
                    first.wake();
                }
            })
            .context("a thread for packets does not start")?;
        self.threads.push(thread);
        Ok(())
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        for post in self.posts.others() {
            post.put(Letter::Stop);
            post.wake();
        }
        for thread in self.threads.drain(..) {
            let _panicked = thread.join();
        }
    }
}

struct Core {
    shard: Shard,
    ports: Ports,
    waker: Waker,
    mailbox: Mailbox,
    posts: Posts,
    /// Packets and messages that another core had no room for.
    lost: u64,
}

impl Core {
    fn run(mut self) -> anyhow::Result<()> {
        let mut more = false;
        let mut letters = Read::All;
        loop {
            let descriptors = std::iter::once(self.waker.as_fd()).chain(self.ports.descriptors());
            let timeout = (more || letters == Read::Some).then_some(std::time::Duration::ZERO);
            let ready = poll::wait(descriptors, timeout).context("waiting for packets")?;
            if ready.contains(WAKER) || letters == Read::Some {
                self.waker.clear();
                letters = self.read_letters();
            }
            more = self.ports.serve(ready, WAKER + 1, &mut self.shard)?;
            self.flush();
            if letters == Read::Stop {
                return Ok(());
            }
        }
    }

    /// Does what the letters say.
    fn read_letters(&mut self) -> Read {
        for _ in 0..LETTERS {
            let Some(letter) = self.mailbox.read() else { return Read::All };
            match letter {
                Letter::Orders(orders) => self.shard.handle_orders(clock(), orders),
                Letter::Handover(packets) => self.ports.take_over(packets, &mut self.shard),
                Letter::Load(reply) => reply.send(self.load()),
                Letter::Stop => return Read::Stop,
                // Letters to the first core.
                Letter::Report(_) | Letter::Failed(_) => {}
            }
        }
        Read::Some
    }

    /// Sends what orders said, and tells the first core and the others what is for them.
    fn flush(&mut self) {
        let transmits: Vec<Transmit> = std::iter::from_fn(|| self.shard.poll_transmit()).collect();
        self.ports.send(&transmits);
        let reports: Vec<_> = std::iter::from_fn(|| self.shard.poll_report()).collect();
        if !reports.is_empty()
            && let Some(first) = self.posts.of(ShardId(0))
        {
            self.lost += reports.into_iter().map(|report| first.report(report)).sum::<u64>();
            first.wake();
        }
        while let Some((to, packets)) = self.shard.poll_handover() {
            self.lost += self.posts.hand_over(to, packets);
        }
    }

    fn load(&self) -> Load {
        let mut load = self.shard.load();
        load.discards.extend(self.ports.discards());
        load.offloads = self.ports.offloads();
        load.discards.push(("data", "other_core_behind", self.lost));
        load
    }
}

/// Its place among the descriptors waited for.
const WAKER: usize = 0;
