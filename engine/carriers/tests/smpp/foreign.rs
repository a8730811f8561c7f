//! The SMSC of the crate smpp34, told what to answer.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use smpp34::server::ESME;
use smpp34::{
    SmppConnectionInformation, SmppError, SmppServer, SmppServerListener, bind_transceiver,
    bind_transceiver_resp, query_sm, query_sm_resp, submit_sm, submit_sm_resp,
};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::recording::PATIENCE;

/// What a `submit_sm` is answered with, by its place from 0.
pub type Script = Arc<dyn Fn(usize, &submit_sm) -> Result<String, SmppError> + Send + Sync>;

struct Listener {
    script: Script,
    submits: Mutex<Vec<submit_sm>>,
    unanswered: AtomicUsize,
    unanswered_max: AtomicUsize,
    bound: watch::Sender<HashMap<String, Arc<ESME>>>,
}

/// A running SMSC on a thread pool of its own.
pub struct Smsc {
    pub address: String,
    listener: Arc<Listener>,
    server: SmppServer,
    pub runtime: Runtime,
}

#[async_trait]
impl SmppServerListener for Listener {
    async fn on_bind_transceiver(
        &self,
        bind: bind_transceiver,
        _: &SmppConnectionInformation,
        _: &String,
    ) -> bind_transceiver_resp {
        match (&bind.system_id[..], &bind.password[..]) {
            ("didfarm", "secret") => bind.accept("foreign".to_owned(), Some(0x34)),
            _ => bind.reject(SmppError::ESME_RINVPASWD),
        }
    }

    async fn on_esme_bound(&self, esme: ESME, session: &String) {
        let esme = Arc::new(esme);
        self.bound.send_modify(|bound| {
            bound.insert(session.clone(), esme);
        });
    }

    async fn on_esme_unbound(&self, session: &String) {
        self.bound.send_modify(|bound| {
            bound.remove(session);
        });
    }

    async fn on_submit_sm(
        &self,
        submit: submit_sm,
        _: &SmppConnectionInformation,
        _: &String,
    ) -> submit_sm_resp {
        let unanswered = self.unanswered.fetch_add(1, Ordering::SeqCst) + 1;
        self.unanswered_max.fetch_max(unanswered, Ordering::SeqCst);
        let place = {
            let mut submits = self.submits.lock().unwrap();
            submits.push(submit.clone());
            submits.len() - 1
        };
        let answer = (self.script)(place, &submit);
        tokio::task::yield_now().await;
        self.unanswered.fetch_sub(1, Ordering::SeqCst);
        match answer {
            Ok(id) => submit.accept(id),
            Err(error) => submit.reject(error),
        }
    }

    async fn on_query_sm(
        &self,
        query: query_sm,
        _: &SmppConnectionInformation,
        _: &String,
    ) -> query_sm_resp {
        let id = query.message_id.clone();
        match id.strip_prefix("lost-") {
            Some(_) => query.reject(SmppError::ESME_RQUERYFAIL),
            None => query.accept(id, "260403101530000+".to_owned(), 2, 0),
        }
    }
}

impl Smsc {
    /// Starts one that answers by `script`.
    pub fn start(script: Script) -> Smsc {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = Arc::new(Listener {
            script,
            submits: Mutex::default(),
            unanswered: AtomicUsize::new(0),
            unanswered_max: AtomicUsize::new(0),
            bound: watch::Sender::default(),
        });
        // It cannot say which port it was given: one is taken, and another when that was just lost.
        loop {
            let port = free_port();
            let handler = Arc::clone(&listener);
            let mut server = SmppServer::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port, handler);
            runtime.block_on(server.start());
            if server.is_alive() {
                let address = format!("127.0.0.1:{port}");
                return Smsc {
                    address,
                    listener,
                    server,
                    runtime,
                };
            }
        }
    }

    /// Starts one that takes everything and numbers it.
    pub fn taking_all() -> Smsc {
        Smsc::start(Arc::new(|place, _| Ok(format!("id-{place}"))))
    }

    /// What was submitted so far.
    pub fn submits(&self) -> Vec<submit_sm> {
        self.listener.submits.lock().unwrap().clone()
    }

    /// The most submits that were unanswered at once.
    pub fn unanswered_max(&self) -> usize {
        self.listener.unanswered_max.load(Ordering::SeqCst)
    }

    /// Waits until so many sessions are bound, and gives one.
    pub fn bound(&self, count: usize) -> Arc<ESME> {
        let mut bound = self.listener.bound.subscribe();
        self.runtime.block_on(async {
            let bound =
                tokio::time::timeout(PATIENCE, bound.wait_for(|bound| bound.len() == count));
            bound
                .await
                .unwrap()
                .unwrap()
                .values()
                .next()
                .cloned()
                .unwrap()
        })
    }

    /// Waits until no session is bound.
    pub fn unbound(&self) {
        let mut bound = self.listener.bound.subscribe();
        self.runtime.block_on(async {
            let bound = tokio::time::timeout(PATIENCE, bound.wait_for(HashMap::is_empty));
            assert!(bound.await.unwrap().unwrap().is_empty());
        });
    }

    /// Ends it and every connection.
    pub fn stop(mut self) {
        self.runtime.block_on(self.server.stop());
        self.runtime.shutdown_background();
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
