//! What the laboratory could not do, in one sentence for the person who reads a failed test or demonstration.

use std::io;
use std::time::Duration;

/// A `Result` of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the laboratory could not do, and why.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A laboratory can only be built inside: after [`enter`](crate::enter).
    #[error("the laboratory was not entered: nothing is built in the machine's own network")]
    Outside,
    /// A system call was refused.
    #[error("cannot {doing}: {why}")]
    System {
        /// What was tried.
        doing: String,
        /// Why not.
        why: io::Error,
    },
    /// The kernel refused to change the network.
    #[error(transparent)]
    Network(#[from] linux::Error),
    /// What was waited for did not come in time.
    #[error("{what}: not within {within:?}{}", detail(.seen))]
    Late {
        /// What was waited for.
        what: String,
        /// How long.
        within: Duration,
        /// What was seen instead, if that helps.
        seen: String,
    },
    /// Text that should be an address with a prefix length.
    #[error("{0:?} is no address with a prefix length (such as 10.0.0.5/24)")]
    NoCidr(String),
    /// There is no machine of that name, or two.
    #[error("the laboratory has no machine {0} (or more than one)")]
    NoMachine(String),
}

fn detail(seen: &str) -> String {
    if seen.is_empty() { String::new() } else { format!("\n{seen}") }
}

impl Error {
    /// A refused system call.
    pub(crate) fn system(doing: impl Into<String>, why: impl Into<io::Error>) -> Self {
        Self::System { doing: doing.into(), why: why.into() }
    }
}
