//! Statuses to receipts.

use didfarm_carriers::Receipt;
use didfarm_core::delivery::receipt::Claim;
use didfarm_core::ids::{CarrierMessageId, Extent, MessageId};
use didfarm_core::reason::Reason;
use serde_json::{Value, json};

use crate::farm::{PEER, USER_ID, WAMID, envelope, metadata, read, statuses};

fn ours() -> MessageId {
    Extent(77).message(3)
}

/// A status as Meta's "Status messages webhook reference" has it.
fn status(word: &str) -> Value {
    json!({
        "id": WAMID,
        "status": word,
        "timestamp": "1749416390",
        "recipient_id": PEER,
        "recipient_user_id": USER_ID,
        "biz_opaque_callback_data": ours().to_string(),
        "conversation": {
            "id": "6ceb9d929c9bdc4f90f967a32f8639b4",
            "expiration_timestamp": "1749499190",
            "origin": { "type": "utility" },
        },
        "pricing": {
            "billable": true,
            "pricing_model": "PMP",
            "type": "regular",
            "category": "utility",
        },
    })
}

fn failed(errors: Value) -> Value {
    json!({
        "id": WAMID,
        "status": "failed",
        "timestamp": "1749416390",
        "recipient_id": PEER,
        "biz_opaque_callback_data": ours().to_string(),
        "errors": errors,
    })
}

fn receipt(claim: Claim, reason: Option<Reason>) -> Receipt {
    Receipt {
        message: Some(ours()),
        id: CarrierMessageId(WAMID.into()),
        claim,
        reason,
    }
}

#[test]
fn every_status_makes_its_claim_and_names_our_message() {
    for (word, claim) in [
        ("sent", Claim::EnRoute),
        ("delivered", Claim::Delivered),
        ("read", Claim::Read),
        ("played", Claim::Read),
    ] {
        let callback = read(&statuses(json!([status(word)])));
        assert_eq!(callback.receipts, [receipt(claim, None)], "{word}");
        assert_eq!((callback.ignored, callback.malformed), (0, 0));
        assert!(callback.inbound.is_empty());
    }
}

#[test]
fn a_failure_has_the_reason_of_its_first_code() {
    let error = |code: Value| {
        json!([
            { "code": code, "title": "t", "message": "m", "error_data": { "details": "d" }, "href": "h" },
            { "code": 4, "title": "second" },
        ])
    };
    for (code, reason) in [
        (json!(131_047), Reason::WindowClosed),
        (json!("131047"), Reason::WindowClosed),
        (json!(131_026), Reason::Unreachable),
        (json!(131_049), Reason::Rejected),
        (json!(131_050), Reason::OptedOut),
        (json!(131_048), Reason::Spam),
        (json!(131_021), Reason::InvalidDestination),
        (json!(131_031), Reason::Blocked),
        (json!(130_429), Reason::Throttled),
        (json!(131_000), Reason::CarrierError),
        (json!(210), Reason::CarrierError),
        (json!(999_999), Reason::Unknown),
        (json!(-1), Reason::Unknown),
    ] {
        let callback = read(&statuses(json!([failed(error(code.clone()))])));
        let expected = receipt(Claim::Failed, Some(reason));
        assert_eq!(callback.receipts, [expected], "{code}");
        assert_eq!(callback.malformed, 0);
    }
}

#[test]
fn a_failure_stays_one_whatever_its_errors_look_like() {
    for errors in [
        json!([]),
        json!(null),
        json!([{}]),
        json!([{ "code": null }]),
        json!([{ "code": {} }]),
    ] {
        let callback = read(&statuses(json!([failed(errors.clone())])));
        let expected = receipt(Claim::Failed, Some(Reason::Unknown));
        assert_eq!(callback.receipts, [expected], "{errors}");
    }
    let callback = read(&statuses(json!([
        failed(json!("none")),
        failed(json!([7]))
    ])));
    let expected = receipt(Claim::Failed, Some(Reason::Unknown));
    assert_eq!(callback.receipts, [expected.clone(), expected]);
    assert_eq!(callback.malformed, 2);
}

#[test]
fn callback_data_that_is_not_ours_names_no_message() {
    for data in [
        json!(null),
        json!(""),
        json!("campaign-7"),
        json!("5046275"),
        json!("msg_"),
        json!("msg_u"),
        json!("num_00000000001"),
        json!(7),
        json!({ "msg": 1 }),
    ] {
        let mut status = status("delivered");
        status["biz_opaque_callback_data"] = data.clone();
        let callback = read(&statuses(json!([status])));
        let expected = Receipt {
            message: None,
            ..receipt(Claim::Delivered, None)
        };
        assert_eq!(callback.receipts, [expected], "{data}");
    }
}

#[test]
fn statuses_keep_their_order_and_their_repeats() {
    let words = ["read", "sent", "delivered", "sent"];
    let callback = read(&statuses(words.map(status).to_vec().into()));
    let claims: Vec<Claim> = callback
        .receipts
        .iter()
        .map(|receipt| receipt.claim)
        .collect();
    assert_eq!(
        claims,
        [
            Claim::Read,
            Claim::EnRoute,
            Claim::Delivered,
            Claim::EnRoute
        ]
    );
    assert_eq!(callback.weight(), 4);
}

#[test]
fn an_unknown_status_is_counted_and_changes_nothing() {
    let callback = read(&statuses(json!([
        status("deleted"),
        status("sent"),
        status("")
    ])));
    assert_eq!(callback.receipts, [receipt(Claim::EnRoute, None)]);
    assert_eq!((callback.ignored, callback.malformed), (2, 0));
}

#[test]
fn several_entries_and_changes_are_read_and_other_fields_are_counted() {
    let change = |field: &str, word: &str| {
        json!({
            "field": field,
            "value": { "messaging_product": "whatsapp", "metadata": metadata(), "statuses": [status(word)] },
        })
    };
    let body = json!({
        "object": "whatsapp_business_account",
        "entry": [
            { "id": "1", "changes": [change("messages", "sent"), change("calls", "RINGING")] },
            { "id": "2", "changes": [
                { "field": "account_update", "value": { "errors": "of another shape", "event": "X" } },
                change("messages", "delivered"),
            ] },
            { "id": "3", "changes": [] },
        ],
    });
    let callback = read(&body);
    let expected = [
        receipt(Claim::EnRoute, None),
        receipt(Claim::Delivered, None),
    ];
    assert_eq!(callback.receipts, expected);
    assert_eq!((callback.ignored, callback.malformed), (2, 0));
}

#[test]
fn a_webhook_about_something_else_is_counted_and_not_acted_upon() {
    let mut body = statuses(json!([status("sent")]));
    body["object"] = json!("page");
    let callback = read(&body);
    assert!(callback.receipts.is_empty());
    assert_eq!((callback.ignored, callback.malformed), (1, 0));
}

#[test]
fn errors_of_the_platform_are_counted() {
    let callback = read(&envelope(json!({
        "messaging_product": "whatsapp",
        "metadata": metadata(),
        "errors": [
            { "code": 130_429, "title": "Rate limit hit" },
            { "code": 131_016, "title": "Service unavailable" },
        ],
    })));
    assert_eq!((callback.ignored, callback.malformed), (2, 0));
    assert_eq!(callback.weight(), 1);
}

#[test]
fn escapes_in_ids_are_undone() {
    let body = statuses(json!([status("sent")])).to_string();
    let body = body
        .replace("wamid.HBgL", r"wamid.\/\u0042gL")
        .replace("msg_", r"\u006dsg_");
    let callback = crate::farm::try_read(body.as_bytes()).unwrap();
    assert_eq!(callback.receipts[0].message, Some(ours()));
    assert_eq!(&*callback.receipts[0].id.0, WAMID.replace("HBgL", "/BgL"));
}
