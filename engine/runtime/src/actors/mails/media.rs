//! The files of a forwarded message: where each lies, and fetching them for its mail.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use didfarm_carriers::whatsapp::media_link;
use didfarm_config::{ProtocolSettings, Settings};
use didfarm_core::channel::Channel;
use didfarm_core::content::Media;
use didfarm_core::message::Message;
use didfarm_mail::compose::{ATTACHMENTS_MAX, Attachment};
use didfarm_webhooks::{
    AddressGuard, FetchError, Fetched, Fetcher, SenderSettings, SystemResolver,
};
use tokio::time::{Instant, timeout_at};

/// How long all files of a mail together may take.
const FILES_TIME_MAX: Duration = Duration::from_secs(30);
/// The longest answer that says where a file lies, in bytes.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// What a file without a name is called.
const UNNAMED: &str = "attachment";

/// Where a file lies.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// Behind this link.
    Link(Box<str>),
    /// Behind the link that WhatsApp's answer to this one holds.
    Graph(Box<str>),
}

/// A file of a message.
#[derive(Debug, Clone)]
pub(crate) struct File {
    /// What is said of it when it is not attached.
    said: String,
    name: Box<str>,
    media_type: Option<Box<str>>,
    bytes: Option<u64>,
    place: Option<Place>,
    /// What is shown to the server: a value of `Authorization`.
    authorization: Option<Box<str>>,
}

impl File {
    /// The files of a message, by the carrier that brought it.
    pub(crate) fn of(settings: &Settings, message: &Message) -> Vec<File> {
        let carriers = &settings.carriers;
        let carrier = carriers
            .iter()
            .find(|carrier| Some(carrier.carrier_id()) == message.brought_by);
        let protocol = carrier.map(|carrier| carrier.protocol());
        let media = message.content.iter().flat_map(|content| &content.media);
        media
            .map(|media| File::new(protocol.as_ref(), message.channel, media))
            .collect()
    }

    fn new(protocol: Option<&ProtocolSettings<'_>>, channel: Channel, media: &Media) -> File {
        let mut file = File {
            said: String::new(),
            name: media.filename.clone().unwrap_or_else(|| UNNAMED.into()),
            media_type: media.content_type.clone(),
            bytes: media.bytes,
            place: media.url.clone().map(Place::Link),
            authorization: None,
        };
        let is_public = match protocol {
            Some(ProtocolSettings::WhatsApp(whatsapp)) => {
                let graph = |id: &str| format!("{}/{}/{id}", whatsapp.base_url, whatsapp.version);
                let id = media.id.as_deref().filter(|id| is_plain(id));
                file.place = id.map(|id| Place::Graph(graph(id).into()));
                let token = whatsapp.access_token.expose();
                file.authorization = Some(format!("Bearer {token}").into());
                false
            }
            Some(ProtocolSettings::Twilio(twilio)) => {
                let is_own = |url: &str| {
                    let rest = url.strip_prefix(&*twilio.base_url);
                    rest.is_some_and(|rest| rest.starts_with('/'))
                };
                if media.url.as_deref().is_some_and(is_own) {
                    let (name, secret) = match twilio.api_key_sid.is_empty() {
                        true => (&twilio.account_sid, &twilio.auth_token),
                        false => (&twilio.api_key_sid, &twilio.api_key_secret),
                    };
                    let basic = BASE64_STANDARD.encode(format!("{name}:{}", secret.expose()));
                    file.authorization = Some(format!("Basic {basic}").into());
                }
                false
            }
            Some(ProtocolSettings::Telnyx(_) | ProtocolSettings::Smpp(_)) => true,
            // The carrier is none of the settings' any more: nobody knows whose links these are.
            None => channel == Channel::Sms,
        };
        let kind = media.content_type.as_deref().unwrap_or("a file");
        file.said = match &media.url {
            Some(url) if is_public => url.to_string(),
            Some(_) | None => format!("{kind}, kept by the carrier: see the inbox"),
        };
        file
    }
}

/// Whether an id of the carrier's can stand in a path.
fn is_plain(id: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    !id.is_empty() && id.bytes().all(fits)
}

/// What goes with a mail, and what is said of what does not.
#[derive(Default)]
pub(crate) struct Enclosed {
    pub(crate) attachments: Vec<Attachment>,
    pub(crate) said: Vec<String>,
}

impl Enclosed {
    /// Nothing is attached: everything is said.
    pub(crate) fn said_of(files: &[File]) -> Enclosed {
        Enclosed {
            attachments: Vec::new(),
            said: files.iter().map(|file| file.said.clone()).collect(),
        }
    }
}

/// Fetches files.
pub(crate) struct Files {
    settings: SenderSettings,
    /// The most bytes of all files of a mail together; 0 for none.
    bytes_max: usize,
}

impl Files {
    pub(crate) fn new(settings: SenderSettings, bytes_max: usize) -> Files {
        Files {
            settings,
            bytes_max,
        }
    }

    /// Fetches what fits. A file that cannot be had keeps no mail back: it is said where it is.
    pub(crate) async fn fetch(&self, files: &[File], guard: &Arc<AddressGuard>) -> Enclosed {
        let is_wanted = |file: &File| file.place.is_some();
        if self.bytes_max == 0 || !files.iter().any(is_wanted) {
            return Enclosed::said_of(files);
        }
        let resolver = Arc::new(SystemResolver::new());
        let fetcher = match Fetcher::new(&self.settings, Arc::clone(guard), resolver) {
            Ok(fetcher) => fetcher,
            Err(error) => {
                tracing::error!(%error, "files of messages cannot be fetched");
                return Enclosed::said_of(files);
            }
        };
        let until = Instant::now() + FILES_TIME_MAX;
        let mut enclosed = Enclosed::default();
        let mut room = self.bytes_max;
        for file in files {
            let has_room = enclosed.attachments.len() < ATTACHMENTS_MAX
                && file.bytes.is_none_or(|bytes| bytes <= room as u64);
            let fetched = match (has_room, &file.place) {
                (true, Some(place)) => {
                    let fetching = fetch(&fetcher, file, place, room);
                    let ended = timeout_at(until, fetching).await;
                    ended.unwrap_or(Err(FetchError::TimedOut))
                }
                (false, _) => Err(FetchError::TooLarge { bytes_max: room }),
                (true, None) => {
                    enclosed.said.push(file.said.clone());
                    continue;
                }
            };
            match fetched {
                Ok(fetched) => {
                    room -= fetched.bytes.len();
                    enclosed.attachments.push(attachment(file, fetched));
                }
                Err(error) => {
                    tracing::info!(%error, "a file of a message is not attached to its mail");
                    enclosed.said.push(file.said.clone());
                }
            }
        }
        enclosed
    }
}

async fn fetch(
    fetcher: &Fetcher,
    file: &File,
    place: &Place,
    bytes_max: usize,
) -> Result<Fetched, FetchError> {
    let authorization = file.authorization.as_deref();
    let link = match place {
        Place::Link(link) => link.clone(),
        Place::Graph(graph) => {
            let answer = fetcher
                .fetch(graph, authorization, ANSWER_BYTES_MAX)
                .await?;
            media_link(&answer.bytes).ok_or(FetchError::Redirected)?
        }
    };
    fetcher.fetch(&link, authorization, bytes_max).await
}

fn attachment(file: &File, fetched: Fetched) -> Attachment {
    let media_type = file.media_type.clone().or(fetched.media_type);
    Attachment {
        name: file.name.to_string(),
        media_type: media_type.map_or_else(String::new, String::from),
        bytes: fetched.bytes,
    }
}
