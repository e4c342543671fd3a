//! A TLS connection carried in Requests and Responses, RFC 5216 §2.1, RFC 9190 §2.1: what EAP-TLS and PEAP have in common.

use zeroize::Zeroizing;

use super::certificate::ClientCertificate;
use super::fault::Fault;
use super::fragment::{ACKNOWLEDGEMENT, Incoming, Outgoing, Piece, Progress};
use super::job::{Job, JobDone};
use super::tunnel::Tunnel;
use crate::wire::Discard;

pub(crate) struct Carrier {
    tunnel: Place,
    /// What tells a job of this conversation from one of another.
    ticket: [u8; 8],
    incoming: Incoming,
    outgoing: Option<Outgoing>,
    /// What the client said in a flight that had to be answered by TLS first.
    text: Vec<u8>,
    /// Why there will be no connection; the client has not acknowledged our alert yet.
    fault: Option<Fault>,
    room: usize,
}

/// Where the connection is.
enum Place {
    Here(Tunnel),
    /// With a job.
    Away,
}

/// What a Response has come to.
pub(crate) enum Carried {
    /// Nothing yet: the arithmetic is to be done elsewhere.
    Work(Job),
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
    pub(crate) fn new(tunnel: Tunnel, ticket: [u8; 8], room: usize) -> Self {
        Self {
            tunnel: Place::Here(tunnel),
            ticket,
            incoming: Incoming::default(),
            outgoing: None,
            text: Vec::new(),
            fault: None,
            room,
        }
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
            Progress::Whole(records) => self.handle_records(records),
        }
    }

    fn handle_records(&mut self, records: Vec<u8>) -> Carried {
        match std::mem::replace(&mut self.tunnel, Place::Away) {
            Place::Away => Carried::Discard(Discard::Response),
            Place::Here(mut tunnel) if tunnel.is_established() => {
                let fault = tunnel.handle(&records).err();
                self.settle(tunnel, fault)
            }
            // Only who waits for our Finished, or for what we say next, has nothing to say.
            Place::Here(tunnel) if records.is_empty() => {
                self.tunnel = Place::Here(tunnel);
                Carried::Discard(Discard::Answer)
            }
            // Certificates and key exchanges are the long part; nothing else in the conversation is.
            Place::Here(tunnel) => Carried::Work(Job { ticket: self.ticket, tunnel, records }),
        }
    }

    /// Takes a job's result; nothing if it is another conversation's.
    pub(crate) fn handle_job(&mut self, done: JobDone) -> Option<Carried> {
        let JobDone { ticket, tunnel, fault } = done;
        (ticket == self.ticket && matches!(self.tunnel, Place::Away)).then(|| self.settle(tunnel, fault))
    }

    /// What there is to be said after the tunnel has taken records.
    fn settle(&mut self, mut tunnel: Tunnel, fault: Option<Fault>) -> Carried {
        let answer = tunnel.take_output();
        // Of one flight, so that nobody piles them up.
        let text = Some(tunnel.read()).filter(|text| !text.is_empty());
        let text = text.unwrap_or_else(|| std::mem::take(&mut self.text));
        let established = tunnel.is_established();
        self.tunnel = Place::Here(tunnel);
        match fault {
            Some(fault) if answer.is_empty() => Carried::Broken(fault),
            fault => {
                self.fault = fault;
                if !answer.is_empty() {
                    self.text = text;
                    Carried::Request(self.send(answer))
                } else if !text.is_empty() {
                    Carried::Text(text)
                } else if established {
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
        let records = match &mut self.tunnel {
            Place::Here(tunnel) => {
                tunnel.write(text);
                tunnel.take_output()
            }
            Place::Away => Vec::new(),
        };
        self.send(records)
    }

    fn tunnel(&self) -> Option<&Tunnel> {
        match &self.tunnel {
            Place::Here(tunnel) => Some(tunnel),
            Place::Away => None,
        }
    }

    pub(crate) fn is_tls13(&self) -> bool {
        self.tunnel().is_some_and(Tunnel::is_tls13)
    }

    /// The client's certificate, once the connection is established.
    pub(crate) fn client(&self) -> Option<ClientCertificate> {
        self.tunnel()?.client()
    }

    /// Keys for others, RFC 5705.
    pub(crate) fn export<const N: usize>(
        &self,
        label: &[u8],
        context: Option<&[u8]>,
    ) -> Option<Zeroizing<[u8; N]>> {
        self.tunnel()?.export(label, context)
    }

    fn send(&mut self, flight: Vec<u8>) -> Vec<u8> {
        let mut outgoing = Outgoing::new(flight, self.room);
        let first = outgoing.next().unwrap_or_else(|| ACKNOWLEDGEMENT.to_vec());
        self.outgoing = Some(outgoing);
        first
    }
}

#[cfg(test)]
mod tests {
    use rustls::version::{TLS12, TLS13};

    use super::super::START;
    use super::super::tests::{Client, YEAR_2027, settings};
    use super::*;

    const ROOM: usize = 1000;

    /// A connection that is established, and its other end.
    fn established(version: &'static rustls::SupportedProtocolVersion) -> (Carrier, Client) {
        let settings = settings(ROOM);
        let tunnel = Tunnel::new(settings.tls.as_ref().unwrap(), false).unwrap();
        let (mut carrier, mut client) =
            (Carrier::new(tunnel, [0; 8], ROOM), Client::new(version, None, "ca.pem"));
        let mut request = START.to_vec();
        loop {
            let carried = match carrier.handle(&client.answer(&request, ROOM)) {
                Carried::Work(job) => carrier.handle_job(job.run(YEAR_2027)).unwrap(),
                carried => carried,
            };
            match carried {
                Carried::Request(next) => request = next,
                Carried::OurTurn => return (carrier, client),
                _ => panic!("no connection"),
            }
        }
    }

    /// Such as a Finished of ours, or an alert: what the client said is heard once it has that.
    #[test]
    fn what_the_client_says_outlives_what_tls_answers_first() {
        for version in [&TLS12, &TLS13] {
            let (mut carrier, mut client) = established(version);
            let Place::Here(tunnel) = &mut carrier.tunnel else { panic!("with no job") };
            tunnel.write(b"first");
            let Carried::Request(answer) = carrier.handle(&client.say(b"hello", ROOM)) else {
                panic!("no answer")
            };
            let acknowledgement = client.answer(&answer, ROOM);
            assert_eq!((client.heard(), &*acknowledgement), (b"first".to_vec(), &[0][..]));
            let Carried::Text(text) = carrier.handle(&acknowledgement) else { panic!("no text") };
            assert_eq!(text, b"hello");
            assert!(matches!(carrier.handle(&[0]), Carried::OurTurn), "once");
        }
    }
}
