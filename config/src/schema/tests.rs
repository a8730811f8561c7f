//! The table of what is allowed and the structs of the settings agree.

use toml::{Table, Value};

use super::*;
use crate::secret::Secret;
use crate::sections::{
    AbuseSettings, AccountSettings, CarrierSettings, HostedNumber, MailSettings, RouteSettings,
    SmppSettings, SmtpSettings, TargetSettings, TelnyxSettings, TwilioSettings, WebhookSettings,
    WhatsAppNumber, WhatsAppSettings,
};
use crate::settings::Settings;

/// Settings in which every key is present, also those that may be left out.
fn complete() -> Table {
    let account = AccountSettings {
        name: "Example Ltd".to_owned(),
        rate_per_second: Some(1),
        burst: Some(1),
        wallet_micros: Some(1),
        api_key: Some(secret()),
        numbers: vec![HostedNumber::default()],
    };
    let route = RouteSettings {
        numbers: vec!["+493023125000".to_owned()],
        targets: vec![TargetSettings {
            tier: Some(0),
            ..TargetSettings::default()
        }],
        ..RouteSettings::default()
    };
    let settings = Settings {
        carriers: vec![carrier()],
        routes: vec![route],
        accounts: vec![account],
        webhooks: WebhookSettings {
            allowed_networks: vec!["127.0.0.0/8".to_owned()],
            ..WebhookSettings::default()
        },
        abuse: AbuseSettings {
            destinations: vec!["NL".to_owned()],
            ..AbuseSettings::default()
        },
        mail: MailSettings {
            smtp: SmtpSettings {
                password: secret(),
                password_file: "secret".into(),
                ..SmtpSettings::default()
            },
            ..MailSettings::default()
        },
        ..Settings::default()
    };
    Table::try_from(settings).unwrap()
}

/// A carrier of every protocol, and with every secret twice, which only the table refuses.
fn carrier() -> CarrierSettings {
    let file = || std::path::PathBuf::from("secret");
    let telnyx = TelnyxSettings {
        api_key: secret(),
        api_key_file: file(),
        ..TelnyxSettings::default()
    };
    let twilio = TwilioSettings {
        auth_token: secret(),
        auth_token_file: file(),
        api_key_secret: secret(),
        api_key_secret_file: file(),
        ..TwilioSettings::default()
    };
    let whatsapp = WhatsAppSettings {
        access_token: secret(),
        access_token_file: file(),
        app_secret: secret(),
        app_secret_file: file(),
        verify_token: secret(),
        verify_token_file: file(),
        numbers: vec![WhatsAppNumber::default()],
        ..WhatsAppSettings::default()
    };
    let smpp = SmppSettings {
        password: secret(),
        password_file: file(),
        ..SmppSettings::default()
    };
    CarrierSettings {
        telnyx: Some(telnyx),
        twilio: Some(twilio),
        whatsapp: Some(whatsapp),
        smpp: Some(smpp),
        ..CarrierSettings::default()
    }
}

fn secret() -> Secret {
    Secret::new("0123456789abcdefghij")
}

/// Calls `visit` with every leaf rule and its path, descending the first entry of lists.
fn leaves(rules: &'static [Rule], path: &str, visit: &mut dyn FnMut(String, &'static Allowed)) {
    for rule in rules {
        let path = format!("{path}/{}", rule.key);
        match &rule.allowed {
            Allowed::Section(inner) => leaves(inner, &path, visit),
            Allowed::List { rules, .. } => leaves(rules, &format!("{path}/0"), visit),
            leaf => visit(path, leaf),
        }
    }
}

fn at<'t>(table: &'t mut Value, path: &str) -> Option<&'t mut Value> {
    path.split('/')
        .skip(1)
        .try_fold(table, |value, key| match key.parse::<usize>() {
            Ok(index) => value.get_mut(index),
            Err(_) => value.get_mut(key),
        })
}

fn count_leaves(value: &Value) -> usize {
    match value {
        Value::Table(table) => table.values().map(count_leaves).sum(),
        Value::Array(entries) => entries.iter().map(count_leaves).sum(),
        _ => 1,
    }
}

#[test]
fn every_setting_has_a_rule_and_every_rule_a_setting() {
    let mut settings = Value::Table(complete());
    let mut rules = 0;
    leaves(ROOT, "", &mut |path, _| {
        rules += 1;
        assert!(
            at(&mut settings, &path).is_some(),
            "{path} is in no settings"
        );
    });
    assert_eq!(rules, count_leaves(&settings));
}

#[test]
fn every_bound_fits_the_type_of_its_setting() {
    leaves(ROOT, "", &mut |path, allowed| {
        let candidates = match allowed {
            Allowed::Whole { min, max, .. } => vec![Value::from(*min), Value::from(*max)],
            Allowed::OneOf(words) => words.iter().map(|word| Value::from(*word)).collect(),
            _ => Vec::new(),
        };
        for candidate in candidates {
            let mut settings = Value::Table(complete());
            *at(&mut settings, &path).unwrap() = candidate.clone();
            let taken = settings.try_into::<Settings>();
            assert!(taken.is_ok(), "{path} = {candidate}: {taken:?}");
        }
    });
}
