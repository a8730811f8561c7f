//! Where a media file of WhatsApp lies (Cloud API, "Media": retrieve media URL).

use serde::Deserialize;

#[derive(Deserialize)]
struct Answer {
    url: Box<str>,
}

/// The link in the answer to `GET /{version}/{media id}`; it wants the same credentials, and lasts five minutes.
pub fn media_link(answer: &[u8]) -> Option<Box<str>> {
    let answer: Answer = serde_json::from_slice(answer).ok()?;
    Some(answer.url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_is_read_from_the_documents_example() {
        let answer = br#"{"messaging_product":"whatsapp","url":"https://lookaside.fbsbx.com/a?mid=1&ext=2","mime_type":"image/jpeg","sha256":"x","file_size":303833,"id":"2621233374848975"}"#;
        let link = media_link(answer);
        assert_eq!(
            link.as_deref(),
            Some("https://lookaside.fbsbx.com/a?mid=1&ext=2")
        );
        assert_eq!(media_link(b"{}"), None);
    }
}
