//! Vectors to codes, and distances from a query to codes.
