//! The texts that answer the words, in the languages of the words.
//!
//! They name START and STOP as those are understood everywhere, and keep to one segment.

use super::words::Meaning;
use crate::peer::Peer;

macro_rules! languages {
    ($($name:ident: $stop:literal, $start:literal, $help:literal;)*) => {
        /// A language that words and texts are in.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Language {
            $(#[doc = stringify!($name)] $name,)*
        }

        impl Language {
            /// Every language.
            pub const ALL: &'static [Language] = &[$(Language::$name,)*];

            /// The text that answers a word.
            pub fn text(self, meaning: Meaning) -> &'static str {
                match (self, meaning) {
                    $(
                        (Language::$name, Meaning::Stop) => $stop,
                        (Language::$name, Meaning::Start) => $start,
                        (Language::$name, Meaning::Help) => $help,
                    )*
                }
            }
        }
    };
}

languages! {
    English:
        "You will get no more messages from this number. Reply START to get them again.",
        "You will get messages from this number again. Reply STOP to end them.",
        "Reply STOP to get no more messages from this number, START to get them again.";
    Dutch:
        "U ontvangt geen berichten meer van dit nummer. Antwoord START om ze weer te ontvangen.",
        "U ontvangt weer berichten van dit nummer. Antwoord STOP om ze te stoppen.",
        "Antwoord STOP om geen berichten meer van dit nummer te ontvangen, START om ze weer te ontvangen.";
    German:
        "Sie erhalten keine Nachrichten mehr von dieser Nummer. Antworten Sie START, um sie wieder zu erhalten.",
        "Sie erhalten wieder Nachrichten von dieser Nummer. Antworten Sie STOP, um sie zu beenden.",
        "Antworten Sie STOP, um keine Nachrichten dieser Nummer mehr zu erhalten, START, um sie wieder zu erhalten.";
    French:
        "Vous ne recevrez plus de messages de ce numéro. Répondez START pour en recevoir à nouveau.",
        "Vous recevrez à nouveau des messages de ce numéro. Répondez STOP pour y mettre fin.",
        "Répondez STOP pour ne plus recevoir de messages de ce numéro, START pour en recevoir à nouveau.";
    Spanish:
        "Ya no recibirá mensajes. Responda START para recibirlos de nuevo.",
        "Volverá a recibir mensajes. Responda STOP para no recibirlos.",
        "Responda STOP para no recibir mensajes, START para recibirlos de nuevo.";
    Portuguese:
        "Não receberá mais mensagens. Responda START para voltar a receber.",
        "Voltará a receber mensagens deste número. Responda STOP para parar.",
        "Responda STOP para não receber mensagens, START para voltar a receber.";
    Italian:
        "Non riceverà più messaggi da questo numero. Risponda START per riceverli di nuovo.",
        "Riceverà di nuovo messaggi da questo numero. Risponda STOP per non riceverli.",
        "Risponda STOP per non ricevere messaggi da questo numero, START per riceverli di nuovo.";
    Danish:
        "Du får ikke flere beskeder fra dette nummer. Svar START for at få dem igen.",
        "Du får igen beskeder fra dette nummer. Svar STOP for at stoppe dem.",
        "Svar STOP for ikke at få beskeder fra dette nummer, START for at få dem igen.";
    Swedish:
        "Du får inga fler meddelanden från detta nummer. Svara START för att få dem igen.",
        "Du får meddelanden från detta nummer igen. Svara STOP för att stoppa dem.",
        "Svara STOP för att inte få meddelanden från detta nummer, START för att få dem igen.";
    Norwegian:
        "Du får ikke flere meldinger fra dette nummeret. Svar START for å få dem igjen.",
        "Du får meldinger fra dette nummeret igjen. Svar STOP for å stoppe dem.",
        "Svar STOP for ikke å få meldinger fra dette nummeret, START for å få dem igjen.";
    Finnish:
        "Et saa enää viestejä tästä numerosta. Vastaa START, niin saat niitä jälleen.",
        "Saat jälleen viestejä tästä numerosta. Vastaa STOP lopettaaksesi ne.",
        "Vastaa STOP, jos et halua viestejä tästä numerosta, START, jos haluat niitä jälleen.";
    Polish:
        "Nie dostaniesz już wiadomości. Odpisz START, aby je wznowić.",
        "Znowu będziesz dostawać wiadomości. Odpisz STOP, by je zakończyć.",
        "Odpisz STOP, aby nie dostawać wiadomości, START, aby je wznowić.";
    Czech:
        "Z tohoto čísla už nedostanete zprávy. Obnovíte je odpovědí START.",
        "Z tohoto čísla zase budete dostávat zprávy. Zrušíte je odpovědí STOP.",
        "Odpověď STOP zruší zprávy z tohoto čísla, START je obnoví.";
    Slovak:
        "Z tohto čísla už nedostanete správy. Obnovíte ich odpoveďou START.",
        "Z tohto čísla opäť dostanete správy. Zrušíte ich odpoveďou STOP.",
        "Odpoveď STOP zruší správy z tohto čísla, START ich obnoví.";
    Hungarian:
        "Erről a számról nem kap több üzenetet. Újra kéri? Válasz: START.",
        "Erről a számról ismét kap üzeneteket. Leállítás: STOP.",
        "Válaszoljon: STOP, ha nem kér üzenetet, START, ha újra kér.";
    Romanian:
        "Nu veți mai primi mesaje de la acest număr. Pentru reluare: START.",
        "Veți primi din nou mesaje de la acest număr. Pentru oprire: STOP.",
        "Răspundeți STOP pentru a nu mai primi mesaje, START pentru reluare.";
    Bulgarian:
        "Няма да получавате съобщения от този номер. За възобновяване: START.",
        "Отново ще получавате съобщения от този номер. За спиране: STOP.",
        "Отговорете STOP за спиране на съобщенията, START за възобновяване.";
    Croatian:
        "Više nećete primati poruke s ovog broja. Za ponovni primitak: START.",
        "Ponovno ćete primati poruke s ovog broja. Za prekid: STOP.",
        "Odgovorite STOP za prekid poruka, START za ponovni primitak.";
    Greek:
        "Δεν θα λαμβάνετε άλλα μηνύματα. Για να λαμβάνετε ξανά: START.",
        "Θα λαμβάνετε ξανά μηνύματα. Για διακοπή: STOP.",
        "Απαντήστε STOP για διακοπή, START για να λαμβάνετε ξανά.";
    Turkish:
        "Bu numaradan artık mesaj almayacaksınız. Yeniden almak için: START.",
        "Bu numaradan yeniden mesaj alacaksınız. Durdurmak için: STOP.",
        "Mesajları durdurmak için STOP, yeniden almak için START yazın.";
    Russian:
        "Вы больше не будете получать сообщения. Возобновить: START.",
        "Вы снова будете получать сообщения. Отписаться: STOP.",
        "Ответьте STOP, чтобы отписаться, START, чтобы возобновить.";
    Ukrainian:
        "Ви більше не отримуватимете повідомлень. Відновити: START.",
        "Ви знову отримуватимете повідомлення. Відписатися: STOP.",
        "Надішліть STOP, щоб відписатися, START, щоб відновити.";
    Arabic:
        "لن تصلك رسائل أخرى من هذا الرقم. للعودة أرسل START.",
        "ستصلك الرسائل من هذا الرقم من جديد. للإيقاف أرسل STOP.",
        "أرسل STOP لإيقاف الرسائل أو START للعودة إليها.";
    Hebrew:
        "לא תקבלו עוד הודעות ממספר זה. לחידוש השיבו START.",
        "תקבלו שוב הודעות ממספר זה. להסרה השיבו STOP.",
        "להסרה השיבו STOP, לחידוש השיבו START.";
    Hindi:
        "अब आपको इस नंबर से संदेश नहीं मिलेंगे। फिर पाने के लिए START भेजें।",
        "आपको इस नंबर से फिर संदेश मिलेंगे। रोकने के लिए STOP भेजें।",
        "संदेश रोकने के लिए STOP, फिर पाने के लिए START भेजें।";
    Chinese:
        "您将不再收到此号码的短信。回复 START 可恢复接收。",
        "您将重新收到此号码的短信。回复 STOP 可退订。",
        "回复 STOP 退订此号码的短信，回复 START 恢复接收。";
    Japanese:
        "この番号からの配信を停止しました。再開するには START と返信してください。",
        "この番号からの配信を再開しました。停止するには STOP と返信してください。",
        "配信の停止は STOP、再開は START と返信してください。";
}

impl Language {
    /// The language that most people of the peer's country read, English where that is not in the list.
    pub fn of_peer(peer: &Peer) -> Language {
        let region = match peer {
            Peer::Number(number) => number.region(),
            Peer::Name(_) => None,
        };
        match region.unwrap_or_default() {
            "NL" | "BE" | "SR" => Language::Dutch,
            "DE" | "AT" | "CH" | "LI" => Language::German,
            "FR" | "LU" | "MC" | "RE" | "GP" | "MQ" | "GF" => Language::French,
            "ES" | "MX" | "AR" | "CO" | "CL" | "PE" | "VE" | "EC" | "UY" | "PY" | "BO" | "CR"
            | "PA" | "DO" | "GT" | "HN" | "SV" | "NI" | "CU" => Language::Spanish,
            "PT" | "BR" | "AO" | "MZ" => Language::Portuguese,
            "IT" | "SM" => Language::Italian,
            "DK" | "GL" => Language::Danish,
            "SE" => Language::Swedish,
            "NO" => Language::Norwegian,
            "FI" => Language::Finnish,
            "PL" => Language::Polish,
            "CZ" => Language::Czech,
            "SK" => Language::Slovak,
            "HU" => Language::Hungarian,
            "RO" | "MD" => Language::Romanian,
            "BG" => Language::Bulgarian,
            "HR" | "BA" => Language::Croatian,
            "GR" | "CY" => Language::Greek,
            "TR" => Language::Turkish,
            "RU" | "BY" | "KZ" | "KG" => Language::Russian,
            "UA" => Language::Ukrainian,
            "SA" | "AE" | "EG" | "IQ" | "JO" | "KW" | "LB" | "LY" | "OM" | "QA" | "SY" | "YE"
            | "BH" | "DZ" | "MA" | "TN" | "SD" | "PS" => Language::Arabic,
            "IL" => Language::Hebrew,
            "CN" | "TW" | "HK" | "MO" => Language::Chinese,
            "JP" => Language::Japanese,
            _ => Language::English,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consent::Word;
    use crate::segments;

    #[test]
    fn every_text_is_one_segment_and_no_word_itself() {
        for language in Language::ALL {
            for meaning in [Meaning::Stop, Meaning::Start, Meaning::Help] {
                let text = language.text(meaning);
                assert_eq!(segments::count(text).segments, 1, "{language:?} {text}");
                assert_eq!(Word::read(text, *language), None, "{text}");
            }
        }
    }

    #[test]
    fn a_shared_word_is_answered_in_the_language_of_the_country() {
        for (peer, language) in [
            ("+31612345678", Language::Dutch),
            ("+491701234567", Language::German),
            ("+33612345678", Language::French),
            ("+12025550123", Language::English),
            ("+819012345678", Language::Japanese),
            ("US.134912", Language::English),
        ] {
            let peer = Peer::parse(peer).unwrap();
            assert_eq!(Language::of_peer(&peer), language, "{peer}");
        }
    }
}
