//! Pings through the tunnel, both ways.

use std::time::Duration;

use super::{Device, HOST, World};
use crate::inner;

impl World {
    /// The device pings the host beyond; again each second until it has the answer.
    #[track_caller]
    pub(crate) fn ping(&mut self, device: Device, limit: Duration) {
        let deadline = self.now + limit;
        self.pings += 1;
        let number = self.pings;
        let packet = inner::ping(self.address(device), HOST, number);
        let answered = |world: &Self| {
            world.device(device).packets.iter().any(|packet| inner::pong_number(packet) == Some(number))
        };
        while self.now < deadline {
            self.with(device, |client, now| client.send_packet(now, &packet));
            let again = deadline.min(self.now + Duration::from_secs(1));
            while !answered(self) && self.step(again) {}
            if answered(self) {
                return;
            }
        }
        panic!("no answer to a ping within {limit:?}\nlog:\n{}", self.log.join("\n"));
    }

    /// The host beyond pings the device; again each second until it has the answer.
    #[track_caller]
    pub(crate) fn ping_back(&mut self, device: Device, limit: Duration) {
        let deadline = self.now + limit;
        self.pings += 1;
        let number = self.pings;
        let packet = inner::ping(HOST, self.address(device), number);
        let answered =
            |world: &Self| world.beyond.iter().any(|packet| inner::pong_number(packet) == Some(number));
        while self.now < deadline {
            self.send_from_beyond(&[&packet]);
            let again = deadline.min(self.now + Duration::from_secs(1));
            while !answered(self) && self.step(again) {}
            if answered(self) {
                return;
            }
        }
        panic!("the device did not answer a ping within {limit:?}\nlog:\n{}", self.log.join("\n"));
    }
}
