//! A field of a change: left out, `null`, or a value.

use serde::de::{Deserialize, Deserializer};

/// What a change says of a field. The field needs `#[serde(default)]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Given<T> {
    /// It is left out: it stays as it is.
    #[default]
    Absent,
    /// It is `null`: there is to be none.
    Null,
    /// It is to be this.
    Value(T),
}

impl<T> Given<T> {
    /// What the field is to be, if it is to change: `None` inside for none.
    pub(crate) fn change(self) -> Option<Option<T>> {
        match self {
            Given::Absent => None,
            Given::Null => Some(None),
            Given::Value(value) => Some(Some(value)),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Given<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Given<T>, D::Error> {
        let value = Option::<T>::deserialize(deserializer)?;
        Ok(value.map_or(Given::Null, Given::Value))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Sample {
        #[serde(default)]
        rate: Given<u32>,
    }

    #[test]
    fn absent_null_and_a_value_are_three_things() {
        for (text, change) in [
            ("{}", None),
            ("{\"rate\":null}", Some(None)),
            ("{\"rate\":7}", Some(Some(7))),
        ] {
            let sample: Sample = serde_json::from_str(text).unwrap();
            assert_eq!(sample.rate.change(), change, "{text}");
        }
        assert!(serde_json::from_str::<Sample>("{\"rate\":\"7\"}").is_err());
    }
}
