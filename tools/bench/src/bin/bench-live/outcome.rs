//! What can fail, across threads.

use std::error::Error;

/// A result whose error may come from another thread.
pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;
