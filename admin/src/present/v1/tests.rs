//! Tests of the shapes of `/api/v1/sms`.

use std::sync::Arc;

use didfarm_core::account::RateLimit;
use didfarm_core::ids::Extent;
use didfarm_core::money::Micros;
use didfarm_core::segments::Encoding;
use didfarm_runtime::send::LimitState;

use didfarm_core::ids::{ConversationId, NumberId};

use super::*;

#[test]
fn an_accepted_message_has_the_shape_of_the_product() {
    let message = SentMessage {
        id: Extent(1).message(1),
        conversation: ConversationId(1),
        number: NumberId(1),
        from: E164::from_digits(31_201_234_567).unwrap(),
        to: E164::from_digits(31_612_345_678).unwrap().into(),
        channel: Channel::Sms,
        body: Arc::from("hi \"you\""),
        content: None,
        encoding: Encoding::Gsm7,
        segments: 1,
        charge: Micros::new(8_000),
        send_at: None,
        smart_encoded: None,
        created_at: Timestamp::parse_rfc3339("2026-04-05T14:22:08.5Z").unwrap(),
        limit: Some(LimitState {
            limit: RateLimit::DEFAULT,
            remaining: 9,
        }),
    };
    let shown = serde_json::to_string(&Sent::of(&message)).unwrap();
    assert_eq!(
        shown,
        r#"{"id":"msg_00000002001","conversation_id":"conv_00000000001","number_id":"num_00000000001","direction":"outbound","from":"+31201234567","to":"+31612345678","body":"hi \"you\"","channel":"sms","status":"queued","segments":1,"encoding":"GSM-7","cost":0.008,"currency":"EUR","created_at":"2026-04-05T14:22:08Z"}"#
    );
}

#[test]
fn a_window_is_active_until_it_ends_and_expired_when_it_never_opened() {
    let (early, end) = (Timestamp(1), Timestamp(2));
    assert_eq!(window(Some(end), early).state, "active");
    assert_eq!(window(Some(end), end).state, "expired");
    assert_eq!(window(None, early).state, "expired");
}

#[test]
fn channels_are_named_by_their_bits() {
    let bits = |channel: Channel| 1u8 << (channel as u8);
    assert_eq!(channels(bits(Channel::Sms)), ["sms"]);
    assert_eq!(channels(bits(Channel::WhatsApp)), ["whatsapp"]);
    assert_eq!(
        channels(bits(Channel::Sms) | bits(Channel::WhatsApp)),
        ["sms", "whatsapp"]
    );
    assert!(channels(0).is_empty());
}
