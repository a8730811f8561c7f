//! Carriers' error codes and our reasons: the row of their tables, and the lookup.
//!
//! Every protocol holds its own table, sorted by code, in its `reasons` module. A code that may be retried
//! says that the carrier did not take the message; at submit time it may go elsewhere, or later. In a
//! receipt any code is a failure of a message that was taken. The tables stand in
//! `docs/carriers-reasons.md`, written from the code by the tests that compare the two.

use didfarm_core::reason::Reason;

use crate::SubmitAnswer;

/// One code of a carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeRow {
    /// The carrier's code.
    pub code: u32,
    /// Our reason.
    pub reason: Reason,
    /// Whether the message may be submitted again after this answer to a submit.
    pub retry: bool,
    /// What the carrier means by it.
    pub text: &'static str,
}

impl CodeRow {
    /// A code after which no carrier would take the message.
    pub const fn last(code: u32, reason: Reason, text: &'static str) -> CodeRow {
        CodeRow {
            code,
            reason,
            retry: false,
            text,
        }
    }

    /// A code after which the message may go elsewhere, or later.
    pub const fn again(code: u32, reason: Reason, text: &'static str) -> CodeRow {
        CodeRow {
            code,
            reason,
            retry: true,
            text,
        }
    }

    /// What the code says in answer to a submit.
    pub fn answer(&self) -> SubmitAnswer {
        if self.retry {
            SubmitAnswer::NotTaken(self.reason)
        } else {
            SubmitAnswer::Refused(self.reason)
        }
    }
}

/// The row of a code in a table that is sorted by code.
pub fn row_of(table: &'static [CodeRow], code: u32) -> Option<&'static CodeRow> {
    let place = table.binary_search_by_key(&code, |row| row.code).ok()?;
    Some(&table[place])
}

#[cfg(test)]
pub(crate) mod document {
    //! Compares the tables with `docs/carriers-reasons.md`, or writes them there.

    use std::fmt::Write as _;
    use std::sync::{Mutex, PoisonError};
    use std::{env, fs};

    use super::CodeRow;

    const PATH: &str = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/carriers-reasons.md"
    );
    /// Set to write the document in place of comparing.
    const WRITE: &str = "DIDFARM_WRITE_DOCS";

    /// The tests of one process take turns at the file.
    static TURN: Mutex<()> = Mutex::new(());

    /// Holds a table against the section with this heading, codes spelled by `spell`; with
    /// `DIDFARM_WRITE_DOCS=1` writes it there instead. Text between heading and table is kept.
    pub(crate) fn hold(heading: &str, table: &[CodeRow], spell: fn(u32) -> String) {
        assert!(
            table.is_sorted_by(|one, next| one.code < next.code),
            "{heading}: not sorted by code"
        );
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let page = fs::read_to_string(PATH).unwrap_or_default();
        let fresh = with_table(&page, heading, &rendered(table, spell));
        if env::var_os(WRITE).is_some() {
            fs::write(PATH, fresh).unwrap();
        } else {
            assert!(
                page == fresh,
                "docs/carriers-reasons.md differs from the table of {heading}: run the tests of \
                 didfarm-carriers with {WRITE}=1"
            );
        }
    }

    fn rendered(table: &[CodeRow], spell: fn(u32) -> String) -> String {
        let mut text =
            "| Code | Reason | May be retried | The carrier says |\n|---|---|---|---|\n".to_owned();
        for row in table {
            let retry = if row.retry { "yes" } else { "no" };
            let code = spell(row.code);
            writeln!(
                text,
                "| {code} | `{}` | {retry} | {} |",
                row.reason, row.text
            )
            .unwrap();
        }
        text
    }

    /// The page with the table of one section replaced; a section that is missing comes at the end.
    fn with_table(page: &str, heading: &str, table: &str) -> String {
        let title = format!("## {heading}\n");
        let Some(start) = page.find(&title) else {
            return format!("{}\n\n{title}\n{table}", page.trim_end());
        };
        let (before, section) = page.split_at(start);
        let end = section[title.len()..]
            .find("\n## ")
            .map_or(section.len(), |at| title.len() + at);
        let (section, after) = section.split_at(end);
        let intro = section
            .split_once("\n|")
            .map_or(section, |(intro, _)| intro);
        format!("{before}{}\n\n{table}{after}", intro.trim_end())
    }

    #[test]
    fn a_section_is_replaced_and_its_neighbours_stay() {
        let page = "# T\n\n## A\n\nwords\n\n| old |\n\n## B\n\n| b |\n";
        let fresh = with_table(page, "A", "| new |\n");
        assert_eq!(fresh, "# T\n\n## A\n\nwords\n\n| new |\n\n## B\n\n| b |\n");
        assert_eq!(with_table(&fresh, "A", "| new |\n"), fresh);
        assert!(with_table(page, "C", "| c |\n").ends_with("| b |\n\n## C\n\n| c |\n"));
    }
}
