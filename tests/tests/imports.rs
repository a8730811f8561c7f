//! The import table of the architecture, held against the manifests, and the licences of what ships.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// The crates of the product, without their prefix, and which others of them each may use.
const MAY_USE: [(&str, &[&str]); 10] = [
    ("core", &[]),
    ("config", &["core"]),
    ("store", &["core"]),
    ("carriers", &["core"]),
    ("webhooks", &["core"]),
    ("mail", &["core"]),
    (
        "runtime",
        &["core", "config", "store", "carriers", "webhooks", "mail"],
    ),
    (
        "admin",
        &["core", "config", "carriers", "mail", "runtime", "webhooks"],
    ),
    (
        "didfarm",
        &["core", "config", "store", "carriers", "runtime", "admin"],
    ),
    ("loadtest", &["core"]),
];

/// The crates that measure and test the others: they may use every one of them, and none may use them.
const MAY_USE_ALL: [&str; 2] = ["benches", "tests"];

/// What only some crates may name, also in their tests.
const ALONE: [(&str, &[&str]); 14] = [
    ("sled", &["store"]),
    ("rmp-serde", &["store"]),
    ("actix", &["runtime"]),
    ("governor", &["runtime"]),
    ("rlibphonenumber", &["core"]),
    // The daemon has its System, the benches their echo server.
    ("actix-web", &["admin", "didfarm", "benches"]),
    // Whoever speaks over TLS: to carriers, to endpoints, to mail servers.
    ("rustls", &["carriers", "webhooks", "mail"]),
    ("tokio-rustls", &["carriers", "webhooks", "mail"]),
    ("hyper-rustls", &["carriers", "webhooks"]),
    // Carriers' signatures are checked by the one and made by the other; ours are made.
    ("ed25519-dalek", &["carriers", "loadtest", "webhooks"]),
    ("lettre", &["mail"]),
    // The journeys read what was mailed.
    ("mail-parser", &["mail", "tests"]),
    // The other side of SMPP: the stand-in, and tests of our own.
    ("rusmpp", &["carriers", "loadtest"]),
    ("smpp34", &["carriers", "loadtest"]),
];

/// What only tests may name: the product has code of its own for it.
const FOR_TESTS: [(&str, &str); 6] = [
    ("carriers", "rusmpp"),
    ("carriers", "smpp34"),
    ("webhooks", "standardwebhooks"),
    ("webhooks", "tokio-rustls"),
    ("mail", "rustls"),
    ("mail", "tokio-rustls"),
];

/// Licences that ask nothing of who ships a binary but a notice.
const ALLOWED_LICENCES: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    // For data: the public certificate authorities.
    "CDLA-Permissive-2.0",
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

/// A crate's name without the prefix of the workspace.
fn short(name: &str) -> &str {
    name.strip_prefix("didfarm-").unwrap_or(name)
}

#[test]
fn the_import_table_holds() {
    let metadata = metadata(false);
    let members: BTreeSet<&str> = metadata.packages.iter().map(|p| short(&p.name)).collect();
    let named = MAY_USE.iter().map(|(member, _)| *member);
    assert_eq!(
        members,
        named.chain(MAY_USE_ALL).collect(),
        "the table names every crate"
    );
    let product: BTreeMap<&str, &[&str]> = MAY_USE.into_iter().collect();
    let mut wrong = Vec::new();
    for package in &metadata.packages {
        let member = short(&package.name);
        let may_use = |other: &str| match product.get(member) {
            Some(others) => others.contains(&other),
            None => product.contains_key(other),
        };
        for name in used(package).map(short) {
            if members.contains(name) && !may_use(name) {
                wrong.push(format!("{member} uses {name}"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn what_only_some_crates_may_name_no_other_names() {
    let mut wrong = Vec::new();
    for package in &metadata(false).packages {
        let member = short(&package.name);
        for dependency in &package.dependencies {
            let name = &*dependency.name;
            let is_kept = ALONE
                .iter()
                .any(|(alone, by)| *alone == name && !by.contains(&member));
            let ships = dependency.kind != DependencyKind::Development;
            if is_kept || ships && FOR_TESTS.contains(&(member, name)) {
                wrong.push(format!("{member} names {name}"));
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
