//! What arrives is verified as a customer would: by the specification's own library, and by Ed25519.

use didfarm_core::webhook::attempt::AttemptClass as Class;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use didfarm_webhooks::{Keyring, Request, Secret, WebhookId};
use ed25519_dalek::{Signature, VerifyingKey};
use standardwebhooks::Webhook;

use crate::server::{Answer, Server, response};
use crate::sink::{BODY, ID, patient, sender, target};

#[tokio::test]
async fn every_live_secret_verifies_what_arrived_and_no_other_does() {
    let server = Server::start(|_| Answer::Reply(response(204, "", ""))).await;
    let (old, new) = (Secret::generate().unwrap(), Secret::generate().unwrap());
    let pair = Secret::generate_pair().unwrap();
    let keyring = Keyring::new([new.clone(), old.clone(), pair.clone()]).unwrap();
    let now_s = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs() as i64;
    let target = target(&format!("http://{}/", server.address));
    let id = WebhookId::new(ID).unwrap();
    let request = Request::signed(&target, &keyring, &id, now_s, Bytes::from_static(BODY));
    assert_eq!(
        sender(&patient()).attempt(request).await.class,
        Class::Succeeded
    );

    let received = server.received().remove(0);
    for secret in [&old, &new] {
        let webhook = Webhook::new(&secret.expose()).unwrap();
        webhook.verify(&received.body, &received.headers).unwrap();
        assert!(webhook.verify(b"{}", &received.headers).is_err());
    }
    let stranger = Webhook::new(&Secret::generate().unwrap().expose()).unwrap();
    assert!(stranger.verify(&received.body, &received.headers).is_err());

    let public = pair.public_key().unwrap();
    let public = STANDARD
        .decode(public.strip_prefix("whpk_").unwrap())
        .unwrap();
    let public = VerifyingKey::from_bytes(&public.try_into().unwrap()).unwrap();
    let header = received.headers["webhook-signature"].to_str().unwrap();
    let signature = header
        .split(' ')
        .find_map(|one| one.strip_prefix("v1a,"))
        .unwrap();
    let signature = Signature::from_slice(&STANDARD.decode(signature).unwrap()).unwrap();
    let signed = [format!("{ID}.{now_s}.").as_bytes(), BODY].concat();
    public.verify_strict(&signed, &signature).unwrap();
}
