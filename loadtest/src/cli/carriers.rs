//! `loadtest carriers`: the other side of every protocol.

use std::io::Write as _;
use std::net::SocketAddr;

use clap::Args;
use didfarm_loadtest::carriers::record::MESSAGES_KEPT_DEFAULT;
use didfarm_loadtest::carriers::{Addresses, Carriers, CarriersPlan, Faults, IdSpelling};
use didfarm_loadtest::{Keys, Target};
use serde_json::json;

use super::AnyError;

/// The keys that callbacks are signed with; each has a published test value by default.
#[derive(Args)]
pub struct KeyArgs {
    /// The seed of the Ed25519 key of Telnyx, base64 of 32 bytes.
    #[arg(
        long,
        visible_alias = "key",
        value_name = "BASE64",
        hide_env_values = true,
        env = "LOADTEST_TELNYX_SEED"
    )]
    pub telnyx_seed: Option<String>,
    /// The auth token of Twilio [default: didfarm-loadtest-twilio-token].
    #[arg(
        long,
        visible_alias = "token",
        value_name = "TOKEN",
        hide_env_values = true,
        env = "LOADTEST_TWILIO_TOKEN"
    )]
    pub twilio_token: Option<String>,
    /// The app secret of WhatsApp [default: didfarm-loadtest-whatsapp-secret].
    #[arg(
        long,
        visible_alias = "secret",
        value_name = "SECRET",
        hide_env_values = true,
        env = "LOADTEST_WHATSAPP_SECRET"
    )]
    pub whatsapp_secret: Option<String>,
}

impl KeyArgs {
    /// The keys.
    pub fn keys(&self) -> Result<Keys, AnyError> {
        let mut keys = Keys::default();
        if let Some(seed) = &self.telnyx_seed {
            keys.set_telnyx(seed)?;
        }
        if let Some(token) = &self.twilio_token {
            keys.twilio.clone_from(token);
        }
        if let Some(secret) = &self.whatsapp_secret {
            keys.whatsapp.clone_from(secret);
        }
        Ok(keys)
    }
}

/// Where to listen and how to behave. `POST /control` changes the behaviour and the webhooks while it runs.
#[derive(Args)]
pub struct CarriersArgs {
    /// Where Telnyx, Twilio, WhatsApp and /control listen; port 0 takes any.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where the SMPP message center listens; port 0 takes any.
    #[arg(long, default_value = "127.0.0.1:0")]
    smpp_listen: SocketAddr,
    /// WhatsApp's webhook: where statuses and inbound messages go.
    #[arg(long, value_name = "URL")]
    callback: Option<String>,
    /// Telnyx' webhook for inbound messages; statuses go to the webhook_url of each message.
    #[arg(long, value_name = "URL")]
    inbound_telnyx: Option<String>,
    /// Twilio's webhook for inbound messages; statuses go to the StatusCallback of each message.
    #[arg(long, value_name = "URL")]
    inbound_twilio: Option<String>,
    /// A WhatsApp sender, as PHONE_NUMBER_ID=+31201234567; give one per sender.
    #[arg(long = "whatsapp-number", value_name = "ID=NUMBER", value_parser = parse_number)]
    whatsapp_numbers: Vec<(String, String)>,
    /// Connects here for every callback, whatever host its URL names; signatures are over the URL all the same.
    #[arg(long, value_name = "http://HOST:PORT")]
    deliver_to: Option<String>,
    #[command(flatten)]
    keys: KeyArgs,
    #[command(flatten)]
    faults: Faults,
    /// Statuses in one WhatsApp webhook at most.
    #[arg(long, default_value_t = 1)]
    batch: usize,
    /// How often a callback is sent before it is given up.
    #[arg(long, default_value_t = 10)]
    attempts: u32,
    /// Callbacks under way at once.
    #[arg(long, default_value_t = 16)]
    callback_connections: usize,
    /// How the message center spells message ids.
    #[arg(long, value_enum, default_value_t = IdSpelling::Decimal)]
    smpp_ids: IdSpelling,
    /// The password that binds need; any is taken without it.
    #[arg(long, hide_env_values = true, env = "LOADTEST_SMPP_PASSWORD")]
    smpp_password: Option<String>,
    /// What the dice start from: the same seed gives the same faults.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Messages that can be asked for at most; older ones are forgotten, their receipts come all the same.
    #[arg(long, default_value_t = MESSAGES_KEPT_DEFAULT)]
    messages_kept: usize,
}

fn parse_number(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .filter(|(id, number)| !id.is_empty() && number.starts_with('+'))
        .map(|(id, number)| (id.to_owned(), number.to_owned()))
        .ok_or_else(|| "write PHONE_NUMBER_ID=+31201234567".to_owned())
}

/// Starts, prints one line of JSON with the addresses and the public key, and runs until the process ends.
///
/// # Errors
/// When a listener cannot be opened or an option cannot be used.
pub fn run(args: &CarriersArgs) -> Result<bool, AnyError> {
    let keys = args.keys.keys()?;
    let public_key = keys.telnyx_public();
    let carriers = Carriers::start(&CarriersPlan {
        listen: args.listen,
        smpp_listen: args.smpp_listen,
        keys,
        addresses: Addresses {
            callback: args.callback.clone(),
            inbound_telnyx: args.inbound_telnyx.clone(),
            inbound_twilio: args.inbound_twilio.clone(),
            numbers: args.whatsapp_numbers.clone(),
        },
        deliver_to: args.deliver_to.as_deref().map(Target::parse).transpose()?,
        faults: args.faults.clone(),
        batch: args.batch,
        attempts_max: args.attempts,
        connections: args.callback_connections,
        ids: args.smpp_ids,
        password: args.smpp_password.clone(),
        seed: args.seed,
        messages_kept: args.messages_kept,
        only_early: false,
    })?;
    let mut out = std::io::stdout().lock();
    let line = json!({
        "http": format!("http://{}", carriers.http()),
        "smpp": carriers.smpp().to_string(),
        "telnyx_public_key": public_key,
        "seed": args.seed,
    });
    writeln!(out, "{line}")?;
    out.flush()?;
    drop(out);
    carriers.run();
    Ok(true)
}
