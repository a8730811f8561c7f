//! Mails and replies of a whole engine, with a store on disk and mail servers on loopback.

mod farm;
mod replies;
mod sending;
mod server;
