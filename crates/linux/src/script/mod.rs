//! Scripts: programs of the administrator's that the supervisor runs for its worker.
//!
//! The node decides when one runs and when it has had its time; the worker's [`Runner`] passes that on; a thread of
//! the supervisor, the [`Spawner`], starts, ends and reaps. So nothing that a script does, and no file system and no
//! user database that does not answer, can delay an advert or a signal.
//!
//! A script runs in a session and process group of its own, reads and writes `/dev/null`, has no other
//! descriptor, no blocked and no ignored signal, an ordinary scheduling and the rights of its user. It gets SIGTERM
//! when the supervisor dies. What it has started lives on, except at a timeout, for what stayed in its group.

pub mod account;
pub mod message;
pub mod path;
mod runner;
mod spawner;

pub use account::{Accounts, Identity};
pub use runner::Runner;
pub use spawner::{Spawner, channel};
