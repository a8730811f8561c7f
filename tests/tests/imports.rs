//! The import table of the architecture, held against the manifests, and the licences of what ships.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// The crates of the workspace and which others of it each may use.
const MAY_USE: [(&str, &[&str]); 10] = [
    ("didfarm-core", &[]),
    ("didfarm-config", &["didfarm-core"]),
    ("didfarm-store", &["didfarm-core"]),
    ("didfarm-carriers", &["didfarm-core"]),
    (
        "didfarm-runtime",
        &[
            "didfarm-core",
            "didfarm-config",
            "didfarm-store",
            "didfarm-carriers",
        ],
    ),
    (
        "didfarm-admin",
        &[
            "didfarm-core",
            "didfarm-config",
            "didfarm-runtime",
            "didfarm-carriers",
        ],
    ),
    (
        "didfarm",
        &[
            "didfarm-core",
            "didfarm-config",
            "didfarm-store",
            "didfarm-carriers",
            "didfarm-runtime",
            "didfarm-admin",
        ],
    ),
    ("didfarm-loadtest", &["didfarm-core"]),
    (
        "didfarm-benches",
        &[
            "didfarm-core",
            "didfarm-config",
            "didfarm-store",
            "didfarm-carriers",
            "didfarm-runtime",
            "didfarm-admin",
            "didfarm",
            "didfarm-loadtest",
        ],
    ),
    (
        "didfarm-tests",
        &[
            "didfarm-core",
            "didfarm-config",
            "didfarm-store",
            "didfarm-carriers",
            "didfarm-runtime",
            "didfarm-admin",
            "didfarm",
            "didfarm-loadtest",
        ],
    ),
];

/// What only some crates may name.
const ALONE: [(&str, &[&str]); 5] = [
    ("sled", &["didfarm-store"]),
    ("rmp-serde", &["didfarm-store"]),
    ("actix", &["didfarm-runtime"]),
    ("governor", &["didfarm-runtime"]),
    // The daemon has its System, the benches its echo server.
    (
        "actix-web",
        &["didfarm-admin", "didfarm", "didfarm-benches"],
    ),
];

/// Licences that ask nothing of who ships a binary but a notice.
const ALLOWED_LICENCES: [&str; 12] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

fn manifest() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml")
}

fn metadata(dependencies: bool) -> Metadata {
    let mut command = MetadataCommand::new();
    command.manifest_path(manifest());
    command.other_options(["--offline".into(), "--locked".into()]);
    if dependencies {
        // What other platforms would need is not on this machine.
        let options = ["--filter-platform".to_owned(), host()];
        command.other_options([&["--offline".into(), "--locked".into()], &options[..]].concat());
    } else {
        command.no_deps();
    }
    command.exec().expect("the workspace has metadata")
}

/// The platform that this toolchain builds for.
fn host() -> String {
    let told = std::process::Command::new("rustc").arg("-vV").output();
    let told = String::from_utf8(told.expect("rustc is there").stdout).expect("rustc writes text");
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("rustc names its host").to_owned()
}

/// What a crate's own code uses; what only its tests use does not count.
fn used(package: &Package) -> impl Iterator<Item = &str> {
    let ships = |kind| kind != DependencyKind::Development;
    package
        .dependencies
        .iter()
        .filter(move |dependency| ships(dependency.kind))
        .map(|dependency| dependency.name.as_str())
}

#[test]
fn the_import_table_holds() {
    let metadata = metadata(false);
    let table: BTreeMap<&str, &[&str]> = MAY_USE.into_iter().collect();
    let members: BTreeSet<&str> = metadata
        .packages
        .iter()
        .map(|package| &**package.name)
        .collect();
    assert_eq!(
        members,
        table.keys().copied().collect(),
        "the table names every crate"
    );
    let mut wrong = Vec::new();
    for package in &metadata.packages {
        for name in used(package).filter(|name| members.contains(name)) {
            if !table[&**package.name].contains(&name) {
                wrong.push(format!("{} uses {name}", package.name));
            }
        }
        for dependency in &package.dependencies {
            for (alone, where_named) in ALONE {
                if dependency.name == alone && !where_named.contains(&&**package.name) {
                    wrong.push(format!("{} names {alone}", package.name));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn no_http2_of_the_old_kind_is_locked() {
    let lock = std::fs::read_to_string(manifest().with_file_name("Cargo.lock"));
    let lock = lock.expect("the workspace is locked");
    let h2: Vec<_> = lock
        .split("[[package]]")
        .filter(|package| package.contains("\nname = \"h2\"\n"))
        .filter(|package| package.contains("\nversion = \"0.3."))
        .collect();
    assert_eq!(h2, Vec::<&str>::new());
}

#[test]
fn every_licence_is_permissive() {
    let metadata = metadata(true);
    let mut wrong = Vec::new();
    for package in &metadata.packages {
        let allowed = match package.license.as_deref() {
            Some(licence) => is_allowed(licence),
            None => false,
        };
        if !allowed {
            wrong.push(format!(
                "{} {}: {:?}",
                package.name, package.version, package.license
            ));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(
        metadata.packages.len() > 100,
        "the metadata lacks the dependencies"
    );
}

/// Whether an SPDX expression leaves a choice that is allowed: one of what `OR` joins, all of what `AND`
/// joins. The old `/` means `OR`.
fn is_allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    let (allowed, rest) = either(&expression);
    assert_eq!(rest.trim(), "", "not an SPDX expression: {expression}");
    allowed
}

fn either(text: &str) -> (bool, &str) {
    let (mut allowed, mut rest) = both(text);
    while let Some(more) = rest.trim_start().strip_prefix("OR ") {
        let (next, behind) = both(more);
        (allowed, rest) = (allowed | next, behind);
    }
    (allowed, rest)
}

fn both(text: &str) -> (bool, &str) {
    let (mut allowed, mut rest) = one(text);
    while let Some(more) = rest.trim_start().strip_prefix("AND ") {
        let (next, behind) = one(more);
        (allowed, rest) = (allowed & next, behind);
    }
    (allowed, rest)
}

fn one(text: &str) -> (bool, &str) {
    let text = text.trim_start();
    if let Some(inner) = text.strip_prefix('(') {
        let (allowed, rest) = either(inner);
        let rest = rest.trim_start().strip_prefix(')');
        return (allowed, rest.expect("a parenthesis ends"));
    }
    let end = ["OR ", "AND ", ")"]
        .iter()
        .filter_map(|word| text.find(word))
        .min()
        .unwrap_or(text.len());
    let (licence, rest) = text.split_at(end);
    (ALLOWED_LICENCES.contains(&licence.trim()), rest)
}

#[test]
fn licence_expressions_are_read_by_their_rules() {
    for (expression, allowed) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("MIT/Apache-2.0", true),
        ("MIT OR GPL-3.0", true),
        ("MIT AND GPL-3.0", false),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
        ("(GPL-3.0 OR Apache-2.0 WITH LLVM-exception) AND ISC", true),
        ("MIT OR LGPL-2.1 AND GPL-2.0", true),
    ] {
        assert_eq!(is_allowed(expression), allowed, "{expression}");
    }
}
