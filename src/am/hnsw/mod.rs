//! The `hnsw` access method: a manifest over immutable graph segments, and pending rows.
//!
//! # What is where
//! `handler` is the table of callbacks; each callback file turns PostgreSQL's pointers into the types of the page
//! layer and lets that do the work. `cache` is what a backend keeps of an index between statements.
//!
//! # Why no interleaving gives a wrong row
//! - *Scan and insert.* A row that a snapshot can see was inserted, and its index entry appended, before the snapshot
//!   was taken, hence before the scan reads the meta page. Whatever is appended later is invisible to it.
//! - *Scan, flush and merge.* See `pages::maintain`: a scan keeps the manifest that it read, and the pages that it
//!   names keep what they hold while the scan's snapshot lives. On a standby nothing keeps them; a scan that meets a
//!   page with another number than it expects stops with an error that asks to try again.
//! - *Scan and build.* Segments become part of the index by one record on the meta page; before it nothing refers
//!   to their pages. A scan reads the meta page once.
//! - *Scan and vacuum; reuse of TIDs.* A scan may hold TIDs in memory, without pins, that vacuum then removes and
//!   the heap gives to new rows. A row that vacuum removes is dead to every snapshot, the scan's included, and a row
//!   that gets its TID was inserted after the scan's snapshot: the heap fetch finds nothing visible. This holds for
//!   MVCC snapshots only, so scans refuse others.
//! - *Insert and vacuum.* Vacuum marks entries whose TIDs are on its list; TIDs on the list are not reused before
//!   vacuum has passed over all indexes. An entry appended meanwhile has another TID. An entry that was marked stays
//!   marked when its TID is reused: the new row has an entry of its own.
//! - *Crash.* Each change is one generic WAL record; an entry appended by a transaction that did not commit points
//!   to a heap tuple that is dead and that vacuum will collect.
//! - *Standby.* Replay applies whole records in order; a scan there reads the same states as on the primary.
//! - *HOT updates* add no entry: the column did not change, and the root TID leads to the visible version.

mod build;
mod cache;
pub mod command;
mod cost;
pub mod handler;
mod insert;
pub mod inspect;
pub mod maintain;
mod opclass;
pub mod options;
mod scan;
mod timed;
mod vacuum;
mod validate;
pub mod worker;
