//! The laboratory: machines with networks of their own, a switch between them, real daemons, real packets, and
//! nothing of it outside.
//!
//! `standfast demo`, the end-to-end tests and the benches run in it. It builds itself from namespaces with
//! system calls only, as root or as an ordinary user, and it vanishes with the process that made it.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! lab::enter()?; // first thing in main
//! let lab = lab::Lab::builder().machine("lb01", "10.0.0.5/24", None).machine("client", "10.0.0.9/24", None).build()?;
//! let client = lab::Client::start(lab.machine("client")?, "10.0.0.5".parse()?)?;
//! client.wait_for_answer(Duration::from_secs(1))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Safety of the machine
//! [`Lab`] refuses to be built before [`enter`]: then the process is in a network namespace with nothing but a
//! loopback interface, so whatever starts in the wrong place finds no network. Besides, every process gets
//! `STANDFAST_FORBID_NETNS`, the machine's own namespace, where this program refuses to start. Signals go only to
//! processes that the laboratory started.
//!
//! # What this is not
//! It is no simulator: time, kernel and packets are real, and so is the noise of a busy machine.
#![deny(unsafe_code)]

mod address;
mod bpf;
mod caller;
pub mod capture;
mod client;
mod clock;
mod daemon;
mod enter;
mod error;
#[cfg(feature = "floor")]
pub mod floor;
#[cfg(feature = "harness")]
pub mod harness;
mod icmp;
mod laboratory;
mod loss;
mod machine;
mod namespaces;
mod processes;
mod stopped;
mod sys;
mod tape;
mod watch;

pub use address::Cidr;
pub use caller::{Call, Caller, Reply};
pub use capture::{Capture, Record};
pub use client::{Answer, Client, Probe, Silence, Span, Timeline};
pub use clock::{Deadline, now};
pub use daemon::{Daemon, Ended, Line};
pub use enter::{Inside, Refusal, enter, inside};
pub use error::{Error, Result};
pub use laboratory::{Builder, Cable, Lab};
pub use loss::{Lossy, Traffic};
pub use machine::Machine;
pub use processes::{Cost, Process};
pub use rustix::process::Signal;
pub use stopped::{stop_thread, thread_of};
pub use tape::Tape;
pub use watch::{Change, Event, Watch};
