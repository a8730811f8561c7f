//! The first start: the accounts of the settings, or a demo account that works at once.

use std::path::Path;

use anyhow::Context;
use didfarm_config::Settings;
use didfarm_core::account::RateLimit;
use didfarm_core::e164::{E164, Validation};
use didfarm_core::ids::AccountId;
use didfarm_core::money::Micros;
use didfarm_runtime::EngineHandle;
use didfarm_runtime::operate::{NewAccount, NewNumber};

/// The demo account's name.
const DEMO_NAME: &str = "Demo";
/// The demo account's numbers: Dutch, SMS and WhatsApp enabled.
pub(crate) const DEMO_NUMBERS: [&str; 2] = ["+31201234567", "+31207654321"];
/// Where the demo's example goes.
pub(crate) const DEMO_PEER: &str = "+31612345678";
/// Fixes the demo account's key.
pub(crate) const DEMO_KEY_VARIABLE: &str = "DIDFARM_DEMO_API_KEY";

/// A key that a first start made.
pub(crate) struct MadeKey {
    /// The account's name.
    pub(crate) account: String,
    /// The key, seen this once.
    pub(crate) key: String,
    /// Whether it is the demo's.
    pub(crate) demo: bool,
}

/// Fills a store that has no key yet. What an interrupted first start left behind is used: the keys,
/// which end a first start, are made last.
///
/// # Errors
/// A key or a number that does not fit.
pub(crate) async fn first_start(
    engine: &EngineHandle,
    settings: &Settings,
) -> anyhow::Result<Vec<MadeKey>> {
    if settings.accounts.is_empty() {
        return Ok(vec![make_demo(engine, settings).await?]);
    }
    let mut accounts = Vec::new();
    for account in &settings.accounts {
        let rate_limit = match (account.rate_per_second, account.burst) {
            (None, None) => None,
            (rate, burst) => Some(RateLimit {
                per_second: rate.unwrap_or(settings.limits.rate_per_second),
                burst: burst.unwrap_or(settings.limits.burst),
            }),
        };
        let id = account_named(engine, &account.name, rate_limit).await?;
        for number in &account.numbers {
            host(engine, id, &number.e164, number.sms, number.whatsapp).await?;
        }
        fund(engine, id, account.wallet_micros.unwrap_or(0)).await?;
        accounts.push((id, account));
    }
    let mut made = Vec::new();
    for (id, account) in accounts {
        let given = account.api_key.as_ref().map(|key| key.expose().to_owned());
        let made_here = given.is_none();
        let key = engine
            .create_key(id, given)
            .await
            .with_context(|| format!("the key of {}", account.name))?;
        if made_here {
            made.push(MadeKey {
                account: account.name.clone(),
                key: key.secret,
                demo: false,
            });
        }
    }
    Ok(made)
}

async fn make_demo(engine: &EngineHandle, settings: &Settings) -> anyhow::Result<MadeKey> {
    let id = account_named(engine, DEMO_NAME, None).await?;
    for number in DEMO_NUMBERS {
        host(engine, id, number, true, true).await?;
    }
    fund(engine, id, settings.price.demo_wallet_micros).await?;
    let given = std::env::var(DEMO_KEY_VARIABLE)
        .ok()
        .filter(|key| !key.is_empty());
    let key = engine
        .create_key(id, given)
        .await
        .with_context(|| format!("the key in {DEMO_KEY_VARIABLE}"))?;
    Ok(MadeKey {
        account: DEMO_NAME.into(),
        key: key.secret,
        demo: true,
    })
}

/// The account of this name, made if need be.
async fn account_named(
    engine: &EngineHandle,
    name: &str,
    rate_limit: Option<RateLimit>,
) -> anyhow::Result<AccountId> {
    if let Some(known) = engine
        .accounts()
        .await
        .into_iter()
        .find(|account| account.name == name)
    {
        return Ok(known.id);
    }
    let new = NewAccount {
        name: name.into(),
        rate_limit,
        email: None,
    };
    Ok(engine
        .create_account(new)
        .await
        .with_context(|| format!("the account {name}"))?
        .id)
}

async fn host(
    engine: &EngineHandle,
    account: AccountId,
    e164: &str,
    sms: bool,
    whatsapp: bool,
) -> anyhow::Result<()> {
    let e164 = E164::parse(e164, Validation::Syntax).context("a number of the settings")?;
    if engine.number_by_e164(account, e164).is_none() {
        let new = NewNumber {
            account,
            e164,
            active: true,
            sms,
            whatsapp,
        };
        engine
            .add_number(new)
            .await
            .with_context(|| format!("the number {e164}"))?;
    }
    Ok(())
}

async fn fund(engine: &EngineHandle, account: AccountId, micros: u64) -> anyhow::Result<()> {
    let known = engine
        .accounts()
        .await
        .into_iter()
        .find(|known| known.id == account);
    let empty = known.is_none_or(|known| known.balance == Micros::ZERO);
    if micros > 0 && empty {
        let amount = Micros::new(i64::try_from(micros).context("the wallet's amount")?);
        engine
            .top_up(account, amount)
            .await
            .context("the wallet's amount")?;
    }
    Ok(())
}

/// What a newcomer reads.
pub(crate) fn welcome(made: &[MadeKey], listen: std::net::SocketAddr, data_dir: &Path) {
    for MadeKey { account, key, demo } in made {
        eprintln!("\nAPI key of the account {account} (it is shown this once): {key}");
        if *demo {
            eprintln!(
                "It owns {} and {}, on a simulated carrier: nothing leaves this machine. Try it:\n\n\
                 curl -X POST http://{listen}/api/v1/sms/messages \\\n  \
                 -H \"Authorization: Bearer {key}\" \\\n  \
                 -H \"Content-Type: application/json\" \\\n  \
                 -d '{{\"from\": \"{}\", \"to\": \"{DEMO_PEER}\", \"body\": \"Hello from didfarm!\"}}'\n\n\
                 and then:\n\n\
                 curl -H \"Authorization: Bearer {key}\" http://{listen}/api/v1/portal/sms\n\n\
                 Everything is kept in {}.",
                DEMO_NUMBERS[0],
                DEMO_NUMBERS[1],
                DEMO_NUMBERS[0],
                data_dir.display(),
            );
        }
    }
}
