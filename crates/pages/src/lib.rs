//! Bytes on pages, and algorithms over pages.
