//! The product's own texts, every cause of silence, the windows as tables and laws, two programs that talk.

use proptest::prelude::*;

use super::*;
use crate::hours::{Holiday, Span};

/// The product's immediate text.
const THANKS: &str = "Thank you for contacting us! A support agent will reply shortly. For urgent matters, \
                      call +31 20 123 4567.";
/// The product's after-hours text.
const CLOSED: &str = "Thanks for your message. Our support team is available Mon–Fri 09:00–18:00 CET. We will \
                      reply on the next business day.";
const ADDRESS: &str = "Keizersgracht 1, Amsterdam";
const PRICES: &str = "An SMS is €0.008.";

/// A Friday, 12:00 in Amsterdam.
const OPEN: &str = "2026-04-03T10:00:00Z";
/// The same day, 18:00 in Amsterdam.
const SHUT: &str = "2026-04-03T16:00:00Z";

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

fn support() -> AutoReplyDraft {
    let weekly = [0, 1, 2, 3, 4, 5, 6].map(|day| match day {
        0..5 => vec![Span::parse("09:00-18:00").unwrap()],
        _ => vec![],
    });
    let closed = vec![Holiday::parse("12-25").unwrap()];
    let hours = OpeningHours::new("Europe/Amsterdam", weekly, closed).unwrap();
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    AutoReplyDraft {
        immediate: Some(THANKS.to_owned()),
        after_hours: Some((hours, CLOSED.to_owned())),
        keywords: vec![
            (words(&["address", "where"]), ADDRESS.to_owned()),
            (words(&["price", "prices", "where"]), PRICES.to_owned()),
        ],
        once_per_s: None,
    }
}

fn rules() -> AutoReplyRules {
    AutoReplyRules::new(support()).unwrap()
}

fn person() -> Peer {
    Peer::parse("+31612345678").unwrap()
}

fn sms<'a>(text: &'a str, peer: &'a Peer) -> InboundFacts<'a> {
    InboundFacts {
        text,
        peer,
        channel: Channel::Sms,
        automatic: false,
    }
}

/// One inbound message as a conversation handles it.
fn receive(
    rules: &AutoReplyRules,
    replied: &mut AutoReplied,
    text: &str,
    now: Timestamp,
) -> Choice {
    let choice = rules.choose(&sms(text, &person()), replied, now);
    replied.saw_inbound(now);
    if let Choice::Reply { rule, .. } = &choice {
        replied.evolve(*rule, now);
    }
    choice
}

fn reply(text: &str, rule: RuleId) -> Choice {
    let text = text.into();
    Choice::Reply { text, rule }
}

#[test]
fn keywords_come_before_the_hours_and_the_hours_before_the_immediate_text() {
    let all = support();
    let draft = |immediate, after_hours, keywords| AutoReplyDraft {
        immediate: all.immediate.clone().filter(|_| immediate),
        after_hours: all.after_hours.clone().filter(|_| after_hours),
        keywords: all
            .keywords
            .clone()
            .into_iter()
            .filter(|_| keywords)
            .collect(),
        once_per_s: None,
    };
    let address = || reply(ADDRESS, RuleId::Keyword(0));
    let thanks = || reply(THANKS, RuleId::Immediate);
    let closed = || reply(CLOSED, RuleId::AfterHours);
    let none = || Choice::Silent(SilentCause::NoRule);
    for (given, word_open, word_shut, other_open, other_shut) in [
        ((true, true, true), address(), address(), thanks(), closed()),
        ((true, true, false), thanks(), closed(), thanks(), closed()),
        (
            (true, false, true),
            address(),
            address(),
            thanks(),
            thanks(),
        ),
        ((true, false, false), thanks(), thanks(), thanks(), thanks()),
        ((false, true, true), address(), address(), none(), closed()),
        ((false, true, false), none(), closed(), none(), closed()),
        ((false, false, true), address(), address(), none(), none()),
        ((false, false, false), none(), none(), none(), none()),
    ] {
        let rules = AutoReplyRules::new(draft(given.0, given.1, given.2)).unwrap();
        let chosen =
            |text, time| rules.choose(&sms(text, &person()), &AutoReplied::default(), at(time));
        assert_eq!(chosen("Where?", OPEN), word_open, "{given:?}");
        assert_eq!(chosen("Where?", SHUT), word_shut, "{given:?}");
        assert_eq!(chosen("My order is late", OPEN), other_open, "{given:?}");
        assert_eq!(chosen("", SHUT), other_shut, "{given:?}");
    }
}

#[test]
fn what_no_person_wrote_is_not_answered() {
    let (person, bank, code) = (
        person(),
        Peer::parse("MyBank").unwrap(),
        Peer::parse("+3669").unwrap(),
    );
    let user = Peer::parse("NL.13491208655302741918").unwrap();
    let receipt =
        "id:1 sub:001 dlvrd:001 submit date:2604031015 done date:2604031016 stat:DELIVRD err:000";
    let (sms, whatsapp) = (Channel::Sms, Channel::WhatsApp);
    for (text, peer, channel, automatic, cause) in [
        ("hello", &person, sms, false, None),
        ("hello", &user, whatsapp, false, None),
        ("hello", &person, sms, true, Some(SilentCause::Automatic)),
        (receipt, &person, sms, false, Some(SilentCause::Automatic)),
        ("address", &bank, sms, false, Some(SilentCause::NobodyReads)),
        (
            "hello",
            &bank,
            whatsapp,
            false,
            Some(SilentCause::NobodyReads),
        ),
        ("hello", &user, sms, false, Some(SilentCause::NobodyReads)),
        ("hello", &code, sms, false, Some(SilentCause::NobodyReads)),
        (THANKS, &person, sms, false, Some(SilentCause::Echo)),
        (ADDRESS, &person, whatsapp, false, Some(SilentCause::Echo)),
        // Its dashes as a handset without them shows them.
        (
            &CLOSED.replace('–', "-"),
            &person,
            sms,
            false,
            Some(SilentCause::Echo),
        ),
    ] {
        let inbound = InboundFacts {
            text,
            peer,
            channel,
            automatic,
        };
        let chosen = match rules().choose(&inbound, &AutoReplied::default(), at(OPEN)) {
            Choice::Reply { .. } => None,
            Choice::Silent(cause) => Some(cause),
        };
        assert_eq!(chosen, cause, "{text} {peer}");
        let known = rules().is_automatic(text, peer, channel);
        assert_eq!(known, cause.is_some() && !automatic, "{text} {peer}");
    }
}

#[test]
fn a_peer_is_answered_once_per_window_and_once_by_each_keyword_rule() {
    let (rules, mut replied) = (rules(), AutoReplied::default());
    let answered = || Choice::Silent(SilentCause::Answered);
    let opening = at("2026-04-03T15:30:00Z"); // 30 minutes before they close
    for (second, text, expected) in [
        (0, "hello", reply(THANKS, RuleId::Immediate)),
        (1, "hello?", answered()),
        (2, "address", reply(ADDRESS, RuleId::Keyword(0))),
        (3, "Where", answered()), // another word of the same rule
        (4, "price", reply(PRICES, RuleId::Keyword(1))),
        (5, "prices", answered()),
        (1_800, "hello", answered()), // closed by now: another text of the same window
        (3_599, "hello", answered()),
        (3_600, "hello", reply(CLOSED, RuleId::AfterHours)),
        (3_601, "address", answered()),
        (3_602, "address", reply(ADDRESS, RuleId::Keyword(0))),
        (3_603, "hello", answered()),
        (3_604, "prices", reply(PRICES, RuleId::Keyword(1))),
        (7_199, "hello", answered()),
        (7_200, "hello", reply(CLOSED, RuleId::AfterHours)),
    ] {
        let chosen = receive(&rules, &mut replied, text, opening.plus_ms(second * 1000));
        assert_eq!(chosen, expected, "{second} {text}");
    }
}

#[test]
fn a_clock_that_was_put_back_neither_doubles_nor_silences_for_ever() {
    let (rules, mut replied) = (rules(), AutoReplied::default());
    let noon = at(OPEN);
    for (second, text, answered) in [
        (1_000_000_000, "hello", true), // a clock that is thirty years ahead
        (1_000_000_000, "price", true),
        (0, "hello", false), // it was set right: a window begins
        (0, "price", false),
        (3_599, "hello", false),
        (3_600, "price", true),
        (3_600, "hello", true),
        (3_590, "hello", false), // ten seconds back
        (7_189, "hello", false),
        (7_190, "hello", true),
    ] {
        let chosen = receive(&rules, &mut replied, text, noon.plus_ms(second * 1000));
        assert_eq!(
            matches!(chosen, Choice::Reply { .. }),
            answered,
            "{second} {text}"
        );
    }
}

#[test]
fn two_numbers_that_answer_each_other_come_to_rest() {
    let keyword = |word: &str, text: &str| (vec![word.to_owned()], text.to_owned());
    let ours = AutoReplyRules::new(AutoReplyDraft {
        immediate: Some("ping".to_owned()),
        keywords: (0..10)
            .map(|n| keyword(&format!("b{n}"), &format!("a{n}")))
            .collect(),
        ..AutoReplyDraft::default()
    });
    let theirs = AutoReplyRules::new(AutoReplyDraft {
        immediate: Some("b0".to_owned()),
        keywords: (0..10)
            .map(|n| keyword(&format!("a{n}"), &format!("b{}", (n + 1) % 10)))
            .collect(),
        ..AutoReplyDraft::default()
    });
    let sides = [ours.unwrap(), theirs.unwrap()];
    let mut replied = [AutoReplied::default(), AutoReplied::default()];
    let mut text: Arc<str> = "hello".into();
    let mut said = 0;
    // Each word leads to the next and the last to the first: nothing but the window ends it.
    for turn in 0..1_000 {
        let side = turn % 2;
        match receive(&sides[side], &mut replied[side], &text, at(OPEN)) {
            Choice::Reply { text: next, .. } => text = next,
            Choice::Silent(cause) => {
                assert_eq!(cause, SilentCause::Answered);
                break;
            }
        }
        said += 1;
    }
    assert!((3..=22).contains(&said), "{said}");
}

#[test]
fn what_is_refused_names_its_field() {
    let long = "€".repeat(TEXT_CHARS_MAX + 1);
    let word = |words: Vec<String>, text: &str| AutoReplyDraft {
        keywords: vec![
            (vec!["hi".to_owned()], "Good day".to_owned()),
            (words, text.to_owned()),
        ],
        ..support()
    };
    let immediate = |text: &str| AutoReplyDraft {
        immediate: Some(text.to_owned()),
        ..support()
    };
    let closed = |text: &str| AutoReplyDraft {
        after_hours: support()
            .after_hours
            .map(|(hours, _)| (hours, text.to_owned())),
        ..support()
    };
    let once = |seconds| AutoReplyDraft {
        once_per_s: Some(seconds),
        ..support()
    };
    let many = AutoReplyDraft {
        keywords: vec![support().keywords[0].clone(); KEYWORD_RULES_MAX + 1],
        ..support()
    };
    let a = || vec!["a".to_owned()];
    for (draft, field) in [
        (immediate(" \n\u{200b}"), "immediate"),
        (immediate(&long), "immediate"),
        (immediate("Where?"), "immediate"), // it is a keyword
        (closed(""), "after_hours.text"),
        (closed("address"), "after_hours.text"),
        (word(a(), ""), "keywords[1].text"),
        (word(a(), "HI!"), "keywords[1].text"),
        (word(vec![], "b"), "keywords[1].words"),
        (
            word(vec!["a".to_owned(); WORDS_MAX + 1], "b"),
            "keywords[1].words",
        ),
        (
            word(vec!["a".to_owned(), " ".to_owned()], "b"),
            "keywords[1].words[1]",
        ),
        (many, "keywords"),
        (once(ONCE_PER_S_MIN - 1), "once_per_s"),
        (once(ONCE_PER_S_MAX + 1), "once_per_s"),
    ] {
        let error = AutoReplyRules::new(draft).unwrap_err();
        assert_eq!(error.field(), field, "{error}");
    }
    for draft in [
        immediate(&long[3..]),
        once(ONCE_PER_S_MIN),
        once(ONCE_PER_S_MAX),
    ] {
        AutoReplyRules::new(draft).unwrap();
    }
}

#[test]
fn rules_come_back_from_the_journal_and_to_the_customer_as_they_were_written() {
    let stored = serde_json::to_string(&rules()).unwrap();
    let read: AutoReplyRules = serde_json::from_str(&stored).unwrap();
    assert_eq!(read, rules());
    let draft = AutoReplyDraft {
        once_per_s: Some(ONCE_PER_S_DEFAULT),
        ..support()
    };
    assert_eq!(read.draft(), draft);
    let chosen = read.choose(&sms("WHERE", &person()), &AutoReplied::default(), at(SHUT));
    assert_eq!(chosen, reply(ADDRESS, RuleId::Keyword(0)));
}

#[test]
fn what_a_conversation_keeps_is_bounded_and_comes_back() {
    let mut replied = AutoReplied::default();
    for n in 0..1_000_u32 {
        replied.evolve(RuleId::Keyword((n % 256) as u8), at(OPEN).plus_ms(n.into()));
        replied.evolve(RuleId::Immediate, at(OPEN));
    }
    let stored = serde_json::to_string(&replied).unwrap();
    assert!(stored.len() < 40 * KEYWORD_RULES_MAX, "{}", stored.len());
    assert_eq!(
        serde_json::from_str::<AutoReplied>(&stored).unwrap(),
        replied
    );
    let later = at(OPEN).plus_ms(u64::from(ONCE_PER_S_MAX) * 1000 + 1_000);
    let mut one = AutoReplied::default();
    one.evolve(RuleId::Immediate, later);
    replied.evolve(RuleId::Immediate, later);
    assert_eq!(replied, one);
}

/// What a peer may write, with the mark that it is answered under.
const WRITTEN: [(&str, usize); 4] = [("hello", 0), ("", 0), ("address", 1), ("price", 2)];

proptest! {
    /// The clock goes on by up to three windows between messages, and in one case of four it goes back.
    #[test]
    fn no_text_is_sent_twice_in_a_window_and_none_is_withheld_after_it(
        steps in proptest::collection::vec((0..WRITTEN.len(), prop_oneof![3 => 0..10_800_i64, 1 => -10_800..0_i64]), 1..80),
    ) {
        let (rules, mut replied) = (rules(), AutoReplied::default());
        let window_us = i64::from(ONCE_PER_S_DEFAULT) * 1_000_000;
        let mut now = at(SHUT);
        // For each mark the earliest time that the clock showed since it was set.
        let mut earliest: [Option<Timestamp>; 3] = [None; 3];
        for (written, seconds) in steps {
            let (text, mark) = WRITTEN[written];
            now = Timestamp(now.0 + seconds * 1_000_000);
            let due = earliest[mark].is_none_or(|since| now.0 - since.0 >= window_us);
            let chosen = receive(&rules, &mut replied, text, now);
            prop_assert_eq!(matches!(chosen, Choice::Reply { .. }), due, "{} at {}", text, now);
            for since in earliest.iter_mut().flatten() {
                *since = now.min(*since);
            }
            if due {
                earliest[mark] = Some(now);
            }
        }
    }
}
