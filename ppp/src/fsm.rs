//! The option negotiation automaton as data, RFC 1661 §4.1.
//!
//! ```text
//!            Open, Up                  both sides have acknowledged
//!  Initial ───────────► Req-Sent ──┬─► Ack-Rcvd ──┬─► Opened ──► Closing / Stopping ──► Closed / Stopped
//!                                  └─► Ack-Sent ──┘
//! ```

use Action::*;

/// States, numbered as in RFC 1661 §4.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Initial = 0,
    Starting = 1,
    Closed = 2,
    Stopped = 3,
    Closing = 4,
    Stopping = 5,
    ReqSent = 6,
    AckRcvd = 7,
    AckSent = 8,
    Opened = 9,
}

impl State {
    /// The states on the way to the end.
    pub(crate) const fn terminates(self) -> bool {
        matches!(self, Self::Closing | Self::Stopping)
    }

    /// RFC 1661 §4.2: the restart timer runs while an answer is awaited.
    pub(crate) const fn runs_timer(self) -> bool {
        self.terminates() || matches!(self, Self::ReqSent | Self::AckRcvd | Self::AckSent)
    }
}

/// Events, in the row order of RFC 1661 §4.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The layer below came up.
    Up,
    /// The layer below went down.
    Down,
    /// Administrative Open.
    Open,
    /// Administrative Close.
    Close,
    /// TO+: the restart timer ran out and the restart counter has not.
    TimeoutRetry,
    /// TO-: both have.
    TimeoutGiveUp,
    /// RCR+.
    ConfigureRequestGood,
    /// RCR-.
    ConfigureRequestBad,
    /// RCA.
    ConfigureAck,
    /// RCN.
    ConfigureNakOrReject,
    /// RTR.
    TerminateRequest,
    /// RTA.
    TerminateAck,
    /// RUC.
    UnknownCode,
    /// RXJ+: a Code-Reject or Protocol-Reject that one can live with.
    RejectPermitted,
    /// RXJ-: one that leaves nothing to talk about.
    RejectCatastrophic,
    /// RXR: Echo-Request, Echo-Reply or Discard-Request.
    EchoOrDiscard,
}

/// Actions, RFC 1661 §4.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// This-Layer-Up.
    Tlu,
    /// This-Layer-Down.
    Tld,
    /// This-Layer-Started.
    Tls,
    /// This-Layer-Finished.
    Tlf,
    /// Initialize-Restart-Count.
    Irc,
    /// Zero-Restart-Count.
    Zrc,
    /// Send-Configure-Request.
    Scr,
    /// Send-Configure-Ack.
    Sca,
    /// Send-Configure-Nak, or -Reject.
    Scn,
    /// Send-Terminate-Request.
    Str,
    /// Send-Terminate-Ack.
    Sta,
    /// Send-Code-Reject.
    Scj,
    /// Send-Echo-Reply.
    Ser,
}

/// What a state makes of an event; nothing where the RFC has a dash: the event cannot happen there.
pub(crate) type Cell = Option<(&'static [Action], State)>;

pub(crate) const fn transition(state: State, event: Event) -> Cell {
    TABLE[event as usize][state as usize]
}

const STATES: [State; 10] = [
    State::Initial,
    State::Starting,
    State::Closed,
    State::Stopped,
    State::Closing,
    State::Stopping,
    State::ReqSent,
    State::AckRcvd,
    State::AckSent,
    State::Opened,
];

const fn to(actions: &'static [Action], next: usize) -> Cell {
    Some((actions, STATES[next]))
}

#[rustfmt::skip]
const TABLE: [[Cell; 10]; 16] = [
    //        0 Initial      1 Starting          2 Closed            3 Stopped                4 Closing       5 Stopping      6 Req-Sent          7 Ack-Rcvd          8 Ack-Sent          9 Opened
    /* Up  */[to(&[], 2),    to(&[Irc, Scr], 6), None,               None,                    None,           None,           None,               None,               None,               None],
    /* Down*/[None,          None,               to(&[], 0),         to(&[Tls], 1),           to(&[], 0),     to(&[], 1),     to(&[], 1),         to(&[], 1),         to(&[], 1),         to(&[Tld], 1)],
    /* Open*/[to(&[Tls], 1), to(&[], 1),         to(&[Irc, Scr], 6), to(&[], 3),              to(&[], 5),     to(&[], 5),     to(&[], 6),         to(&[], 7),         to(&[], 8),         to(&[], 9)],
    /* Clos*/[to(&[], 0),    to(&[Tlf], 0),      to(&[], 2),         to(&[], 2),              to(&[], 4),     to(&[], 4),     to(&[Irc, Str], 4), to(&[Irc, Str], 4), to(&[Irc, Str], 4), to(&[Tld, Irc, Str], 4)],
    /* TO+ */[None,          None,               None,               None,                    to(&[Str], 4),  to(&[Str], 5),  to(&[Scr], 6),      to(&[Scr], 6),      to(&[Scr], 8),      None],
    /* TO- */[None,          None,               None,               None,                    to(&[Tlf], 2),  to(&[Tlf], 3),  to(&[Tlf], 3),      to(&[Tlf], 3),      to(&[Tlf], 3),      None],
    /* RCR+*/[None,          None,               to(&[Sta], 2),      to(&[Irc, Scr, Sca], 8), to(&[], 4),     to(&[], 5),     to(&[Sca], 8),      to(&[Sca, Tlu], 9), to(&[Sca], 8),      to(&[Tld, Scr, Sca], 8)],
    /* RCR-*/[None,          None,               to(&[Sta], 2),      to(&[Irc, Scr, Scn], 6), to(&[], 4),     to(&[], 5),     to(&[Scn], 6),      to(&[Scn], 7),      to(&[Scn], 6),      to(&[Tld, Scr, Scn], 6)],
    /* RCA */[None,          None,               to(&[Sta], 2),      to(&[Sta], 3),           to(&[], 4),     to(&[], 5),     to(&[Irc], 7),      to(&[Scr], 6),      to(&[Irc, Tlu], 9), to(&[Tld, Scr], 6)],
    /* RCN */[None,          None,               to(&[Sta], 2),      to(&[Sta], 3),           to(&[], 4),     to(&[], 5),     to(&[Irc, Scr], 6), to(&[Scr], 6),      to(&[Irc, Scr], 8), to(&[Tld, Scr], 6)],
    /* RTR */[None,          None,               to(&[Sta], 2),      to(&[Sta], 3),           to(&[Sta], 4),  to(&[Sta], 5),  to(&[Sta], 6),      to(&[Sta], 6),      to(&[Sta], 6),      to(&[Tld, Zrc, Sta], 5)],
    /* RTA */[None,          None,               to(&[], 2),         to(&[], 3),              to(&[Tlf], 2),  to(&[Tlf], 3),  to(&[], 6),         to(&[], 6),         to(&[], 8),         to(&[Tld, Scr], 6)],
    /* RUC */[None,          None,               to(&[Scj], 2),      to(&[Scj], 3),           to(&[Scj], 4),  to(&[Scj], 5),  to(&[Scj], 6),      to(&[Scj], 7),      to(&[Scj], 8),      to(&[Scj], 9)],
    /* RXJ+*/[None,          None,               to(&[], 2),         to(&[], 3),              to(&[], 4),     to(&[], 5),     to(&[], 6),         to(&[], 6),         to(&[], 8),         to(&[], 9)],
    /* RXJ-*/[None,          None,               to(&[Tlf], 2),      to(&[Tlf], 3),           to(&[Tlf], 2),  to(&[Tlf], 3),  to(&[Tlf], 3),      to(&[Tlf], 3),      to(&[Tlf], 3),      to(&[Tld, Irc, Str], 5)],
    /* RXR */[None,          None,               to(&[], 2),         to(&[], 3),              to(&[], 4),     to(&[], 5),     to(&[], 6),         to(&[], 7),         to(&[], 8),         to(&[Ser], 9)],
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of RFC 1661 §4.1, the two halves side by side, footnote letters dropped.
    const RFC: &str = "
        Up    2      irc,scr/6  -         -              -      -      -          -          -          -
        Down  -      -          0         tls/1          0      1      1          1          1          tld/1
        Open  tls/1  1          irc,scr/6 3              5      5      6          7          8          9
        Close 0      tlf/0      2         2              4      4      irc,str/4  irc,str/4  irc,str/4  tld,irc,str/4
        TO+   -      -          -         -              str/4  str/5  scr/6      scr/6      scr/8      -
        TO-   -      -          -         -              tlf/2  tlf/3  tlf/3      tlf/3      tlf/3      -
        RCR+  -      -          sta/2     irc,scr,sca/8  4      5      sca/8      sca,tlu/9  sca/8      tld,scr,sca/8
        RCR-  -      -          sta/2     irc,scr,scn/6  4      5      scn/6      scn/7      scn/6      tld,scr,scn/6
        RCA   -      -          sta/2     sta/3          4      5      irc/7      scr/6      irc,tlu/9  tld,scr/6
        RCN   -      -          sta/2     sta/3          4      5      irc,scr/6  scr/6      irc,scr/8  tld,scr/6
        RTR   -      -          sta/2     sta/3          sta/4  sta/5  sta/6      sta/6      sta/6      tld,zrc,sta/5
        RTA   -      -          2         3              tlf/2  tlf/3  6          6          8          tld,scr/6
        RUC   -      -          scj/2     scj/3          scj/4  scj/5  scj/6      scj/7      scj/8      scj/9
        RXJ+  -      -          2         3              4      5      6          6          8          9
        RXJ-  -      -          tlf/2     tlf/3          tlf/2  tlf/3  tlf/3      tlf/3      tlf/3      tld,irc,str/5
        RXR   -      -          2         3              4      5      6          7          8          ser/9
    ";

    #[test]
    fn table_matches_rfc1661_section_4_1() {
        let rows = RFC.lines().map(str::trim).filter(|line| !line.is_empty());
        for (row, line) in rows.enumerate() {
            for (column, want) in line.split_whitespace().skip(1).enumerate() {
                let have = match TABLE[row][column] {
                    None => "-".to_owned(),
                    Some(([], next)) => (next as usize).to_string(),
                    Some((actions, next)) => {
                        let names: Vec<String> =
                            actions.iter().map(|action| format!("{action:?}").to_lowercase()).collect();
                        format!("{}/{}", names.join(","), next as usize)
                    }
                };
                assert_eq!(have, want, "row {line:?}, state {column}");
            }
        }
    }
}
