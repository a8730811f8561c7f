//! Idempotency keys of a whole engine, with a store on disk: replays, refusals, restarts, forgetting.

#[allow(dead_code)] // These tests need no mails.
#[path = "../mails/farm.rs"]
mod farm;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use didfarm_core::channel::Channel;
use didfarm_core::ids::MessageId;
use didfarm_core::peer::Peer;
use didfarm_core::refusal::Refusal;
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::endpoint::{EndpointSettings, EventFilter, PayloadForm};
use didfarm_core::webhook::schedule::RetrySchedule;
use didfarm_runtime::idempotency::{
    ClaimError, Claimed, Guard, GuardedAnswer, GuardedRoute, IdempotencyKey,
};
use didfarm_runtime::mails::ForwardRequest;
use didfarm_runtime::send::{Priority, SendError, SendRequest, Sender, SentMessage};
use didfarm_runtime::webhooks::NewEndpoint;
use didfarm_store::verify::verify;

use crate::farm::{Farm, eventually, ours, peer, run, settings};

const BODY: &[u8] = b"{}";
const ROUTE: GuardedRoute = GuardedRoute::Message;
/// How often it is looked whether old keys are forgotten, and the pause before each look.
const LOOKS_MAX: usize = 20;
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

async fn claim(farm: &Farm, route: GuardedRoute, body: &[u8]) -> Result<Claimed, ClaimError> {
    let key = IdempotencyKey::parse(b"\"order 7\"").unwrap();
    farm.handle
        .claim(farm.account.id(), route, &key, body)
        .await
}

async fn guard(farm: &Farm, route: GuardedRoute) -> Box<Guard> {
    match claim(farm, route, BODY).await {
        Ok(Claimed::Fresh(guard)) => guard,
        other => panic!("the key is free: {other:?}"),
    }
}

async fn send(farm: &Farm, guard: Box<Guard>) -> Result<SentMessage, SendError> {
    let request = SendRequest {
        from: Sender::Number(ours()),
        to: peer(),
        channel: Channel::Sms,
        body: Arc::from("hello"),
        content: None,
        validity: None,
        send_at: None,
        priority: Priority::Normal,
        smart_encoding: false,
        status_url: None,
    };
    let sent = farm
        .handle
        .send_guarded(&farm.account, request, Some(guard));
    sent.await
}

/// The message that the key is answered with.
async fn replayed(farm: &Farm) -> MessageId {
    match claim(farm, ROUTE, BODY).await {
        Ok(Claimed::Done(GuardedAnswer::Message(id, None))) => id,
        other => panic!("the key was used: {other:?}"),
    }
}

fn told(sent: &SentMessage) -> String {
    format!(
        "{:?}",
        SentMessage {
            limit: None,
            ..sent.clone()
        }
    )
}

/// How many idempotency keys a stopped store holds.
fn stored(dir: &Path) -> u64 {
    let report = verify(&dir.join("data"), 1024 * 1024, None).unwrap();
    assert!(report.is_clean(), "{report}");
    report.guarded
}

#[test]
fn a_request_is_carried_out_once_and_told_again_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    run(async {
        let farm = Farm::start(settings(dir.path())).await;
        let first = guard(&farm, ROUTE).await;
        assert!(matches!(
            claim(&farm, ROUTE, BODY).await,
            Err(ClaimError::InProgress)
        ));
        let sent = send(&farm, first).await.unwrap();
        let mut farm = farm;
        for _ in 0..2 {
            assert_eq!(replayed(&farm).await, sent.id);
            let again = farm
                .handle
                .sent_message(farm.account.id(), sent.id, None)
                .await;
            assert_eq!(told(&again.unwrap()), told(&sent));
            let other = claim(&farm, ROUTE, b"{} ").await;
            assert!(matches!(other, Err(ClaimError::Reused)));
            drop(guard(&farm, GuardedRoute::PortalMessage).await);
            assert_eq!(farm.sent().await, ["hello"]);
            farm.stop();
            farm = Farm::start(settings(dir.path())).await;
        }
        farm.stop();
    });
    assert_eq!(stored(dir.path()), 1);
}

#[test]
fn a_refused_request_keeps_no_key() {
    let dir = tempfile::tempdir().unwrap();
    run(async {
        let farm = Farm::start(settings(dir.path())).await;
        farm.set_sms(false).await;
        let refused = send(&farm, guard(&farm, ROUTE).await).await;
        let refused = refused.unwrap_err();
        assert!(matches!(
            refused,
            SendError::Refused(Refusal::ChannelDisabled { .. })
        ));
        farm.set_sms(true).await;
        let sent = send(&farm, guard(&farm, ROUTE).await).await.unwrap();
        assert_eq!(replayed(&farm).await, sent.id);
        farm.stop();
    });
    assert_eq!(stored(dir.path()), 1);
}

#[test]
fn an_endpoint_and_a_mail_are_made_once_and_told_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    run(async {
        let farm = Farm::start(settings(dir.path())).await;
        let account = farm.account.id();
        let new = NewEndpoint {
            settings: EndpointSettings {
                url: "https://example.com/hook".into(),
                description: "".into(),
                filter: EventFilter::default(),
                form: PayloadForm::Message,
                schedule: RetrySchedule::Product,
                is_ordered: false,
                rate_per_second: None,
            },
            number: None,
            is_asymmetric: true,
            is_status: false,
        };
        let key = guard(&farm, GuardedRoute::Endpoint).await;
        let made = farm.handle.create_endpoint(account, new, Some(key));
        let made = made.await.unwrap();
        let request = ForwardRequest {
            number: Sender::Number(ours()),
            to: "a@example.org".into(),
            from: Peer::parse("+31612345678").unwrap(),
            body: Arc::from("hi"),
            received_at: Timestamp(0),
        };
        let key = guard(&farm, GuardedRoute::ForwardToEmail).await;
        let mail = farm
            .handle
            .forward_to_email(&farm.account, request, Some(key));
        let mail = mail.await.unwrap();
        farm.handle
            .delete_endpoint(account, made.view.endpoint.id)
            .await
            .unwrap();
        let mut farm = farm;
        for _ in 0..2 {
            let Ok(Claimed::Done(GuardedAnswer::Endpoint(endpoint))) =
                claim(&farm, GuardedRoute::Endpoint, BODY).await
            else {
                panic!("it was made")
            };
            let again = farm.handle.created_endpoint(endpoint);
            assert_eq!(format!("{again:?}"), format!("{made:?}"));
            let Ok(Claimed::Done(GuardedAnswer::Mail(id))) =
                claim(&farm, GuardedRoute::ForwardToEmail, BODY).await
            else {
                panic!("it was queued")
            };
            assert_eq!(id, mail);
            farm.stop();
            farm = Farm::start(settings(dir.path())).await;
        }
        farm.stop();
    });
    assert_eq!(stored(dir.path()), 2);
}

/// Settings that keep keys for a second.
fn shortly(dir: &Path) -> didfarm_config::Settings {
    let mut settings = settings(dir);
    settings.limits.idempotency_s = 1;
    settings.store.checkpoint_interval_ms = 50;
    settings
}

#[test]
fn old_keys_are_free_again_and_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    run(async {
        let farm = Farm::start(shortly(dir.path())).await;
        let first = send(&farm, guard(&farm, ROUTE).await).await.unwrap();
        let again = eventually("the key is free", async || {
            match claim(&farm, ROUTE, BODY).await {
                Ok(Claimed::Fresh(guard)) => Some(guard),
                Ok(Claimed::Done(answer)) => {
                    assert_eq!(answer, GuardedAnswer::Message(first.id, None));
                    None
                }
                Err(error) => panic!("{error}"),
            }
        });
        let second = send(&farm, again.await).await.unwrap();
        assert_ne!(first.id, second.id);
        farm.stop();
        assert!(stored(dir.path()) >= 1, "the second is kept");
    });
    // A sweep comes by every third of the age, and one with the start.
    for _ in 0..LOOKS_MAX {
        run(async {
            let farm = Farm::start(shortly(dir.path())).await;
            tokio::time::sleep(BETWEEN_LOOKS).await;
            farm.stop();
        });
        if stored(dir.path()) == 0 {
            return;
        }
    }
    panic!("old keys are not forgotten");
}
