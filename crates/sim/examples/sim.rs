//! `sim --seed N`: the story of one world. `sim --seeds N`: which of the first N worlds go wrong.
#![allow(clippy::print_stdout, reason = "telling is its purpose")]

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<u64>().ok();
    match words[..] {
        ["--seed", text] if number(text).is_some() => one(number(text).unwrap_or_default()),
        ["--seeds", text] if number(text).is_some() => many(number(text).unwrap_or_default()),
        _ => {
            println!("usage: sim --seed N | --seeds N");
            ExitCode::from(2)
        }
    }
}

fn one(seed: u64) -> ExitCode {
    let run = sim::run(seed);
    print!("{}", run.trace.story());
    match run.violation {
        None => ExitCode::SUCCESS,
        Some(violation) => {
            println!("!!! {violation}");
            ExitCode::FAILURE
        }
    }
}

fn many(seeds: u64) -> ExitCode {
    let mut wrong = 0;
    for seed in 0..seeds {
        if let Some(violation) = sim::run(seed).violation {
            wrong += 1;
            println!("seed {seed}: {violation}");
        }
    }
    println!("{wrong} of {seeds} worlds went wrong");
    if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
