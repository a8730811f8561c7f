//! The words by which people ask for no more messages, for messages again, and for help.
//!
//! Those of English are the list of the FCC (47 CFR 64.1200(a)(10), in force since April 2025) with what
//! the largest operators of the United States act upon (CTIA Messaging Principles 5.1.3). Other languages
//! have what their operators and senders print under messages.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::Language::{self, *};
use crate::folded::Folded;

/// The longest text that is looked at, in bytes: no word is near it, whatever is typed around it.
const TEXT_BYTES_MAX: usize = 160;

/// What a word asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Meaning {
    /// No more messages.
    Stop,
    /// Messages again.
    Start,
    /// Help.
    Help,
}

/// A word that a message consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// What it asks for.
    pub meaning: Meaning,
    /// Its language; `None` for one that many languages share.
    pub language: Option<Language>,
    /// As it stands in the list.
    pub listed: &'static str,
}

type Row = (Meaning, Option<Language>, &'static [&'static str]);

/// Every word. One that several languages write alike stands with none, or with the first of them.
const WORDS: &[Row] = &[
    (
        Meaning::Stop,
        None,
        &["stop", "stop all", "sms stop", "stop sms"],
    ),
    (
        Meaning::Stop,
        Some(English),
        &[
            "unsubscribe",
            "cancel",
            "end",
            "quit",
            "opt out",
            "revoke",
            "remove me",
            "stop promotions",
        ],
    ),
    (
        Meaning::Stop,
        Some(Dutch),
        &["afmelden", "uitschrijven", "stoppen", "opzeggen"],
    ),
    (
        Meaning::Stop,
        Some(German),
        &["stopp", "abmelden", "abbestellen", "austragen", "beenden"],
    ),
    (
        Meaning::Stop,
        Some(French),
        &[
            "arrêt",
            "arret",
            "arrêter",
            "arreter",
            "désabonner",
            "desabonner",
            "désinscrire",
            "desinscrire",
            "désinscription",
            "desinscription",
            "résilier",
            "resilier",
        ],
    ),
    (
        Meaning::Stop,
        Some(Spanish),
        &["baja", "alto", "parar", "cancelar", "dar de baja"],
    ),
    (
        Meaning::Stop,
        Some(Portuguese),
        &["pare", "sair", "cancele", "descadastrar", "remover"],
    ),
    (
        Meaning::Stop,
        Some(Italian),
        &[
            "basta",
            "ferma",
            "annulla",
            "disiscrivi",
            "cancellami",
            "disdici",
        ],
    ),
    (Meaning::Stop, Some(Danish), &["afmeld", "frameld"]),
    (
        Meaning::Stop,
        Some(Swedish),
        &["stoppa", "sluta", "avsluta", "avregistrera"],
    ),
    (
        Meaning::Stop,
        Some(Norwegian),
        &["slutt", "avslutt", "meld av", "avmeld"],
    ),
    (Meaning::Stop, Some(Finnish), &["lopeta", "peruuta", "seis"]),
    (
        Meaning::Stop,
        Some(Polish),
        &[
            "wypisz",
            "wypisz mnie",
            "rezygnuję",
            "rezygnuje",
            "zatrzymaj",
        ],
    ),
    (
        Meaning::Stop,
        Some(Czech),
        &["odhlásit", "odhlasit", "zastavit"],
    ),
    (Meaning::Stop, Some(Slovak), &["odhlásiť", "zastaviť"]),
    (
        Meaning::Stop,
        Some(Hungarian),
        &[
            "leiratkozás",
            "leiratkozas",
            "leiratkozom",
            "lemondás",
            "lemondas",
        ],
    ),
    (
        Meaning::Stop,
        Some(Romanian),
        &["dezabonare", "dezabonați", "dezabonati", "anulare"],
    ),
    (
        Meaning::Stop,
        Some(Bulgarian),
        &["спри", "отпиши", "отписване"],
    ),
    (
        Meaning::Stop,
        Some(Croatian),
        &["odjava", "odjavi", "prestani"],
    ),
    (
        Meaning::Stop,
        Some(Greek),
        &["στοπ", "διαγραφή", "διαγραφη", "διακοπή", "διακοπη"],
    ),
    (
        Meaning::Stop,
        Some(Turkish),
        &["durdur", "iptal", "abonelikten çık"],
    ),
    (
        Meaning::Stop,
        Some(Russian),
        &["стоп", "отписаться", "отписка", "отмена"],
    ),
    (
        Meaning::Stop,
        Some(Ukrainian),
        &["відписатися", "відписка", "скасувати", "зупинити"],
    ),
    (
        Meaning::Stop,
        Some(Arabic),
        &[
            "توقف",
            "إيقاف",
            "ايقاف",
            "أوقف",
            "اوقف",
            "قف",
            "إلغاء",
            "الغاء",
            "إلغاء الاشتراك",
            "الغاء الاشتراك",
        ],
    ),
    (
        Meaning::Stop,
        Some(Hebrew),
        &["הסר", "הסירו", "הסירו אותי", "עצור", "הפסק", "סטופ"],
    ),
    (
        Meaning::Stop,
        Some(Hindi),
        &["बंद", "बंद करें", "रोकें", "रुकें", "स्टॉप"],
    ),
    (
        Meaning::Stop,
        Some(Chinese),
        &["退订", "退訂", "取消订阅", "取消訂閱", "取消", "停止"],
    ),
    (
        Meaning::Stop,
        Some(Japanese),
        &["配信停止", "ストップ", "解除", "停止する"],
    ),
    (Meaning::Start, None, &["start", "restart"]),
    (
        Meaning::Start,
        Some(English),
        &["unstop", "resume", "subscribe", "opt in"],
    ),
    (
        Meaning::Start,
        Some(Dutch),
        &["aanmelden", "inschrijven", "hervatten"],
    ),
    (
        Meaning::Start,
        Some(German),
        &["starten", "anmelden", "fortsetzen"],
    ),
    (
        Meaning::Start,
        Some(French),
        &[
            "démarrer",
            "demarrer",
            "reprendre",
            "commencer",
            "réabonner",
            "reabonner",
        ],
    ),
    (
        Meaning::Start,
        Some(Spanish),
        &["alta", "comenzar", "empezar", "reanudar", "suscribir"],
    ),
    (
        Meaning::Start,
        Some(Portuguese),
        &["começar", "comecar", "recomeçar", "recomecar", "retomar"],
    ),
    (
        Meaning::Start,
        Some(Italian),
        &["inizia", "avvia", "iscrivi", "riprendi"],
    ),
    (Meaning::Start, Some(Danish), &["tilmeld"]),
    (
        Meaning::Start,
        Some(Swedish),
        &["starta", "börja", "återuppta"],
    ),
    (
        Meaning::Start,
        Some(Norwegian),
        &["meld på", "påmeld", "gjenoppta"],
    ),
    (Meaning::Start, Some(Finnish), &["aloita", "jatka"]),
    (
        Meaning::Start,
        Some(Polish),
        &["wznów", "wznow", "zapisz mnie"],
    ),
    (
        Meaning::Start,
        Some(Czech),
        &["přihlásit", "prihlasit", "obnovit"],
    ),
    (Meaning::Start, Some(Slovak), &["prihlásiť", "obnoviť"]),
    (
        Meaning::Start,
        Some(Hungarian),
        &["feliratkozás", "feliratkozas", "feliratkozom"],
    ),
    (Meaning::Start, Some(Romanian), &["abonare", "reluare"]),
    (Meaning::Start, Some(Bulgarian), &["запиши", "абониране"]),
    (
        Meaning::Start,
        Some(Croatian),
        &["prijava", "prijavi", "nastavi"],
    ),
    (
        Meaning::Start,
        Some(Greek),
        &["έναρξη", "εναρξη", "εγγραφή", "εγγραφη"],
    ),
    (
        Meaning::Start,
        Some(Turkish),
        &["başlat", "baslat", "abone ol"],
    ),
    (
        Meaning::Start,
        Some(Russian),
        &["старт", "подписаться", "возобновить"],
    ),
    (
        Meaning::Start,
        Some(Ukrainian),
        &["підписатися", "відновити", "почати"],
    ),
    (
        Meaning::Start,
        Some(Arabic),
        &["ابدأ", "ابدا", "اشتراك", "بدء"],
    ),
    (Meaning::Start, Some(Hebrew), &["התחל", "הצטרף", "חדש"]),
    (Meaning::Start, Some(Hindi), &["शुरू", "शुरू करें", "स्टार्ट"]),
    (
        Meaning::Start,
        Some(Chinese),
        &["订阅", "訂閱", "恢复", "恢復", "开始"],
    ),
    (
        Meaning::Start,
        Some(Japanese),
        &["開始", "再開", "配信再開", "スタート"],
    ),
    (Meaning::Help, None, &["info", "help"]),
    (Meaning::Help, Some(Dutch), &["hulp"]),
    (Meaning::Help, Some(German), &["hilfe"]),
    (Meaning::Help, Some(French), &["aide"]),
    (Meaning::Help, Some(Spanish), &["ayuda"]),
    (Meaning::Help, Some(Portuguese), &["ajuda"]),
    (Meaning::Help, Some(Italian), &["aiuto"]),
    (Meaning::Help, Some(Danish), &["hjælp"]),
    (Meaning::Help, Some(Swedish), &["hjälp"]),
    (Meaning::Help, Some(Norwegian), &["hjelp"]),
    (Meaning::Help, Some(Finnish), &["apua", "ohje"]),
    (Meaning::Help, Some(Polish), &["pomoc"]),
    (Meaning::Help, Some(Czech), &["nápověda", "napoveda"]),
    (Meaning::Help, Some(Slovak), &["pomocník"]),
    (Meaning::Help, Some(Hungarian), &["segítség", "segitseg"]),
    (Meaning::Help, Some(Romanian), &["ajutor"]),
    (Meaning::Help, Some(Bulgarian), &["помощ"]),
    (Meaning::Help, Some(Croatian), &["pomoć"]),
    (Meaning::Help, Some(Greek), &["βοήθεια", "βοηθεια"]),
    (Meaning::Help, Some(Turkish), &["yardım"]),
    (Meaning::Help, Some(Russian), &["помощь"]),
    (Meaning::Help, Some(Ukrainian), &["допомога"]),
    (Meaning::Help, Some(Arabic), &["مساعدة"]),
    (Meaning::Help, Some(Hebrew), &["עזרה"]),
    (Meaning::Help, Some(Hindi), &["मदद", "सहायता"]),
    (Meaning::Help, Some(Chinese), &["帮助", "幫助"]),
    (Meaning::Help, Some(Japanese), &["ヘルプ"]),
];

/// Words that are ordinary ones elsewhere: they count only for peers whose language is one of these.
const LOCAL: &[(&str, &[Language])] = &[
    ("alta", &[Spanish]),
    ("alto", &[Spanish]),
    ("anulare", &[Romanian]),
    ("ferma", &[Italian]),
    ("jatka", &[Finnish]),
    ("pare", &[Portuguese, Spanish]),
    ("seis", &[Finnish]),
    ("запиши", &[Bulgarian]),
];

/// The words that no dialog has on a button of its own but to opt out by: `Cancel` cancels an order there,
/// and `Start` begins a chat.
const ON_BUTTONS: &[&str] = &[
    "stop",
    "stop all",
    "sms stop",
    "stop sms",
    "unsubscribe",
    "opt out",
    "stop promotions",
    "afmelden",
    "uitschrijven",
    "stopp",
    "abmelden",
    "abbestellen",
    "désabonner",
    "desabonner",
    "désinscrire",
    "desinscrire",
    "désinscription",
    "desinscription",
    "dar de baja",
    "descadastrar",
    "disiscrivi",
    "cancellami",
    "afmeld",
    "frameld",
    "avregistrera",
    "avmeld",
    "meld av",
    "wypisz",
    "wypisz mnie",
    "odhlásit",
    "odhlasit",
    "odhlásiť",
    "leiratkozás",
    "leiratkozas",
    "leiratkozom",
    "dezabonare",
    "отпиши",
    "отписване",
    "odjava",
    "odjavi",
    "στοπ",
    "abonelikten çık",
    "стоп",
    "отписаться",
    "отписка",
    "відписатися",
    "відписка",
    "إلغاء الاشتراك",
    "الغاء الاشتراك",
    "הסירו אותי",
    "סטופ",
    "स्टॉप",
    "退订",
    "退訂",
    "取消订阅",
    "取消訂閱",
    "配信停止",
    "ストップ",
];

/// The words by the form in which they are compared.
static LISTED: LazyLock<HashMap<String, Word>> = LazyLock::new(|| {
    let mut listed = HashMap::new();
    for (meaning, language, words) in WORDS {
        for word in *words {
            let found = Word {
                meaning: *meaning,
                language: *language,
                listed: word,
            };
            listed.entry(compared(word)).or_insert(found);
        }
    }
    listed
});

/// What is left without the signs and emoji around a word, and the space and the marks that people put inside
/// of it: `<STOP>`, `OPT-OUT`, `S.T.O.P.`
fn compared(text: &str) -> String {
    let folded = Folded::new(text);
    let bare = folded.as_str().trim_matches(|c: char| !c.is_alphanumeric());
    let is_greek = bare.chars().any(|c| matches!(c, '\u{370}'..='\u{3ff}'));
    bare.chars()
        .filter(|c| !matches!(c, ' ' | '-' | '.' | '_' | '\''))
        .map(|c| if is_greek { greek(c) } else { c })
        .collect()
}

/// The Greek letter that a Latin one stands for in Greek: GSM-7 has only the capitals that Latin lacks (3GPP
/// TS 23.038, 6.2.1), and handsets write the others in Latin.
fn greek(c: char) -> char {
    const LATIN: &str = "abezhikmnoptyx";
    const GREEK: &str = "αβεζηικμνορτυχ";
    let mut pairs = LATIN.chars().zip(GREEK.chars());
    let found = pairs.find(|(latin, _)| *latin == c);
    found.map_or(c, |(_, greek)| greek)
}

impl Word {
    /// Reads a message that is nothing but one of the words; `language` is the peer's by its country.
    pub fn read(text: &str, language: Language) -> Option<Word> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let word = LISTED.get(&compared(text)).copied()?;
        let local = LOCAL.iter().find(|(local, _)| *local == word.listed);
        local
            .is_none_or(|(_, languages)| languages.contains(&language))
            .then_some(word)
    }

    /// Reads the title of a button that the peer chose: only what cannot mean anything else.
    pub fn read_button(title: &str, language: Language) -> Option<Word> {
        Word::read(title, language).filter(|word| ON_BUTTONS.contains(&word.listed))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn meaning(text: &str) -> Option<Meaning> {
        Word::read(text, English).map(|word| word.meaning)
    }

    /// Reads a word of the list where it counts.
    fn read(word: &str, listed: &str) -> Option<Word> {
        let local = LOCAL.iter().find(|(local, _)| *local == listed);
        Word::read(word, local.map_or(English, |(_, languages)| languages[0]))
    }

    fn all() -> Vec<&'static str> {
        let words = WORDS.iter().flat_map(|(_, _, words)| words.iter().copied());
        words.collect()
    }

    #[test]
    fn every_word_stands_in_the_list_once() {
        let mut forms = HashSet::new();
        for word in all() {
            assert!(forms.insert(compared(word)), "{word}");
        }
        for language in Language::ALL {
            for wanted in [Meaning::Stop, Meaning::Start, Meaning::Help] {
                let has =
                    |row: &&Row| row.0 == wanted && (row.1 == Some(*language) || row.1.is_none());
                assert!(WORDS.iter().any(|row| has(&row)), "{language:?} {wanted:?}");
            }
        }
    }

    #[test]
    fn the_words_of_the_fcc_stop() {
        for word in [
            "stop",
            "quit",
            "end",
            "revoke",
            "opt out",
            "cancel",
            "unsubscribe",
        ] {
            assert_eq!(meaning(word), Some(Meaning::Stop), "{word}");
        }
    }

    #[test]
    fn words_are_known_however_they_are_typed() {
        for (text, expected) in [
            ("STOP", Meaning::Stop),
            ("  Stop!! ", Meaning::Stop),
            ("*stop*", Meaning::Stop),
            ("S.T.O.P.", Meaning::Stop),
            ("“Stop”", Meaning::Stop),
            ("ＳＴＯＰ", Meaning::Stop),
            ("OPT-OUT", Meaning::Stop),
            ("optout", Meaning::Stop),
            ("StopAll", Meaning::Stop),
            ("ARRÊT", Meaning::Stop),
            ("СТОП.", Meaning::Stop),
            ("Stopp.", Meaning::Stop),
            ("توقف؟", Meaning::Stop),
            ("停止。", Meaning::Stop),
            ("UNSTOP", Meaning::Start),
            ("start\n", Meaning::Start),
            ("Opt-In", Meaning::Start),
            ("help?", Meaning::Help),
            ("Hilfe!", Meaning::Help),
            // A letter and its mark as two characters.
            ("ARRE\u{302}T", Meaning::Stop),
            ("de\u{301}sabonner", Meaning::Stop),
            ("STOP 🛑", Meaning::Stop),
            ("🛑🛑 stop ❗\u{fe0f}", Meaning::Stop),
            ("<STOP>", Meaning::Stop),
            ("= stop +", Meaning::Stop),
            ("start ▶\u{fe0f}", Meaning::Start),
            // Greek of a GSM-7 handset: Latin T and O, Latin A, P and H.
            ("ΣTOΠ", Meaning::Stop),
            ("ΔIAΓPAΦH", Meaning::Stop),
            ("ΣΤΟΠ", Meaning::Stop),
        ] {
            assert_eq!(meaning(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_says_more_or_something_else_is_no_word() {
        for text in [
            "",
            "!",
            "please stop calling me at night",
            "stop it",
            "non stop",
            "don't stop",
            "when does it start?",
            "help me with my order",
            "the end",
            "fine",
            "yes",
            "no",
            "1",
            "stop 1234",
            "cancel my order",
            "информация",
            "🛑",
            "<>",
            "🛑 don't stop 🛑",
        ] {
            assert_eq!(meaning(text), None, "{text}");
        }
        assert_eq!(meaning(&format!("stop{}", "!".repeat(200))), None);
    }

    #[test]
    fn a_word_that_is_an_ordinary_one_elsewhere_counts_only_at_home() {
        for (word, languages) in LOCAL {
            let listed = LISTED[&compared(word)];
            assert!(
                listed.language.is_some_and(|own| languages.contains(&own)),
                "{word}"
            );
            for language in Language::ALL {
                let counts = Word::read(word, *language).is_some();
                assert_eq!(counts, languages.contains(language), "{word} {language:?}");
            }
        }
        assert_eq!(Word::read("Seis", Spanish), None);
        assert!(Word::read("Seis", Finnish).is_some());
    }

    #[test]
    fn a_button_opts_out_only_where_it_can_mean_nothing_else() {
        for listed in ON_BUTTONS {
            let word = Word::read_button(listed, English);
            assert_eq!(
                word.map(|word| word.meaning),
                Some(Meaning::Stop),
                "{listed}"
            );
        }
        for title in ["Stop promotions", "STOP", "Opt-out", "Unsubscribe"] {
            assert!(Word::read_button(title, English).is_some(), "{title}");
        }
        for title in [
            "Cancel", "End", "Quit", "Start", "Help", "Info", "Resume", "Cancelar",
        ] {
            assert!(Word::read(title, Spanish).is_some(), "{title}");
            assert_eq!(Word::read_button(title, Spanish), None, "{title}");
        }
    }

    proptest! {
        #[test]
        fn marks_and_case_around_a_word_change_nothing(
            place in 0..all().len(),
            before in "[ \\t!?.¡«“(*]{0,4}",
            after in "[ \\n!?.»”)…*]{0,4}",
        ) {
            let word = all()[place];
            let typed = format!("{before}{}{after}", word.to_uppercase());
            prop_assert_eq!(read(&typed, word), read(word, word));
            prop_assert!(read(word, word).is_some());
        }

        /// Latin words of five letters or more beside a word: no two of the list make a third.
        #[test]
        fn a_longer_sentence_is_no_word(
            place in 0..all().len(),
            more in "[b-df-hj-np-tv-z]{5,12}( [a-z]{1,8}){0,3}",
            first in any::<bool>(),
        ) {
            let word = all()[place];
            let text = if first { format!("{more} {word}") } else { format!("{word}, {more}") };
            prop_assert_eq!(read(&text, word), None);
        }
    }
}
