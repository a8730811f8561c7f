//! The SMPP client from outside, over real sockets: against another implementation's SMSC, and against a
//! puppet that does what no well-behaved SMSC does.

mod foreign;
mod leaving;
mod puppet;
mod receiving;
mod recording;
mod segments;
mod speed;
mod submitting;
mod tls;
mod trouble;
