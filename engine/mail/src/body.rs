//! What a mail says: blocks, of which the plain text and the HTML are written alike.
//!
//! There is no way to put HTML in: every text of a block is escaped, and nothing is fetched from
//! anywhere when the mail is read (no images, no links, no style sheets).

use std::fmt;

use crate::text::{escape_html, lines, one_line};

/// Longest value of a fact, in characters: as long as any link.
const VALUE_CHARS_MAX: usize = 2_048;

/// One block of a mail.
#[derive(Clone, PartialEq, Eq)]
enum Block {
    Paragraph(String),
    Quote(String),
    Facts(Vec<(&'static str, String)>),
    Steps(Vec<String>),
    Small(String),
}

/// The body of a mail, from top to bottom.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Body {
    blocks: Vec<Block>,
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("blocks", &self.blocks.len())
            .finish()
    }
}

impl Body {
    /// A body without blocks.
    pub fn new() -> Body {
        Body::default()
    }

    /// Adds a paragraph of ours.
    pub fn paragraph(mut self, text: impl Into<String>) -> Body {
        self.blocks.push(Block::Paragraph(text.into()));
        self
    }

    /// Adds a text that somebody else wrote, with its line breaks and in its own writing direction.
    pub fn quote(mut self, text: &str) -> Body {
        self.blocks.push(Block::Quote(lines(text)));
        self
    }

    /// Adds a table of labels and values; a value is one line.
    pub fn facts(mut self, rows: impl IntoIterator<Item = (&'static str, String)>) -> Body {
        let rows = rows
            .into_iter()
            .map(|(label, value)| (label, one_line(&value, VALUE_CHARS_MAX)));
        self.blocks.push(Block::Facts(rows.collect()));
        self
    }

    /// Adds numbered steps.
    pub fn steps(mut self, steps: impl IntoIterator<Item = String>) -> Body {
        self.blocks.push(Block::Steps(steps.into_iter().collect()));
        self
    }

    /// Adds a line in small print.
    pub fn small(mut self, text: impl Into<String>) -> Body {
        self.blocks.push(Block::Small(text.into()));
        self
    }

    /// The body as plain text, lines ended by `\n`.
    pub fn to_text(&self) -> String {
        let blocks: Vec<String> = self.blocks.iter().map(text_of).collect();
        blocks.join("\n\n") + "\n"
    }

    /// The body as a page of HTML.
    pub fn to_html(&self) -> String {
        let blocks: String = self.blocks.iter().map(html_of).collect();
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"></head>\n\
             <body style=\"font-family: sans-serif; font-size: 15px\">\n{blocks}</body>\n</html>\n"
        )
    }
}

fn text_of(block: &Block) -> String {
    match block {
        Block::Paragraph(text) | Block::Quote(text) | Block::Small(text) => text.clone(),
        Block::Facts(rows) => {
            let rows: Vec<String> = rows
                .iter()
                .map(|(label, value)| format!("{label}: {value}"))
                .collect();
            rows.join("\n")
        }
        Block::Steps(steps) => {
            let steps: Vec<String> = (1..)
                .zip(steps)
                .map(|(number, step)| format!("{number}. {step}"))
                .collect();
            steps.join("\n")
        }
    }
}

fn html_of(block: &Block) -> String {
    match block {
        Block::Paragraph(text) => format!("<p>{}</p>\n", escape_html(text)),
        Block::Quote(text) => format!(
            "<p dir=\"auto\" style=\"white-space: pre-wrap\">{}</p>\n",
            escape_html(text)
        ),
        Block::Small(text) => format!(
            "<p style=\"color: #666; font-size: 13px\">{}</p>\n",
            escape_html(text)
        ),
        Block::Facts(rows) => {
            let rows: String = rows
                .iter()
                .map(|(label, value)| {
                    format!(
                        "<tr><th align=\"left\" style=\"padding-right: 16px\">{}</th>\
                         <td dir=\"auto\">{}</td></tr>\n",
                        escape_html(label),
                        escape_html(value)
                    )
                })
                .collect();
            format!("<table>\n{rows}</table>\n")
        }
        Block::Steps(steps) => {
            let steps: String = steps
                .iter()
                .map(|step| format!("<li>{}</li>\n", escape_html(step)))
                .collect();
            format!("<ol>\n{steps}</ol>\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_say_the_same_and_the_html_is_escaped() {
        let body = Body::new()
            .paragraph("A & B")
            .quote("<img src=\"http://x.example/\">\r\nline 2")
            .facts([("From", "a\r\nb".to_owned())])
            .steps(["One.".to_owned(), "Two.".to_owned()])
            .small("end");
        assert_eq!(
            body.to_text(),
            "A & B\n\n<img src=\"http://x.example/\">\nline 2\n\nFrom: a b\n\n1. One.\n2. Two.\n\nend\n"
        );
        let html = body.to_html();
        assert!(html.contains("<p>A &amp; B</p>"));
        assert!(html.contains("&lt;img src=&quot;http://x.example/&quot;&gt;\nline 2"));
        assert!(!html.contains("<img") && !html.contains("src=\"") && !html.contains("href"));
        assert!(html.contains("<td dir=\"auto\">a b</td>"));
    }
}
