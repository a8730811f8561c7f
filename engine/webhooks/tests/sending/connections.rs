//! Connections: kept, lost, made anew, refused.

use didfarm_core::webhook::attempt::AttemptClass as Class;
use std::time::Duration;

use didfarm_webhooks::SenderSettings;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::server::{Answer, Server, response};
use crate::sink::{Script, attempt, guard, guarded, hasty, patient, post, sender, target};

#[tokio::test]
async fn many_attempts_share_one_connection() {
    let server = Server::start(|_| Answer::Reply(response(200, "", "ok"))).await;
    let sender = sender(&patient());
    let target = target(&format!("http://{}/", server.address));
    for _ in 0..50 {
        assert_eq!(attempt(&sender, &target).await.class, Class::Succeeded);
    }
    assert_eq!((server.connections(), server.received().len()), (1, 50));
}

#[tokio::test]
async fn a_connection_that_the_endpoint_closed_costs_no_attempt() {
    let server = Server::start(|_| Answer::ReplyAndClose(response(200, "", "ok"))).await;
    let sender = sender(&patient());
    let target = target(&format!("http://{}/", server.address));
    for _ in 0..20 {
        assert_eq!(attempt(&sender, &target).await.class, Class::Succeeded);
    }
    assert_eq!((server.connections(), server.received().len()), (20, 20));
}

#[tokio::test]
async fn a_request_that_went_out_is_not_sent_again() {
    let server = Server::start(|nth| match nth {
        0 => Answer::Reply(response(200, "", "ok")),
        _ => Answer::HangUp,
    })
    .await;
    let sender = sender(&patient());
    let target = target(&format!("http://{}/", server.address));
    assert_eq!(attempt(&sender, &target).await.class, Class::Succeeded);
    let attempted = attempt(&sender, &target).await;
    assert_eq!((attempted.status, attempted.class), (None, Class::Broken));
    assert_eq!((server.connections(), server.received().len()), (1, 2));
}

#[tokio::test]
async fn a_dead_port_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    for scheme in ["http", "https"] {
        let attempted = post(&format!("{scheme}://{address}/")).await;
        assert_eq!(
            (attempted.status, attempted.class),
            (None, Class::Unreachable)
        );
    }
}

#[tokio::test]
async fn a_dead_address_does_not_hide_a_live_one() {
    let server = Server::start(|_| Answer::Reply(response(200, "", "ok"))).await;
    let resolver = Script::new(&[&["127.0.0.77", "127.0.0.1"]]);
    let sender = guarded(&patient(), guard(&["127.0.0.0/8"]), resolver);
    let target = target(&format!("http://hook.example:{}/", server.address.port()));
    assert_eq!(attempt(&sender, &target).await.class, Class::Succeeded);
}

#[tokio::test]
async fn an_address_that_swallows_everything_is_a_timeout_of_its_share() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.78:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let hole = listener.local_addr().unwrap();
    // Once the backlog is full, connecting gets no answer.
    let mut backlog = Vec::new();
    while let Ok(stream) = timeout(Duration::from_millis(100), TcpStream::connect(hole)).await {
        backlog.push(stream.unwrap());
    }
    let server = Server::start_on(
        format!("127.0.0.1:{}", hole.port()).parse().unwrap(),
        |_| Answer::Reply(response(200, "", "ok")),
    )
    .await;
    let settings = SenderSettings {
        connect_timeout: Duration::from_millis(400),
        ..patient()
    };
    let attempted = attempt(&sender(&settings), &target(&format!("http://{hole}/"))).await;
    assert_eq!(attempted.class, Class::Timeout);
    assert!(attempted.duration < settings.timeout);

    let both = Script::new(&[&["127.0.0.78", "127.0.0.1"]]);
    let sender = guarded(&settings, guard(&["127.0.0.0/8"]), both);
    let attempted = attempt(
        &sender,
        &target(&format!("http://hook.example:{}/", hole.port())),
    )
    .await;
    assert_eq!(attempted.class, Class::Succeeded);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_host_without_an_address_is_unresolvable() {
    let sender = guarded(&patient(), guard(&[]), Script::new(&[&[]]));
    let attempted = attempt(&sender, &target("https://hook.example/")).await;
    assert_eq!(
        (attempted.status, attempted.class),
        (None, Class::Unresolvable)
    );
}

#[tokio::test(start_paused = true)]
async fn a_resolver_that_never_answers_is_given_up_after_two_seconds() {
    let silent = || Script::new(&[]);
    let sender = guarded(&patient(), guard(&[]), silent());
    let attempted = attempt(&sender, &target("https://hook.example/")).await;
    assert_eq!(attempted.class, Class::Unresolvable);
    assert_eq!(attempted.duration.as_secs(), 2);

    let sender = guarded(&hasty(), guard(&[]), silent());
    let attempted = attempt(&sender, &target("https://hook.example/")).await;
    assert_eq!(
        attempted.class,
        Class::Timeout,
        "the total deadline covers names too"
    );
}

#[tokio::test]
async fn the_system_resolver_knows_the_hosts_file() {
    use didfarm_webhooks::{Resolve, SystemResolver};
    let found = SystemResolver::new().resolve("localhost").await.unwrap();
    assert!(!found.is_empty() && found.iter().all(|ip| ip.is_loopback()));
}
