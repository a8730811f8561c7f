//! Peers' numbers: Dutch mobiles, by what the simulator does with messages to them.

/// Endings below this have a fate of their own in the simulator.
const PLAIN_ENDING_MIN: u32 = 1_000;
/// How many endings from there on are plain.
const PLAIN_ENDINGS: u32 = 9_000;
/// How many plain peers there are.
pub const PLAIN_PEERS: u32 = 9_000 * PLAIN_ENDINGS;

/// The `n`th peer that messages are delivered to, `n` below [`PLAIN_PEERS`].
pub fn peer(n: u32) -> String {
    debug_assert!(n < PLAIN_PEERS, "there are no more plain peers");
    let (prefix, ending) = (n / PLAIN_ENDINGS, n % PLAIN_ENDINGS + PLAIN_ENDING_MIN);
    format!("+316{:04}{ending:04}", prefix + 1_000)
}

/// A peer whose last four digits are `ending`, which says what becomes of messages to it.
pub fn fated(ending: u16) -> String {
    format!("+3161234{ending:04}")
}
