//! The shape of a log filter directive string, as far as it can be told without a logger.

/// The level words that a directive may end in.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Tells whether a text is a list of directives, each a level or `target=level`.
///
/// A bare target is refused, although a logger would take it for "everything of this target":
/// a mistyped level would silence all the rest.
pub(crate) fn is_filter(text: &str) -> bool {
    directives(text).all(is_directive)
}

/// Splits at the commas that stand outside of a span's brackets.
fn directives(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0usize;
    text.split(move |c| {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    })
}

fn is_directive(directive: &str) -> bool {
    let directive = directive.trim();
    match directive.rsplit_once('=') {
        Some((target, level)) => {
            let clean = |c: char| !c.is_whitespace() && !c.is_control();
            !target.is_empty() && target.chars().all(clean) && is_level(level)
        }
        None => is_level(directive),
    }
}

fn is_level(word: &str) -> bool {
    LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_targets_with_levels_are_filters() {
        for text in [
            "info",
            "WARN",
            "off",
            "info,didfarm_store=debug",
            "info, didfarm_runtime::number=trace",
            "warn,didfarm[submit{a=1,b=2}]=debug",
        ] {
            assert!(is_filter(text), "{text}");
        }
    }

    #[test]
    fn mistyped_levels_and_bare_targets_are_no_filters() {
        for text in [
            "",
            "inof",
            "didfarm_store",
            "info,",
            "didfarm=loud",
            "=info",
            "a b=info",
        ] {
            assert!(!is_filter(text), "{text}");
        }
    }
}
