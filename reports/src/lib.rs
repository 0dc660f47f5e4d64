//! The result model of a conformance run, and every rendering of it.
//!
//! [`model::Results`] is the only record of a run (`results.json`); every other report is a fold over it. What a run
//! means — [`verdict`] and [`causes`] — is computed here, in one place, from the outcomes of its checks.
//!
//! ```
//! # fn main() -> Result<(), reports::files::ReadError> {
//! # let folder = std::path::Path::new("tests/golden/failed");
//! let results = reports::files::read(folder)?;
//! println!("{}", reports::terminal::summary(&results, reports::terminal::Style::plain()));
//! # Ok(())
//! # }
//! ```

pub mod causes;
pub mod comparison;
pub mod counts;
pub mod files;
pub mod html;
pub mod journal;
pub mod junit;
pub mod markdown;
pub mod matrix;
pub mod merge;
pub mod model;
pub mod phrases;
mod picture;
pub mod schema;
pub mod terminal;
pub mod verdict;
