//! One client on real sockets.
//!
//! Its sockets are bound to ports of the kernel's choice, not to 500 and 4500, of which an address has only one: the server
//! sees a client behind a NAT.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsFd as _;
use std::time::Instant;

use anyhow::bail;
use load::{Client, End, Event, IKE_PORT, NAT_T_PORT};
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};

use crate::dial::Dial;
use crate::socket::Socket;

/// A client and its two sockets.
pub(crate) struct Member {
    client: Client,
    /// To port 500, until the client is up: it will not speak there any more, and descriptors are few.
    ike: Option<Socket>,
    /// To port 4500.
    data: Socket,
    /// When the client wants to be called, as far as the fleet knows.
    due: Option<Instant>,
}

/// What became of a member.
pub(crate) enum Change {
    Up,
    Ended(End),
}

impl Member {
    /// Starts to dial; the first message is still to be taken with [`Self::settle`].
    pub(crate) fn dial(now: Instant, dial: &Dial, number: usize) -> anyhow::Result<Self> {
        let from = dial.own_address(number);
        let open = |port: u16| Socket::connect((from, 0).into(), (dial.server, port).into());
        let (ike, data) = (open(IKE_PORT)?, open(NAT_T_PORT)?);
        let local = ike.local_v4()?;
        let mut seed = [0; 32];
        io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut seed)?;
        let client =
            Client::new(now, dial.profile.clone(), dial.credentials.clone(), local, dial.server, seed);
        Ok(Self { client, ike: Some(ike), data, due: None })
    }

    /// Listens to both sockets; `number` comes back with [`Self::place`].
    pub(crate) fn register(&self, epoll: &Epoll, number: usize) -> nix::Result<()> {
        for (which, socket) in self.ike.iter().chain([&self.data]).enumerate() {
            let place = (number * 2 + which) as u64;
            epoll.add(socket.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, place))?;
        }
        Ok(())
    }

    /// Whose socket an event is for, and which of the two.
    pub(crate) fn place(event: &EpollEvent) -> (usize, usize) {
        let place = usize::try_from(event.data()).unwrap_or(usize::MAX);
        (place / 2, place % 2)
    }

    /// The client itself.
    pub(crate) fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// The address that the server gave, if it is up.
    pub(crate) fn address(&self) -> Option<Ipv4Addr> {
        self.client.address()
    }

    /// The socket that ESP goes through.
    pub(crate) fn data(&self) -> &Socket {
        &self.data
    }

    /// Receives from one of the sockets, as [`Socket::receive`].
    pub(crate) fn receive(&mut self, which: usize, buffer: &mut [u8]) -> io::Result<Option<(usize, usize)>> {
        match (&mut self.ike, which) {
            (_, DATA) => self.data.receive(buffer),
            (Some(ike), _) => ike.receive(buffer),
            (None, _) => Ok(None),
        }
    }

    /// Receives from the socket that ESP goes through, as [`Socket::receive_beginning`].
    pub(crate) fn receive_data(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        self.data.receive_beginning(buffer)
    }

    /// Takes a datagram; the place of the IP packet of one that carries it.
    pub(crate) fn handle(
        &mut self,
        now: Instant,
        which: usize,
        datagram: &mut [u8],
    ) -> Option<std::ops::Range<usize>> {
        // RFC 3948 §2.2 and §2.3: IKE behind four zeros, a keepalive of one byte, and all else is ESP.
        let is_esp = datagram.len() > 4 && datagram.get(..4) != Some(&[0; 4]);
        if which == DATA && is_esp {
            return self.client.open_packet(now, datagram);
        }
        let port = if which == DATA { NAT_T_PORT } else { IKE_PORT };
        self.client.handle_datagram(now, port, datagram);
        None
    }

    /// Sends what the client has to send; what became of it.
    pub(crate) fn settle(&mut self) -> anyhow::Result<Option<Change>> {
        while let Some(transmit) = self.client.poll_transmit() {
            let socket = match transmit.to_port {
                IKE_PORT => self.ike.as_ref(),
                NAT_T_PORT => Some(&self.data),
                _ => bail!("native ESP: this is for ESP in UDP, `encapsulation: always`"),
            };
            if let Some(socket) = socket {
                socket.send(&transmit.payload, transmit.payload.len())?;
            }
        }
        let mut change = None;
        while let Some(event) = self.client.poll_event() {
            match event {
                Event::Up(_) => {
                    self.ike = None;
                    change = Some(Change::Up);
                }
                Event::Closed(end) => change = Some(Change::Ended(end)),
                _ => {}
            }
        }
        Ok(change)
    }

    /// When it is due, if that is not what was told last time.
    pub(crate) fn newly_due(&mut self) -> Option<Instant> {
        let due = self.client.poll_timeout();
        let news = due.filter(|_| due != self.due);
        self.due = due;
        news
    }

    /// Calls the client if it is due at all.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> bool {
        let due = self.due.is_some_and(|due| due <= now);
        if due {
            self.client.handle_timeout(now);
        }
        due
    }
}

/// The number of the socket to port 4500; the other one is 0.
pub(crate) const DATA: usize = 1;
