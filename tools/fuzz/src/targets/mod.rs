//! What is fuzzed, one target per kind of input.

mod arrays;
mod binary;
mod collections;
mod filters;
mod functions;
mod large;
mod options;
mod rows;
mod settings;
mod text;
mod typmod;

use crate::literal::Type;
use crate::random::Random;
use crate::run::Run;
use crate::session::Failure;

/// One kind of input.
pub trait Target {
    /// Makes what the cases need; called again on a new connection.
    ///
    /// # Errors
    /// As the server says.
    fn prepare(&mut self, run: &mut Run) -> Result<(), Failure>;

    /// Cases that take a fraction of a second.
    fn quick_cases(&self) -> u64 {
        1000
    }

    /// One case. What is wrong is told to `run`.
    ///
    /// # Errors
    /// If the connection is lost, or something failed that must not.
    fn case(&mut self, random: &mut Random, number: u64, run: &mut Run) -> Result<(), Failure>;
}

/// A name, and how to make the target.
pub type Entry = (&'static str, fn() -> Box<dyn Target>);

/// Every target by its name.
pub static TARGETS: [Entry; 16] = [
    ("vector_in", || Box::new(text::Text::new(Type::Vector))),
    ("halfvec_in", || Box::new(text::Text::new(Type::Halfvec))),
    ("sparsevec_in", || Box::new(text::Text::new(Type::Sparsevec))),
    ("vector_recv", || Box::new(binary::Binary::new(Type::Vector))),
    ("halfvec_recv", || Box::new(binary::Binary::new(Type::Halfvec))),
    ("sparsevec_recv", || Box::new(binary::Binary::new(Type::Sparsevec))),
    ("typmod", || Box::new(typmod::Typmod)),
    ("arrays", || Box::new(arrays::Arrays)),
    ("options", || Box::new(options::Options)),
    ("settings", || Box::new(settings::Settings)),
    ("functions", || Box::new(functions::Functions::default())),
    ("damaged", || Box::new(functions::Functions::damaged())),
    ("rows", || Box::new(rows::Rows)),
    ("filters", || Box::new(filters::Filters::default())),
    ("collections", || Box::new(collections::Collections)),
    ("large", || Box::new(large::Large)),
];
