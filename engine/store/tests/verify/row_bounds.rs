//! What is longer than a row may be: bodies of answers, rules; and what is bounded so that it is not.

use didfarm_core::auto_reply::AutoReplyRules;
use didfarm_core::ids::EndpointId;
use didfarm_core::peer::PeerName;
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::attempt::{AfterAttempt, BODY_KEPT_BYTES_MAX};
use didfarm_core::webhook::endpoint::ENDPOINTS_MAX;
use didfarm_core::webhook::{ConversationChange, Fact, Target};
use didfarm_store::packed::VALUE_BYTES_MAX;
use didfarm_store::records::Records;
use didfarm_store::records::codec;
use didfarm_store::records::keys::MAPS;
use didfarm_store::records::read::Take;
use didfarm_store::records::round::{
    ATTEMPTS_MAX, AttemptMark, EVENT_ATTEMPTS_MAX, EventResult, RESULTS_MAX, ResultState,
};

use crate::farm::{Farm, peer};
use crate::rounds::{assert_sound, waiting};
use crate::shelves::{records_of, rows};

#[test]
fn a_body_of_twenty_thousand_bytes_is_kept_whole_and_a_longer_one_is_cut() {
    for (body, kept) in [
        ("x".repeat(BODY_KEPT_BYTES_MAX), BODY_KEPT_BYTES_MAX),
        (
            "€".repeat(10_000),
            BODY_KEPT_BYTES_MAX - BODY_KEPT_BYTES_MAX % 3,
        ),
        ("x".repeat(8 * 1024), 8 * 1024),
        (String::new(), 0),
    ] {
        let (mut farm, account, endpoint, event) = waiting();
        farm.failed(endpoint, event);
        let mut ended = farm.attempted(endpoint, event, AfterAttempt::Delivered, &body);
        let records = records_of(&farm.entries);
        ended.body_start = body[..kept].into();
        let mut page = Vec::new();
        let walked = records.attempts_page(endpoint, None, |_, attempt| {
            page.push(attempt);
            Take::Next
        });
        walked.unwrap();
        assert_eq!(page[0], ended, "newest first");
        assert_eq!(page.len(), 2);
        let row = records.event(account, event).unwrap().unwrap();
        page.reverse();
        assert_eq!(records.attempts_of(&row).unwrap(), page);
        assert!(
            rows(&records, MAPS.attempts)
                .iter()
                .all(|(_, value)| value.len() < VALUE_BYTES_MAX)
        );
        assert_sound(&records);
    }
}

#[test]
fn the_fullest_event_fits_its_row_and_keeps_the_last_attempts() {
    let mut farm = Farm::default();
    let account = farm.account("Acme", 0);
    let endpoints: Vec<_> = (0..ENDPOINTS_MAX).map(|_| farm.endpoint(account)).collect();
    let alias = peer(&"a".repeat(PeerName::BYTES_MAX));
    let fact = Fact::ConversationUpdated {
        peer: alias.clone(),
        change: ConversationChange::AliasLearned(alias),
    };
    let event = farm.offer(account, fact, &endpoints);
    for endpoint in &endpoints[..8] {
        (0..=ATTEMPTS_MAX).for_each(|_| farm.failed(*endpoint, event));
    }
    // Endpoints that came later are sent it by hand, until it has no room for their results.
    for endpoint in &endpoints {
        farm.delivered(*endpoint, event);
    }
    for _ in ENDPOINTS_MAX..=RESULTS_MAX {
        let later = farm.endpoint(account);
        farm.redeliver(later, event);
    }
    let records = records_of(&farm.entries);
    let row = records.event(account, event).unwrap().unwrap();
    let kept: Vec<_> = row
        .results
        .iter()
        .map(|result| result.attempts.len())
        .collect();
    assert_eq!((row.results.len(), row.is_pending()), (RESULTS_MAX, true));
    assert!(row.result(endpoints[0]).is_none(), "the oldest made room");
    assert!(kept.iter().all(|kept| *kept <= ATTEMPTS_MAX));
    assert!(kept.iter().sum::<usize>() <= EVENT_ATTEMPTS_MAX);
    let attempts = records.attempts_of(&row).unwrap();
    assert_eq!(attempts.len(), kept.iter().sum::<usize>());
    let last = row.result(endpoints[7]).unwrap();
    assert_eq!(last.attempts.last().unwrap().ordinal, last.made);
    let (_, value) = &rows(&records, MAPS.events)[0];
    assert!(value.len() < VALUE_BYTES_MAX, "{} bytes", value.len());
    assert_sound(&records);
}

#[test]
fn the_highest_figures_of_an_event_fit_its_row() {
    let (farm, account, _, event) = waiting();
    let records = records_of(&farm.entries);
    let mut row = records.event(account, event).unwrap().unwrap();
    let endpoint = EndpointId(u32::MAX);
    let target = Target {
        endpoint,
        is_missed: true,
    };
    let alias = peer(&"a".repeat(PeerName::BYTES_MAX));
    row.event.to = vec![target; ENDPOINTS_MAX].into();
    row.event.fact = Fact::ConversationUpdated {
        peer: alias.clone(),
        change: ConversationChange::AliasLearned(alias),
    };
    let at = Timestamp(i64::MAX);
    let result = |attempts: usize| EventResult {
        endpoint,
        state: ResultState::Pending,
        due: Some(at),
        made: u16::MAX,
        attempts: vec![
            AttemptMark {
                at,
                ordinal: u16::MAX,
                parts: 3,
            };
            attempts
        ],
    };
    let full = EVENT_ATTEMPTS_MAX / ATTEMPTS_MAX;
    row.results = (0..RESULTS_MAX)
        .map(|place| result(if place < full { ATTEMPTS_MAX } else { 0 }))
        .collect();
    let bytes = codec::encode(&row).len();
    assert!(bytes <= VALUE_BYTES_MAX, "{bytes} bytes");
}

#[test]
fn rules_longer_than_a_row_are_read_whole_and_go_when_they_are_unset() {
    let mut farm = Farm::default();
    let account = farm.account("Acme", 0);
    let [first, second] = ["+31201234567", "+3197010240001"].map(|e164| farm.number(account, e164));
    let text = "𝄞".repeat(1_600);
    farm.rules(first, &vec![text.as_str(); 33]);
    farm.rules(second, &["short"]);
    let rules = |records: &Records, id| records.number(id).unwrap().unwrap().auto_reply;
    let texts = |rules: &AutoReplyRules| rules.draft().keywords.len();
    let records = records_of(&farm.entries);
    assert_eq!(rules(&records, first).map(|rules| texts(&rules)), Some(32));
    assert_eq!(rules(&records, second).map(|rules| texts(&rules)), Some(0));
    let mut each = Vec::new();
    records.each_number(|number| each.push(number)).unwrap();
    assert_eq!(each[0].auto_reply, rules(&records, first));
    assert_eq!(each[1].auto_reply, rules(&records, second));
    assert_sound(&records);
    farm.rules(first, &[]);
    let records = records_of(&farm.entries);
    assert_eq!(rules(&records, first), None);
    assert_eq!(records.meta().unwrap().counts.auto_replies, 1);
    assert_sound(&records);
}
