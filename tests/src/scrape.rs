//! A scrape of `/metrics`, read as Prometheus reads it.

use std::collections::BTreeMap;

/// The samples of one scrape, by name and labels.
#[derive(Debug, Clone, Default)]
pub struct Scrape {
    samples: BTreeMap<String, f64>,
    types: BTreeMap<String, String>,
}

impl Scrape {
    /// Reads the text format.
    ///
    /// # Panics
    /// On a line that is none of it, and on a sample that is there twice.
    pub fn parse(text: &str) -> Scrape {
        let mut scrape = Scrape::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(comment) = line.strip_prefix("# ") {
                let mut words = comment.splitn(3, ' ');
                let (kind, name) = (words.next(), words.next());
                if let (Some("TYPE"), Some(name), Some(what)) = (kind, name, words.next()) {
                    scrape.types.insert(name.into(), what.into());
                }
                continue;
            }
            let (series, value) = line
                .rsplit_once(' ')
                .unwrap_or_else(|| panic!("not a sample: {line}"));
            let value = value
                .parse()
                .unwrap_or_else(|error| panic!("not a value ({error}): {line}"));
            let before = scrape.samples.insert(sorted(series), value);
            assert!(before.is_none(), "a series is there twice: {line}");
        }
        scrape
    }

    /// A series, as `name` or `name{label="value",other="value"}` with its labels in any order; 0 when
    /// it is not there, as a counter that was never touched.
    pub fn get(&self, series: &str) -> f64 {
        self.samples.get(&sorted(series)).copied().unwrap_or(0.0)
    }

    /// Whether there is any series of a metric.
    pub fn has(&self, name: &str) -> bool {
        self.samples
            .keys()
            .any(|series| base(series).strip_prefix(name) == Some(""))
    }

    /// The sum over every series of a metric.
    pub fn sum(&self, name: &str) -> f64 {
        let of_name = |(series, _): &(&String, &f64)| base(series) == name;
        self.samples
            .iter()
            .filter(of_name)
            .map(|(_, value)| value)
            .sum()
    }

    /// The names of all metrics that have a type, with it.
    pub fn types(&self) -> &BTreeMap<String, String> {
        &self.types
    }

    /// Every series and its value.
    pub fn samples(&self) -> impl Iterator<Item = (&str, f64)> {
        self.samples
            .iter()
            .map(|(series, value)| (series.as_str(), *value))
    }
}

fn base(series: &str) -> &str {
    series.split_once('{').map_or(series, |(name, _)| name)
}

/// The series with its labels in order. No label's value has a comma: they come from closed sets.
fn sorted(series: &str) -> String {
    let Some((name, labels)) = series.split_once('{') else {
        return series.to_owned();
    };
    let labels = labels
        .strip_suffix('}')
        .unwrap_or_else(|| panic!("labels that do not end: {series}"));
    let mut labels: Vec<&str> = labels.split(',').collect();
    labels.sort_unstable();
    format!("{name}{{{}}}", labels.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_found_whatever_the_order_of_their_labels() {
        let scrape =
            Scrape::parse("# TYPE a counter\na{x=\"1\",y=\"2\"} 3\na{x=\"2\",y=\"2\"} 4\nb 0.5\n");
        assert_eq!(scrape.get("a{y=\"2\",x=\"1\"}"), 3.0);
        assert_eq!((scrape.get("b"), scrape.get("c")), (0.5, 0.0));
        assert_eq!(scrape.sum("a"), 7.0);
        assert!(scrape.has("a") && !scrape.has("aa") && !scrape.has(""));
        assert_eq!(scrape.types()["a"], "counter");
    }

    #[test]
    #[should_panic(expected = "not a value")]
    fn a_line_that_is_no_sample_is_no_scrape() {
        Scrape::parse("a{x=\"1\"} many\n");
    }
}
