//! Distances and blocks of distances, for every instruction set.
