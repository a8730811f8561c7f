//! Files behind links: in bounds, through redirects, with credentials for the link's own origin alone.

use std::sync::Arc;

use didfarm_webhooks::{FetchError, Fetched, Fetcher};

use crate::server::{Answer, Server, response};
use crate::sink::{Script, guard, patient};

fn fetcher() -> Fetcher {
    let resolver = Script::new(&[&["127.0.0.1"]]);
    let guard = Arc::new(guard(&["127.0.0.0/8"]));
    Fetcher::new(&patient(), guard, resolver).unwrap()
}

async fn fetched(server: &Server) -> Result<Fetched, FetchError> {
    let link = format!("http://{}/media/1", server.address);
    fetcher().fetch(&link, Some("Basic c2VjcmV0"), 10).await
}

#[tokio::test]
async fn a_redirect_is_followed_and_what_we_show_stays_at_the_first_origin() {
    let file = Server::start(|_| {
        Answer::Reply(response(200, "content-type: image/png\r\n", "0123456789"))
    })
    .await;
    let to = format!("location: http://{}/file\r\n", file.address);
    let first = Server::start(move |_| Answer::Reply(response(307, &to, ""))).await;
    let found = fetched(&first).await.unwrap();
    assert_eq!(found.media_type.as_deref(), Some("image/png"));
    assert_eq!(found.bytes, b"0123456789");
    let shown = |server: &Server| {
        let received = server.received();
        received[0].headers.get("authorization").cloned()
    };
    assert_eq!(shown(&first).unwrap(), "Basic c2VjcmV0");
    assert_eq!(shown(&file), None);
}

#[tokio::test]
async fn what_is_too_large_missing_or_leads_in_circles_is_an_error() {
    let large = Server::start(|_| Answer::Reply(response(200, "", "01234567890"))).await;
    assert!(matches!(
        fetched(&large).await,
        Err(FetchError::TooLarge { bytes_max: 10 })
    ));
    let endless =
        Server::start(|_| Answer::Flood("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"))
            .await;
    assert!(matches!(
        fetched(&endless).await,
        Err(FetchError::TooLarge { .. })
    ));
    let missing = Server::start(|_| Answer::Reply(response(404, "", ""))).await;
    assert!(matches!(
        fetched(&missing).await,
        Err(FetchError::Status(404))
    ));
    let circle =
        Server::start(|_| Answer::Reply(response(302, "location: /media/1\r\n", ""))).await;
    assert!(matches!(
        fetched(&circle).await,
        Err(FetchError::Redirected)
    ));
    assert_eq!(circle.received().len(), 4);
}

#[tokio::test]
async fn a_redirect_inside_is_refused() {
    let inside = Server::start(|_| {
        Answer::Reply(response(
            302,
            "location: http://169.254.169.254/latest\r\n",
            "",
        ))
    })
    .await;
    assert!(matches!(fetched(&inside).await, Err(FetchError::Url(_))));
    let fetcher = Fetcher::new(
        &patient(),
        Arc::new(guard(&[])),
        Script::new(&[&["127.0.0.1"]]),
    );
    let link = "https://files.example/1";
    let refused = fetcher.unwrap().fetch(link, None, 10).await;
    assert!(
        matches!(refused, Err(FetchError::Unreachable(_))),
        "{refused:?}"
    );
}
