//! `command_status`: what an answer says, as a table (SMPP 3.4, 5.1.3).

use didfarm_core::reason::Reason;

use crate::SubmitAnswer;
use crate::reasons::{CodeRow, row_of};

/// No error.
pub(super) const OK: u32 = 0x00;
/// The command is unknown.
pub(super) const INVALID_COMMAND_ID: u32 = 0x03;
/// The session is not bound for this command.
pub(super) const INVALID_BIND_STATUS: u32 = 0x04;
/// We are to slow down: the queue is full.
const MESSAGE_QUEUE_FULL: u32 = 0x14;
/// We are to slow down.
const THROTTLED: u32 = 0x58;
/// We cannot take a delivery now: it is to be brought again.
pub(super) const RECEIVER_TEMPORARY: u32 = 0x64;
/// We can never take this delivery.
pub(super) const RECEIVER_REJECTS: u32 = 0x66;

/// What the SMSC answers to a submit when it does not take it. A code that is not here ends the message
/// with [`Reason::Unknown`].
pub const TABLE: &[CodeRow] = &[
    CodeRow::last(
        0x01,
        Reason::Rejected,
        "ESME_RINVMSGLEN: message length is invalid",
    ),
    CodeRow::again(
        0x02,
        Reason::CarrierError,
        "ESME_RINVCMDLEN: command length is invalid",
    ),
    CodeRow::again(
        0x03,
        Reason::CarrierError,
        "ESME_RINVCMDID: invalid command id",
    ),
    CodeRow::again(
        0x04,
        Reason::CarrierError,
        "ESME_RINVBNDSTS: incorrect bind status; the session is bound anew",
    ),
    CodeRow::again(
        0x05,
        Reason::CarrierError,
        "ESME_RALYBND: already bound; the session is bound anew",
    ),
    CodeRow::last(
        0x06,
        Reason::Rejected,
        "ESME_RINVPRTFLG: invalid priority flag",
    ),
    CodeRow::last(
        0x07,
        Reason::Rejected,
        "ESME_RINVREGDLVFLG: invalid registered delivery flag",
    ),
    CodeRow::again(0x08, Reason::CarrierError, "ESME_RSYSERR: system error"),
    CodeRow::last(
        0x0A,
        Reason::Rejected,
        "ESME_RINVSRCADR: invalid source address",
    ),
    CodeRow::last(
        0x0B,
        Reason::InvalidDestination,
        "ESME_RINVDSTADR: invalid destination address",
    ),
    CodeRow::again(0x0D, Reason::CarrierError, "ESME_RBINDFAIL: bind failed"),
    CodeRow::again(
        0x0E,
        Reason::CarrierError,
        "ESME_RINVPASWD: invalid password",
    ),
    CodeRow::again(
        0x0F,
        Reason::CarrierError,
        "ESME_RINVSYSID: invalid system id",
    ),
    CodeRow::again(
        MESSAGE_QUEUE_FULL,
        Reason::Throttled,
        "ESME_RMSGQFUL: message queue full",
    ),
    CodeRow::last(
        0x15,
        Reason::Rejected,
        "ESME_RINVSERTYP: invalid service type",
    ),
    CodeRow::last(
        0x43,
        Reason::Rejected,
        "ESME_RINVESMCLASS: invalid esm_class",
    ),
    CodeRow::again(
        0x45,
        Reason::CarrierError,
        "ESME_RSUBMITFAIL: submit failed",
    ),
    CodeRow::last(
        0x48,
        Reason::Rejected,
        "ESME_RINVSRCTON: invalid source type of number",
    ),
    CodeRow::last(
        0x49,
        Reason::Rejected,
        "ESME_RINVSRCNPI: invalid source numbering plan",
    ),
    CodeRow::last(
        0x50,
        Reason::InvalidDestination,
        "ESME_RINVDSTTON: invalid destination type of number",
    ),
    CodeRow::last(
        0x51,
        Reason::InvalidDestination,
        "ESME_RINVDSTNPI: invalid destination numbering plan",
    ),
    CodeRow::last(
        0x53,
        Reason::Rejected,
        "ESME_RINVSYSTYP: invalid system type",
    ),
    CodeRow::last(
        0x54,
        Reason::Rejected,
        "ESME_RINVREPFLAG: invalid replace_if_present flag",
    ),
    CodeRow::again(
        THROTTLED,
        Reason::Throttled,
        "ESME_RTHROTTLED: throttling error",
    ),
    CodeRow::last(
        0x61,
        Reason::Rejected,
        "ESME_RINVSCHED: invalid scheduled delivery time",
    ),
    CodeRow::last(
        0x62,
        Reason::Rejected,
        "ESME_RINVEXPIRY: invalid validity period",
    ),
    CodeRow::last(
        0x63,
        Reason::Rejected,
        "ESME_RINVDFTMSGID: predefined message not found",
    ),
    CodeRow::again(
        0x64,
        Reason::CarrierError,
        "ESME_RX_T_APPN: temporary error of the receiver",
    ),
    CodeRow::last(
        0x65,
        Reason::Rejected,
        "ESME_RX_P_APPN: permanent error of the receiver",
    ),
    CodeRow::last(
        0x66,
        Reason::Rejected,
        "ESME_RX_R_APPN: the receiver rejects the message",
    ),
    CodeRow::last(
        0xC0,
        Reason::Rejected,
        "ESME_RINVOPTPARSTREAM: error in the optional part",
    ),
    CodeRow::last(
        0xC1,
        Reason::Rejected,
        "ESME_ROPTPARNOTALLWD: optional parameter not allowed",
    ),
    CodeRow::last(
        0xC2,
        Reason::Rejected,
        "ESME_RINVPARLEN: invalid parameter length",
    ),
    CodeRow::last(
        0xC3,
        Reason::Rejected,
        "ESME_RMISSINGOPTPARAM: optional parameter missing",
    ),
    CodeRow::last(
        0xC4,
        Reason::Rejected,
        "ESME_RINVOPTPARAMVAL: invalid optional parameter value",
    ),
    CodeRow::again(
        0xFE,
        Reason::CarrierError,
        "ESME_RDELIVERYFAILURE: delivery failure",
    ),
    CodeRow::again(
        0xFF,
        Reason::CarrierError,
        "ESME_RUNKNOWNERR: unknown error",
    ),
];

/// What a status other than [`OK`] says to a submit: `Refused` or `NotTaken`.
pub(super) fn answer(status: u32) -> SubmitAnswer {
    row_of(TABLE, status).map_or(SubmitAnswer::Refused(Reason::Unknown), CodeRow::answer)
}

/// Whether the SMSC tells us to slow down.
pub(super) fn is_throttling(status: u32) -> bool {
    matches!(status, MESSAGE_QUEUE_FULL | THROTTLED)
}

/// Whether the SMSC says that this session is not bound as it must be.
pub(super) fn is_unbound(status: u32) -> bool {
    matches!(status, INVALID_BIND_STATUS | 0x05)
}

/// Whether a bind was refused for who we are: trying again soon is of no use.
pub(super) fn is_bad_credentials(status: u32) -> bool {
    matches!(status, 0x0D..=0x0F | 0x53)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reasons::document;

    #[test]
    fn the_document_shows_this_table() {
        document::hold("SMPP 3.4", TABLE, |code| format!("`0x{code:02X}`"));
    }

    #[test]
    fn what_slows_down_may_be_tried_again_and_the_unknown_may_not() {
        for status in [MESSAGE_QUEUE_FULL, THROTTLED] {
            assert!(is_throttling(status));
            assert_eq!(answer(status), SubmitAnswer::NotTaken(Reason::Throttled));
        }
        assert_eq!(
            answer(0x0B),
            SubmitAnswer::Refused(Reason::InvalidDestination)
        );
        assert_eq!(answer(0x08), SubmitAnswer::NotTaken(Reason::CarrierError));
        assert_eq!(answer(0x0400), SubmitAnswer::Refused(Reason::Unknown));
    }
}
