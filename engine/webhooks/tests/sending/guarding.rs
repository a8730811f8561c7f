//! The guard at work: addresses are judged when they are connected to.

use crate::server::{Answer, Server, response};
use crate::sink::{Script, attempt, guard, guarded, patient, target};
use didfarm_core::webhook::attempt::AttemptClass as Class;

/// In these tests 127.0.0.2 stands for a public address; the rest of loopback stays closed.
const PUBLIC: &str = "127.0.0.2/32";

/// A public and a private server on one port; the public one closes each connection after one answer.
async fn two_servers() -> (Server, Server) {
    loop {
        let public = Server::start_on("127.0.0.2:0".parse().unwrap(), |_| {
            Answer::Reply(response(200, "connection: close\r\n", "ok"))
        })
        .await;
        let port = public.address.port();
        // Another test may have this port of 127.0.0.1.
        if tokio::net::TcpListener::bind(("127.0.0.1", port))
            .await
            .is_err()
        {
            continue;
        }
        let private = Server::start_on(format!("127.0.0.1:{port}").parse().unwrap(), |_| {
            Answer::Silence
        })
        .await;
        return (public, private);
    }
}

#[tokio::test]
async fn a_name_that_turns_to_a_private_address_reaches_nothing() {
    let (public, private) = two_servers().await;
    let resolver = Script::new(&[&["127.0.0.2"], &["127.0.0.1"]]);
    let sender = guarded(&patient(), guard(&[PUBLIC]), resolver);
    let target = target(&format!("http://hook.example:{}/", public.address.port()));
    assert_eq!(attempt(&sender, &target).await.class, Class::Succeeded);
    for _ in 0..1_000 {
        let attempted = attempt(&sender, &target).await;
        assert_eq!(
            (attempted.status, attempted.class),
            (None, Class::ForbiddenAddress)
        );
    }
    assert_eq!((public.connections(), private.connections()), (1, 0));
}

#[tokio::test]
async fn one_private_address_among_public_ones_forbids_the_host() {
    let (public, private) = two_servers().await;
    for answer in [
        ["127.0.0.2", "127.0.0.1"],
        ["127.0.0.1", "127.0.0.2"],
        ["127.0.0.2", "::ffff:127.0.0.1"],
        ["127.0.0.2", "169.254.169.254"],
    ] {
        let sender = guarded(&patient(), guard(&[PUBLIC]), Script::new(&[&answer]));
        let target = target(&format!("http://hook.example:{}/", public.address.port()));
        assert_eq!(
            attempt(&sender, &target).await.class,
            Class::ForbiddenAddress,
            "{answer:?}"
        );
    }
    assert_eq!((public.connections(), private.connections()), (0, 0));
}

#[tokio::test]
async fn a_literal_that_was_once_allowed_is_judged_again() {
    let (_public, private) = two_servers().await;
    let sender = guarded(&patient(), guard(&[PUBLIC]), Script::new(&[]));
    for host in ["127.0.0.1", "[::ffff:127.0.0.1]"] {
        let target = target(&format!("http://{host}:{}/", private.address.port()));
        assert_eq!(
            attempt(&sender, &target).await.class,
            Class::ForbiddenAddress,
            "{host}"
        );
    }
    assert_eq!(private.connections(), 0);
}

#[tokio::test]
async fn own_listeners_are_not_connected_to() {
    let own = Server::start(|_| Answer::Reply(response(200, "", "metrics"))).await;
    let beside = Server::start(|_| Answer::Reply(response(200, "", "ok"))).await;
    let mut guard = guard(&["127.0.0.0/8"]);
    guard.refuse(own.address);
    let sender = guarded(&patient(), guard, Script::new(&[&["127.0.0.1"]]));
    for (server, class) in [(&own, Class::ForbiddenAddress), (&beside, Class::Succeeded)] {
        let target = target(&format!("http://hook.example:{}/", server.address.port()));
        assert_eq!(attempt(&sender, &target).await.class, class);
    }
    assert_eq!((own.connections(), beside.connections()), (0, 1));
}
