//! Where settings come from: a file, the environment and the command line, each as one table.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::allowed::Allowed;
use crate::check::check_layer;
use crate::problem::{Origin, Problem};
use crate::schema;

/// What the name of every environment variable that is a setting starts with.
pub const ENVIRONMENT_PREFIX: &str = "DIDFARM__";

/// The most bytes of a settings file; a larger one is some other file.
pub const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What stands between two levels in the name of an environment variable.
const LEVEL_SEPARATOR: &str = "__";

/// The path of a problem that is about the file as a whole.
const WHOLE_FILE: &str = "settings file";

/// What the command line sets, winning over every other layer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--data-dir`, for `data_dir`.
    pub data_dir: Option<PathBuf>,
    /// `--listen`, for `http.listen`; checked with everything else.
    pub listen: Option<String>,
    /// `--ops-listen`, for `ops.listen`; checked with everything else.
    pub ops_listen: Option<String>,
}

/// Returns the variables of this process that are settings.
///
/// Unlike `std::env::vars` it does not panic at a variable that is no UTF-8: a foreign one is
/// left out, and in one of ours the bytes that cannot be read are replaced, which the check of
/// that setting then refuses.
pub fn process_environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok()?;
        let ours = name.starts_with(ENVIRONMENT_PREFIX);
        ours.then(|| (name, value.to_string_lossy().into_owned()))
    })
}

/// The layers merged so far, what is wrong with them, and where each value came from.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    pub(crate) merged: Table,
    pub(crate) problems: Vec<Problem>,
    origins: BTreeMap<String, Origin>,
}

impl Layers {
    /// Adds the settings file.
    pub(crate) fn add_file(&mut self, path: &Path) {
        let origin = Origin::File(path.to_owned());
        match read(path).and_then(|text| parse(&text)) {
            Ok(table) => self.add(table, &origin),
            Err(sentence) => self.problems.push(Problem {
                path: WHOLE_FILE.to_owned(),
                origin,
                sentence,
            }),
        }
    }

    /// Adds the variables whose names start with the prefix, in the order of their names, so that
    /// a variable for a whole section comes before those for single keys of it.
    pub(crate) fn add_environment(&mut self, env: impl Iterator<Item = (String, String)>) {
        let ours: BTreeMap<String, String> = env
            .filter(|(name, _)| name.starts_with(ENVIRONMENT_PREFIX))
            .collect();
        for (name, text) in ours {
            let keys: Vec<String> = name[ENVIRONMENT_PREFIX.len()..]
                .split(LEVEL_SEPARATOR)
                .map(str::to_lowercase)
                .collect();
            let value = environment_value(&keys, text);
            self.add(nested(&keys, value), &Origin::Environment(name));
        }
    }

    /// Adds what the command line says.
    pub(crate) fn add_overrides(&mut self, overrides: Overrides) {
        let data_dir = overrides
            .data_dir
            .map(|path| path.to_string_lossy().into_owned());
        for (flag, path, text) in [
            ("--data-dir", "data_dir", data_dir),
            ("--listen", "http.listen", overrides.listen),
            ("--ops-listen", "ops.listen", overrides.ops_listen),
        ] {
            if let Some(text) = text {
                let keys: Vec<String> = path.split('.').map(str::to_owned).collect();
                self.add(nested(&keys, Value::String(text)), &Origin::Flag(flag));
            }
        }
    }

    /// Returns where the value at a path came from: the layer that set it, or a list around it.
    pub(crate) fn origin(&self, path: &str) -> Origin {
        let mut rest = path;
        loop {
            if let Some(origin) = self.origins.get(rest) {
                return origin.clone();
            }
            match rest.rfind(['.', '[']) {
                Some(end) => rest = &rest[..end],
                None => return Origin::Default,
            }
        }
    }

    fn add(&mut self, layer: Table, origin: &Origin) {
        let kept = check_layer(layer, origin, &mut self.problems);
        merge(&mut self.merged, kept, "", origin, &mut self.origins);
    }
}

fn merge(
    into: &mut Table,
    from: Table,
    path: &str,
    origin: &Origin,
    origins: &mut BTreeMap<String, Origin>,
) {
    for (key, value) in from {
        let inner = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        match (into.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) => {
                merge(old, new, &inner, origin, origins);
            }
            (_, Value::Table(new)) => {
                let mut section = Table::new();
                merge(&mut section, new, &inner, origin, origins);
                into.insert(key, Value::Table(section));
            }
            (_, value) => {
                into.insert(key, value);
                origins.insert(inner, origin.clone());
            }
        }
    }
}

fn read(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("must be a file that can be read; reading it failed: {error}"))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("must be at most {FILE_BYTES_MAX} bytes long"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid_bytes = error.utf8_error().valid_up_to();
        format!("must be UTF-8, and is not after byte {valid_bytes}")
    })
}

/// Parses a file; the sentence of a failure names the place and quotes nothing, because the line
/// may hold a secret.
fn parse(text: &str) -> Result<Table, String> {
    text.parse::<Table>().map_err(|error| {
        let place = error.span().map_or(String::new(), |span| {
            let before = text.get(..span.start).unwrap_or(text);
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
            format!(" in line {line}, column {column}")
        });
        let message = error.message().replace('\n', " ");
        format!("must be TOML, and is not{place}: {message}")
    })
}

/// Reads the value of a variable as TOML, and as the text that it is where a text is wanted or
/// where it is no TOML.
fn environment_value(keys: &[String], text: String) -> Value {
    let parsed: Option<Value> = text.parse().ok();
    let wants_text = schema::find(keys).is_some_and(Allowed::is_text);
    match parsed {
        Some(value) if value.is_str() || !wants_text => value,
        _ => Value::String(text),
    }
}

fn nested(keys: &[String], value: Value) -> Table {
    let (first, inner) = keys.split_first().expect("a split text has a first part");
    let value = if inner.is_empty() {
        value
    } else {
        Value::Table(nested(inner, value))
    };
    Table::from_iter([(first.clone(), value)])
}
