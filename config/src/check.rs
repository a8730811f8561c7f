//! One layer held against the table of what is allowed: problems are named, the rest is kept.

use std::ops::RangeInclusive;

use toml::{Table, Value};

use crate::allowed::Allowed;
use crate::problem::{Origin, Problem};
use crate::schema::{Presence, ROOT, Rule};

/// The most characters of a refused value that are shown.
const SHOWN_CHARS_MAX: usize = 60;

/// Returns what is allowed of a layer; everything else becomes a problem.
pub(crate) fn check_layer(layer: Table, origin: &Origin, problems: &mut Vec<Problem>) -> Table {
    Check { origin, problems }.table("", ROOT, layer)
}

struct Check<'a> {
    origin: &'a Origin,
    problems: &'a mut Vec<Problem>,
}

impl Check<'_> {
    fn table(&mut self, path: &str, rules: &[Rule], table: Table) -> Table {
        self.presence(path, rules, &table);
        let mut kept = Table::new();
        for (key, value) in table {
            let inner = join(path, &key);
            match rules.iter().find(|rule| rule.key == key) {
                Some(rule) => {
                    if let Some(value) = self.value(&inner, &rule.allowed, value) {
                        kept.insert(key, value);
                    }
                }
                None => self.unknown(inner, path, rules),
            }
        }
        kept
    }

    /// Returns the value, or what is left of it, unless all of it is refused.
    fn value(&mut self, path: &str, allowed: &Allowed, value: Value) -> Option<Value> {
        match (allowed, value) {
            (Allowed::Section(rules), Value::Table(table)) => {
                Some(Value::Table(self.table(path, rules, table)))
            }
            (
                Allowed::List {
                    rules,
                    entries_min,
                    entries_max,
                },
                Value::Array(entries),
            ) => {
                let bounds = *entries_min..=*entries_max;
                self.length(path, allowed, bounds, entries.len());
                Some(Value::Array(self.list(path, rules, entries)))
            }
            (Allowed::Texts { each, entries_max }, Value::Array(entries)) => {
                self.length(path, allowed, 0..=*entries_max, entries.len());
                Some(Value::Array(self.texts(path, each, entries)))
            }
            (_, value) if admits(allowed, &value) => Some(value),
            (_, value) => {
                let found = found(allowed, &value);
                self.report(path, format!("must be {}{found}", allowed.sentence()));
                None
            }
        }
    }

    /// Keeps the place of a refused entry with an empty table, so that the others keep theirs.
    fn list(&mut self, path: &str, rules: &[Rule], entries: Vec<Value>) -> Vec<Value> {
        let mut kept = Vec::with_capacity(entries.len());
        for (index, entry) in entries.into_iter().enumerate() {
            let path = format!("{path}[{index}]");
            let table = match entry {
                Value::Table(table) => self.table(&path, rules, table),
                other => {
                    self.report(&path, format!("must be a table, not {}", shape(&other)));
                    Table::new()
                }
            };
            kept.push(Value::Table(table));
        }
        kept
    }

    /// Keeps the place of a refused entry with an empty text, so that the others keep theirs.
    fn texts(&mut self, path: &str, each: &Allowed, entries: Vec<Value>) -> Vec<Value> {
        let mut kept = Vec::with_capacity(entries.len());
        for (index, entry) in entries.into_iter().enumerate() {
            let entry = self.value(&format!("{path}[{index}]"), each, entry);
            kept.push(entry.unwrap_or_else(|| Value::String(String::new())));
        }
        kept
    }

    fn length(&mut self, path: &str, allowed: &Allowed, bounds: RangeInclusive<usize>, len: usize) {
        if !bounds.contains(&len) {
            let sentence = format!("must be {}, not of {len}", allowed.sentence());
            self.report(path, sentence);
        }
    }

    fn presence(&mut self, path: &str, rules: &[Rule], table: &Table) {
        for rule in rules {
            match rule.presence {
                Presence::Optional => {}
                Presence::Required if table.contains_key(rule.key) => {}
                Presence::Required => {
                    let sentence = format!("is missing; it must be {}", rule.allowed.sentence());
                    self.report(&join(path, rule.key), sentence);
                }
                // A group of keys is looked at once, where its first one stands.
                Presence::OneOf(keys) if keys.first() == Some(&rule.key) => {
                    self.alternatives(path, keys, true, table);
                }
                Presence::AtMostOneOf(keys) if keys.first() == Some(&rule.key) => {
                    self.alternatives(path, keys, false, table);
                }
                Presence::OneOf(_) | Presence::AtMostOneOf(_) => {}
            }
        }
    }

    fn alternatives(&mut self, path: &str, keys: &[&str], needed: bool, table: &Table) {
        let mut there = keys.iter().filter(|key| table.contains_key(**key));
        let how_many = if needed { "exactly" } else { "at most" };
        let rule = format!("there must be {how_many} one of {}", keys.join(", "));
        match there.next() {
            None if needed => self.report(&join(path, keys[0]), format!("is missing; {rule}")),
            None => {}
            Some(first) => {
                for other in there {
                    let sentence = format!("must not stand beside {first}; {rule}");
                    self.report(&join(path, other), sentence);
                }
            }
        }
    }

    fn unknown(&mut self, inner: String, path: &str, rules: &[Rule]) {
        let keys: Vec<&str> = rules.iter().map(|rule| rule.key).collect();
        let place = if path.is_empty() {
            "at the top".to_owned()
        } else {
            format!("in {path}")
        };
        let keys = keys.join(", ");
        self.report(
            &inner,
            format!("is not a setting; {place} there may be {keys}"),
        );
    }

    fn report(&mut self, path: &str, sentence: String) {
        self.problems.push(Problem {
            path: path.to_owned(),
            origin: self.origin.clone(),
            sentence,
        });
    }
}

fn admits(allowed: &Allowed, value: &Value) -> bool {
    match (allowed, value) {
        (Allowed::Whole { min, max, .. }, Value::Integer(number)) => (min..=max).contains(&number),
        (Allowed::Share, Value::Float(share)) => (0.0..=1.0).contains(share),
        (Allowed::Share, Value::Integer(share)) => (0..=1).contains(share),
        (Allowed::YesOrNo, Value::Boolean(_)) => true,
        (allowed, Value::String(text)) => allowed.admits_text(text),
        _ => false,
    }
}

/// Says what was found instead, as far as it may be shown.
fn found(allowed: &Allowed, value: &Value) -> String {
    let shown = match value {
        _ if !allowed.may_be_shown() => return String::new(),
        Value::Table(_) | Value::Array(_) => shape(value).to_owned(),
        _ if matches!(
            allowed,
            Allowed::Section(_) | Allowed::List { .. } | Allowed::Texts { .. }
        ) =>
        {
            shape(value).to_owned()
        }
        Value::String(text) if text.chars().count() > SHOWN_CHARS_MAX => {
            let start: String = text.chars().take(SHOWN_CHARS_MAX).collect();
            format!("{start:?} and so on")
        }
        Value::String(text) => format!("{text:?}"),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Boolean(flag) => flag.to_string(),
        Value::Datetime(time) => time.to_string(),
    };
    format!(", not {shown}")
}

fn shape(value: &Value) -> &'static str {
    match value {
        Value::Table(_) => "a table",
        Value::Array(_) => "a list",
        Value::String(_) => "a text",
        Value::Integer(_) | Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a time",
    }
}

/// Appends a key to a path; a key that is no bare key is quoted, so that a problem stays one line.
fn join(path: &str, key: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let key = if !key.is_empty() && key.bytes().all(bare) {
        key.to_owned()
    } else {
        format!("{key:?}")
    };
    if path.is_empty() {
        key
    } else {
        format!("{path}.{key}")
    }
}
