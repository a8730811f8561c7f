//! Breaches of V5: messages, extents, conversations, numbers and accounts that disagree.

use didfarm_core::channel::Channel;
use didfarm_core::ids::{AccountId, ConversationId, Extent, NumberId};
use didfarm_store::records::keys::{self, MAPS};

use crate::farm::{e164, peer};
use crate::rich::{OTHER_PEER, Rich};
use crate::shelves::{alter_meta, put, remove};
use crate::{Case, check};

const CONVERSATION: fn(&Rich) -> String = |rich| rich.conversation.to_string();
const OTHER: fn(&Rich) -> String = |rich| rich.other.to_string();
const QUEUED: fn(&Rich) -> String = |rich| rich.queued.to_string();
const INBOUND: fn(&Rich) -> String = |rich| rich.inbound.to_string();

#[test]
fn v5_messages_and_conversations_agree() {
    check(&[
        Case {
            name: "a message of a conversation that is none",
            invariants: &["V5"],
            subject: QUEUED,
            alter: |rich| {
                rich.alter_message(rich.queued, |message| {
                    message.conversation = ConversationId(99)
                })
            },
        },
        Case {
            name: "a message in another conversation's extent",
            invariants: &["V5"],
            subject: QUEUED,
            alter: |rich| {
                rich.alter_message(rich.queued, |message| message.conversation = rich.other)
            },
        },
        Case {
            name: "a message to another peer",
            invariants: &["V5"],
            subject: QUEUED,
            alter: |rich| rich.alter_message(rich.queued, |message| message.to = peer(OTHER_PEER)),
        },
        Case {
            name: "an inbound message from another peer",
            invariants: &["V5"],
            subject: INBOUND,
            alter: |rich| {
                rich.alter_message(rich.inbound, |message| message.from = peer("+441632960961"))
            },
        },
        Case {
            name: "a message from another number",
            invariants: &["V5"],
            subject: QUEUED,
            alter: |rich| {
                rich.alter_message(rich.queued, |message| message.from = peer(OTHER_PEER))
            },
        },
        Case {
            name: "a message with another number's id",
            invariants: &["V5", "V6", "V8"],
            subject: QUEUED,
            alter: |rich| rich.alter_message(rich.queued, |message| message.number = rich.foreign),
        },
        Case {
            name: "a message of another account",
            invariants: &["V5", "V2", "V6", "V8"],
            subject: QUEUED,
            alter: |rich| rich.alter_message(rich.queued, |message| message.account = rich.rival),
        },
        Case {
            name: "a hole in the ordinals",
            invariants: &["V5", "V2", "V6", "V8", "V10"],
            subject: |rich| rich.submitting.to_string(),
            alter: |rich| remove(&rich.records, MAPS.messages, &keys::id(rich.queued.get())),
        },
        Case {
            name: "an ordinal that is given out and has no message",
            invariants: &["V5"],
            subject: |rich| format!("extent {}", rich.conversation.0),
            alter: |rich| {
                rich.alter_conversation(rich.conversation, |conversation| {
                    conversation.ordinal += 1;
                    conversation.messages += 1;
                });
            },
        },
        Case {
            name: "an ordinal that would be given out twice",
            invariants: &["V5"],
            subject: |rich| format!("extent {}", rich.conversation.0),
            alter: |rich| {
                rich.alter_conversation(rich.conversation, |conversation| {
                    conversation.ordinal -= 1;
                    conversation.messages -= 1;
                });
            },
        },
        Case {
            name: "a count of messages",
            invariants: &["V5"],
            subject: CONVERSATION,
            alter: |rich| {
                rich.alter_conversation(rich.conversation, |conversation| {
                    conversation.messages += 1
                })
            },
        },
        Case {
            name: "an extent that is not its own",
            invariants: &["V5", "V10"],
            subject: CONVERSATION,
            alter: |rich| {
                let row = keys::extent(rich.conversation, Extent(50));
                put(&rich.records, MAPS.extents, &row, Some(Vec::new()));
                alter_meta(&rich.records, |meta| meta.counts.extents += 1);
            },
        },
        Case {
            name: "a conversation in an extent that it does not have",
            invariants: &["V5"],
            subject: CONVERSATION,
            alter: |rich| {
                rich.alter_conversation(rich.conversation, |conversation| {
                    conversation.extent = Extent(50)
                })
            },
        },
        Case {
            name: "extents of a conversation that is none",
            invariants: &["V5"],
            subject: |_| ConversationId(99).to_string(),
            alter: |rich| {
                let row = keys::extent(ConversationId(99), Extent(100));
                put(&rich.records, MAPS.extents, &row, Some(Vec::new()));
                alter_meta(&rich.records, |meta| {
                    meta.counts.extents += 1;
                    meta.extent_next = 101;
                });
            },
        },
        Case {
            name: "more unread than came",
            invariants: &["V5"],
            subject: OTHER,
            alter: |rich| {
                rich.alter_conversation(rich.other, |conversation| conversation.unread = 3)
            },
        },
        Case {
            name: "another last activity",
            invariants: &["V5", "V8"],
            subject: OTHER,
            alter: |rich| {
                rich.alter_conversation(rich.other, |conversation| {
                    conversation.last_activity.0 -= 1
                })
            },
        },
        Case {
            name: "a WhatsApp window that nobody opened",
            invariants: &["V5"],
            subject: CONVERSATION,
            alter: |rich| {
                rich.alter_conversation(rich.conversation, |conversation| {
                    conversation.whatsapp_inbound_at = Some(conversation.last_activity);
                });
            },
        },
        Case {
            name: "a channel that it has not seen",
            invariants: &["V5", "V8"],
            subject: CONVERSATION,
            alter: |rich| {
                rich.alter_conversation(rich.conversation, |conversation| {
                    conversation.channels = 0b11
                })
            },
        },
        Case {
            name: "another last channel",
            invariants: &["V5"],
            subject: OTHER,
            alter: |rich| {
                rich.alter_conversation(rich.other, |conversation| {
                    conversation.last_channel = Channel::WhatsApp
                })
            },
        },
        Case {
            name: "an inbound message known that is another's",
            invariants: &["V5"],
            subject: OTHER,
            alter: |rich| {
                rich.alter_conversation(rich.other, |conversation| {
                    conversation.inbound_known[0].2 = rich.queued
                })
            },
        },
        Case {
            name: "a conversation on a number that is none",
            invariants: &["V5", "V7", "V8"],
            subject: OTHER,
            alter: |rich| {
                rich.alter_conversation(rich.other, |conversation| {
                    conversation.number = NumberId(99)
                })
            },
        },
        Case {
            name: "a conversation of another account than its number",
            invariants: &["V5", "V8"],
            subject: OTHER,
            alter: |rich| {
                rich.alter_conversation(rich.other, |conversation| {
                    conversation.account = rich.account
                })
            },
        },
        Case {
            name: "a number of an account that is none",
            invariants: &["V5", "V23"],
            subject: |rich| rich.number.to_string(),
            alter: |rich| rich.alter_number(rich.number, |number| number.account = AccountId(99)),
        },
        Case {
            name: "one number hosted twice",
            invariants: &["V5"],
            subject: |rich| rich.foreign.to_string(),
            alter: |rich| {
                rich.alter_number(rich.foreign, |number| number.e164 = e164("+31201234567"))
            },
        },
    ]);
}
