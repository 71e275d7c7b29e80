//! Addresses that do not accept: the set of them that routers want, compared with what the kernel's table says.
//!
//! What is new is written before the slice that may set the address, what is of no use any more when no order is left
//! that may remove one. Nothing is asked of the kernel while no router wants any.

use crate::clock;
use crate::error::Refusal;
use crate::ledger::Ledger;
use crate::nftables::{Alert, Key, Nftables, Noticed, Sentry, is_loaded, lacking};
use model::Filter;
use node::io::{Fact, FilterState, Filtering, Place, RouterId, Unfiltered};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use timeline::Instant;

/// Whoever removes the table again and again finds it back after this.
const PEACE: Duration = Duration::from_millis(100);
/// What the kernel refused is asked for again after this, then after twice as long …
const RETRY: Duration = Duration::from_secs(1);
/// … and this at most.
const LONGEST: Duration = Duration::from_secs(60);

pub(super) struct Closer {
    kernel: Option<Nftables>,
    sentry: Option<Sentry>,
    alert: Box<dyn Fn() -> Alert + Send>,
    tell: Box<dyn Fn(Fact) + Send>,
    /// What the configuration asks for; `None`: nothing.
    filter: Option<Filter>,
    /// The table says what is in `closed`.
    in_force: bool,
    /// No table of an earlier run is here.
    swept: bool,
    wanted: HashMap<RouterId, Arc<[Place]>>,
    /// So many routers want this one closed.
    counts: BTreeMap<Key, u32>,
    closed: BTreeSet<Key>,
    to_close: BTreeSet<Key>,
    to_open: BTreeSet<Key>,
    /// When the table is to be written anew.
    again_at: Option<Instant>,
    patience: Duration,
    repaired_at: Option<Instant>,
    repairs: u64,
    /// Somebody has changed the table, and it is not yet put back.
    is_repair: bool,
    /// There is something to close that was not tried yet.
    is_urgent: bool,
    by: Option<String>,
    /// What the node was told last.
    filtering: Filtering,
}

impl Closer {
    /// `tell` takes what the node is to be told, `alert` makes what the watch over the table calls.
    pub(super) fn new(tell: Box<dyn Fn(Fact) + Send>, alert: Box<dyn Fn() -> Alert + Send>) -> Self {
        Self {
            kernel: None,
            sentry: None,
            alert,
            tell,
            filter: None,
            in_force: false,
            swept: false,
            wanted: HashMap::new(),
            counts: BTreeMap::new(),
            closed: BTreeSet::new(),
            to_close: BTreeSet::new(),
            to_open: BTreeSet::new(),
            again_at: None,
            patience: RETRY,
            repaired_at: None,
            repairs: 0,
            is_repair: false,
            is_urgent: false,
            by: None,
            filtering: Filtering::default(),
        }
    }

    /// Takes what a configuration asks for.
    pub(super) fn configure(&mut self, filter: Option<Filter>) {
        if self.filter != filter {
            if filter.is_some() {
                self.doubt();
            }
            (self.again_at, self.patience) = (None, RETRY);
        }
        self.filter = filter;
    }

    /// Of this router exactly these are to be closed.
    pub(super) fn want(&mut self, router: RouterId, places: Arc<[Place]>) {
        for key in places.iter().map(Key::of) {
            let count = self.counts.entry(key).or_default();
            *count += 1;
            if *count == 1 && !self.to_open.remove(&key) && !self.closed.contains(&key) {
                self.to_close.insert(key);
                self.is_urgent = true;
            }
        }
        let before =
            if places.is_empty() { self.wanted.remove(&router) } else { self.wanted.insert(router, places) };
        for key in before.iter().flat_map(|places| places.iter()).map(Key::of) {
            let Some(count) = self.counts.get_mut(&key) else { continue };
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&key);
                if !self.to_close.remove(&key) {
                    self.to_open.insert(key);
                }
            }
        }
    }

    /// What the table says is not known any more; it may still be there.
    fn doubt(&mut self) {
        (self.in_force, self.swept) = (false, false);
    }

    /// Somebody has changed the table, or may have: it is written anew.
    pub(super) fn disturbed(&mut self, noticed: Noticed) {
        let now = clock::now();
        if !self.in_force {
            // Perhaps what was in the way has gone.
            self.again_at = self.again_at.map(|at| at.min(now + PEACE));
            return;
        }
        self.doubt();
        if let Noticed::Change(by) = noticed {
            self.is_repair = true;
            self.by = by;
        }
        let earliest = self.repaired_at.map_or(now, |at| at + PEACE);
        self.again_at = Some(earliest.max(now));
    }

    /// When there is something to do though no order comes.
    pub(super) const fn due(&self) -> Option<Instant> {
        self.again_at
    }

    /// Closes what is to be closed: before any address is set.
    pub(super) fn close(&mut self, ledger: &Ledger) {
        if self.filter.is_none() {
            return;
        }
        if self.in_force {
            if self.to_close.is_empty() {
                return;
            }
            if self.change(true).is_ok() {
                self.closed.append(&mut self.to_close);
                return self.tell(FilterState::InForce);
            }
            // Perhaps the table has just been removed.
            self.doubt();
            self.again_at = None;
        }
        // An address that is about to be set does not wait for the next try.
        let is_urgent = std::mem::take(&mut self.is_urgent);
        if self.again_at.is_none_or(|at| clock::now() >= at) || is_urgent {
            self.write(ledger);
        }
    }

    /// Opens what is to be opened: no address is left on its way out.
    pub(super) fn open(&mut self, ledger: &Ledger) {
        if self.filter.is_none() {
            let is_time = self.again_at.is_none_or(|at| clock::now() >= at);
            if self.in_force || !self.swept && is_time {
                self.sweep(ledger);
            }
            return;
        }
        if !self.in_force || self.to_open.is_empty() {
            return;
        }
        if self.change(false).is_ok() {
            let opened = std::mem::take(&mut self.to_open);
            self.closed.retain(|key| !opened.contains(key));
            self.tell(FilterState::InForce);
        } else {
            self.doubt();
            self.write(ledger);
        }
    }

    /// This is the end: the table goes, unless an address stays that it is for.
    pub(super) fn end(&mut self, ledger: &Ledger) {
        if self.counts.is_empty() && (self.in_force || self.filter.is_some() || ledger.has_filter()) {
            self.sweep(ledger);
        }
    }

    fn change(&mut self, adds: bool) -> Result<(), Refusal> {
        let keys = if adds { &self.to_close } else { &self.to_open };
        match (&mut self.kernel, &self.filter) {
            (Some(kernel), Some(filter)) => kernel.change(filter, keys, adds),
            _ => Err(Refusal::new(libc::ENOENT)),
        }
    }

    /// Writes the whole table.
    fn write(&mut self, ledger: &Ledger) {
        // What may not be gone yet stays closed.
        let keys: BTreeSet<Key> = self.counts.keys().chain(&self.to_open).copied().collect();
        ledger.note_filter(true);
        match self.replace(&keys) {
            Ok(()) => {
                self.closed = keys;
                self.to_close.clear();
                (self.in_force, self.swept) = (true, true);
                (self.again_at, self.patience) = (None, RETRY);
                self.repaired_at = Some(clock::now());
                self.repairs += u64::from(std::mem::take(&mut self.is_repair));
                self.is_urgent = false;
                self.tell(FilterState::InForce);
            }
            Err(why) => {
                if matches!(why, Unfiltered::Absent(_)) {
                    ledger.note_filter(false);
                }
                self.wait();
                self.tell(FilterState::Lacking(why));
            }
        }
    }

    fn replace(&mut self, keys: &BTreeSet<Key>) -> Result<(), Unfiltered> {
        let refused =
            |why: crate::Error| lacking(&Refusal::new(why.errno().map_or(libc::EIO, |errno| errno.0)));
        let Some(filter) = &self.filter else { return Ok(()) };
        let kernel = match &mut self.kernel {
            Some(kernel) => kernel,
            none => none.insert(Nftables::open().map_err(refused)?),
        };
        // Before the table is there: nothing that happens to it is missed.
        match &self.sentry {
            Some(sentry) => sentry.watch(&filter.table),
            None => {
                let sentry = Sentry::start(&filter.table, kernel.port(), (self.alert)());
                self.sentry = Some(sentry.map_err(refused)?);
            }
        }
        kernel.replace(filter, keys)
    }

    /// The next try comes later than the last one did.
    fn wait(&mut self) {
        self.again_at = Some(clock::now() + self.patience);
        self.patience = (self.patience * 2).min(LONGEST);
    }

    /// Removes the table, and what earlier runs left.
    fn sweep(&mut self, ledger: &Ledger) {
        self.doubt();
        // Where nobody has loaded nftables there is no table, and asking would load it.
        if self.kernel.is_none() && (ledger.has_filter() || is_loaded()) {
            self.kernel = Nftables::open().ok();
        }
        match self.kernel.as_mut().map_or(Ok(()), Nftables::sweep) {
            Ok(()) => ledger.note_filter(false),
            Err(why) => {
                self.wait();
                return self.tell(FilterState::Stays(why.errno));
            }
        }
        self.swept = true;
        (self.again_at, self.patience) = (None, RETRY);
        self.closed.clear();
        self.to_open.clear();
        self.to_close = self.counts.keys().copied().collect();
        self.tell(FilterState::Off);
    }

    fn tell(&mut self, state: FilterState) {
        let batches = self.kernel.as_ref().map_or(0, Nftables::batches);
        let news = Filtering { state, batches, repairs: self.repairs, by: self.by.clone() };
        if news != self.filtering {
            self.filtering = news.clone();
            (self.tell)(Fact::Filter(news));
        }
    }
}
