//! Numbers that neighbours cannot foresee, from one that the driver draws.

/// A sequence that its first number decides (`SplitMix64`). It hides discriminators from who only guesses; it is no
/// cipher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chance(u64);

impl Chance {
    /// The sequence of a number.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A name for a session: any number but 0 (BVAR-3).
    pub const fn discriminator(&mut self) -> u32 {
        let [a, b, c, d, ..] = self.draw().to_be_bytes();
        let drawn = u32::from_be_bytes([a, b, c, d]);
        if drawn == 0 { 1 } else { drawn }
    }

    /// From `least` to below `end`, each as likely; `least` if there is nothing between.
    pub const fn between(&mut self, least: u64, end: u64) -> u64 {
        let room = end.saturating_sub(least);
        if room == 0 { least } else { least + self.draw() % room }
    }
}
