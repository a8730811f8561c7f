//! The shares, over many messages.

use std::collections::HashMap;

use didfarm_carriers::simulator::SimulatorSettings;
use didfarm_carriers::{Submit, SubmitAnswer};
use didfarm_core::delivery::receipt::Claim;
use didfarm_core::ids::MessageId;
use didfarm_core::reason::Reason;

use crate::recording::{answers, claims, run, sms, whatsapp};

const MESSAGES: u64 = 100_000;

fn many() -> Vec<Submit> {
    (1..=MESSAGES).map(|id| sms(id, 1_234)).collect()
}

fn settings() -> SimulatorSettings {
    SimulatorSettings {
        seed: 42,
        ..SimulatorSettings::default()
    }
}

/// Half a percentage point of the messages: three to five standard deviations of what is tested here.
#[track_caller]
fn assert_share(count: usize, of: usize, share: f64) {
    let expected = share * of as f64;
    let tolerance = 0.005 * of as f64;
    assert!(
        (count as f64 - expected).abs() < tolerance,
        "{count} of {of} is not {share}"
    );
}

fn throttled(answers: &HashMap<MessageId, SubmitAnswer>) -> usize {
    answers
        .values()
        .filter(|answer| **answer == SubmitAnswer::NotTaken(Reason::Throttled))
        .count()
}

#[test]
fn every_share_is_kept_and_the_same_seed_gives_the_same_fates() {
    let wild = SimulatorSettings {
        loss: 0.1,
        duplication: 0.05,
        reordering: 0.2,
        throttling: 0.3,
        ..settings()
    };
    let seen = run(wild.clone(), many());
    let (first, receipts) = (answers(&seen), claims(&seen));
    assert_eq!(first.len() as u64, MESSAGES);
    assert_share(throttled(&first), first.len(), 0.3);
    let accepted = first.len() - throttled(&first);
    let with = |claim, times: usize| {
        let count = |claims: &&Vec<Claim>| claims.iter().filter(|it| **it == claim).count();
        receipts
            .values()
            .filter(|claims| count(claims) >= times)
            .count()
    };
    assert_share(accepted - with(Claim::Delivered, 1), accepted, 0.1);
    assert_share(with(Claim::Delivered, 2), with(Claim::Delivered, 1), 0.05);
    assert_share(with(Claim::EnRoute, 1), accepted, 0.2 * 0.9);

    // Another order of arrival and other groups change nothing.
    let mut group = many();
    group.reverse();
    let seen = run(wild.clone(), group);
    assert_eq!(answers(&seen), first);
    assert_eq!(claims(&seen), receipts);

    let other = run(SimulatorSettings { seed: 43, ..wild }, many());
    assert_ne!(answers(&other), first);
}

#[test]
fn one_share_does_not_move_another() {
    let lossy = SimulatorSettings {
        loss: 0.1,
        ..settings()
    };
    let both = SimulatorSettings {
        duplication: 0.5,
        ..lossy.clone()
    };
    let of = |settings| {
        let mut ids: Vec<String> = claims(&run(settings, many())).into_keys().collect();
        ids.sort();
        ids
    };
    assert_eq!(of(lossy), of(both));
}

#[test]
fn segments_have_fates_of_their_own() {
    let lossy = SimulatorSettings {
        loss: 0.5,
        ..settings()
    };
    let group = (1..=10_000)
        .map(|id| Submit {
            segments: 4,
            ..sms(id, 1_234)
        })
        .collect();
    let receipts = claims(&run(lossy, group));
    let whole = (1..=10_000)
        .filter(|id| {
            (1..=4).all(|segment| receipts.contains_key(&format!("sim-{id:x}-1-{segment}")))
        })
        .count();
    assert_share(receipts.len(), 40_000, 0.5);
    assert_share(whole, 10_000, 1.0 / 16.0);
}

#[test]
fn a_throttled_message_is_taken_on_a_later_submit() {
    let half = SimulatorSettings {
        throttling: 0.5,
        ..settings()
    };
    let mut waiting: Vec<Submit> = (1..=1_000).map(|id| sms(id, 1_234)).collect();
    for submit in 1..=30 {
        waiting
            .iter_mut()
            .for_each(|waiting| waiting.submit = submit);
        let answers = answers(&run(half.clone(), waiting.clone()));
        waiting.retain(|waiting| {
            answers[&waiting.message] == SubmitAnswer::NotTaken(Reason::Throttled)
        });
    }
    assert!(
        waiting.is_empty(),
        "{} messages were throttled 30 times",
        waiting.len()
    );
}

#[test]
fn a_reordered_receipt_is_overtaken_by_later_ones() {
    let settings = SimulatorSettings {
        receipt_delay_ms: 20,
        reordering: 0.5,
        ..settings()
    };
    let group: Vec<Submit> = (1..=1_000).map(|id| sms(id, 1_234)).collect();
    let seen = run(settings.clone(), group.clone());
    let delivered = |seen: &[crate::recording::Seen]| -> Vec<u64> {
        let lines = crate::recording::story(seen);
        let ids = lines
            .iter()
            .filter_map(|line| line.strip_suffix("-1-1 delivered"));
        ids.map(|id| u64::from_str_radix(&id[4..], 16).unwrap())
            .collect()
    };
    let order = delivered(&seen);
    assert_eq!(order.len(), 1_000);
    let overtaken = order.windows(2).filter(|pair| pair[1] < pair[0]).count();
    assert!(overtaken > 10, "{overtaken}");

    let tidy = run(
        SimulatorSettings {
            reordering: 0.0,
            ..settings
        },
        group,
    );
    assert!(delivered(&tidy).is_sorted());
}

#[test]
fn a_reordered_sequence_comes_in_swapped_order() {
    let settings = SimulatorSettings {
        receipt_delay_ms: 2,
        reordering: 1.0,
        ..settings()
    };
    let group = vec![sms(1, 1_234), whatsapp(2, 1_234)];
    let claims = claims(&run(settings, group));
    assert_eq!(claims["sim-1-1-1"], [Claim::Delivered, Claim::EnRoute]);
    assert_eq!(claims["sim-2-1-1"], [Claim::Read, Claim::Delivered]);
}

#[test]
fn beyond_the_rate_submits_are_throttled() {
    let limited = SimulatorSettings {
        rate_max: 5_000,
        ..settings()
    };
    let group: Vec<Submit> = (1..=20_000).map(|id| sms(id, 1_234)).collect();
    // One group is taken within one moment, thus within one second of the count.
    let answers = answers(&run(limited, group));
    assert_eq!(answers.len() - throttled(&answers), 5_000);
}
