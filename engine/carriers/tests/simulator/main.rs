//! The simulator from outside: submits go in, a recording sink says what came out.

mod fates;
mod lifecycle;
mod recording;
mod shares;
mod timing;
