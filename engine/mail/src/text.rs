//! Text that others wrote, made fit for a header, a body, an HTML page or a line of a log.

/// Whether a character breaks lines, moves the cursor or turns the direction of what follows: nothing
/// that a header or a log's line may hold.
fn is_unruly(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
        )
}

/// One line of at most `chars_max` characters: what breaks lines becomes a space, runs of spaces become
/// one, and what is cut off is shown by `…`.
pub fn one_line(text: &str, chars_max: usize) -> String {
    let mut line = String::with_capacity(text.len().min(chars_max * 4));
    let mut chars = 0;
    for word in text.split(|c: char| c.is_whitespace() || is_unruly(c)) {
        if word.is_empty() {
            continue;
        }
        let gap = usize::from(!line.is_empty());
        let length = word.chars().count();
        if chars + gap + length > chars_max {
            let room = chars_max.saturating_sub(chars + gap + 1);
            if room > 0 {
                line.extend((gap == 1).then_some(' '));
                line.extend(word.chars().take(room));
            } else if chars == chars_max {
                line.pop();
            }
            line.push('…');
            return line;
        }
        line.extend((gap == 1).then_some(' '));
        line.push_str(word);
        chars += gap + length;
    }
    line
}

/// Text of several lines, ended by `\n`: other controls than line breaks and tabs are left out.
pub fn lines(text: &str) -> String {
    text.replace("\r\n", "\n")
        .replace(['\r', '\u{2028}', '\u{2029}', '\u{85}'], "\n")
        .chars()
        .filter(|c| matches!(c, '\n' | '\t') || !c.is_control())
        .collect()
}

/// The text as it stands between tags or in a quoted attribute of HTML.
pub fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + text.len() / 8);
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn one_line_is_one_line_within_its_bound(text in any::<String>(), bound in 1usize..80) {
            let line = one_line(&text, bound);
            prop_assert!(line.chars().count() <= bound, "{line:?}");
            prop_assert!(!line.chars().any(is_unruly), "{line:?}");
            prop_assert_eq!(one_line(&line, bound), line);
        }

        #[test]
        fn escaped_text_opens_no_tag_and_ends_no_attribute(text in any::<String>()) {
            prop_assert!(!escape_html(&text).contains(['<', '>', '"', '\'']));
        }
    }

    #[test]
    fn line_breaks_become_spaces_and_what_is_cut_is_shown() {
        assert_eq!(one_line(" a\r\nBcc: b\u{2028}c ", 80), "a Bcc: b c");
        assert_eq!(one_line("abcdef", 4), "abc…");
        assert_eq!(one_line("ab cdef", 5), "ab c…");
        assert_eq!(one_line("abcd e", 4), "abc…");
        assert_eq!(one_line("abc de", 4), "abc…");
        assert_eq!(lines("a\r\nb\rc\u{0}\td\u{7f}"), "a\nb\nc\td");
    }
}
