//! Skew_Time and Active_Down_Interval, exact to the nanosecond (TM-1 to TM-8).
//!
//! Nothing is cut to centiseconds: at an interval of 10 ms a step of priority is 39 µs of skew, and cutting
//! would make all skews equal and lose the order in which backups take over.

use timeline::Duration;
use wire::{Interval, Priority, Version};

/// Skew_Time: how much later than the best possible backup a router of this priority takes over.
///
/// Version 3 scales it with the Active router's interval (TM-1); version 2 always counts in 1/256 s (TM-3).
#[must_use]
pub fn skew(version: Version, interval: Interval, priority: Priority) -> Duration {
    let whole = match version {
        Version::V2 => Interval::SECOND.duration(),
        Version::V3 => interval.duration(),
    };
    // At most 255 * 255 s: far below overflow of `Duration`.
    whole * (256 - u32::from(priority.0)) / 256
}

/// Active_Down_Interval (Master_Down_Interval): silence for this long means that the Active router is gone
/// (TM-2, TM-4). `adverts` is 3 in the RFC.
#[must_use]
pub fn down(version: Version, interval: Interval, priority: Priority, adverts: u8) -> Duration {
    interval.duration() * u32::from(adverts) + skew(version, interval, priority)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn centis(n: u16) -> Interval {
        Interval::from_centis(n).unwrap()
    }

    /// Table 3.2 of the conformance file, in nanoseconds.
    #[test]
    fn tm_1_tm_2_tm_8_version_3_values_are_exact() {
        for (interval, priority, skew_ns, down_ns) in [
            (1, 254, 78_125, 30_078_125),
            (1, 200, 2_187_500, 32_187_500),
            (1, 100, 6_093_750, 36_093_750),
            (1, 1, 9_960_937, 39_960_937),
            (10, 254, 781_250, 300_781_250),
            (10, 200, 21_875_000, 321_875_000),
            (10, 150, 41_406_250, 341_406_250),
            (10, 100, 60_937_500, 360_937_500),
            (10, 1, 99_609_375, 399_609_375),
            (50, 150, 207_031_250, 1_707_031_250),
            (100, 255, 3_906_250, 3_003_906_250),
            (100, 254, 7_812_500, 3_007_812_500),
            (100, 200, 218_750_000, 3_218_750_000),
            (100, 150, 414_062_500, 3_414_062_500),
            (100, 100, 609_375_000, 3_609_375_000),
            (100, 1, 996_093_750, 3_996_093_750),
            (1000, 100, 6_093_750_000, 36_093_750_000),
            (4095, 254, 319_921_875, 123_169_921_875),
            (4095, 100, 24_953_906_250, 147_803_906_250),
            (4095, 1, 40_790_039_062, 163_640_039_062_u64),
        ] {
            let (i, p) = (centis(interval), Priority(priority));
            assert_eq!(skew(Version::V3, i, p), Duration::from_nanos(skew_ns), "skew {interval} {priority}");
            assert_eq!(
                down(Version::V3, i, p, 3),
                Duration::from_nanos(down_ns),
                "down {interval} {priority}"
            );
        }
    }

    /// Table 3.3 of the conformance file.
    #[test]
    fn tm_3_tm_4_version_2_values_ignore_the_interval_in_the_skew() {
        for (seconds, priority, skew_ns, down_ns) in [
            (1, 254, 7_812_500, 3_007_812_500),
            (1, 200, 218_750_000, 3_218_750_000),
            (1, 150, 414_062_500, 3_414_062_500),
            (1, 100, 609_375_000, 3_609_375_000),
            (1, 1, 996_093_750, 3_996_093_750),
            (3, 100, 609_375_000, 9_609_375_000),
            (255, 100, 609_375_000, 765_609_375_000_u64),
        ] {
            let (i, p) = (Interval::from_secs(seconds).unwrap(), Priority(priority));
            assert_eq!(skew(Version::V2, i, p), Duration::from_nanos(skew_ns));
            assert_eq!(down(Version::V2, i, p, 3), Duration::from_nanos(down_ns));
        }
    }

    #[test]
    fn down_adverts_counts_the_missed_adverts() {
        let five = down(Version::V2, Interval::SECOND, Priority(100), 5);
        assert_eq!(five, Duration::from_nanos(5_609_375_000));
    }
}
