//! Why a message is where it is: about a dozen stable reasons that every carrier's codes map to.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $code:literal;)*) => {
        /// A stable reason, the same whatever the carrier.
        ///
        /// The order is that of the join: of two claims with different reasons the later variant stays.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Reason {
            $($(#[$doc])* #[serde(rename = $code)] $name,)*
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Reason] = &[$(Reason::$name,)*];

            /// The word in public JSON and in metric labels.
            pub fn as_str(self) -> &'static str {
                match self { $(Reason::$name => $word,)* }
            }
        }
    };
}

reasons! {
    /// The carrier gave no cause that we know.
    Unknown = "unknown", "?";
    /// It waits longer for its turn than we promise.
    Delayed = "delayed", "l";
    /// No receipt came by the carrier's deadline; one may still come.
    Unconfirmed = "unconfirmed", "n";
    /// Submitted without an answer: the carrier may have it.
    InDoubt = "in_doubt", "d";
    /// The carrier told us to slow down.
    Throttled = "throttled", "t";
    /// The carrier failed inside.
    CarrierError = "carrier_error", "c";
    /// The validity period ended first.
    Expired = "expired", "e";
    /// The handset could not be reached.
    Unreachable = "unreachable", "u";
    /// The carrier refused it.
    Rejected = "rejected", "r";
    /// A filter took it for spam.
    Spam = "spam", "s";
    /// The peer or the carrier blocks the sender.
    Blocked = "blocked", "b";
    /// The peer opted out.
    OptedOut = "opted_out", "o";
    /// WhatsApp's window is closed.
    WindowClosed = "window_closed", "w";
    /// No such destination.
    InvalidDestination = "invalid_destination", "i";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
