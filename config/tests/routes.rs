//! Routes: what they owe the carriers, and the table that they become.

use didfarm_config::{Overrides, Settings};
use didfarm_core::channel::Channel;
use didfarm_core::e164::E164;
use didfarm_core::ids::CarrierId;
use didfarm_core::peer::Peer;
use didfarm_core::route::{RouteTable, Target};

const SMSC: CarrierId = CarrierId(2);
const META: CarrierId = CarrierId(3);
const BOTH: CarrierId = CarrierId(4);

const CARRIERS: &str = r#"
    callbacks = { public_base_url = "http://127.0.0.1:8080" }
    [[carriers]]
    id = 2
    name = "smsc"
    smpp = { address = "localhost:2775", system_id = "me", password = "pw" }
    [[carriers]]
    id = 3
    name = "meta"
    [carriers.whatsapp]
    access_token = "a"
    app_secret = "b"
    verify_token = "c"
    numbers = [{ number = "+493023125000", phone_number_id = "1" }]
    [[carriers]]
    id = 4
    name = "both"
    twilio = { account_sid = "AC1", auth_token = "t" }
"#;

/// A rule that names every carrier, so that each has one.
const ALL: &str = r#"
    [[routes]]
    targets = [{ carrier = "smsc" }, { carrier = "meta" }, { carrier = "both" }]
"#;

fn load(text: &str) -> Result<Settings, Vec<String>> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("didfarm.toml");
    std::fs::write(&path, text).unwrap();
    Settings::load(Some(&path), std::iter::empty(), Overrides::default()).map_err(|errors| {
        let lines = errors.problems().iter();
        lines
            .map(|p| format!("{}: {}", p.path, p.sentence))
            .collect()
    })
}

fn refused(routes: &str) -> Vec<String> {
    load(&[CARRIERS, routes].concat()).unwrap_err()
}

/// The carriers and tiers for a message from +49 30 23125 000.
fn targets(routes: &str, to: u64, channel: Channel) -> Vec<(CarrierId, u16, u32)> {
    let table = load(&[CARRIERS, routes].concat()).unwrap().route_table();
    let number = |digits| E164::from_digits(digits).unwrap();
    let plain = |target: &Target| (target.carrier, target.tier, target.weight);
    let to = Peer::Number(number(to));
    let targets = table.targets(number(493_023_125_000), &to, channel);
    targets.iter().map(plain).collect()
}

#[test]
fn without_routes_everything_goes_to_the_simulator() {
    let only = RouteTable::only(CarrierId::SIMULATOR);
    assert_eq!(Settings::default().route_table(), only);
}

#[test]
fn targets_are_tried_in_the_order_of_the_list_unless_tiers_are_given() {
    assert_eq!(
        targets(ALL, 4_915_112_345_678, Channel::Sms),
        [(SMSC, 0, 1), (BOTH, 2, 1)]
    );
    let shared = r#"
        [[routes]]
        channel = "sms"
        targets = [
            { carrier = "simulator", tier = 9 },
            { carrier = "smsc", tier = 0, weight = 3 },
            { carrier = "both", tier = 0 },
        ]
    "#;
    assert_eq!(
        targets(&[ALL, shared].concat(), 4_915_112_345_678, Channel::Sms),
        [(SMSC, 0, 3), (BOTH, 0, 1), (CarrierId::SIMULATOR, 9, 1)]
    );
}

#[test]
fn a_route_for_all_channels_gives_each_the_carriers_that_carry_it() {
    assert_eq!(
        targets(ALL, 4_915_112_345_678, Channel::WhatsApp),
        [(META, 1, 1), (BOTH, 2, 1)]
    );
    let prefix = r#"
        [[routes]]
        prefix = "+49"
        targets = [{ carrier = "smsc" }]
    "#;
    let routes = [ALL, prefix].concat();
    let to = |channel| targets(&routes, 4_915_112_345_678, channel);
    assert_eq!(to(Channel::Sms), [(SMSC, 0, 1)]);
    assert_eq!(to(Channel::WhatsApp), [(META, 1, 1), (BOTH, 2, 1)]);
}

#[test]
fn a_route_that_names_the_channel_speaks_before_one_for_all() {
    let named = r#"
        [[routes]]
        channel = "whatsapp"
        targets = [{ carrier = "both" }]
    "#;
    for routes in [[ALL, named].concat(), [named, ALL].concat()] {
        let to = |channel| targets(&routes, 4_915_112_345_678, channel);
        assert_eq!(to(Channel::WhatsApp), [(BOTH, 0, 1)]);
        assert_eq!(to(Channel::Sms), [(SMSC, 0, 1), (BOTH, 2, 1)]);
    }
}

#[test]
fn a_number_and_a_prefix_make_a_route_more_specific() {
    let more = r#"
        [[routes]]
        prefix = "+4915"
        targets = [{ carrier = "both" }]
        [[routes]]
        numbers = ["+493023125000"]
        prefix = "+31"
        targets = [{ carrier = "simulator" }]
    "#;
    let routes = [ALL, more].concat();
    let to = |digits| targets(&routes, digits, Channel::Sms);
    assert_eq!(to(4_915_112_345_678), [(BOTH, 0, 1)]);
    assert_eq!(to(31_612_345_678), [(CarrierId::SIMULATOR, 0, 1)]);
    assert_eq!(to(15_551_234_567), [(SMSC, 0, 1), (BOTH, 2, 1)]);
}

#[test]
fn a_carrier_without_a_route_would_get_nothing() {
    let would = "must stand in the targets of a route; it would get no messages";
    let problems = |indices: &[usize]| -> Vec<String> {
        let line = |index: &usize| format!("carriers[{index}].name: {would}");
        indices.iter().map(line).collect()
    };
    assert_eq!(refused(""), problems(&[0, 1, 2]));
    let routes = "[[routes]]\ntargets = [{ carrier = \"meta\" }, { carrier = \"simulator\" }]";
    assert_eq!(refused(routes), problems(&[0, 2]));
}

#[test]
fn a_route_names_carriers_that_are_there_and_each_once() {
    let more = r#"
        [[routes]]
        prefix = "+1"
        targets = [{ carrier = "smcs" }, { carrier = "smsc" }, { carrier = "smsc" }]
    "#;
    let expected = [
        "routes[1].targets[0].carrier: must be the name of a carrier; there are both, meta, smsc, \
         simulator",
        "routes[1].targets[2].carrier: must differ from routes[1].targets[1].carrier",
    ];
    assert_eq!(refused(&[ALL, more].concat()), expected);
}

#[test]
fn a_route_for_one_channel_names_carriers_that_carry_it() {
    let more = r#"
        [[routes]]
        channel = "whatsapp"
        targets = [{ carrier = "both" }, { carrier = "meta" }, { carrier = "smsc" }]
        [[routes]]
        channel = "sms"
        targets = [{ carrier = "simulator" }, { carrier = "meta" }]
    "#;
    let expected = [
        "routes[1].targets[2].carrier: must carry WhatsApp, for which the route is; smsc is smpp",
        "routes[2].targets[1].carrier: must carry SMS, for which the route is; meta is whatsapp",
    ];
    assert_eq!(refused(&[ALL, more].concat()), expected);
}

#[test]
fn two_routes_for_the_same_messages_are_refused() {
    let numbers = |list: &str| {
        format!("[[routes]]\nnumbers = [{list}]\ntargets = [{{ carrier = \"simulator\" }}]\n")
    };
    let (one, two) = ("\"+493023125000\"", "\"+493023125001\"");
    let routes = numbers(&format!("{one}, {two}")) + &numbers(&format!("{two}, {one}"));
    assert_eq!(
        refused(&(ALL.to_owned() + &routes)),
        ["routes[2]: must differ from routes[1], which is for the same messages"]
    );
}

#[test]
fn every_value_of_a_route_is_looked_at_and_no_number_shown() {
    let more = r#"
        [[routes]]
        numbers = ["+0151", "+493023125000", 7, "+493023125000"]
        prefix = "31"
        channel = "mms"
        targets = [{ tier = 65536, weight = 0 }]
        [[routes]]
        targets = []
    "#;
    let number = "must be an E.164 number, \"+\" and 7 to 15 digits, the first not 0";
    let expected = [
        "routes[1].channel: must be one of \"\", \"sms\", \"whatsapp\", not \"mms\"".to_owned(),
        format!("routes[1].numbers[0]: {number}"),
        format!("routes[1].numbers[2]: {number}"),
        "routes[1].prefix: must be what E.164 numbers begin with, \"+\" and 1 to 15 digits, the \
         first not 0, or \"\""
            .to_owned(),
        "routes[1].targets[0].carrier: is missing; it must be a name of 1 to 32 characters, a to \
         z, 0 to 9 and \"-\""
            .to_owned(),
        "routes[1].targets[0].tier: must be a whole number from 0 to 65535, not 65536".to_owned(),
        "routes[1].targets[0].weight: must be a whole number from 1 to 1000, not 0".to_owned(),
        "routes[2].targets: must be a list of 1 to 16 tables, not of 0".to_owned(),
        "routes[1].numbers[3]: must differ from routes[1].numbers[1]".to_owned(),
    ];
    assert_eq!(refused(&[ALL, more].concat()), expected);
}

#[test]
fn what_was_refused_about_carriers_is_not_held_against_routes() {
    let text = "[[carriers]]\nid = 2\nname = \"Big\"\nsmpp = { address = \"localhost:1\", \
                system_id = \"me\", password = \"pw\" }\n\
                [[routes]]\ntargets = [{ carrier = \"big\" }]";
    let problems = load(text).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0].starts_with("carriers[0].name: must be a name"),
        "{problems:?}"
    );
}

#[test]
fn an_unknown_carrier_is_named_beside_other_problems_of_carriers() {
    let text = "[[carriers]]\nid = 2\nname = \"one\"\nwindow = 0\nsmpp = { address = \"localhost:1\", \
                system_id = \"me\", password = \"pw\" }\n\
                [[routes]]\ntargets = [{ carrier = \"two\" }]";
    let expected = [
        "carriers[0].window: must be a whole number of messages from 1 to 1048576, not 0",
        "routes[0].targets[0].carrier: must be the name of a carrier; there are one, simulator",
        "carriers[0].name: must stand in the targets of a route; it would get no messages",
    ];
    assert_eq!(load(text).unwrap_err(), expected);
}
