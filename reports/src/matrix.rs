//! Who reaches what: people (or accounts) in namespaces, by application and verb, expected against seen.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who reaches what. It is kept as text, a character a cell, so that a thousand people in a thousand namespaces fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Matrix {
    /// What is shown, in a few words.
    pub title: String,
    /// Who tries: a row each.
    pub who: Vec<String>,
    /// Where: a column each.
    pub places: Vec<String>,
    /// What is tried there, an application and a verb: a layer each.
    pub layers: Vec<Layer>,
}

/// One thing that everybody tries everywhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Layer {
    /// For example `list notebooks`.
    pub what: String,
    /// A row for each of `who`, in it a character for each of `places`: `+` reached, as it should be; `-` refused, as it
    /// should be; `!` reached, but should be refused; `x` refused, but should be reached; `?` and `q` could not tell,
    /// should be refused and reached; a blank was not tried.
    pub rows: Vec<String>,
}

/// One cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// Nobody tried.
    Untried,
    /// Somebody tried.
    Tried {
        /// Whether it should be reached.
        expected: bool,
        /// Whether it is; nothing if that could not be told.
        seen: Option<bool>,
    },
}

impl Cell {
    /// Its character.
    #[must_use]
    pub fn symbol(self) -> char {
        match self {
            Self::Untried => ' ',
            Self::Tried { expected: true, seen: Some(true) } => '+',
            Self::Tried { expected: false, seen: Some(false) } => '-',
            Self::Tried { expected: false, seen: Some(true) } => '!',
            Self::Tried { expected: true, seen: Some(false) } => 'x',
            Self::Tried { expected: false, seen: None } => '?',
            Self::Tried { expected: true, seen: None } => 'q',
        }
    }

    /// The cell of a character; one that has no meaning counts as not tried.
    #[must_use]
    pub fn of(symbol: char) -> Self {
        let (expected, seen) = match symbol {
            '+' => (true, Some(true)),
            '-' => (false, Some(false)),
            '!' => (false, Some(true)),
            'x' => (true, Some(false)),
            '?' => (false, None),
            'q' => (true, None),
            _ => return Self::Untried,
        };
        Self::Tried { expected, seen }
    }
}

impl Matrix {
    /// A matrix whose cells are told one by one: layer, row and column.
    #[must_use]
    pub fn of(
        title: impl Into<String>,
        who: Vec<String>,
        places: Vec<String>,
        whats: Vec<String>,
        cell: impl Fn(usize, usize, usize) -> Cell,
    ) -> Self {
        let row = |layer, row| (0..places.len()).map(|column| cell(layer, row, column).symbol()).collect();
        let layer = |(at, what)| Layer { what, rows: (0..who.len()).map(|index| row(at, index)).collect() };
        let layers = whats.into_iter().enumerate().map(layer).collect();
        Self { title: title.into(), who, places, layers }
    }

    /// The cells of a layer, row by row. A record that was changed by hand may lack some: they count as not tried.
    pub fn cells<'a>(&'a self, layer: &'a Layer) -> impl Iterator<Item = Vec<Cell>> + 'a {
        let rows = layer.rows.iter().map(String::as_str).chain(std::iter::repeat(""));
        rows.take(self.who.len()).map(|row| {
            let symbols = row.chars().chain(std::iter::repeat(' '));
            symbols.take(self.places.len()).map(Cell::of).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [char; 7] = ['+', '-', '!', 'x', '?', 'q', ' '];

    #[test]
    fn a_cell_is_its_character() {
        for symbol in ALL {
            assert_eq!(Cell::of(symbol).symbol(), symbol);
        }
        assert_eq!(Cell::of('é'), Cell::Untried);
    }

    #[test]
    fn a_matrix_is_told_cell_by_cell() {
        let names = |prefix: &str, count| (0..count).map(|n| format!("{prefix}{n}")).collect();
        let cell = |layer, row, column| Cell::Tried { expected: row == column, seen: Some(layer == 1) };
        let matrix = Matrix::of("t", names("u", 2), names("n", 3), names("w", 2), cell);
        let rows: Vec<&Vec<String>> = matrix.layers.iter().map(|layer| &layer.rows).collect();
        assert_eq!(rows, [&["x--", "-x-"], &["+!!", "!+!"]]);
    }

    #[test]
    fn rows_that_are_short_long_or_missing_do_no_harm() {
        let names = |count| vec![String::from("a"); count];
        let layer = Layer { what: String::new(), rows: vec!["+".to_owned(), "+++++++é".to_owned()] };
        let matrix = Matrix { title: String::new(), who: names(3), places: names(2), layers: vec![layer] };
        let cells: Vec<Vec<char>> =
            matrix.cells(&matrix.layers[0]).map(|row| row.into_iter().map(Cell::symbol).collect()).collect();
        assert_eq!(cells, [['+', ' '], ['+', '+'], [' ', ' ']]);
    }
}
