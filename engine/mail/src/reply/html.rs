//! The text of a mail that has only HTML, without what it quotes.

use mail_parser::decoders::html::add_html_token;

/// Elements whose content is no text.
const SILENT: [&str; 6] = ["head", "style", "script", "template", "title", "blockquote"];
/// Elements that begin and end a line.
const BLOCKS: [&str; 16] = [
    "div", "p", "tr", "li", "ul", "ol", "table", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "hr",
    "section",
];
/// Marks in a tag by which mail programs begin the history: Gmail, Outlook on the web, Outlook,
/// Thunderbird, Yahoo, Proton and Apple Mail on old systems.
const HISTORY: [&str; 8] = [
    "gmail_quote",
    "divrplyfwdmsg",
    "appendonsend",
    "mailoriginalmessage",
    "moz-cite-prefix",
    "yahoo_quoted",
    "protonmail_quote",
    "apple-quoted",
];
/// Longest entity, `&` and `;` included, in bytes.
const ENTITY_BYTES_MAX: usize = 34;

/// Text of an HTML page up to where its history begins; quotations are left out.
pub(super) fn to_text(html: &str) -> String {
    let mut page = Page::default();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        page.text(&rest[..at]);
        rest = &rest[at..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            rest = comment.find("-->").map_or("", |end| &comment[end + 3..]);
            continue;
        }
        let Some(end) = tag_end(rest) else {
            return page.finish();
        };
        if !page.tag(&rest[1..end]) {
            return page.finish();
        }
        rest = &rest[end + 1..];
    }
    page.text(rest);
    page.finish()
}

/// Where the tag at the start of `rest` ends: at the first `>` outside of a quoted value.
fn tag_end(rest: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in rest.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            (None | Some(_), _) => {}
        }
    }
    None
}

#[derive(Default)]
struct Page {
    out: String,
    /// Elements of [`SILENT`] that are open.
    silent: Vec<&'static str>,
    /// Whether white space was met that is not written yet.
    space_pending: bool,
}

impl Page {
    /// Takes one tag without its angle brackets; `false` where the history begins.
    fn tag(&mut self, tag: &str) -> bool {
        let closing = tag.starts_with('/');
        let inner = tag.trim_start_matches('/');
        let end = inner.find(|c: char| !c.is_ascii_alphanumeric());
        let (name, attributes) = inner.split_at(end.unwrap_or(inner.len()));
        let name = name.to_ascii_lowercase();
        if let Some(silent) = SILENT.into_iter().find(|silent| *silent == name) {
            self.line();
            if closing {
                let open = self.silent.iter().rposition(|open| *open == silent);
                self.silent.truncate(open.unwrap_or(self.silent.len()));
            } else if !attributes.ends_with('/') {
                self.silent.push(silent);
            }
            return true;
        }
        if !self.silent.is_empty() {
            return true;
        }
        let attributes = attributes.to_ascii_lowercase();
        if !closing && HISTORY.iter().any(|mark| attributes.contains(mark)) {
            return false;
        }
        match (name.as_str(), closing) {
            ("br", _) => self.newline(),
            ("p", true) => {
                self.line();
                self.newline();
            }
            (block, _) if BLOCKS.contains(&block) => self.line(),
            _ => {}
        }
        true
    }

    fn text(&mut self, text: &str) {
        if !self.silent.is_empty() {
            return;
        }
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            if character.is_ascii_whitespace() {
                self.space_pending = true;
                rest = &rest[1..];
                continue;
            }
            if self.space_pending && !self.out.is_empty() && !self.out.ends_with('\n') {
                self.out.push(' ');
            }
            self.space_pending = false;
            let length = token_length(rest, character);
            add_html_token(&mut self.out, &rest.as_bytes()[..length], false);
            rest = &rest[length..];
        }
    }

    /// Begins a line, unless one has just begun.
    fn line(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with('\n') {
            self.newline();
        }
    }

    fn newline(&mut self) {
        self.out.push('\n');
        self.space_pending = false;
    }

    fn finish(self) -> String {
        self.out
    }
}

/// Bytes of the entity at the start of `rest`, or of its first character.
fn token_length(rest: &str, first: char) -> usize {
    let entity = (first == '&')
        .then(|| {
            rest.bytes()
                .take(ENTITY_BYTES_MAX)
                .position(|byte| byte == b';')
        })
        .flatten()
        .filter(|end| {
            rest[1..*end]
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'#')
        });
    entity.map_or(first.len_utf8(), |end| end + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_page_becomes_the_lines_that_a_reader_sees() {
        for (html, expected) in [
            (
                "<p>One &amp; two</p>\r\n<p>caf&#233; &lt;3</p>",
                "One & two\n\ncafé <3\n\n",
            ),
            (
                "<div>a</div><div>b<br></div><div><br></div><div>c</div>",
                "a\nb\n\nc\n",
            ),
            (
                "<head><title>x</title><style>p{}</style></head>hi <b>there</b>",
                "hi there",
            ),
            ("yes<!-- <p>no</p> --><a title=\"a > b\">!</a>", "yes!"),
            (
                "new<blockquote>old<blockquote>older</blockquote>old</blockquote>more",
                "new\nmore",
            ),
            ("mine<div class=\"gmail_quote\">On … wrote</div>", "mine"),
            ("AT&T & co &unknown; &", "AT&T & co &unknown; &"),
            ("cut <a href=", "cut"),
        ] {
            assert_eq!(to_text(html), expected, "{html}");
        }
    }

    proptest! {
        #[test]
        fn any_page_is_read_without_a_panic(html in "[<>/&;#a-z \"'=!é-]{0,80}") {
            to_text(&html);
        }
    }
}
