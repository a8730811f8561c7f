//! Commands on a stopped store, and on the settings: verify, repair, config.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use didfarm_config::{LogSettings, Settings};
use didfarm_store::repair::repair as repair_store;
use didfarm_store::store::StoreSettings;
use didfarm_store::verify::{Expected, parse_expect_line, verify as verify_store};

use crate::cli::{ConfigArgs, StoreArgs, VerifyArgs};
use crate::{exit, logging, serve};

/// Audits a stopped store: counts on stdout, the first breach on stderr.
pub(crate) fn verify(args: &VerifyArgs) -> ExitCode {
    logging::start(&LogSettings::default());
    let cache_bytes = Settings::default().store.sled_cache_bytes;
    let expected = match args.expect.as_deref().map(read_expected).transpose() {
        Ok(expected) => expected,
        Err(error) => {
            eprintln!("didfarm: {error:#}");
            return exit::USAGE.into();
        }
    };
    let mut expected = expected.map(Vec::into_iter);
    let expected = expected
        .as_mut()
        .map(|list| list as &mut dyn Iterator<Item = Expected>);
    match verify_store(&args.data_dir, cache_bytes, expected) {
        Ok(report) => {
            println!("{report}");
            match report.breaches.first() {
                None => ExitCode::SUCCESS,
                Some(first) => {
                    eprintln!("didfarm: the store is not sound: {first}");
                    exit::REFUSED.into()
                }
            }
        }
        Err(error) => {
            eprintln!("didfarm: {error}");
            exit::STORE.into()
        }
    }
}

fn read_expected(path: &Path) -> anyhow::Result<Vec<Expected>> {
    let file = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let mut expected = Vec::new();
    for (line, text) in BufReader::new(file).lines().enumerate() {
        let place = || format!("{}, line {}", path.display(), line + 1);
        expected.extend(parse_expect_line(&text.with_context(place)?).with_context(place)?);
    }
    Ok(expected)
}

/// Rebuilds the records of a stopped store from its journal.
pub(crate) fn repair(args: &StoreArgs) -> ExitCode {
    logging::start(&LogSettings::default());
    let store = Settings::default().store;
    let settings = StoreSettings {
        segment_bytes: store.segment_bytes,
        group_bytes_max: store.group_bytes_max,
        keep_bytes: u64::MAX,
        free_bytes_min: store.free_bytes_min,
        checkpoint_interval: store.checkpoint_interval(),
        sled_cache_bytes: store.sled_cache_bytes,
        on_fatal: Arc::new(|fatal| {
            eprintln!("didfarm: {fatal}");
            std::process::exit(exit::COMMIT.into());
        }),
    };
    match repair_store(&args.data_dir, &settings) {
        Ok(report) => {
            println!(
                "the records are rebuilt up to seq {} in {} ms",
                report.seq,
                report.took.as_millis()
            );
            if let Some(moved_to) = report.moved_to {
                println!(
                    "the old ones are in {}: delete them once all is well",
                    moved_to.display()
                );
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("didfarm: {error}");
            exit::STORE.into()
        }
    }
}

/// Checks or prints the settings in force.
pub(crate) fn config(args: ConfigArgs) -> ExitCode {
    let settings = match serve::settings(args.serve) {
        Ok(settings) => settings,
        Err(problems) => {
            eprintln!("didfarm: the settings are wrong:\n{problems}");
            return exit::USAGE.into();
        }
    };
    if !args.print {
        println!("the settings are sound");
        return ExitCode::SUCCESS;
    }
    match settings.to_toml() {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("didfarm: the settings cannot be printed: {error}");
            exit::INTERNAL.into()
        }
    }
}
