//! Lets go of what is held in memory alone and says nothing any more.

use std::time::Duration;

use crate::shared::Shared;

/// How often it is looked for. Reads of the records that go on take far less.
pub(crate) const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Looks through the counts and pools of every account, and for numbers that got well in silence.
pub(crate) fn sweep(engine: &Shared) {
    let (now, applied) = (engine.now(), engine.keeper.applied());
    for account in engine.directory.accounts() {
        engine.abuse.sweep(&account, now);
        account.pools().sweep(applied);
    }
    engine.settle_health();
}
