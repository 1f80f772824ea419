//! How the caller watches and stops a build.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// Why there is no graph, or there are no lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildError {
    /// `Control::cancel` was set.
    Cancelled,
    /// Row numbers must fit 32 bits.
    TooManyRows,
}

/// The phases of a build, in order: those of a graph, then those of lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Phase {
    /// Not begun.
    Idle = 0,
    /// Finding identical rows.
    Copies = 1,
    /// Arranging rows by clusters.
    Order = 2,
    /// Nearest candidates, by leaves.
    Near = 3,
    /// Far candidates, by sampled columns.
    Far = 4,
    /// Thinning the candidates of each row.
    Prune = 5,
    /// Mirroring edges and thinning again.
    Reverse = 6,
    /// Attaching what cannot be reached.
    Connect = 7,
    /// Finding the centroids of lists.
    Means = 8,
    /// Giving rows to lists.
    Assign = 9,
}

impl Phase {
    /// All phases in order; the number of a phase is its index.
    pub const ALL: [Self; 10] = [
        Self::Idle,
        Self::Copies,
        Self::Order,
        Self::Near,
        Self::Far,
        Self::Prune,
        Self::Reverse,
        Self::Connect,
        Self::Means,
        Self::Assign,
    ];
}

/// Shared between the build and whoever watches it.
#[derive(Debug, Default)]
pub struct Control {
    /// Set by the caller to stop the build; every thread looks at it at least every few milliseconds.
    pub cancel: AtomicBool,
    /// The [`Phase`] as a number.
    pub phase: AtomicU32,
    /// Units of work done in this phase.
    pub done: AtomicU64,
    /// Units of work of this phase.
    pub total: AtomicU64,
}

impl Control {
    /// Enters a phase of `total` units.
    pub(crate) fn enter(&self, phase: Phase, total: u64) -> Result<(), BuildError> {
        self.done.store(0, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
        self.phase.store(phase as u32, Ordering::Relaxed);
        self.check()
    }

    /// Reports finished units.
    pub(crate) fn advance(&self, units: u64) {
        self.done.fetch_add(units, Ordering::Relaxed);
    }

    /// Fails once the caller asked to stop.
    pub(crate) fn check(&self) -> Result<(), BuildError> {
        if self.cancel.load(Ordering::Relaxed) { Err(BuildError::Cancelled) } else { Ok(()) }
    }
}
