//! What differs between the control protocols: their options, and what is answered to them, RFC 1661 §5.

use crate::packet::{Code, Options, Protocol, push_option};
use crate::reason::Reason;
use crate::wire::Wire;

/// What LCP and IPCP know that the automaton does not: their options.
///
/// An `Err` says that this negotiation cannot end well and why.
pub(crate) trait ControlProtocol {
    const PROTOCOL: Protocol;

    /// The options of our next Configure-Request.
    fn request(&self) -> Vec<u8>;

    /// Judges the peer's Configure-Request, and takes its values over if nothing is objected to.
    fn judge(&mut self, options: Options<'_>, wire: &mut Wire) -> Result<Judgement, Reason>;

    /// The peer would rather see other values in our request.
    fn naked(&mut self, options: Options<'_>, wire: &mut Wire) -> Result<(), Reason>;

    /// The peer does not want these options, all of which were in our request, to be mentioned again.
    fn rejected(&mut self, options: Options<'_>) -> Result<(), Reason>;
}

/// What is objected to in a Configure-Request; nothing means Configure-Ack.
#[derive(Debug, Default)]
pub(crate) struct Judgement {
    rejected: Vec<u8>,
    suggested: Vec<u8>,
    unacceptable: Vec<u8>,
}

impl Judgement {
    /// The option is not to be negotiated.
    pub(crate) fn reject(&mut self, option: &[u8]) {
        self.rejected.extend(option);
    }

    /// The option is welcome with another value.
    pub(crate) fn nak(&mut self, kind: u8, option: &[u8], value: &[u8]) {
        push_option(&mut self.suggested, kind, value);
        self.unacceptable.extend(option);
    }

    /// The option was missing and is needed, RFC 1661 §5.3.
    pub(crate) fn require(&mut self, kind: u8, value: &[u8]) {
        push_option(&mut self.suggested, kind, value);
    }

    pub(crate) fn is_ack(&self) -> bool {
        self.rejected.is_empty() && self.suggested.is_empty()
    }

    /// Rejects go first, alone: a Nak has to wait for the next request (RFC 1661 §5.4).
    pub(crate) fn is_reject(&self) -> bool {
        !self.rejected.is_empty()
    }

    /// The answer's code, and its options unless they are the request's own. Past Max-Failure (§4.6), Naks become
    /// Rejects and nothing is demanded any more.
    pub(crate) fn into_answer(self, past_max_failure: bool) -> (Code, Vec<u8>) {
        if self.is_reject() {
            (Code::CONFIGURE_REJECT, self.rejected)
        } else if self.suggested.is_empty() || (past_max_failure && self.unacceptable.is_empty()) {
            (Code::CONFIGURE_ACK, Vec::new())
        } else if past_max_failure {
            (Code::CONFIGURE_REJECT, self.unacceptable)
        } else {
            (Code::CONFIGURE_NAK, self.suggested)
        }
    }
}
