//! Carriers by HTTP from outside: submits go in and real sockets answer; callbacks go to their doors.

mod call;
mod kit;
mod lifecycle;
mod secure;
mod telnyx_door;
mod telnyx_inbound;
mod telnyx_send;
mod twilio_door;
mod twilio_inbound;
mod twilio_send;
mod verdict;
