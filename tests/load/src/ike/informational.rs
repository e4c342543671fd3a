//! Informational exchanges: Delete, INITIAL-CONTACT, Dead Peer Detection, RFC 2409 §5.7, RFC 3706.

use rand_core::Rng as _;

use super::{Event, INITIAL_CONTACT, Ike, notification, offer, pad};
use crate::isakmp::{ENCRYPTED, Header, Payload, Received, decode_chain, exchange, payload};

impl Ike {
    /// Says that nothing of the client existed before.
    pub(super) fn send_initial_contact(&mut self) {
        let Some(index) = self.sas.len().checked_sub(1) else { return };
        let sa = &self.sas[index];
        let payloads = vec![notification(sa.initiator, sa.responder, INITIAL_CONTACT, &[])];
        self.send(index, payloads);
    }

    /// Says that an ESP SA of ours, named by the SPI we receive on, is gone.
    pub(crate) fn send_delete_esp(&mut self, spi: [u8; 4]) {
        let Some(index) = self.sas.len().checked_sub(1) else { return };
        // RFC 2408 §3.15: DOI, protocol, SPI size, number of SPIs, SPIs.
        let body = [&[0, 0, 0, 1, offer::PROTO_ESP, 4, 0, 1][..], &spi].concat();
        self.send(index, vec![Payload(payload::DELETE, body)]);
    }

    /// Says that the newest ISAKMP SA is gone.
    pub(crate) fn send_delete_newest_isakmp(&mut self) {
        let Some(index) = self.sas.len().checked_sub(1) else { return };
        self.send_delete_isakmp(index);
    }

    /// Says that an ISAKMP SA is gone, under itself.
    pub(super) fn send_delete_isakmp(&mut self, index: usize) {
        let Some(sa) = self.sas.get(index) else { return };
        let body = [&[0, 0, 0, 1, offer::PROTO_ISAKMP, 16, 0, 1][..], &sa.initiator, &sa.responder].concat();
        self.send(index, vec![Payload(payload::DELETE, body)]);
    }

    fn send(&mut self, index: usize, payloads: Vec<Payload>) {
        let message_id = self.rng.next_u32().max(1);
        let Some(sa) = self.sas.get(index) else { return };
        let (next, mut body) = sa.keys.hashed_chain(message_id, payloads);
        let mut iv = sa.keys.phase2_iv(&sa.last_block, message_id);
        pad(&mut body, sa.keys.block_len(), self.setup.ike.padding, &mut self.rng);
        sa.keys.encrypt(&mut iv, &mut body);
        let header = Header {
            initiator: sa.initiator,
            responder: sa.responder,
            next,
            exchange: exchange::INFORMATIONAL,
            flags: ENCRYPTED,
            message_id,
        };
        self.outgoing.push_back((sa.port, header.encode(&body)));
    }

    pub(super) fn handle_informational(&mut self, header: &Header, body: &[u8]) {
        if header.flags & ENCRYPTED == 0 {
            return self.handle_plain(header, body);
        }
        let Some(index) = self.sas.iter().position(|sa| sa.is_for(header)) else { return };
        let sa = &self.sas[index];
        let mut iv = sa.keys.phase2_iv(&sa.last_block, header.message_id);
        let Some(plain) = sa.keys.decrypt(&mut iv, body) else { return };
        let Some(payloads) = decode_chain(header.next, &plain) else { return };
        let Some((hash, others)) = payloads.split_first() else { return };
        let covered: Vec<u8> = others.iter().flat_map(|payload| payload.whole).copied().collect();
        let expected = sa.keys.protect(&[&header.message_id.to_be_bytes(), &covered]);
        if hash.kind != payload::HASH || hash.body != expected {
            return;
        }
        for other in others {
            match other.kind {
                payload::NOTIFICATION => self.handle_notification(index, other),
                payload::DELETE => self.handle_delete(other),
                _ => {}
            }
        }
    }

    /// An error in the clear can only be about a first phase under way.
    fn handle_plain(&mut self, header: &Header, body: &[u8]) {
        let main = self.negotiation.as_ref().map(|active| active.initiator);
        let aggressive = self.aggressive.as_ref().map(|active| active.initiator);
        let ours = main.or(aggressive) == Some(header.initiator);
        let Some(payloads) = decode_chain(header.next, body).filter(|_| ours) else { return };
        for payload in payloads.iter().filter(|payload| payload.kind == payload::NOTIFICATION) {
            if let Some([_, _, _, _, _, _, high, low, ..]) = payload.body.first_chunk::<8>() {
                self.events.push_back(Event::PlainNotify(u16::from_be_bytes([*high, *low])));
            }
        }
    }

    fn handle_notification(&mut self, index: usize, received: &Received<'_>) {
        let Some(([_, _, _, _, _, spi_len, high, low], rest)) = received.body.split_first_chunk() else {
            return;
        };
        let kind = u16::from_be_bytes([*high, *low]);
        let Some((_, data)) = rest.split_at_checked(usize::from(*spi_len)) else { return };
        let sa = &self.sas[index];
        match kind {
            R_U_THERE => {
                let answer = notification(sa.initiator, sa.responder, R_U_THERE_ACK, data);
                self.send(index, vec![answer]);
            }
            other => self.events.push_back(Event::Notify(other)),
        }
    }

    fn handle_delete(&mut self, received: &Received<'_>) {
        let Some(([0, 0, 0, 1, protocol, spi_len, _, _], spis)) = received.body.split_first_chunk() else {
            return;
        };
        match (*protocol, *spi_len) {
            (offer::PROTO_ESP, 4) => {
                let spis = spis.as_chunks::<4>().0;
                self.events.extend(spis.iter().map(|spi| Event::Deleted(*spi)));
            }
            (offer::PROTO_ISAKMP, 16) => {
                let gone = |sa: &super::IsakmpSa| spis == [sa.initiator, sa.responder].concat();
                self.sas.retain(|sa| !gone(sa));
                self.events.push_back(Event::IsakmpDeleted);
            }
            _ => {}
        }
    }
}

/// RFC 3706 §5.4.
const R_U_THERE: u16 = 36136;
const R_U_THERE_ACK: u16 = 36137;
