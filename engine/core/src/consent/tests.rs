//! Consent: what changes it, what it refuses, and that each opt-out has a time of its own.

use super::*;
use crate::conversation::Opened;
use crate::event::Event;
use crate::ids::{AccountId, ConversationId, Extent, NumberId};
use crate::peer::Peer;

fn conversation() -> Conversation {
    let opened = Opened {
        conversation: ConversationId(7),
        account: AccountId(1),
        number: NumberId(1),
        peer: Peer::parse("+31612345678").unwrap(),
    };
    Conversation::opened(&opened, Timestamp(1))
}

fn event(change: ConsentChange, cause: ConsentCause) -> ConsentEvent {
    ConsentEvent {
        change,
        cause,
        evidence: None,
        word: None,
        note: None,
        stated_at: None,
    }
}

fn stated(change: ConsentChange, at: i64) -> ConsentEvent {
    ConsentEvent {
        stated_at: Some(Timestamp(at)),
        ..event(change, ConsentCause::WhatsApp)
    }
}

fn apply(state: &mut Conversation, event: ConsentEvent, at: i64) -> bool {
    let decided = decide(Some(state), event);
    if let Some(event) = &decided {
        state.evolve(&Event::Consent(state.id, event.clone()), Timestamp(at));
    }
    decided.is_some()
}

#[test]
fn an_opt_out_holds_until_it_is_lifted_and_says_nothing_new_meanwhile() {
    let mut state = conversation();
    let (out, back) = (ConsentChange::OptedOut, ConsentChange::OptedIn);
    assert!(!apply(&mut state, event(back, ConsentCause::Keyword), 2));
    assert!(apply(&mut state, event(out, ConsentCause::Keyword), 3));
    for cause in ConsentCause::ALL {
        assert!(!apply(&mut state, event(out, cause), 4), "{cause:?}");
    }
    assert_eq!(state.opt_out().map(|out| out.since), Some(Timestamp(3)));
    assert!(apply(&mut state, event(back, ConsentCause::Agent), 5));
    assert_eq!(state.opt_out(), None);
}

#[test]
fn whatsapps_opt_out_stops_its_templates_alone_and_gives_way_to_a_wider_one() {
    let mut state = conversation();
    let out = ConsentChange::OptedOut;
    assert!(apply(&mut state, event(out, ConsentCause::WhatsApp), 2));
    let narrow = *state.opt_out().unwrap();
    assert!(narrow.refuses(Channel::WhatsApp, true));
    assert!(!narrow.refuses(Channel::WhatsApp, false));
    assert!(!narrow.refuses(Channel::Sms, false));
    assert!(!apply(&mut state, event(out, ConsentCause::WhatsApp), 3));
    assert!(apply(&mut state, event(out, ConsentCause::Keyword), 4));
    let wide = *state.opt_out().unwrap();
    assert!(wide.refuses(Channel::Sms, false) && wide.refuses(Channel::WhatsApp, false));
    assert_eq!(wide.since, Timestamp(4));
}

#[test]
fn what_whatsapp_tells_again_or_late_changes_nothing() {
    let mut state = conversation();
    let (out, back) = (ConsentChange::OptedOut, ConsentChange::OptedIn);
    assert!(apply(&mut state, stated(out, 100), 2));
    assert!(!apply(&mut state, stated(out, 100), 3));
    assert!(apply(&mut state, stated(back, 101), 4));
    for late in [stated(out, 100), stated(back, 101), stated(out, 101)] {
        assert!(!apply(&mut state, late, 5));
    }
    assert_eq!(state.opt_out(), None);
    assert!(apply(&mut state, stated(out, 102), 6));
}

#[test]
fn who_wants_marketing_again_has_not_taken_back_a_stop() {
    let mut state = conversation();
    let (out, back) = (ConsentChange::OptedOut, ConsentChange::OptedIn);
    assert!(apply(&mut state, event(out, ConsentCause::Keyword), 2));
    assert!(!apply(&mut state, stated(back, 100), 3));
    assert!(state.opt_out().is_some());
}

#[test]
fn opt_outs_never_share_their_time_whatever_the_clock_does() {
    let mut state = conversation();
    let mut since = Vec::new();
    for at in [10, 10, 3, 11, 20] {
        apply(
            &mut state,
            event(ConsentChange::OptedOut, ConsentCause::Agent),
            at,
        );
        since.push(state.opt_out().unwrap().since.0);
        apply(
            &mut state,
            event(ConsentChange::OptedIn, ConsentCause::Agent),
            at,
        );
    }
    assert_eq!(since, [10, 11, 12, 13, 20]);
}

#[test]
fn what_was_there_when_the_peer_opted_out_stays_barred_when_it_opts_in_again() {
    let mut state = conversation();
    let message = |ordinal| Extent(7).message(ordinal);
    state.ordinal = 3;
    apply(
        &mut state,
        event(ConsentChange::OptedOut, ConsentCause::Keyword),
        2,
    );
    apply(
        &mut state,
        event(ConsentChange::OptedIn, ConsentCause::Keyword),
        3,
    );
    let consent = state.consent.as_deref().unwrap();
    assert!(consent.bars(message(1), false) && consent.bars(message(3), false));
    assert!(!consent.bars(message(4), false) && !consent.bars(Extent(8).message(1), false));
}

#[test]
fn whatsapps_opt_out_bars_templates_alone() {
    let mut state = conversation();
    let message = |ordinal| Extent(7).message(ordinal);
    state.ordinal = 2;
    let out = ConsentChange::OptedOut;
    apply(&mut state, event(out, ConsentCause::Keyword), 2);
    apply(
        &mut state,
        event(ConsentChange::OptedIn, ConsentCause::Keyword),
        3,
    );
    state.ordinal = 4;
    apply(&mut state, event(out, ConsentCause::WhatsApp), 4);
    let consent = state.consent.as_deref().unwrap();
    assert!(consent.bars(message(2), false) && !consent.bars(message(3), false));
    assert!(consent.bars(message(4), true) && !consent.bars(message(5), true));
}

#[test]
fn what_a_carrier_says_of_a_message_from_before_the_peer_opted_in_is_nothing_new() {
    let lesson = |ordinal, cause| ConsentEvent {
        evidence: Some(Extent(7).message(ordinal)),
        ..event(ConsentChange::OptedOut, cause)
    };
    let mut state = conversation();
    state.ordinal = 2;
    apply(
        &mut state,
        event(ConsentChange::OptedOut, ConsentCause::Keyword),
        2,
    );
    // The START is the third message.
    state.ordinal = 3;
    apply(
        &mut state,
        event(ConsentChange::OptedIn, ConsentCause::Keyword),
        3,
    );
    for cause in [ConsentCause::Carrier, ConsentCause::WhatsApp] {
        assert!(!apply(&mut state, lesson(1, cause), 4), "{cause:?}");
        assert!(!apply(&mut state, lesson(3, cause), 4), "{cause:?}");
    }
    assert!(apply(&mut state, lesson(4, ConsentCause::Carrier), 5));
}

#[test]
fn a_message_is_a_word_by_what_it_is_and_who_wrote_it() {
    let peer = |text| Peer::parse(text).unwrap();
    let (finn, spaniard) = (peer("+358401234567"), peer("+34612345678"));
    let word = |text, kind: Option<ContentKind>, peer: &Peer| {
        let content = kind.map(Content::of);
        word_of(text, content.as_ref(), peer).map(|word| word.meaning)
    };
    assert_eq!(word("seis", None, &finn), Some(Meaning::Stop));
    assert_eq!(word("seis", None, &spaniard), None);
    assert_eq!(
        word("cancel", Some(ContentKind::Text), &finn),
        Some(Meaning::Stop)
    );
    let chosen = Some(ContentKind::Interactive);
    assert_eq!(word("Cancel", chosen, &finn), None);
    assert_eq!(word("Stop promotions", chosen, &finn), Some(Meaning::Stop));
    assert_eq!(word("Start", chosen, &finn), None);
    for kind in [ContentKind::Unsupported, ContentKind::Reaction] {
        assert_eq!(word("stop", Some(kind), &finn), None);
    }
}

#[test]
fn words_are_heard_for_what_they_change() {
    let mut state = conversation();
    let word = |text| Word::read(text, Language::English).unwrap();
    let message = Extent(7).message(1);
    let hear = |state: &Conversation, text| hear(Some(state), &word(text), message);
    assert_eq!(hear(&state, "start"), Heard::Nothing);
    assert_eq!(hear(&state, "help"), Heard::Help);
    let Heard::Change(stop) = hear(&state, "Opt-Out!") else {
        panic!("it is new");
    };
    assert_eq!(
        (stop.cause, stop.evidence, stop.word.as_deref()),
        (ConsentCause::Keyword, Some(message), Some("opt out"))
    );
    state.evolve(&Event::Consent(state.id, stop), Timestamp(2));
    assert_eq!(hear(&state, "stop"), Heard::Known);
    assert!(matches!(hear(&state, "unstop"), Heard::Change(_)));
}

#[test]
fn what_is_kept_comes_back() {
    let mut state = conversation();
    apply(
        &mut state,
        event(ConsentChange::OptedOut, ConsentCause::Carrier),
        2,
    );
    let stored = serde_json::to_string(&state).unwrap();
    assert_eq!(
        serde_json::from_str::<Conversation>(&stored).unwrap(),
        state
    );
}
