//! Meta's webhook as it is written: a type for each object of it, with the members that we read.
//!
//! Everything is read in one typed pass that borrows its texts from the body; where that fails, what can
//! be read is read all the same ([`super::tolerant`]). Depth needs no bound of ours: typed reading goes as
//! deep as these types, and the parser skips all else without recursion.

use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::Error;
use serde_json::value::RawValue;

use super::tolerant::{Code, Text, Tolerant, object};

/// The fields whose changes we act upon.
const FIELDS: [&str; 2] = ["messages", "user_preferences"];

object! {
    /// The whole body.
    Envelope { object: Text<'a>, entry: Vec<Entry<'a>>, }
}

object! {
    /// What concerns one WhatsApp Business Account.
    Entry { changes: Vec<Change<'a>>, }
}

/// One change; we act upon those of [`FIELDS`].
#[derive(Debug, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(super) struct Change<'a> {
    pub(super) field: Option<Text<'a>>,
    pub(super) value: Option<Value<'a>>,
}

impl Change<'_> {
    /// Whether it is of a field that we act upon.
    pub(super) fn is_ours(&self) -> bool {
        let field = self.field.as_deref();
        field.is_none_or(|field| FIELDS.contains(&field))
    }
}

impl<'a> Tolerant<'a> for Change<'a> {
    fn tolerant(raw: &'a RawValue, malformed: &mut u32) -> Option<Self> {
        #[derive(Deserialize)]
        struct Members<'a> {
            #[serde(default, borrow)]
            field: Option<&'a RawValue>,
            #[serde(default, borrow)]
            value: Option<&'a RawValue>,
        }

        let members: Members<'a> = serde_json::from_str(raw.get()).ok()?;
        let mut change = Change {
            field: members.field.and_then(|raw| Text::tolerant(raw, malformed)),
            value: None,
        };
        // The value of another field has a shape of its own, which is no fault.
        if change.is_ours() {
            change.value = members
                .value
                .and_then(|raw| Value::tolerant(raw, malformed));
        }
        Some(change)
    }
}

object! {
    /// The value of a change of `messages`, or of `user_preferences`.
    Value {
        metadata: Metadata<'a>,
        contacts: Vec<Contact<'a>>,
        messages: Vec<Message<'a>>,
        statuses: Vec<Status<'a>>,
        user_preferences: Vec<UserPreference<'a>>,
        errors: Vec<GraphError<'a>>,
    }
}

object! {
    /// Our number.
    Metadata { display_phone_number: Text<'a>, phone_number_id: Text<'a>, }
}

object! {
    /// Who wrote.
    Contact { profile: Profile<'a>, wa_id: Text<'a>, user_id: Text<'a>, }
}

object! {
    /// What they call themselves.
    Profile { name: Text<'a>, }
}

object! {
    /// What became of a message of ours. Pricing and conversation are not looked at.
    Status {
        id: Text<'a>,
        status: Text<'a>,
        biz_opaque_callback_data: Text<'a>,
        errors: Vec<GraphError<'a>>,
    }
}

object! {
    /// Whether somebody wants messages of a category.
    UserPreference {
        wa_id: Text<'a>,
        user_id: Text<'a>,
        detail: Text<'a>,
        category: Text<'a>,
        value: Text<'a>,
        timestamp: Code,
    }
}

object! {
    /// An error: its code is what decides.
    GraphError { code: Code, }
}

object! {
    /// A message from a peer: the member that `type` names says what it holds.
    Message {
        from: Text<'a>,
        from_user_id: Text<'a>,
        from_parent_user_id: Text<'a>,
        id: Text<'a>,
        kind as "type": Text<'a>,
        text: TextBody<'a>,
        image: MediaObject<'a>,
        video: MediaObject<'a>,
        audio: MediaObject<'a>,
        document: MediaObject<'a>,
        sticker: MediaObject<'a>,
        location: Place<'a>,
        contacts: Vec<Card<'a>>,
        interactive: Interactive<'a>,
        button: Button<'a>,
        reaction: Reaction<'a>,
        order: Order<'a>,
        system: TextBody<'a>,
        unsupported: Named<'a>,
    }
}

object! {
    /// A text: of `text` and of `system`.
    TextBody { body: Text<'a>, }
}

object! {
    /// An attachment. Its link lives five minutes and wants our access token.
    MediaObject {
        id: Text<'a>,
        mime_type: Text<'a>,
        sha256: Text<'a>,
        caption: Text<'a>,
        filename: Text<'a>,
        url: Text<'a>,
    }
}

object! {
    /// A place; its degrees come as numbers or as strings.
    Place {
        latitude: &'a RawValue,
        longitude: &'a RawValue,
        name: Text<'a>,
        address: Text<'a>,
    }
}

object! {
    /// An address card.
    Card { name: CardName<'a>, phones: Vec<CardPhone<'a>>, emails: Vec<CardEmail<'a>>, }
}

object! {
    /// The name on an address card.
    CardName { formatted_name: Text<'a>, }
}

object! {
    /// A number on an address card.
    CardPhone { phone: Text<'a>, wa_id: Text<'a>, }
}

object! {
    /// An e-mail address on an address card.
    CardEmail { email: Text<'a>, }
}

object! {
    /// A choice from what we offered.
    Interactive {
        kind as "type": Text<'a>,
        button_reply: Choice<'a>,
        list_reply: Choice<'a>,
        nfm_reply: FormReply<'a>,
        call_permission_reply: CallPermission<'a>,
    }
}

object! {
    /// The button or the row that was chosen.
    Choice { id: Text<'a>, title: Text<'a>, }
}

object! {
    /// A form that was filled in.
    FormReply { body: Text<'a>, response_json: Text<'a>, }
}

object! {
    /// Whether we may call.
    CallPermission { response: Text<'a>, }
}

object! {
    /// A template's quick reply.
    Button { text: Text<'a>, payload: Text<'a>, }
}

object! {
    /// A reaction; without an emoji it is taken back.
    Reaction { emoji: Text<'a>, }
}

object! {
    /// An order from a catalogue.
    Order { text: Text<'a>, product_items: Vec<OrderItem<'a>>, }
}

object! {
    /// One line of an order.
    OrderItem {
        product_retailer_id: Text<'a>,
        quantity: &'a RawValue,
        item_price: &'a RawValue,
        currency: Text<'a>,
    }
}

object! {
    /// What a message of type `unsupported` would have been.
    Named { kind as "type": Text<'a>, }
}

/// Reads a body: the envelope, and how many elements of it cannot be read.
///
/// # Errors
/// It is no JSON, or no object.
pub(super) fn parse(body: &[u8]) -> Result<(Envelope<'_>, u32), serde_json::Error> {
    if let Ok(envelope) = serde_json::from_slice(body) {
        return Ok((envelope, 0));
    }
    let raw: &RawValue = serde_json::from_slice(body)?;
    let mut malformed = 0;
    match Envelope::tolerant(raw, &mut malformed) {
        Some(envelope) => Ok((envelope, malformed)),
        None => Err(serde_json::Error::custom("not an object")),
    }
}
