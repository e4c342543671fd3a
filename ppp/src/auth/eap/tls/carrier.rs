//! A TLS connection carried in Requests and Responses, RFC 5216 §2.1, RFC 9190 §2.1: what EAP-TLS and PEAP have in common.

use super::fault::Fault;
use super::fragment::{ACKNOWLEDGEMENT, Incoming, Outgoing, Piece, Progress};
use super::tunnel::Tunnel;
use crate::wire::Discard;

pub(crate) struct Carrier {
    pub(crate) tunnel: Tunnel,
    incoming: Incoming,
    outgoing: Option<Outgoing>,
    /// Why there will be no connection; the client has not acknowledged our alert yet.
    fault: Option<Fault>,
    room: usize,
}

/// What a Response has come to.
pub(crate) enum Carried {
    /// To be sent: the next piece of ours, or a word that the client's has come.
    Request(Vec<u8>),
    /// The connection is established and the client waits for what we have to say in it.
    OurTurn,
    /// The client said something in it.
    Text(Vec<u8>),
    /// There will be no connection.
    Broken(Fault),
    Discard(Discard),
}

impl Carrier {
    /// `room` is how much type-data fits a packet.
    pub(crate) fn new(tunnel: Tunnel, room: usize) -> Self {
        Self { tunnel, incoming: Incoming::default(), outgoing: None, fault: None, room }
    }

    /// Why the client is not going to get in, if that is so already.
    pub(crate) fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    pub(crate) fn handle(&mut self, data: &[u8]) -> Carried {
        let Some(piece) = Piece::parse(data) else { return Carried::Discard(Discard::Truncated) };
        if let Some(outgoing) = &mut self.outgoing {
            // RFC 5216 §2.1.3: a client that does not like our alert, or sends one of its own, may say so at once.
            if piece.is_acknowledgement() {
                if let Some(next) = outgoing.next() {
                    return Carried::Request(next);
                }
            } else if !outgoing.is_sent() {
                return Carried::Discard(Discard::Answer);
            }
            self.outgoing = None;
        }
        if let Some(fault) = &self.fault {
            return Carried::Broken(fault.clone());
        }
        match self.incoming.add(piece) {
            Progress::More => Carried::Request(ACKNOWLEDGEMENT.to_vec()),
            Progress::Wrong => Carried::Broken(Fault::Broken("pieces that do not fit together".into())),
            // Only who waits for our Finished, or for what we say next, has nothing to say.
            Progress::Whole(records) if records.is_empty() && !self.tunnel.is_established() => {
                Carried::Discard(Discard::Answer)
            }
            Progress::Whole(records) => self.handle_records(&records),
        }
    }

    fn handle_records(&mut self, records: &[u8]) -> Carried {
        let fault = self.tunnel.handle(records).err();
        let answer = self.tunnel.take_output();
        match fault {
            Some(fault) if answer.is_empty() => Carried::Broken(fault),
            fault => {
                self.fault = fault;
                let text = self.tunnel.read();
                if !answer.is_empty() {
                    Carried::Request(self.send(answer))
                } else if !text.is_empty() {
                    Carried::Text(text)
                } else if self.tunnel.is_established() {
                    Carried::OurTurn
                } else {
                    // Half a record; its other half may come in a flight of its own.
                    Carried::Request(ACKNOWLEDGEMENT.to_vec())
                }
            }
        }
    }

    /// Says something within the connection: the type-data of the first Request that carries it.
    pub(crate) fn say(&mut self, text: &[u8]) -> Vec<u8> {
        self.tunnel.write(text);
        let records = self.tunnel.take_output();
        self.send(records)
    }

    fn send(&mut self, flight: Vec<u8>) -> Vec<u8> {
        let mut outgoing = Outgoing::new(flight, self.room);
        let first = outgoing.next().unwrap_or_else(|| ACKNOWLEDGEMENT.to_vec());
        self.outgoing = Some(outgoing);
        first
    }
}
