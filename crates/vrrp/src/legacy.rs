//! What a router leaves to the one that goes on in its place when its process ends without a word.

use crate::router::Leader;
use timeline::Instant;
use wire::Interval;

/// Where a router stood when it was last heard of, as far as that is of use to its successor on the same host.
///
/// No RFC knows this: for the other routers nothing has happened, and that is the point. A successor of an Active
/// router goes on as Active only before any of them can have taken its silence for its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Legacy {
    /// It was Backup.
    Backup {
        /// Active_Adver_Interval as it was learnt.
        interval: Interval,
        /// Whom it followed.
        leader: Option<Leader>,
    },
    /// It was Active.
    Active {
        /// The interval of its adverts.
        interval: Interval,
        /// From then on another router may have taken over: an Active_Down_Interval without skew after its last advert.
        until: Instant,
        /// When its next advert was due.
        advertise_at: Instant,
    },
}
