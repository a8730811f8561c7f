//! The stable codes of problems: each with its status and its title.

use actix_web::http::StatusCode;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $status:literal, $title:literal;)*) => {
        /// What went wrong, for a program to decide by. A code never changes its meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// The word in the member `code` and at the end of the member `type`.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $word,)* }
            }

            /// The status that an answer with this code has.
            pub fn status(self) -> StatusCode {
                let status = match self { $(Code::$name => $status,)* };
                StatusCode::from_u16(status).expect("the table holds statuses only")
            }

            /// The member `title`: one sentence, the same at every occurrence.
            pub fn title(self) -> &'static str {
                match self { $(Code::$name => $title,)* }
            }
        }
    };
}

codes! {
    /// A field or parameter is missing or is not of its type.
    ValidationFailed = "validation_failed", 400, "The request is not valid";
    /// The body is no JSON.
    MalformedJson = "malformed_json", 400, "The body is not valid JSON";
    /// The body has a field that there is not.
    UnknownField = "unknown_field", 400, "The body has an unknown field";
    /// The query has a parameter that there is not.
    UnknownParameter = "unknown_parameter", 400, "The query has an unknown parameter";
    /// The cursor was not made by this list.
    InvalidCursor = "invalid_cursor", 400, "The cursor is not valid";
    /// The body ended before its declared end.
    BodyIncomplete = "body_incomplete", 400, "The body did not arrive whole";
    /// The carrier signed it, and it is not what the carrier's protocol says.
    CallbackUnreadable = "callback_unreadable", 400, "The callback cannot be read";
    /// An idempotency key that is none, or more than one.
    IdempotencyKeyInvalid = "idempotency_key_invalid", 400, "The idempotency key is not valid";
    /// The key is missing or unknown.
    Unauthorized = "unauthorized", 401, "A valid key is required";
    /// The wallet cannot pay.
    InsufficientBalance = "insufficient_balance", 402, "Insufficient wallet balance";
    /// The account has spent as much today as it may; `ends_at` says until when.
    SpendCapReached = "spend_cap_reached", 402, "The daily spend cap is reached";
    /// A callback's signature is missing, wrong or too old.
    SignatureInvalid = "signature_invalid", 403, "The signature is not valid";
    /// The account may not send to the number's country.
    DestinationNotAllowed = "destination_not_allowed", 403, "The destination is not allowed";
    /// The number is of a kind that is not open to the account.
    RangeBlocked = "range_blocked", 403, "The range is blocked";
    /// The account sent too much to the range; `since` says since when it is stopped.
    PrefixStopped = "prefix_stopped", 403, "Messages to this range are stopped";
    /// Only an operator releases what the day or a country stopped.
    ReleaseNotAllowed = "release_not_allowed", 403, "Only an operator can release this";
    /// There is no such thing, or it is another account's.
    NotFound = "not_found", 404, "Not found";
    /// The number is not one that the caller may use.
    NumberUnknown = "number_unknown", 404, "The number is not known";
    /// The account has no such pool.
    PoolUnknown = "pool_unknown", 404, "The pool is not known";
    /// The path has no such method.
    MethodNotAllowed = "method_not_allowed", 405, "The method is not allowed";
    /// The body took too long.
    RequestTimeout = "request_timeout", 408, "The body took too long to arrive";
    /// The number waits for provisioning or verification.
    NumberNotActive = "number_not_active", 409, "Number must be active to enable SMS";
    /// The number's type carries no SMS.
    SmsNotAvailable = "sms_not_available", 409, "SMS not available for this number type";
    /// The channel's toggle is off.
    ChannelDisabled = "channel_disabled", 409, "The channel is not enabled on this number";
    /// WhatsApp's window is closed; `expired_at` says since when.
    WindowClosed = "window_closed", 409, "The 24-hour window is closed";
    /// The peer opted out; `since` says since when.
    OptedOut = "opted_out", 409, "The recipient opted out";
    /// The number is hosted already.
    NumberTaken = "number_taken", 409, "The number is already hosted";
    /// The account has as many keys as it may have.
    TooManyKeys = "too_many_keys", 409, "The account has too many keys";
    /// The account has as many endpoints as it may have.
    TooManyEndpoints = "too_many_endpoints", 409, "The account has too many webhook endpoints";
    /// The account has as many pools as it may have.
    TooManyPools = "too_many_pools", 409, "The account has too many pools";
    /// The number is in another pool; `pool` says in which.
    NumberPooled = "number_pooled", 409, "The number is in another pool";
    /// No number of the pool can send on the channel.
    PoolWithoutSender = "pool_without_sender", 409, "No number of the pool can send";
    /// A recovery of the endpoint goes on already.
    RecoveryRunning = "recovery_running", 409, "A recovery is under way";
    /// No recovery of the endpoint goes on.
    RecoveryNotRunning = "recovery_not_running", 409, "No recovery is under way";
    /// The message no longer waits: it cannot be cancelled, or be given another time.
    MessageUnderWay = "message_under_way", 409, "The message no longer waits";
    /// As many messages are scheduled as may be.
    TooManyScheduled = "too_many_scheduled", 409, "Too many messages are scheduled";
    /// Only a message in doubt can be settled by hand.
    NotInDoubt = "not_in_doubt", 409, "The message is not in doubt";
    /// The first request with the idempotency key is being carried out.
    IdempotencyInProgress = "idempotency_in_progress", 409, "The request is being carried out";
    /// The batch was cancelled; `state` says so.
    BatchState = "batch_state", 409, "The batch does not allow it";
    /// The body or the text in it is too large.
    PayloadTooLarge = "payload_too_large", 413, "The body is too large";
    /// The body is not declared to be JSON.
    UnsupportedMediaType = "unsupported_media_type", 415, "The body must be application/json";
    /// The body is packed.
    UnsupportedEncoding = "unsupported_encoding", 415, "The body must not be encoded";
    /// A telephone number that nothing can be sent to.
    InvalidNumber = "invalid_number", 422, "The telephone number is not valid";
    /// The text is empty.
    BodyEmpty = "body_empty", 422, "The message has no text";
    /// The text has too many characters.
    BodyTooLong = "body_too_long", 422, "The message is too long";
    /// None or several of `from`, `from_number_id` and `from_pool`.
    SenderNotSingle = "sender_not_single", 422, "Exactly one sender is required";
    /// No carrier is routed for the number, the destination and the channel.
    NoRoute = "no_route", 422, "No carrier is routed for this message";
    /// The channel cannot carry the content, or cannot reach the peer.
    ChannelUnfit = "channel_unfit", 422, "The channel cannot carry this message";
    /// An amount that is no amount, not positive or too large.
    AmountInvalid = "amount_invalid", 422, "The amount is not valid";
    /// A name that is empty or too long.
    NameInvalid = "name_invalid", 422, "The name is not valid";
    /// The time that a message is to be sent at is over, or too far ahead.
    SendAtInvalid = "send_at_invalid", 422, "The message cannot be sent at this time";
    /// A rate limit of nothing.
    LimitInvalid = "limit_invalid", 422, "The rate limit is not valid";
    /// An API key that is too short, too long, or in use.
    KeyInvalid = "key_invalid", 422, "The API key is not usable";
    /// A setting of an endpoint that does not fit.
    EndpointUnfit = "endpoint_unfit", 422, "The webhook endpoint cannot be like this";
    /// A URL that nothing may be sent to.
    UrlUnfit = "url_unfit", 422, "Nothing can be sent to this URL";
    /// A range or a pace of a recovery that makes no sense.
    RecoveryUnfit = "recovery_unfit", 422, "The recovery cannot be like this";
    /// Numbers that make no pool.
    PoolNumbersInvalid = "pool_numbers_invalid", 422, "The numbers make no pool";
    /// Auto-reply rules that do not fit.
    AutoReplyInvalid = "auto_reply_invalid", 422, "The auto-reply rules are not valid";
    /// No mail address.
    EmailInvalid = "email_invalid", 422, "The email address is not valid";
    /// A recipient has no value for a placeholder of the text.
    PlaceholderMissing = "placeholder_missing", 422, "A placeholder has no value";
    /// The idempotency key came with another body before.
    IdempotencyKeyReused = "idempotency_key_reused", 422, "The idempotency key was used for another request";
    /// As many messages wait for the account's rate as may.
    BacklogFull = "backlog_full", 429, "Too many messages wait";
    /// The account's rate limit is used up.
    RateLimited = "rate_limited", 429, "The rate limit is used up";
    /// The messages under way use up what may be sent to the range.
    PrefixBusy = "prefix_busy", 429, "Too many messages to this range are under way";
    /// The engine has a fault.
    Internal = "internal", 500, "Internal error";
    /// The request met a fault and was not accepted.
    Faulted = "faulted", 500, "The request met a fault";
    /// As many requests are under way as the engine takes.
    Overloaded = "overloaded", 503, "Too many requests are under way";
    /// The disk is short of space.
    DiskShort = "disk_short", 503, "The disk is short of space";
    /// The daemon is stopping.
    Draining = "draining", 503, "The daemon is stopping";
    /// The number is out of service after repeated faults.
    NumberQuarantined = "number_quarantined", 503, "The number is in quarantine";
    /// The records are too far behind the journal.
    RecordsBehind = "records_behind", 503, "The records are behind";
}
