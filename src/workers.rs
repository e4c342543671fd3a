//! A few threads for long arithmetic, so that a burst of logins does not hold up packets.

use std::{
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use anyhow::Context as _;

use crate::{
    io::poll::Waker,
    server::{Job, JobDone},
};

/// Runs jobs beside the event loop. How many may wait is bounded by who hands them out: the responder has a cap, and of
/// logins few are out at a time.
#[derive(Debug)]
pub(crate) struct Workers {
    jobs: Sender<Job>,
    done: Receiver<JobDone>,
}

impl Workers {
    /// Starts `threads` threads, which end when this is dropped. `waker` is called for every result.
    pub(crate) fn start(threads: usize, waker: &Waker) -> anyhow::Result<Self> {
        let (jobs, queue) = channel::<Job>();
        let (results, done) = channel();
        let queue = Arc::new(Mutex::new(queue));
        for index in 0..threads {
            let (queue, results, waker) = (queue.clone(), results.clone(), waker.clone());
            thread::Builder::new()
                .name(format!("arithmetic-{index}"))
                .spawn(move || work(&queue, &results, &waker))
                .context("a thread for key arithmetic does not start")?;
        }
        Ok(Self { jobs, done })
    }

    /// Queues `job`.
    pub(crate) fn submit(&self, job: Job) {
        // Fails only when every thread has panicked; the client then repeats its message until it gives up.
        let _ = self.jobs.send(job);
    }

    /// The next result, if there is one.
    pub(crate) fn poll(&self) -> Option<JobDone> {
        self.done.try_recv().ok()
    }
}

fn work(queue: &Mutex<Receiver<Job>>, results: &Sender<JobDone>, waker: &Waker) {
    loop {
        // The lock is held while waiting, by one idle thread at a time; a poisoned one means that another thread panicked
        // in `recv`, which leaves the queue sound.
        let job = queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        if results.send(job.run()).is_err() {
            return;
        }
        waker.wake();
    }
}
