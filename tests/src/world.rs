//! The world outside: the other side of every carrier's protocol, and a daemon that is set up for it.
//!
//! The daemon's public address is `https://sms.example.org`: callbacks are signed for it and delivered to
//! wherever the daemon listens at the moment, as a proxy in front of it would.

use std::time::Duration;

use didfarm_loadtest::carriers::record::Protocol;
use didfarm_loadtest::carriers::{Addresses, Carriers, CarriersPlan, Faults, ProtocolCounts};
use didfarm_loadtest::{Keys, Target};
use serde_json::{Value, json};

use crate::customer::NUMBER;
use crate::daemon::Daemon;
use crate::http::{Client, request};
use crate::options::Options;
use crate::program::Program;
use crate::wait::eventually;

/// Where the daemon's callbacks come to, as carriers know it.
pub const PUBLIC: &str = "https://sms.example.org";
/// Meta's id of the demo account's first number.
pub const PHONE_NUMBER_ID: &str = "106540352242922";
/// What Meta is to know when it checks the webhook's address.
pub const VERIFY_TOKEN: &str = "didfarm-verify-token";
/// The longest that a condition outside may take to come true.
const BOUND: Duration = Duration::from_secs(30);

/// The carriers.
pub struct World {
    carriers: Carriers,
    keys: Keys,
}

impl World {
    /// Carriers that misbehave so.
    ///
    /// # Panics
    /// When they cannot listen.
    pub fn new(faults: Faults) -> World {
        World::with(CarriersPlan {
            faults,
            ..CarriersPlan::default()
        })
    }

    /// Carriers by a plan; the addresses are filled in.
    ///
    /// # Panics
    /// When they cannot listen.
    pub fn with(plan: CarriersPlan) -> World {
        let keys = plan.keys.clone();
        let addresses = Addresses {
            callback: Some(format!("{PUBLIC}/carriers/wa")),
            inbound_telnyx: Some(format!("{PUBLIC}/carriers/tx")),
            inbound_twilio: Some(format!("{PUBLIC}/carriers/tw")),
            numbers: vec![(PHONE_NUMBER_ID.to_owned(), NUMBER.to_owned())],
        };
        let plan = CarriersPlan { addresses, ..plan };
        let carriers = Carriers::start(&plan).expect("loopback has free ports");
        World { carriers, keys }
    }

    /// The keys that callbacks are signed with.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The settings of the carriers `tx` (Telnyx), `tw` (Twilio), `wa` (WhatsApp) and `sm` (SMPP), with
    /// whatever routes follow.
    pub fn settings(&self, routes: &str) -> String {
        let (http, smpp) = (self.carriers.http(), self.carriers.smpp());
        let (token, secret) = (&self.keys.twilio, &self.keys.whatsapp);
        let public_key = self.keys.telnyx_public();
        format!(
            r#"
[callbacks]
public_base_url = "{PUBLIC}"

[[carriers]]
id = 2
name = "tx"
telnyx = {{ base_url = "http://{http}", api_key = "KEY-telnyx", public_key = "{public_key}" }}

[[carriers]]
id = 3
name = "tw"
twilio = {{ base_url = "http://{http}", account_sid = "AC00000000000000000000000000000001", auth_token = "{token}" }}

[[carriers]]
id = 4
name = "wa"
[carriers.whatsapp]
base_url = "http://{http}"
access_token = "EAA-token"
app_secret = "{secret}"
verify_token = "{VERIFY_TOKEN}"
numbers = [{{ number = "{NUMBER}", phone_number_id = "{PHONE_NUMBER_ID}" }}]

[[carriers]]
id = 5
name = "sm"
smpp = {{ address = "{smpp}", system_id = "didfarm", password = "secret", reconnect_ms_min = 50 }}

{routes}
"#
        )
    }

    /// A daemon on these carriers, with these routes.
    pub async fn daemon(&self, program: &Program, options: Options, routes: &str) -> Daemon {
        let daemon = Daemon::start(program, options.config(&self.settings(routes))).await;
        self.lead_to(&daemon);
        daemon
    }

    /// Callbacks go to where this daemon listens now.
    ///
    /// # Panics
    /// When that is no address.
    pub fn lead_to(&self, daemon: &Daemon) {
        let target = Target::parse(&format!("http://{}", daemon.address()));
        self.carriers
            .deliver_to(target.expect("a daemon listens at an address"));
    }

    /// What was counted of a protocol.
    pub fn counts(&self, protocol: Protocol) -> ProtocolCounts {
        self.carriers.snapshot().protocols[&protocol].clone()
    }

    /// The carrier's id of a message of ours, where it was told ours.
    ///
    /// # Panics
    /// When the carriers have no such message.
    pub fn carrier_id(&self, message: &str) -> String {
        let records = self.carriers.records();
        let ours = records
            .iter()
            .find(|record| record.submitted.echo.contains(message));
        ours.expect("the message was submitted").id.to_string()
    }

    /// Waits until the daemon's SMPP carrier is bound.
    pub async fn bound(&self) {
        eventually("the message center has a bind", BOUND, async || {
            (self.counts(Protocol::Smpp).binds > 0).then_some(())
        })
        .await;
    }

    /// Waits until no callback is waiting to be sent or acknowledged.
    pub async fn settled(&self) {
        eventually("every callback is acknowledged", BOUND, async || {
            (self.carriers.snapshot().pending == 0).then_some(())
        })
        .await;
    }

    /// Steers the carriers, as `POST /control` does.
    pub async fn control(&self, change: &Value) {
        self.post("/control", change, 200).await;
    }

    /// Lets a peer write, the way of the protocol.
    pub async fn inbound(&self, protocol: &str, from: &str, to: &str, body: &str, parts: u8) {
        let inbound = json!({
            "protocol": protocol, "from": from, "to": to, "body": body, "parts": parts,
        });
        self.post("/control/inbound", &inbound, 202).await;
    }

    async fn post(&self, path: &str, body: &Value, status: u16) {
        let url = format!("http://{}{path}", self.carriers.http());
        let request = request(hyper::Method::POST, &url, None, Some(body));
        let answer = Client::new().exchange(request).await;
        answer.expect("the carriers answer").expect(status);
    }
}
