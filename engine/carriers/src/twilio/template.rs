//! WhatsApp templates by way of Twilio: a `ContentSid` and numbered variables.
//!
//! Twilio knows a template by the id that it gave it (`HX…`) in place of its name, and fills it by
//! numbers. Customers describe what fills it as Meta does, so the texts of all components are numbered in
//! their order, from 1.

use didfarm_core::content::Template;
use didfarm_core::reason::Reason;
use serde::Deserialize;

/// Length of a `ContentSid` in bytes: `HX` and 32 hexadecimal digits.
const CONTENT_SID_BYTES: usize = 34;

#[derive(Deserialize)]
struct Component {
    #[serde(default)]
    parameters: Vec<Parameter>,
}

#[derive(Deserialize)]
struct Parameter {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
}

/// The `ContentVariables` of a template, a JSON object; `None` when nothing fills it.
///
/// # Errors
/// [`Reason::Rejected`] when the name is no `ContentSid`, or something other than a text fills it.
pub(super) fn variables(template: &Template) -> Result<Option<String>, Reason> {
    let name = &*template.name;
    let is_sid = name.len() == CONTENT_SID_BYTES
        && name.starts_with("HX")
        && name[2..].bytes().all(|digit| digit.is_ascii_hexdigit());
    if !is_sid {
        return Err(Reason::Rejected);
    }
    let components: Vec<Component> =
        serde_json::from_str(&template.components).map_err(|_| Reason::Rejected)?;
    let mut variables = serde_json::Map::new();
    for parameter in components.into_iter().flat_map(|part| part.parameters) {
        let (true, Some(text)) = (parameter.kind == "text", parameter.text) else {
            return Err(Reason::Rejected);
        };
        variables.insert((variables.len() + 1).to_string(), text.into());
    }
    let filled = !variables.is_empty();
    Ok(filled.then(|| serde_json::Value::Object(variables).to_string()))
}
