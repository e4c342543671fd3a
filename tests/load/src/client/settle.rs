//! What one layer's events mean to the others.

use std::time::Instant;

use super::packets::seal;
use super::{Client, End, Event, INBOUND_GRACE, NON_ESP_MARKER, Transmit, Upper, fork};
use crate::ike::nat::NAT_T_PORT;
use crate::ike::{self, PendingDelete, SaPair};
use crate::lac::{self, Lac};
use crate::ppp::{self, Link};

impl Client {
    /// Moves events and messages between the layers until nothing moves.
    pub(super) fn settle(&mut self, now: Instant) {
        loop {
            let moved = self.drain_ike(now) | self.drain_lac(now) | self.drain_link(now);
            self.drain_output();
            if !moved && !self.go_on_leaving(now) {
                return;
            }
        }
    }

    fn drain_ike(&mut self, now: Instant) -> bool {
        let mut moved = false;
        while let Some(event) = self.ike.poll_event() {
            moved = true;
            match event {
                ike::Event::Passed(mark) => self.timeline.pass(mark, now),
                ike::Event::Established { behind_nat, renewed } => {
                    self.events.push_back(Event::Established { behind_nat, renewed });
                }
                ike::Event::Opened(pair) => self.install(now, *pair),
                ike::Event::Deleted(spi) => {
                    self.outbound.take_if(|sa| sa.spi() == spi);
                    self.events.push_back(Event::SaDeleted);
                }
                ike::Event::IsakmpDeleted => self.events.push_back(Event::IsakmpDeleted),
                ike::Event::PlainNotify(kind) if self.profile.ike.heeds_plain_notify => {
                    self.close(End::Notified(kind));
                }
                ike::Event::PlainNotify(_) => {}
                ike::Event::Notify(kind) => self.events.push_back(Event::Notified(kind)),
                // A renewal that fails takes nothing down at once.
                ike::Event::NoAnswer(_) if self.link().is_some_and(Link::is_up) => {}
                ike::Event::NoAnswer(stage) => self.close(End::NoAnswer(stage)),
                ike::Event::Violated(what) => self.close(End::Violated(what)),
            }
        }
        moved
    }

    fn install(&mut self, now: Instant, pair: SaPair) {
        let renewed = !self.inbound.is_empty();
        for (sa, until) in self.inbound.iter_mut().filter(|(_, until)| until.is_none()) {
            *until = Some(now + INBOUND_GRACE);
            if let Some(delay) = self.profile.esp.deletes_replaced {
                self.deletes.push(PendingDelete::after(now, delay, sa.spi()));
            }
        }
        self.inbound.push((pair.inbound, None));
        self.outbound = Some(pair.outbound);
        self.esp_port = pair.port;
        self.events.push_back(Event::SaOpened { renewed });
        if matches!(self.upper, Upper::Nothing) {
            let mut rng = fork(&mut self.rng);
            let profile = self.profile.l2tp.clone();
            self.upper = Upper::Tunnel(Box::new(Lac::new(now, profile, &mut rng, self.l2tp_ids)));
        }
    }

    fn drain_lac(&mut self, now: Instant) -> bool {
        let mut moved = false;
        loop {
            let event = match &mut self.upper {
                Upper::Nothing => None,
                Upper::Tunnel(lac) | Upper::Link(lac, _) => lac.poll_event(),
            };
            let Some(event) = event else { return moved };
            moved = true;
            match event {
                lac::Event::Passed(mark) => self.timeline.pass(mark, now),
                lac::Event::Opened => self.begin_ppp(now),
                lac::Event::Closed { message, result } => {
                    self.dismissed(now, format!("{message} with result {result}"));
                }
                lac::Event::NoAnswer(stage) => self.close(End::NoAnswer(stage)),
                lac::Event::Violated(what) => self.close(End::Violated(what)),
            }
        }
    }

    fn begin_ppp(&mut self, now: Instant) {
        let rng = fork(&mut self.rng);
        self.upper = match std::mem::replace(&mut self.upper, Upper::Nothing) {
            Upper::Tunnel(lac) => {
                let profile = self.profile.ppp.clone();
                let link = Link::new(now, profile, &self.credentials.user, &self.credentials.password, rng);
                Upper::Link(lac, Box::new(link))
            }
            other => other,
        };
    }

    fn drain_link(&mut self, now: Instant) -> bool {
        let mut moved = false;
        loop {
            let Upper::Link(_, link) = &mut self.upper else { return moved };
            let Some(event) = link.poll_event() else { return moved };
            moved = true;
            match event {
                ppp::Event::Passed(mark) => self.timeline.pass(mark, now),
                ppp::Event::Up => self.events.extend(link.address().map(Event::Up)),
                ppp::Event::Refused(refusal) => self.events.push_back(Event::Refused(refusal)),
                ppp::Event::Terminated(text) => match link.refusal() {
                    Some(refusal) => self.leave(now, End::Refused(refusal)),
                    None => {
                        let text = String::from_utf8_lossy(&text).into_owned();
                        self.dismissed(now, format!("Terminate-Request: {text}"));
                    }
                },
                ppp::Event::TerminateAcknowledged => self.terminate_acknowledged(),
                ppp::Event::NoAnswer(stage) => self.close(End::NoAnswer(stage)),
                ppp::Event::Violated(what) => self.close(End::Violated(what)),
            }
        }
    }

    fn drain_output(&mut self) {
        while let Some((port, message)) = self.ike.poll_transmit() {
            let payload = match (port, message.as_slice()) {
                // RFC 3948 §2.3: a keepalive is one byte.
                (NAT_T_PORT, []) => vec![0xff],
                (NAT_T_PORT, message) => [&NON_ESP_MARKER, message].concat(),
                (_, message) => message.to_vec(),
            };
            self.transmits.push_back(Transmit { from_port: port, to_port: port, payload });
        }
        let Some(sa) = &mut self.outbound else { return };
        let (lac, mut link) = match &mut self.upper {
            Upper::Nothing => return,
            Upper::Tunnel(lac) => (lac, None),
            Upper::Link(lac, link) => (lac, Some(link)),
        };
        loop {
            let mut payload = Vec::new();
            if let Some(control) = lac.poll_transmit() {
                seal(self.ike.setup(), sa, &mut self.rng, &[&control], &mut payload);
            } else if let Some(frame) = link.as_mut().and_then(|link| link.poll_transmit()) {
                let mut header = Vec::new();
                lac.data_header(frame.len(), &mut header);
                seal(self.ike.setup(), sa, &mut self.rng, &[&header, &frame], &mut payload);
            } else {
                return;
            }
            self.transmits.push_back(Transmit::esp(self.esp_port, payload));
        }
    }

    /// Everything ends here and now.
    pub(super) fn close(&mut self, end: End) {
        if self.end.is_none() {
            self.events.push_back(Event::Closed(end.clone()));
            self.end = Some(end);
            self.ike.shut_down();
        }
    }
}
