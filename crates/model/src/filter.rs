//! How packets for addresses that do not accept are dropped.

use alloc::string::String;

/// The nftables table that drops them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Its name, of the family `inet` (`nftables NAME`): letters, digits and `_./-`, a letter first, 1..=255 bytes.
    pub table: String,
    /// Priority of its chains (`nftables_priority`).
    pub priority: i32,
    /// It counts what it drops and what it lets pass (`nftables_counters`).
    pub counters: bool,
}

impl Filter {
    /// The name of the table when none is written.
    pub const USUAL: &str = "standfast";

    /// Whether a table can have this name, and nft(8) can say it.
    #[must_use]
    pub fn is_name(text: &str) -> bool {
        let rest = |byte: u8| byte.is_ascii_alphanumeric() || b"_./-".contains(&byte);
        text.len() <= 255
            && text.bytes().next().is_some_and(|first| first.is_ascii_alphabetic())
            && text.bytes().all(rest)
    }
}

impl Default for Filter {
    fn default() -> Self {
        Self { table: Self::USUAL.into(), priority: -1, counters: false }
    }
}
