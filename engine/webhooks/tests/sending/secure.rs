//! TLS: who is trusted, and HTTP/2 where it is offered.

use didfarm_core::webhook::attempt::AttemptClass as Class;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use didfarm_webhooks::{Sender, SenderError, SenderSettings, SystemResolver};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::sink::{BODY, attempt, guard, patient, sender, target};

/// An authority of the tests' own.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Authority {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Authority {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// A certificate for a host, which ends in the given year.
    fn certify(&self, host: &str, last_year: i32) -> (CertificateDer<'static>, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(last_year, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.der().clone(), key)
    }

    fn trusting(&self) -> SenderSettings {
        SenderSettings {
            roots_pem: self.pem.clone().into_bytes(),
            ..patient()
        }
    }
}

#[derive(Default)]
struct Counts {
    connections: AtomicUsize,
    requests: AtomicUsize,
}

/// A server that speaks HTTP/2 over TLS and answers 200 to who posts what the tests post; its port and counts.
async fn serve(certificate: CertificateDer<'static>, key: &KeyPair) -> (u16, Arc<Counts>) {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::aws_lc_rs::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_no_client_auth()
    .with_single_cert(vec![certificate], key)
    .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let counts = Arc::new(Counts::default());
    let counting = counts.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, counts) = (acceptor.clone(), counting.clone());
            tokio::spawn(async move {
                let stream = acceptor.accept(stream).await.ok()?;
                counts.connections.fetch_add(1, Ordering::SeqCst);
                let mut connection = h2::server::handshake(stream).await.ok()?;
                while let Some(Ok((request, respond))) = connection.accept().await {
                    tokio::spawn(answer(request, respond, counts.clone()));
                }
                Some(())
            });
        }
    });
    (port, counts)
}

async fn answer(
    request: http::Request<h2::RecvStream>,
    mut respond: h2::server::SendResponse<Bytes>,
    counts: Arc<Counts>,
) -> Result<(), h2::Error> {
    let (head, mut stream) = request.into_parts();
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data?;
        stream.flow_control().release_capacity(data.len())?;
        body.extend_from_slice(&data);
    }
    let is_ours = head.method == http::Method::POST
        && body == BODY
        && head.headers.contains_key("webhook-signature");
    counts.requests.fetch_add(1, Ordering::SeqCst);
    let response = http::Response::builder()
        .status(if is_ours { 200 } else { 400 })
        .body(())
        .unwrap();
    respond
        .send_response(response, false)?
        .send_data(Bytes::from_static(b"h2"), true)
}

#[tokio::test]
async fn http2_is_spoken_where_it_is_offered_and_one_connection_carries_all() {
    let authority = Authority::new();
    let (certificate, key) = authority.certify("hook.example", 2099);
    let (port, counts) = serve(certificate, &key).await;
    let sender = sender(&authority.trusting());
    let target = target(&format!("https://hook.example:{port}/"));
    let first = attempt(&sender, &target).await;
    assert_eq!(
        (first.status, first.class, &*first.body_start),
        (Some(200), Class::Succeeded, "h2")
    );
    let mut attempts = JoinSet::new();
    for _ in 0..50 {
        let (sender, target) = (sender.clone(), target.clone());
        attempts.spawn(async move { attempt(&sender, &target).await.class });
    }
    let classes = attempts.join_all().await;
    assert!(
        classes.iter().all(|&class| class == Class::Succeeded),
        "{classes:?}"
    );
    assert_eq!(counts.connections.load(Ordering::SeqCst), 1);
    assert_eq!(counts.requests.load(Ordering::SeqCst), 51);
}

#[tokio::test]
async fn a_certificate_that_does_not_hold_is_an_error_of_tls_and_nothing_is_sent() {
    let (trusted, stranger) = (Authority::new(), Authority::new());
    let self_signed = {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["hook.example".to_owned()]).unwrap();
        (params.self_signed(&key).unwrap().der().clone(), key)
    };
    for (what, (certificate, key)) in [
        ("wrong host", trusted.certify("other.example", 2099)),
        ("expired", trusted.certify("hook.example", 2021)),
        ("unknown authority", stranger.certify("hook.example", 2099)),
        ("self-signed", self_signed),
    ] {
        let (port, counts) = serve(certificate, &key).await;
        let attempted = attempt(
            &sender(&trusted.trusting()),
            &target(&format!("https://hook.example:{port}/")),
        )
        .await;
        assert_eq!(
            (attempted.status, attempted.class),
            (None, Class::Tls),
            "{what}"
        );
        assert_eq!(counts.requests.load(Ordering::SeqCst), 0, "{what}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_an_error_of_tls() {
    let sender = sender(&patient());
    for said in ["", "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(said.as_bytes()).await.unwrap();
        });
        let attempted = attempt(&sender, &target(&format!("https://hook.example:{port}/"))).await;
        assert_eq!(
            (attempted.status, attempted.class),
            (None, Class::Tls),
            "{said:?}"
        );
    }
}

#[tokio::test]
async fn certificates_that_cannot_be_read_make_no_sender() {
    for pem in [
        "no pem",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        let settings = SenderSettings {
            roots_pem: pem.as_bytes().to_vec(),
            ..patient()
        };
        let made = Sender::new(
            &settings,
            Arc::new(guard(&[])),
            Arc::new(SystemResolver::new()),
        );
        assert!(matches!(made, Err(SenderError::Roots { .. })), "{pem}");
    }
}
