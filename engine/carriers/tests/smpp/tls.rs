//! TLS before another implementation's SMSC, with a certificate made for the test.

use std::io::Write as _;
use std::sync::{Arc, mpsc};

use didfarm_carriers::smpp::{SmppCarrier, StartError, TlsSettings};
use didfarm_carriers::{Carrier as _, SubmitAnswer};
use didfarm_core::reason::Reason;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::foreign::Smsc;
use super::recording::{PATIENCE, Recorder, ids, settings, start, submit_bound, text};

/// What takes TLS off every connection and hands it on.
struct Terminator {
    address: String,
    /// Its certificate.
    pem: String,
    /// One for each handshake that the client broke off.
    broken: mpsc::Receiver<()>,
}

fn terminate_tls(smsc: &Smsc) -> Terminator {
    let made = rcgen::generate_simple_self_signed(["smsc.example".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = smsc
        .runtime
        .block_on(TcpListener::bind("127.0.0.1:0"))
        .unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let behind = smsc.address.clone();
    let (breaks, broken) = mpsc::channel();
    smsc.runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, behind, breaks) = (acceptor.clone(), behind.clone(), breaks.clone());
            tokio::spawn(async move {
                let Ok(mut plain) = acceptor.accept(stream).await else {
                    // The test may be over.
                    let _ = breaks.send(());
                    return;
                };
                let mut smsc = TcpStream::connect(behind).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut plain, &mut smsc).await;
            });
        }
    });
    Terminator {
        address,
        pem: made.cert.pem(),
        broken,
    }
}

fn pem_file(pem: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(pem.as_bytes()).unwrap();
    file
}

#[test]
fn messages_go_over_tls_to_a_name_that_is_trusted() {
    let smsc = Smsc::taking_all();
    let terminator = terminate_tls(&smsc);
    let authorities = pem_file(&terminator.pem);
    let mut settings = settings(&terminator.address);
    settings.tls = Some(TlsSettings {
        server_name: "smsc.example".to_owned(),
        ca_file: Some(authorities.path().to_owned()),
    });
    let (carrier, recorder) = start(settings);
    submit_bound(&carrier, &recorder, text(1, "hello"));
    carrier.submit((2..501).map(|id| text(id, "hello")).collect());
    assert!(
        recorder
            .answers(500)
            .values()
            .all(|answer| ids(answer).len() == 1)
    );
    assert_eq!(smsc.submits().len(), 500);
}

#[test]
fn another_name_or_no_trust_is_no_bind() {
    let smsc = Smsc::taking_all();
    let terminator = terminate_tls(&smsc);
    let authorities = pem_file(&terminator.pem);
    for (name, ca_file) in [
        ("other.example", Some(authorities.path().to_owned())),
        ("smsc.example", None),
    ] {
        let mut settings = settings(&terminator.address);
        settings.tls = Some(TlsSettings {
            server_name: name.to_owned(),
            ca_file,
        });
        let (carrier, recorder) = start(settings);
        // Twice: after the first it tried again.
        for _ in 0..2 {
            terminator.broken.recv_timeout(PATIENCE).unwrap();
        }
        carrier.submit(vec![text(1, "hello")]);
        let not_taken = SubmitAnswer::NotTaken(Reason::CarrierError);
        assert_eq!(recorder.answers(1)[&1], not_taken);
    }
    assert_eq!(smsc.submits().len(), 0);
}

#[test]
fn authorities_that_cannot_be_read_are_an_error_at_the_start() {
    let empty = pem_file("");
    for path in [empty.path().to_owned(), "/nowhere/at/all.pem".into()] {
        let mut settings = settings("localhost:2775");
        settings.tls = Some(TlsSettings {
            server_name: "smsc.example".to_owned(),
            ca_file: Some(path),
        });
        let sink = Arc::new(Recorder::default());
        assert!(matches!(
            SmppCarrier::start(settings, sink),
            Err(StartError::Tls(_))
        ));
    }
}
