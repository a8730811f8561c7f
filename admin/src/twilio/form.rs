//! The parameters of a request's body: `application/x-www-form-urlencoded`, some of them repeated.

use actix_web::http::header::{CONTENT_TYPE, HeaderMap};

use crate::problem::Problem;

/// The most parameters of one request.
const PARAMETERS_MAX: usize = 64;
const MEDIA_TYPE: &str = "application/x-www-form-urlencoded";

/// The parameters, decoded. What nobody asks for is ignored, as Twilio does.
#[derive(Debug)]
pub(super) struct Form {
    parameters: Vec<(String, String)>,
}

impl Form {
    /// Checks that the body is declared to be a form.
    ///
    /// # Errors
    /// `unsupported_media_type`.
    pub(super) fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
        let declared = headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let media_type = declared
            .unwrap_or_default()
            .split(';')
            .next()
            .unwrap_or_default();
        match media_type.trim().eq_ignore_ascii_case(MEDIA_TYPE) {
            true => Ok(()),
            false => Err(Problem::no_form()),
        }
    }

    /// Decodes a body.
    ///
    /// # Errors
    /// `validation_failed` for too many parameters.
    pub(super) fn parse(body: &[u8]) -> Result<Form, Problem> {
        let parameters: Vec<(String, String)> = form_urlencoded::parse(body)
            .take(PARAMETERS_MAX + 1)
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        match parameters.len() <= PARAMETERS_MAX {
            true => Ok(Form { parameters }),
            false => Err(Problem::invalid_request(
                "a request has 64 parameters at most",
            )),
        }
    }

    /// The first value of a parameter, which may be empty.
    pub(super) fn given(&self, name: &str) -> Option<&str> {
        let mut values = self.all(name);
        values.next()
    }

    /// The first value of a parameter; an empty one counts as absent.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.given(name).filter(|value| !value.is_empty())
    }

    /// Every value of a parameter.
    pub(super) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let of_name = self
            .parameters
            .iter()
            .filter(move |(known, _)| known == name);
        of_name.map(|(_, value)| value.as_str())
    }
}
