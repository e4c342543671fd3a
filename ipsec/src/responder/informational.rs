//! The Informational exchange: Delete, Notify, dead peer detection. RFC 2408 §4.8, RFC 2409 §5.7, RFC 3706.

use std::time::Instant;

use super::Responder;
use crate::discard::Discard;
use crate::esp::Spi;
use crate::event::Event;
use crate::isakmp::iana::{NotifyType, PayloadType, ProtocolId};
use crate::isakmp::{Chain, Cookies, DeletePayload, Message, NotifyPayload, Payload};
use crate::isakmp_sa::IsakmpSa;
use crate::path::{Path, PeerId};

impl Responder {
    pub(super) fn informational(
        &mut self,
        now: Instant,
        path: Path,
        message: Message<'_>,
    ) -> Result<(), Discard> {
        let header = message.header;
        let cookies = header.cookies;
        // Anybody can send one in clear, so what it says changes nothing.
        if !header.flags.is_encrypted() {
            return Err(Discard::Unencrypted);
        }
        if header.message_id == 0 {
            return Err(Discard::Unexpected);
        }
        let Some(sa) = self.isakmp_sas.get_mut(&cookies) else {
            return Err(self.too_early(path, &message));
        };
        if sa.is_spent(header.message_id) {
            return Err(Discard::Replay);
        }
        let opened = sa.open_first(&header, message.body).ok_or(Discard::Unauthenticated)?;
        let payloads = opened.payloads().ok_or(Discard::Malformed)?;
        let is_new = sa.remembers_all() || payloads.iter().any(|payload| says_something_new(sa, payload));
        sa.spend(header.message_id);
        let peer = sa.peer;
        self.events.push_back(Event::Alive { peer });
        if is_new {
            self.follow(peer, path);
        }
        for payload in payloads.iter() {
            let outcome = match payload.kind {
                PayloadType::NOTIFICATION => match NotifyPayload::parse(payload.body) {
                    Ok(notify) => self.notified(now, path, cookies, notify),
                    Err(_) => Err(Discard::Malformed),
                },
                PayloadType::DELETE => match DeletePayload::parse(payload.body) {
                    Ok(delete) => self.deleted(now, cookies, delete),
                    Err(_) => Err(Discard::Malformed),
                },
                _ => Ok(()),
            };
            if let Err(reason) = outcome {
                self.discards.count(reason);
            }
        }
        Ok(())
    }

    fn notified(
        &mut self,
        now: Instant,
        path: Path,
        cookies: Cookies,
        notify: NotifyPayload<'_>,
    ) -> Result<(), Discard> {
        match notify.kind {
            NotifyType::R_U_THERE => self.answer_dpd(path, cookies, notify),
            // Whatever it answers to, the client is there: that was told already.
            NotifyType::R_U_THERE_ACK => {
                if let Some(sa) = self.isakmp_sas.get_mut(&cookies) {
                    sa.asked = false;
                }
                Ok(())
            }
            NotifyType::INITIAL_CONTACT => {
                self.initial_contact(now, cookies);
                Ok(())
            }
            _ => Err(Discard::Notify),
        }
    }

    /// A message that is no replay came from there: so that is where the client is. It must have come to where the client sends
    /// its ESP, because that is what we answer from.
    pub(super) fn follow(&mut self, peer: PeerId, path: Path) {
        if self.peers.get(&peer).is_some_and(|peer| peer.path.local == path.local) {
            self.move_peer(peer, path);
        }
    }

    /// RFC 3706 §5.4 and §6.1: the sequence number goes back as it came; one that falls is a replay. It may
    /// repeat: racoon raises it only when an answer came.
    fn answer_dpd(&mut self, path: Path, cookies: Cookies, notify: NotifyPayload<'_>) -> Result<(), Discard> {
        let sequence = u32::from_be_bytes(notify.data.try_into().map_err(|_| Discard::Malformed)?);
        if notify.spi != cookies.to_bytes() {
            return Err(Discard::Malformed);
        }
        let sa = self.isakmp_sas.get_mut(&cookies).ok_or(Discard::UnknownCookies)?;
        if sa.are_you_there.is_some_and(|last| sequence < last) {
            return Err(Discard::Replay);
        }
        sa.are_you_there = Some(sequence);
        let mut chain = Chain::default();
        chain.push_notify(ProtocolId::ISAKMP, NotifyType::R_U_THERE_ACK, notify.spi, notify.data);
        self.inform(path, cookies, chain);
        Ok(())
    }

    /// A client deletes its own: for ESP its inbound SPIs. What is not its own, or gone already, is ignored.
    fn deleted(&mut self, now: Instant, cookies: Cookies, delete: DeletePayload<'_>) -> Result<(), Discard> {
        let id = self.isakmp_sas.get(&cookies).ok_or(Discard::UnknownCookies)?.peer;
        match delete.protocol {
            ProtocolId::ESP => {
                for spi in delete.spis() {
                    let spi = Spi(u32::from_be_bytes(spi.try_into().map_err(|_| Discard::Malformed)?));
                    let pairs = self.peers.get(&id).map(|peer| &peer.pairs);
                    let pair = pairs.and_then(|pairs| pairs.iter().find(|pair| pair.outbound == spi));
                    if let Some(inbound) = pair.map(|pair| pair.inbound) {
                        self.retire_pair(now, id, inbound);
                    }
                }
                self.close_if_empty(now, id);
            }
            ProtocolId::ISAKMP => {
                for spi in delete.spis() {
                    let isakmp = self.peers.get(&id).map(|peer| &peer.isakmp);
                    let named = isakmp.and_then(|all| all.iter().find(|own| own.to_bytes() == *spi));
                    if let Some(&cookies) = named {
                        self.isakmp_sa_deleted(now, cookies);
                    }
                }
            }
            _ => return Err(Discard::Notify),
        }
        Ok(())
    }
}

/// Whether a payload can only have been written since the last one of its kind: not all message ids are remembered for ever,
/// but dead peer detection counts.
fn says_something_new(sa: &IsakmpSa, payload: &Payload<'_>) -> bool {
    if payload.kind != PayloadType::NOTIFICATION {
        return false;
    }
    let Ok(notify) = NotifyPayload::parse(payload.body) else { return false };
    let Ok(sequence) = notify.data.try_into().map(u32::from_be_bytes) else { return false };
    match notify.kind {
        NotifyType::R_U_THERE => sa.are_you_there.is_none_or(|last| sequence > last),
        NotifyType::R_U_THERE_ACK => sa.asked && sequence == sa.probe,
        _ => false,
    }
}
