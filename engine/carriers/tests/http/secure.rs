//! TLS and HTTP/2 against a server of another implementation's parts.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use bytes::Bytes;
use didfarm_carriers::http::HttpSettings;
use didfarm_carriers::{Carrier, SubmitAnswer};
use didfarm_core::reason::Reason;
use h2::server::SendResponse;
use rustls::pki_types::PrivateKeyDer;
use tempfile::NamedTempFile;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::kit::{Recorder, accepted, settings, sms, start, submit_one};

/// How the server treats a request.
#[derive(Clone, Copy)]
enum Manner {
    Answer,
    RefuseStream,
    ResetAfterReading,
}

struct Server {
    address: SocketAddr,
    authorities: NamedTempFile,
    connections: Arc<AtomicUsize>,
}

impl Server {
    fn settings(&self) -> HttpSettings {
        let mut settings = settings("https", self.address);
        settings.ca_file = Some(self.authorities.path().to_owned());
        settings
    }
}

/// Starts an HTTP/2 server under a certificate of its own; it ends with the process.
fn serve_h2(manner: Manner) -> Server {
    let certified = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let mut authorities = NamedTempFile::new().unwrap();
    authorities
        .write_all(certified.cert.pem().as_bytes())
        .unwrap();
    let key = PrivateKeyDer::Pkcs8(certified.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(accept(listener, Arc::new(config), manner, count));
    });
    Server {
        address,
        authorities,
        connections,
    }
}

async fn accept(
    listener: std::net::TcpListener,
    config: Arc<rustls::ServerConfig>,
    manner: Manner,
    connections: Arc<AtomicUsize>,
) {
    let listener = TcpListener::from_std(listener).unwrap();
    let acceptor = TlsAcceptor::from(config);
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        // A client that does not trust the certificate breaks off.
        let Ok(stream) = acceptor.accept(stream).await else {
            continue;
        };
        connections.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(async move {
            let mut connection = h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((request, respond))) = connection.accept().await {
                tokio::spawn(treat(request.into_body(), respond, manner));
            }
        });
    }
}

async fn treat(mut body: h2::RecvStream, mut respond: SendResponse<Bytes>, manner: Manner) {
    if matches!(manner, Manner::RefuseStream) {
        respond.send_reset(h2::Reason::REFUSED_STREAM);
        return;
    }
    let mut text = Vec::new();
    while let Some(Ok(data)) = body.data().await {
        body.flow_control().release_capacity(data.len()).unwrap();
        text.extend_from_slice(&data);
    }
    if matches!(manner, Manner::ResetAfterReading) {
        respond.send_reset(h2::Reason::INTERNAL_ERROR);
        return;
    }
    let mut stream = respond
        .send_response(http::Response::new(()), false)
        .unwrap();
    stream.send_data(text.into(), true).unwrap();
}

#[test]
fn many_messages_share_one_http_2_connection() {
    let server = serve_h2(Manner::Answer);
    let sink = Arc::new(Recorder::default());
    let carrier = start(&server.settings(), &sink);
    // The first one makes the connection; requests that come while it is made may each make one.
    carrier.submit(vec![sms(1)]);
    assert_eq!(sink.answer_of(1, 1), accepted("1"));
    carrier.submit((2..=500).map(sms).collect());
    for id in 2..=500 {
        assert_eq!(sink.answer_of(500, id), accepted(&id.to_string()));
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

#[test]
fn a_server_under_an_unknown_authority_is_not_taken() {
    let server = serve_h2(Manner::Answer);
    let mut settings = server.settings();
    settings.ca_file = None;
    assert_eq!(
        submit_one(&settings),
        SubmitAnswer::NotTaken(Reason::CarrierError)
    );
    assert_eq!(server.connections.load(Ordering::SeqCst), 0);
}

#[test]
fn a_stream_that_the_server_refused_unseen_is_not_taken() {
    let server = serve_h2(Manner::RefuseStream);
    assert_eq!(
        submit_one(&server.settings()),
        SubmitAnswer::NotTaken(Reason::CarrierError)
    );
}

#[test]
fn a_stream_that_the_server_reset_after_reading_is_in_doubt() {
    let server = serve_h2(Manner::ResetAfterReading);
    assert_eq!(submit_one(&server.settings()), SubmitAnswer::NoAnswer);
}
