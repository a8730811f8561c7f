//! Events, attempts, what waits and mails, as they are read in pages.

use didfarm_core::ids::EventId;
use didfarm_core::mail::{AfterTry, MailKind};
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::attempt::{AfterAttempt, AttemptClass};
use didfarm_store::packed::Direction;
use didfarm_store::records::MAILS_GIVEN_UP_MAX;
use didfarm_store::records::keys::AttemptPlace;
use didfarm_store::records::read::Take;

use crate::rounds::{assert_sound, example, waiting};
use crate::shelves::records_of;

#[test]
fn events_attempts_and_what_waits_are_read_in_pages() {
    let (mut farm, account, endpoint, first) = waiting();
    let foreign = farm.account("Globex", 0);
    let elsewhere = farm.endpoint(foreign);
    farm.offer(foreign, example(), &[elsewhere]);
    let [second, third] = [0; 2].map(|_| farm.offer(account, example(), &[endpoint]));
    farm.failed(endpoint, first);
    farm.failed(elsewhere, EventId(2));
    let last = farm.attempted(endpoint, second, AfterAttempt::Exhausted, "");
    let records = records_of(&farm.entries);
    let events = |after, direction, most: usize| {
        let mut page = Vec::new();
        let walked = records.events_page(account, after, direction, |id, row| {
            assert_eq!(row.event.id, id);
            page.push(id);
            if page.len() < most {
                Take::Next
            } else {
                Take::Stop
            }
        });
        walked.unwrap();
        page
    };
    let (forward, backward) = (Direction::Forward, Direction::Backward);
    assert_eq!(events(None, forward, 9), [first, second, third]);
    assert_eq!(events(Some(first), forward, 1), [second]);
    assert_eq!(events(None, backward, 2), [third, second]);
    assert_eq!(events(Some(second), backward, 9), [first]);
    let line = |after, limit| {
        let page = records.pending_page(endpoint, after, limit).unwrap();
        page.into_iter()
            .map(|(due, event, _)| (due, event))
            .collect::<Vec<_>>()
    };
    let whole = line(None, 9);
    let ids: Vec<_> = whole.iter().map(|(_, event)| *event).collect();
    assert_eq!(ids, [third, first], "the retry is due last");
    assert_eq!(line(Some(whole[0]), 9), whole[1..]);
    assert_eq!(line(None, 1), whole[..1]);
    assert_eq!(line(None, 0), []);
    let mut attempts = Vec::new();
    let behind = Some(AttemptPlace::of(&last));
    let walked = records.attempts_page(endpoint, behind, |place, _| {
        attempts.push(place.event);
        Take::Next
    });
    walked.unwrap();
    assert_eq!(attempts, [first]);
}

#[test]
fn mails_wait_until_they_are_due_and_the_last_given_up_are_kept() {
    let (mut farm, account, endpoint, event) = waiting();
    let kind = MailKind::Exhausted {
        endpoint,
        event,
        class: AttemptClass::Timeout,
        status: None,
    };
    let later = farm.mail(account, kind.clone());
    let queued_at = farm.entries.last().unwrap().at;
    let due = farm.now().plus_ms(3_600_000);
    let why = "busy".into();
    farm.tried(later, AfterTry::Later { due, why });
    for _ in 0..=MAILS_GIVEN_UP_MAX {
        let mail = farm.mail(account, kind.clone());
        let why = "é".repeat(1_000).into();
        farm.tried(mail, AfterTry::GivenUp { why });
        farm.tried(mail, AfterTry::Sent);
    }
    let records = records_of(&farm.entries);
    assert_eq!(
        records.mails_due(None, Timestamp(due.0 - 1), 9).unwrap(),
        []
    );
    let mails = records.mails_due(None, due, 9).unwrap();
    let (at, waiting) = &mails[0];
    assert_eq!((mails.len(), *at, waiting.tries), (1, due, 1));
    assert_eq!(
        (waiting.queued_at, waiting.why.as_deref()),
        (queued_at, Some("busy"))
    );
    assert_eq!(records.mails_due(Some((due, later)), due, 9).unwrap(), []);
    let mut kept = Vec::new();
    let walked = records.each_given_up_mail(|mail| {
        kept.push((mail.waiting.mail.id.0, mail.waiting.why.unwrap().len()));
        Take::Next
    });
    walked.unwrap();
    assert_eq!(kept.len() as u64, MAILS_GIVEN_UP_MAX);
    assert_eq!(kept[0], (MAILS_GIVEN_UP_MAX + 2, 1_024));
    assert_eq!(kept.last().unwrap().0, 3);
    let found = records.endpoint(endpoint).unwrap().unwrap().endpoint;
    assert!(found.mailed_at > Some(queued_at));
    assert_sound(&records);
}
