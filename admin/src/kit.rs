//! An engine for the tests of routes: a real one, in a directory that goes with it.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use didfarm_config::Settings;
use didfarm_core::e164::{E164, Validation};
use didfarm_core::ids::AccountId;
use didfarm_core::money::Micros;
use didfarm_runtime::engine::{Engine, EngineOptions};
use didfarm_runtime::fault::FaultPoints;
use didfarm_runtime::operate::{NewAccount, NewNumber};
use tempfile::TempDir;

use crate::body::BodyBounds;
use crate::front::Front;

/// The customer's number.
pub(crate) const NUMBER: &str = "+31201234567";
/// The most bytes of a request in these tests.
pub(crate) const BODY_BYTES_MAX: usize = 4_096;

/// A running engine and what it stands on.
pub(crate) struct Kit {
    pub(crate) engine: Option<Engine>,
    pub(crate) dir: TempDir,
    pub(crate) settings: Settings,
}

impl Kit {
    /// Starts one on little disk.
    pub(crate) fn start() -> Kit {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = Settings {
            data_dir: dir.path().join("data"),
            ..Settings::default()
        };
        settings.store.free_bytes_min = 1_024 * 1_024;
        settings.store.segment_bytes = 4 * 1_024 * 1_024;
        settings.store.group_bytes_max = 1_024 * 1_024;
        settings.store.sled_cache_bytes = 16 * 1_024 * 1_024;
        settings.webhooks.allowed_networks = vec!["127.0.0.0/8".to_owned()];
        let options = EngineOptions {
            on_fatal: Arc::new(|fatal| panic!("{fatal}")),
            faults: FaultPoints::default(),
        };
        let engine = Engine::start(settings.clone(), options).unwrap();
        Kit {
            engine: Some(engine),
            dir,
            settings,
        }
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.engine.as_ref().expect("it runs until it is dropped")
    }

    pub(crate) fn bounds() -> BodyBounds {
        BodyBounds {
            bytes_max: BODY_BYTES_MAX,
            timeout: Duration::from_secs(20),
        }
    }

    pub(crate) fn front(&self) -> Front {
        Front::new(self.engine().handle(), Validation::Possible, Kit::bounds())
    }

    /// Makes an account that owns [`NUMBER`], and returns the header that opens it.
    pub(crate) async fn customer(&self) -> (HeaderName, HeaderValue) {
        let (account, key) = self.account("customer").await;
        let engine = self.engine().handle();
        let number = NewNumber {
            account,
            e164: E164::parse(NUMBER, Validation::Syntax).unwrap(),
            active: true,
            sms: true,
            whatsapp: true,
        };
        engine.add_number(number).await.unwrap();
        engine
            .top_up(account, Micros::new(1_000_000))
            .await
            .unwrap();
        key
    }

    /// Makes an account that owns nothing, and returns the header that opens it.
    pub(crate) async fn account(&self, name: &str) -> (AccountId, (HeaderName, HeaderValue)) {
        let engine = self.engine().handle();
        let account = engine.create_account(NewAccount {
            name: name.into(),
            rate_limit: None,
            email: None,
        });
        let account = account.await.unwrap().id;
        let key = engine.create_key(account, None).await.unwrap();
        let value = HeaderValue::try_from(format!("Bearer {}", key.secret)).unwrap();
        (account, (AUTHORIZATION, value))
    }
}

impl Drop for Kit {
    fn drop(&mut self) {
        if let Some(engine) = self.engine.take() {
            engine.stop();
        }
    }
}
