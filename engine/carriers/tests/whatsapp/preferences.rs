//! Preferences: whether a user wants marketing messages of ours.

use didfarm_carriers::callback::Preference;
use didfarm_core::consent::ConsentChange;
use didfarm_core::peer::Peer;
use didfarm_core::time::Timestamp;
use serde_json::{Value, json};

use crate::farm::{OURS, PEER, USER_ID, envelope, metadata, number, read};

fn preferences(preferences: Value) -> Value {
    let mut body = envelope(json!({
        "messaging_product": "whatsapp",
        "metadata": metadata(),
        "contacts": [{ "profile": { "name": "Sheena Nelson" }, "wa_id": PEER }],
        "user_preferences": preferences,
    }));
    body["entry"][0]["changes"][0]["field"] = json!("user_preferences");
    body
}

fn preference(value: &str) -> Value {
    json!({
        "wa_id": PEER,
        "detail": "User requested to stop marketing messages",
        "category": "marketing_messages",
        "value": value,
        "timestamp": 1_731_705_721,
    })
}

#[test]
fn who_stops_marketing_opts_out_and_who_resumes_it_opts_in() {
    let callback = read(&preferences(json!([
        preference("stop"),
        preference("resume")
    ])));
    let stop = Preference {
        peer: Peer::parse(&format!("+{PEER}")).unwrap(),
        number: number(OURS),
        change: ConsentChange::OptedOut,
        detail: Some("User requested to stop marketing messages".into()),
        stated_at: Some(Timestamp(1_731_705_721_000_000)),
    };
    let resume = Preference {
        change: ConsentChange::OptedIn,
        ..stop.clone()
    };
    assert_eq!(callback.preferences, [stop, resume]);
    assert_eq!((callback.ignored, callback.malformed), (0, 0));
    assert_eq!(callback.weight(), 2);
}

#[test]
fn a_user_without_a_number_has_its_id_and_a_time_may_be_a_string() {
    let mut named = preference("stop");
    named["wa_id"] = Value::Null;
    named["user_id"] = json!(USER_ID);
    named["timestamp"] = json!("1731705721");
    let callback = read(&preferences(json!([named])));
    assert_eq!(callback.preferences[0].peer.to_string(), USER_ID);
    let stated_at = callback.preferences[0].stated_at;
    assert_eq!(stated_at, Some(Timestamp(1_731_705_721_000_000)));
}

#[test]
fn other_categories_are_counted_and_a_bad_element_leaves_the_others_alone() {
    let mut other = preference("stop");
    other["category"] = json!("service_messages");
    let nobody = json!({ "category": "marketing_messages", "value": "stop" });
    let body = json!([
        other,
        preference("maybe"),
        nobody,
        7,
        {},
        preference("stop")
    ]);
    let callback = read(&preferences(body));
    assert_eq!(callback.preferences.len(), 1);
    assert_eq!((callback.ignored, callback.malformed), (2, 3));
}

#[test]
fn preferences_that_name_no_number_of_ours_cannot_be_used() {
    let mut body = preferences(json!([preference("stop"), preference("stop")]));
    body["entry"][0]["changes"][0]["value"]["metadata"] = json!({});
    let callback = read(&body);
    assert!(callback.preferences.is_empty());
    assert_eq!(callback.malformed, 2);
}
