//! Not taken or in doubt: what each failure on the wire says, on real sockets.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use didfarm_carriers::{Carrier, SubmitAnswer};
use didfarm_core::reason::Reason;

use crate::kit::{
    PATIENCE, Recorder, accepted, answer_all, read_request, respond, serve, settings, sms, start,
    submit_one,
};

const NOT_TAKEN: SubmitAnswer = SubmitAnswer::NotTaken(Reason::CarrierError);
/// A patience that a test waits out.
const SHORT: Duration = Duration::from_millis(400);

#[test]
fn a_refused_connection_is_not_taken() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    assert_eq!(submit_one(&settings("http", address)), NOT_TAKEN);
}

#[test]
fn a_server_that_never_shakes_hands_is_not_taken() {
    let address = serve(|_, mut stream| {
        // Until the client goes.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let mut settings = settings("https", address);
    settings.connect_timeout = SHORT;
    assert_eq!(submit_one(&settings), NOT_TAKEN);
}

#[test]
fn a_server_that_speaks_no_tls_is_not_taken() {
    let address = serve(|_, mut stream| respond(&mut stream, 200, "", "1"));
    assert_eq!(submit_one(&settings("https", address)), NOT_TAKEN);
}

#[test]
fn a_request_that_was_read_and_not_answered_is_in_doubt() {
    let address = serve(|_, mut stream| {
        read_request(&mut stream);
    });
    assert_eq!(
        submit_one(&settings("http", address)),
        SubmitAnswer::NoAnswer
    );
}

#[test]
fn a_request_of_which_one_byte_was_read_is_in_doubt() {
    let address = serve(|_, mut stream| stream.read_exact(&mut [0]).unwrap());
    assert_eq!(
        submit_one(&settings("http", address)),
        SubmitAnswer::NoAnswer
    );
}

#[test]
fn a_server_that_never_answers_leaves_the_message_in_doubt() {
    let address = serve(|_, mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let mut settings = settings("http", address);
    settings.timeout = 5 * SHORT;
    assert_eq!(submit_one(&settings), SubmitAnswer::NoAnswer);
}

#[test]
fn a_response_that_breaks_off_leaves_the_message_in_doubt() {
    let address = serve(|_, mut stream| {
        read_request(&mut stream);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n1")
            .unwrap();
    });
    assert_eq!(
        submit_one(&settings("http", address)),
        SubmitAnswer::NoAnswer
    );
}

#[test]
fn a_response_that_is_too_long_leaves_the_message_in_doubt() {
    let address = serve(|_, stream| {
        answer_all(stream, |_| {
            (200, "1".repeat(didfarm_carriers::http::BODY_BYTES_MAX + 1))
        });
    });
    assert_eq!(
        submit_one(&settings("http", address)),
        SubmitAnswer::NoAnswer
    );
}

#[test]
fn a_redirect_is_not_followed() {
    let (reached, was_reached) = channel();
    let elsewhere = serve(move |_, _| reached.send(()).unwrap());
    let address = serve(move |_, mut stream| {
        read_request(&mut stream);
        let location = format!("location: http://{elsewhere}/\r\n");
        respond(&mut stream, 307, &location, "");
    });
    assert_eq!(submit_one(&settings("http", address)), NOT_TAKEN);
    assert!(was_reached.try_recv().is_err());
}

/// The server half closes at once and reads what comes all the same, so that the close meets the request
/// at every point of its way.
#[test]
fn what_meets_a_closing_connection_is_not_taken_only_if_it_never_arrives() {
    const ROUNDS: u64 = 100;
    let arrived = Arc::new(Mutex::new(Vec::new()));
    let bodies = Arc::clone(&arrived);
    let open = Arc::new(());
    let held = Arc::clone(&open);
    let address = serve(move |_, mut stream| {
        let _open = Arc::clone(&held);
        stream.shutdown(Shutdown::Write).unwrap();
        if let Some(seen) = read_request(&mut stream) {
            bodies.lock().unwrap().push(seen.body);
        }
    });
    let sink = Arc::new(Recorder::default());
    let carrier = start(&settings("http", address), &sink);
    for id in 1..=ROUNDS {
        carrier.submit(vec![sms(id)]);
        let answer = sink.answer_of(usize::try_from(id).unwrap(), id);
        assert!(
            matches!(answer, NOT_TAKEN | SubmitAnswer::NoAnswer),
            "{answer:?}"
        );
        if answer == NOT_TAKEN {
            assert!(!arrived.lock().unwrap().contains(&id.to_string()));
        }
    }
    drop(carrier);
    // One is the test's, one the listener's; the others are those of connections being read.
    let started = Instant::now();
    while Arc::strong_count(&open) > 2 {
        assert!(started.elapsed() < PATIENCE);
        thread::yield_now();
    }
    let arrived = arrived.lock().unwrap();
    for id in 1..=ROUNDS {
        let text = id.to_string();
        let copies = arrived.iter().filter(|body| **body == text).count();
        let answer = sink.answer_of(0, id);
        assert!(copies <= 1, "{id} was sent {copies} times");
        assert!(answer == SubmitAnswer::NoAnswer || copies == 0, "{id}");
    }
}

#[test]
fn a_pooled_connection_that_the_server_closed_is_not_used_again() {
    let (closed, was_closed) = channel();
    let address = serve(move |_, mut stream| {
        let seen = read_request(&mut stream).unwrap();
        respond(&mut stream, 200, "", &seen.body);
        stream.shutdown(Shutdown::Write).unwrap();
        // The client closes its side once it has seen the end.
        stream.read_to_end(&mut Vec::new()).unwrap();
        closed.send(()).unwrap();
    });
    let sink = Arc::new(Recorder::default());
    let carrier = start(&settings("http", address), &sink);
    for id in 1..=3 {
        carrier.submit(vec![sms(id)]);
        let answer = sink.answer_of(usize::try_from(id).unwrap(), id);
        assert_eq!(answer, accepted(&id.to_string()));
        was_closed.recv_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn a_request_read_from_a_pooled_connection_is_not_sent_again() {
    let arrived = Arc::new(Mutex::new(Vec::new()));
    let bodies = Arc::clone(&arrived);
    let address = serve(move |_, mut stream| {
        let first = read_request(&mut stream).unwrap();
        bodies.lock().unwrap().push(first.body.clone());
        respond(&mut stream, 200, "", &first.body);
        if let Some(second) = read_request(&mut stream) {
            bodies.lock().unwrap().push(second.body);
        }
    });
    let sink = Arc::new(Recorder::default());
    let carrier = start(&settings("http", address), &sink);
    carrier.submit(vec![sms(1)]);
    assert_eq!(sink.answer_of(1, 1), accepted("1"));
    carrier.submit(vec![sms(2)]);
    assert_eq!(sink.answer_of(2, 2), SubmitAnswer::NoAnswer);
    drop(carrier);
    assert_eq!(*arrived.lock().unwrap(), ["1", "2"]);
}

/// The server closes each connection right behind its answer, so that the close meets the next request.
#[test]
fn no_message_is_ever_sent_twice_over_connections_that_end() {
    const MESSAGES: u64 = 400;
    let arrived = Arc::new(Mutex::new(Vec::new()));
    let bodies = Arc::clone(&arrived);
    let address = serve(move |_, mut stream| {
        if let Some(seen) = read_request(&mut stream) {
            bodies.lock().unwrap().push(seen.body.clone());
            respond(&mut stream, 200, "", &seen.body);
        }
    });
    let sink = Arc::new(Recorder::default());
    let mut settings = settings("http", address);
    settings.in_flight_max = 4;
    let carrier = start(&settings, &sink);
    carrier.submit((1..=MESSAGES).map(sms).collect());
    sink.wait_for(usize::try_from(MESSAGES).unwrap());
    drop(carrier);
    let arrived = arrived.lock().unwrap();
    for id in 1..=MESSAGES {
        let text = id.to_string();
        let copies = arrived.iter().filter(|body| **body == text).count();
        match sink.answer_of(0, id) {
            SubmitAnswer::Accepted(_) => assert_eq!(copies, 1, "{id}"),
            NOT_TAKEN => assert_eq!(copies, 0, "{id}"),
            SubmitAnswer::NoAnswer => assert!(copies <= 1, "{id}"),
            other => panic!("{id}: {other:?}"),
        }
    }
}
