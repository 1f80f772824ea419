//! Nearest-neighbour algorithms on abstract stores.
