//! Stories of clients against a responder, in virtual time.

mod aggressive;
mod certificates;
mod ends;
mod fragments;
mod hostile;
mod impostors;
mod initiator;
mod moving;
mod native;
mod phase1;
mod phase2;
pub(crate) mod profile;
mod recorded;
mod rekey;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use self::initiator::Initiator;
use self::profile::Profile;
use super::{Config, Responder};
use crate::discard::Discard;
use crate::event::{Event, Phase1, SaPair};
use crate::isakmp::{HEADER_LEN, Message};
use crate::path::{NAT_T_PORT, Path, PeerId};
use crate::secret::{Psk, Secret};

/// A responder, the time, and what came out of it since somebody looked.
struct World {
    responder: Responder,
    now: Instant,
    events: Vec<Event>,
    /// Messages sent on our own, the non-ESP marker taken off.
    sent: Vec<(Path, Vec<u8>)>,
    /// Whether jobs run at once.
    eager: bool,
    /// What the calendar says.
    unix: Duration,
}

impl World {
    fn new(config: Config) -> Self {
        let responder = Responder::new(config, [7; 32]);
        Self { responder, now: start(), events: Vec::new(), sent: Vec::new(), eager: true, unix: YEAR_2026 }
    }

    fn with_psks(names: &[&str]) -> Self {
        Self::new(config(names))
    }

    /// A message arrives; what the responder says to it.
    fn send(&mut self, path: Path, message: &[u8]) -> Vec<Vec<u8>> {
        self.responder.handle_datagram(self.now, path, message);
        self.settle();
        self.sent.drain(..).map(|(_, message)| message).collect()
    }

    /// The one answer to a message.
    #[track_caller]
    fn ask(&mut self, path: Path, message: &[u8]) -> Vec<u8> {
        let mut answers = self.send(path, message);
        assert_eq!(answers.len(), 1, "one answer");
        answers.remove(0)
    }

    /// A message arrives that nothing answers, for this reason.
    #[track_caller]
    fn discards(&mut self, path: Path, message: &[u8], reason: Discard) {
        let before = self.responder.discards().of(reason);
        assert_eq!(self.send(path, message), Vec::<Vec<u8>>::new(), "no answer");
        assert_eq!(self.responder.discards().of(reason), before + 1, "{reason:?}");
    }

    fn settle(&mut self) {
        while self.eager
            && let Some(job) = self.responder.poll_job()
        {
            self.responder.handle_job(self.now, job.run(self.unix));
        }
        while let Some(transmit) = self.responder.poll_transmit() {
            let message = match transmit.path.local.port() {
                NAT_T_PORT => transmit.payload.strip_prefix(&[0; 4]).expect("the non-ESP marker").to_vec(),
                _ => transmit.payload,
            };
            let length = Message::parse(&message).map(|message| message.body.len() + HEADER_LEN);
            assert_eq!(length, Ok(message.len()), "what we send is whole");
            self.sent.push((transmit.path, message));
        }
        while let Some(event) = self.responder.poll_event() {
            self.events.push(event);
        }
    }

    /// Time passes, timer by timer.
    fn wait(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(at) = self.responder.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.responder.handle_timeout(self.now);
            self.settle();
        }
        self.now = end;
    }

    fn sent(&mut self) -> Vec<Vec<u8>> {
        self.sent.drain(..).map(|(_, message)| message).collect()
    }

    /// Each event in one line, since the last time, but for signs of life.
    fn log(&mut self) -> Vec<String> {
        let told = self.events.drain(..).filter(|event| !matches!(event, Event::Alive { .. }));
        told.map(|event| line(&event)).collect()
    }

    /// The refusals since the last time, as an operator reads them.
    fn refusals(&mut self) -> Vec<String> {
        let refused = |event| match event {
            Event::Refused { refusal, .. } => Some(refusal.to_string()),
            _ => None,
        };
        self.events.drain(..).filter_map(refused).collect()
    }

    fn established(&mut self) -> (PeerId, Phase1) {
        let found = self.events.iter().find_map(|event| match event {
            Event::Established { peer, phase1, .. } => Some((*peer, (**phase1).clone())),
            _ => None,
        });
        found.expect("phase 1 is done")
    }

    fn opened(&mut self) -> SaPair {
        let index = self.events.iter().position(|event| matches!(event, Event::SaOpened { .. }));
        match self.events.remove(index.expect("an SA was opened")) {
            Event::SaOpened { sa, .. } => *sa,
            _ => unreachable!(),
        }
    }

    /// A client goes through main mode.
    fn connect(&mut self, client: &mut Initiator) {
        let message2 = self.ask(client.path(), &client.message1());
        let message4 = self.ask(client.path(), &client.message3(&message2));
        let message6 = self.ask(client.float(&message4), &client.message5());
        client.finish(&message6);
    }

    /// A client goes through quick mode.
    fn quick(&mut self, client: &mut Initiator) -> SaPair {
        let mut answers = self.send(client.path(), &client.quick1());
        let is_quick = |message: &Vec<u8>| {
            Message::parse(message).is_ok_and(|message| message.header.message_id == client.quick_id())
        };
        let message2 = answers.remove(answers.iter().position(is_quick).expect("message 2"));
        self.sent.extend(answers.into_iter().map(|message| (client.path(), message)));
        let message3 = client.quick3(&message2);
        self.responder.handle_datagram(self.now, client.path(), &message3);
        self.settle();
        self.opened()
    }
}

fn config(names: &[&str]) -> Config {
    let psk = |name: &&str| Psk {
        name: (*name).into(),
        id: None,
        secret: Secret::new(format!("the secret {name}")),
    };
    Config { psks: names.iter().map(psk).collect(), ..Config::default() }
}

fn client(profile: Profile) -> Initiator {
    Initiator::new(profile, "main", 1)
}

/// A client that is through main mode.
fn connected(profile: Profile) -> (World, Initiator) {
    let mut world = World::with_psks(&["main"]);
    let mut client = client(profile);
    world.connect(&mut client);
    world.log();
    (world, client)
}

fn line(event: &Event) -> String {
    match event {
        Event::Attempt { peer, path } => format!("{peer} attempt {path}"),
        Event::Established { attempt, peer, path, phase1 } => format!(
            "{attempt} is {peer} {path} {} {} {} {}{}",
            phase1.suite,
            phase1.identity,
            phase1.credential.name(),
            phase1.nat.map_or_else(|| "no NAT traversal".into(), |nat| nat.to_string()),
            if phase1.rekey { " rekey" } else { "" }
        ),
        Event::SaOpened { peer, sa } => {
            format!("{peer} opened {} {}", sa.suite, if sa.rekey { "rekey" } else { "first" })
        }
        Event::SaConfirmed { peer, .. } => format!("{peer} confirmed"),
        Event::SaRetired { peer, .. } => format!("{peer} retired"),
        Event::SaClosed { peer, reason, .. } => format!("{peer} sa closed: {reason}"),
        Event::PeerClosed { peer, reason } => format!("{peer} closed: {reason}"),
        Event::Overdue { peer } => format!("{peer} overdue"),
        Event::Moved { peer, path } => format!("{peer} moved {path}"),
        Event::Met { peer, other } => format!("{peer} met {other}"),
        Event::InitialContact { peer } => format!("{peer} contact"),
        Event::Alive { peer } => format!("{peer} alive"),
        Event::Refused { peer, refusal, .. } => format!("{peer} refused: {}", refusal.name()),
    }
}

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const YEAR_2026: Duration = Duration::from_secs(1_767_225_600);

/// Any instant will do: only differences count.
#[expect(clippy::disallowed_methods)]
pub(crate) fn start() -> Instant {
    Instant::now()
}
