//! The WhatsApp Cloud API from outside: bodies as Meta documents them, and a carrier on a real socket.

mod answers;
mod damage;
mod farm;
mod genuine;
mod messages;
mod preferences;
mod requests;
mod senders;
mod socket;
mod statuses;
