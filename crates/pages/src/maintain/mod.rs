//! Moving rows: from pending pages into segments, and from segments into larger ones.
//!
//! Both are one job: read the live rows of some sources, build a segment of them, put it into the manifest in the
//! sources' place. A flush's sources are sealed chains, a merge's are segments.
//!
//! ```text
//! seal (flush) | load | prepare (threads) | claim | write | commit
//! ```
//!
//! # Locks
//! The caller holds, for the whole job, the lock of its kind: one flush, one merge of flat segments and one merge of
//! graphs at a time, which may run beside each other. (A merge of graphs takes long, and flat segments must not wait
//! for it.) Around claim, commit and each step of [`BulkDelete`] it holds the space lock too, so that one process at
//! a time gives blocks out, retires them or marks rows in segments. Readers and appenders take none of these.
//!
//! # Space
//! The manifest says which blocks are in use: segments, chains, the pool for pending pages, claims, and retired
//! blocks. What is below [`Meta::blocks`] and in none of them is free. Nothing else records free space, so nothing
//! can disagree with it, and what a job that did not end leaves behind is free as soon as the next job of its kind
//! claims.
//!
//! A claim names the blocks that a job is about to write, so that the job beside it leaves them alone. Blocks of
//! sources are *retired* with a stamp, and keep their content until PostgreSQL's horizon has passed it, as btree's
//! deleted pages do. The stamp is the job's own transaction if it has one, else the next, read with the meta page
//! locked for its change. Whoever has read an older manifest has a snapshot from before. Its xmin is no later than the
//! stamp: a transaction that was running then, as the job's own may have been, or had yet to come. And the horizon is
//! no later than any xmin. So on the primary nobody meets a page that changed its meaning.
//!
//! The next transaction would always do, but its stamp is passed only after one more, and what a statement retires
//! should be of use to the VACUUM behind it. The oldest that runs would not: it may be a lazy VACUUM's, which snapshots
//! and horizon leave out; nor may the job's own be one. The horizon leaves out workers that have given up their
//! snapshot and replicas, too: VACUUM and workers read pages of segments and chains under the locks above only, and
//! on a replica the number on every page tells that it is another one.
//!
//! # Interleavings
//! - *Append and flush.* See [`crate::pending`]: sealing is one record, and an appender notices it under the page's
//!   lock.
//! - *Vacuum and job.* Marks that vacuum sets in a source while the job runs are found by reading the sources' marks
//!   again before the commit, under the space lock, and are set in the new segment before it becomes reachable.
//!   Vacuum takes the space lock for each chain and segment, and reads the manifest again until it has seen every
//!   number in it; rows only move into segments with new numbers, so none slips through between two steps.
//! - *Reuse of heap TIDs.* A TID that vacuum has marked may be given to a new row, whose entry goes to an open chain.
//!   Marks are compared by position in the sources, not by TID, so the new row's entry is never taken for the old
//!   one.
//! - *Flush and merge.* Each changes only what is its own in the manifest: its sources, its claim, one new entry.
//! - *Crash.* Before the commit's record the sources are in the manifest, after it the new segment is: the record
//!   covers the meta page only, and the segment's pages are durable before it. The list of retired blocks is durable
//!   before it, too. A crash between the records of a seal leaves some chains sealed, which readers and the next
//!   flush treat as such.

mod bulk_delete;
mod claim;
mod commit;
mod job;
mod policy;
mod sources;
mod space;

pub use bulk_delete::{BulkDelete, Marked};
pub use claim::Slot;
pub use job::{Host, Outcome, Step, Task, run};
pub use policy::{Lane, Limits, backlog, due, empty, graph_rows, is_passing, tier_segments, whole};
pub use sources::{LoadError, Sources};
pub(crate) use space::retired_runs;
pub use space::{Usage, usage};

#[cfg(doc)]
use crate::format::meta::Meta;

/// When blocks may be used again.
pub trait Horizon {
    /// The stamp for blocks that leave the manifest now.
    fn stamp(&self) -> u64;
    /// Whether nobody is left who can have read a manifest from before this stamp.
    fn is_past(&self, stamp: u64) -> bool;
}

/// Why rows are moved, as the meta page has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Cause {
    /// Pending rows take too much space.
    Size = 1,
    /// There are too many pending rows.
    Count = 2,
    /// The oldest pending row is too old.
    Age = 3,
    /// VACUUM passed by.
    Vacuum = 4,
    /// Somebody asked for it.
    Request = 5,
    /// There are too many segments.
    Segments = 6,
    /// Too many rows are dead.
    Dead = 7,
}
