//! Each ending's fate, end to end.

use didfarm_carriers::Submit;
use didfarm_carriers::simulator::SimulatorSettings;
use didfarm_carriers::simulator::fate::FATES;
use didfarm_core::delivery::receipt::Claim;
use didfarm_core::ids::MessageId;

use crate::recording::{Seen, answers, claims, run, sms, story, whatsapp};

fn run_one(submit: Submit) -> Vec<Seen> {
    run(SimulatorSettings::default(), vec![submit])
}

fn story_of(submit: Submit) -> Vec<String> {
    story(&run_one(submit))
}

#[test]
fn an_ordinary_peer_is_delivered() {
    for ending in [0, 10, 1_234, 9_999] {
        let story = story_of(sms(0xabc, ending));
        assert_eq!(
            story,
            ["accepted sim-abc-1-1", "sim-abc-1-1 delivered"],
            "{ending:04}"
        );
    }
}

#[test]
fn ending_0001_is_refused() {
    assert_eq!(story_of(sms(1, 1)), ["refused invalid_destination"]);
}

#[test]
fn ending_0002_fails() {
    assert_eq!(
        story_of(sms(1, 2)),
        ["accepted sim-1-1-1", "sim-1-1-1 failed unreachable"]
    );
    assert_eq!(
        story_of(whatsapp(1, 2)),
        ["accepted sim-1-1-1", "sim-1-1-1 failed unreachable"]
    );
}

#[test]
fn ending_0003_is_never_receipted() {
    assert_eq!(story_of(sms(1, 3)), ["accepted sim-1-1-1"]);
}

#[test]
fn ending_0004_is_receipted_before_its_answer_comes() {
    let seen = run_one(sms(1, 4));
    assert_eq!(story(&seen), ["sim-1-1-1 delivered", "accepted sim-1-1-1"]);
    assert!(seen[0].call < seen[1].call, "both came in one group");
    let story = story_of(whatsapp(1, 4));
    assert_eq!(
        story,
        [
            "sim-1-1-1 delivered",
            "accepted sim-1-1-1",
            "sim-1-1-1 read"
        ]
    );
}

#[test]
fn ending_0005_is_receipted_three_times() {
    let delivered = "sim-1-1-1 delivered";
    assert_eq!(
        story_of(sms(1, 5)),
        ["accepted sim-1-1-1", delivered, delivered, delivered]
    );
}

#[test]
fn ending_0006_is_throttled_twice() {
    let story = |submit| {
        story_of(Submit {
            submit,
            ..sms(1, 6)
        })
    };
    assert_eq!(story(1), ["throttled"]);
    assert_eq!(story(2), ["throttled"]);
    assert_eq!(story(3), ["accepted sim-1-3-1", "sim-1-3-1 delivered"]);
    assert_eq!(story(4), ["accepted sim-1-4-1", "sim-1-4-1 delivered"]);
}

#[test]
fn ending_0007_is_never_answered() {
    assert!(story_of(sms(1, 7)).is_empty());
}

#[test]
fn ending_0008_contradicts_itself() {
    let story = story_of(sms(1, 8));
    let expected = [
        "accepted sim-1-1-1",
        "sim-1-1-1 failed unreachable",
        "sim-1-1-1 delivered",
    ];
    assert_eq!(story, expected);
}

#[test]
fn ending_0009_is_cut_off() {
    assert_eq!(story_of(sms(1, 9)), ["no answer"]);
}

#[test]
fn each_segment_has_an_id_and_a_receipt_of_its_own() {
    let story = story_of(Submit {
        segments: 3,
        ..sms(0x2a, 1_234)
    });
    let expected = [
        "accepted sim-2a-1-1 sim-2a-1-2 sim-2a-1-3",
        "sim-2a-1-1 delivered",
        "sim-2a-1-2 delivered",
        "sim-2a-1-3 delivered",
    ];
    assert_eq!(story, expected);
}

#[test]
fn a_whatsapp_message_has_one_id_and_is_read_after_it_was_delivered() {
    let story = story_of(Submit {
        segments: 3,
        ..whatsapp(1, 1_234)
    });
    assert_eq!(
        story,
        [
            "accepted sim-1-1-1",
            "sim-1-1-1 delivered",
            "sim-1-1-1 read"
        ]
    );
}

#[test]
fn a_fixed_fate_stands_whatever_the_shares() {
    let wild = SimulatorSettings {
        loss: 1.0,
        duplication: 1.0,
        reordering: 1.0,
        throttling: 1.0,
        ..SimulatorSettings::default()
    };
    for row in FATES {
        let submit = |id| sms(id, row.ending.into());
        let calm = run(SimulatorSettings::default(), vec![submit(1)]);
        let stormy = run(wild.clone(), vec![submit(1)]);
        assert_eq!(story(&calm), story(&stormy), "{}", row.text);
    }
}

#[test]
fn fates_do_not_meddle_with_each_other() {
    let group = (0..10_000).map(|ending| sms(ending + 1, ending)).collect();
    let seen = run(SimulatorSettings::default(), group);
    let (answers, claims) = (answers(&seen), claims(&seen));
    assert_eq!(answers.len(), 9_999);
    assert!(!answers.contains_key(&MessageId(8)));
    let without_receipt = 5; // refused, never receipted, throttled, never answered, cut off
    assert_eq!(claims.len(), 10_000 - without_receipt);
    assert_eq!(claims["sim-6-1-1"], [Claim::Delivered; 3]);
    assert_eq!(claims["sim-9-1-1"], [Claim::Failed, Claim::Delivered]);
}
