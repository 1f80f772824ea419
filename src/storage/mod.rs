//! The page layer on PostgreSQL: buffers and generic WAL behind `pages::pager`.

mod bulk;
mod claimed;
mod pager;

pub use bulk::{BulkPages, write_init_fork};
pub use claimed::ClaimedPages;
pub use pager::{RelationPager, Stop};
