//! An SMPP 3.4 message center: binds, submits, queries, and `deliver_sm` with receipts and inbound messages.
//!
//! Receipts belong to the system id that submitted, not to its connection: what is not acknowledged when a connection
//! falls goes to the next bind, as a store-and-forward center does it.

pub mod esme;
pub mod ids;
pub mod outbound;
pub mod session;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use super::world::World;

/// Pause after a connection could not be accepted, in milliseconds.
const ACCEPT_PAUSE_MS: u64 = 50;

/// Accepts connections, for as long as the carriers run.
pub async fn serve(world: Arc<World>, listener: TcpListener) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
            continue;
        };
        // Without it answers are slower, nothing else.
        let _ = stream.set_nodelay(true);
        tokio::spawn(session::run(Arc::clone(&world), stream));
    }
}
