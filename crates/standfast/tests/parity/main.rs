//! The simulator's kernel and Linux: the same deeds on both, and every answer, notice and table compared.
//!
//! A number decides what happens: interfaces come, go, and change, an administrator sets and removes addresses, the hand
//! carries out orders, notifications are lost, daemons die. On Linux that happens in private network namespaces, with the
//! hand and the monitor of the daemon. After each happening both must have answered the same, told the
//! same in the same order, and list the same interfaces and addresses in the same order.
#![expect(clippy::unwrap_used, reason = "a panic is how a test says that it failed")]
#![expect(clippy::wildcard_enum_match_arm, reason = "most facts are compared as they are")]

mod plan;
mod real;
mod two;

use lab::Lab;
use lab::harness::{Outcome, Test, skip};
use std::process::ExitCode;
use two::Two;

/// Happenings of one seed.
const HAPPENINGS: usize = 200;
/// So many seeds are tried.
const SEEDS: u64 = 16;
/// Names one seed to be tried instead.
const SEED: &str = "STANDFAST_PARITY_SEED";

fn main() -> ExitCode {
    let one = std::env::var(SEED).ok().and_then(|text| text.parse().ok());
    let seeds = one.map_or(0..SEEDS, |seed: u64| seed..seed + 1);
    let test = |seed| {
        Test::new(format!("the_same_happens_on_linux_and_in_the_simulator::{seed}"), move || parity(seed))
    };
    lab::harness::main(seeds.map(test).collect())
}

fn parity(seed: u64) -> Outcome {
    if !is_recent() {
        return Err(skip("the simulator's kernel does what Linux 6.3 and later do"));
    }
    let lab = Lab::builder().machine_with("host", &[]).machine_with("switch", &[]).build()?;
    let (host, switch) = (lab.machine("host")?, lab.machine("switch")?);
    host.delete_link("eth0")?;
    host.within(|| {
        let mut two = Two::new(seed, switch);
        for _ in 0..HAPPENINGS {
            two.step();
        }
        two.end();
    })?;
    Ok(())
}

/// Older kernels rename no interface that is up, and those before 5.18 keep no marks.
fn is_recent() -> bool {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy();
    let mut numbers =
        release.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(6), Some(3))
}
