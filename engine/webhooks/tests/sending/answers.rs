//! What an endpoint answers, and how it is judged.

use didfarm_core::webhook::attempt::AttemptClass as Class;
use std::time::Duration;

use didfarm_webhooks::attempt::BODY_KEPT_BYTES_MAX;

use crate::server::{Answer, Server, response};
use crate::sink::{AT_S, BODY, ID, attempt, hasty, patient, post, sender, target};

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
const CHUNKED_FAILURE: &str =
    "HTTP/1.1 503 X\r\nretry-after: 5\r\ntransfer-encoding: chunked\r\n\r\n";

#[tokio::test]
async fn an_attempt_posts_the_bytes_with_the_headers_of_the_specification() {
    let server = Server::start(|_| Answer::Reply(response(200, "", "thanks"))).await;
    let attempted = post(&format!("http://{}/in?key=1", server.address)).await;
    assert_eq!(
        (attempted.status, attempted.class),
        (Some(200), Class::Succeeded)
    );
    assert_eq!(&*attempted.body_start, "thanks");
    assert_eq!(attempted.retry_after, None);
    let received = server.received();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].line, "POST /in?key=1 HTTP/1.1");
    assert_eq!(received[0].body, BODY);
    let headers = &received[0].headers;
    assert_eq!(headers["host"], server.address.to_string());
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers["webhook-id"], ID);
    assert_eq!(headers["webhook-timestamp"], AT_S.to_string());
    assert!(
        headers["webhook-signature"]
            .to_str()
            .unwrap()
            .starts_with("v1,")
    );
}

#[tokio::test]
async fn each_status_has_its_class_and_failures_their_wish() {
    let rows = [
        (200, Class::Succeeded, None),
        (204, Class::Succeeded, None),
        (299, Class::Succeeded, None),
        (304, Class::Redirected, Some(7)),
        (400, Class::ClientError, Some(7)),
        (404, Class::ClientError, Some(7)),
        (410, Class::Gone, Some(7)),
        (429, Class::Throttled, Some(7)),
        (500, Class::ServerError, Some(7)),
        (503, Class::ServerError, Some(7)),
    ];
    let statuses = rows.map(|(status, _, _)| status);
    let server =
        Server::start(move |nth| Answer::Reply(response(statuses[nth], "retry-after: 7\r\n", "")))
            .await;
    let sender = sender(&patient());
    let target = target(&format!("http://{}/", server.address));
    for (status, class, wish_s) in rows {
        let attempted = attempt(&sender, &target).await;
        assert_eq!((attempted.status, attempted.class), (Some(status), class));
        assert_eq!(
            attempted.retry_after,
            wish_s.map(Duration::from_secs),
            "{status}"
        );
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let inside = Server::start(|_| Answer::Reply(response(200, "", ""))).await;
    let location = format!("location: http://{}/\r\n", inside.address);
    let statuses = [301, 302, 303, 307, 308];
    let server =
        Server::start(move |nth| Answer::Reply(response(statuses[nth], &location, ""))).await;
    let sender = sender(&patient());
    let target = target(&format!("http://{}/", server.address));
    for status in statuses {
        let attempted = attempt(&sender, &target).await;
        assert_eq!(
            (attempted.status, attempted.class),
            (Some(status), Class::Redirected)
        );
    }
    assert_eq!(inside.connections(), 0);
    assert_eq!(server.received().len(), statuses.len());
}

#[tokio::test]
async fn an_endless_body_is_cut_and_its_connection_dropped() {
    let server = Server::start(|_| Answer::Flood(CHUNKED)).await;
    let attempted = post(&format!("http://{}/", server.address)).await;
    assert_eq!(
        (attempted.status, attempted.class),
        (Some(200), Class::Succeeded)
    );
    assert_eq!(&*attempted.body_start, "x".repeat(BODY_KEPT_BYTES_MAX));
    server.cut().await;
}

#[tokio::test]
async fn a_dripping_body_ends_with_the_deadline_and_the_status_counts() {
    for (head, status, class, wish) in [
        (CHUNKED, 200, Class::Succeeded, None),
        (
            CHUNKED_FAILURE,
            503,
            Class::ServerError,
            Some(Duration::from_secs(5)),
        ),
    ] {
        let server = Server::start(move |_| Answer::Drip(head)).await;
        let settings = hasty();
        let attempted = attempt(
            &sender(&settings),
            &target(&format!("http://{}/", server.address)),
        )
        .await;
        assert_eq!((attempted.status, attempted.class), (Some(status), class));
        assert_eq!(attempted.retry_after, wish);
        assert!(attempted.duration >= settings.timeout);
        assert!(attempted.body_start.starts_with('x'));
        server.cut().await;
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_does_not_undo_its_status() {
    let short = "HTTP/1.1 201 X\r\ncontent-length: 100\r\n\r\nhalf";
    let server = Server::start(move |_| Answer::ReplyAndClose(short.to_owned())).await;
    let attempted = post(&format!("http://{}/", server.address)).await;
    assert_eq!(
        (attempted.status, attempted.class),
        (Some(201), Class::Succeeded)
    );
    assert_eq!(&*attempted.body_start, "half");
}

#[tokio::test]
async fn what_is_no_response_is_broken() {
    let huge = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(200_000));
    for text in [
        "SSH-2.0-OpenSSH_9.9\r\n",
        "HTTP/1.1 2x0 OK\r\n\r\n",
        huge.as_str(),
        "",
    ] {
        let text = text.to_owned();
        let server = Server::start(move |_| Answer::ReplyAndClose(text.clone())).await;
        let attempted = post(&format!("http://{}/", server.address)).await;
        assert_eq!((attempted.status, attempted.class), (None, Class::Broken));
        assert_eq!(server.received().len(), 1, "one attempt is one request");
    }
}

#[tokio::test]
async fn an_endpoint_that_never_answers_is_a_timeout() {
    let server = Server::start(|_| Answer::Silence).await;
    for scheme in ["http", "https"] {
        let settings = hasty();
        let attempted = attempt(
            &sender(&settings),
            &target(&format!("{scheme}://{}/", server.address)),
        )
        .await;
        assert_eq!(
            (attempted.status, attempted.class),
            (None, Class::Timeout),
            "{scheme}"
        );
        assert!(attempted.duration >= settings.timeout);
    }
    assert_eq!(server.received().len(), 1);
}
