//! A matrix as a picture: a grid for each layer. Large ones are gathered into blocks of people and namespaces, so that
//! three and a thousand are as legible; a block looks like the worst that is in it.

use crate::matrix::{Cell, Layer, Matrix};
use crate::model::Results;

/// The most rows or columns of a grid; beyond it each stands for several.
const MOST: usize = 48;
/// Width of a letter of a label, in pixels.
const LETTER: usize = 6;
/// The longest label, in letters.
const LABEL: usize = 30;
/// How many differences are told in words.
const TOLD: usize = 40;

/// One matrix of a run, with the checks that saw it.
pub(crate) struct Picture<'a> {
    pub title: &'a str,
    pub checks: Vec<&'a str>,
    pub size: String,
    pub grids: Vec<Grid>,
    /// What differs, in words, and how many more there are.
    pub told: Vec<String>,
    pub more: usize,
    /// Whether anything differs or could not be told.
    pub is_bad: bool,
}

/// One layer.
pub(crate) struct Grid {
    /// Unique on the page.
    pub id: String,
    pub what: String,
    pub summary: String,
    pub width: usize,
    pub height: usize,
    /// Width and height of a square.
    pub side: usize,
    pub left: usize,
    pub top: usize,
    pub across: usize,
    pub down: usize,
    pub rows: Vec<Label>,
    pub columns: Vec<Label>,
    pub squares: Vec<Square>,
}

/// A text beside the grid.
pub(crate) struct Label {
    pub x: usize,
    pub y: usize,
    pub text: String,
    /// The whole text, if it is cut or stands for several.
    pub whole: String,
}

/// A cell or a block of cells that is not as the ground.
pub(crate) struct Square {
    pub x: usize,
    pub y: usize,
    pub class: &'static str,
    pub glyph: String,
    pub tip: String,
}

/// The matrices of a run: those of the same people and places under one title are one picture.
pub(crate) fn pictures(results: &Results) -> Vec<Picture<'_>> {
    let mut gathered: Vec<(&Matrix, Vec<(&str, &Layer)>)> = Vec::new();
    for check in &results.checks {
        for matrix in &check.matrices {
            let layers = matrix.layers.iter().map(|layer| (check.id.as_str(), layer));
            let same =
                |one: &&Matrix| one.title == matrix.title && one.who == matrix.who && one.places == matrix.places;
            match gathered.iter_mut().find(|(known, _)| same(known)) {
                Some((_, known)) => known.extend(layers),
                None => gathered.push((matrix, layers.collect())),
            }
        }
    }
    // People in one another's namespaces first, long lists of resources last.
    gathered.sort_by_key(|(matrix, _)| matrix.places.len().abs_diff(matrix.who.len()));
    gathered.iter().enumerate().map(|(at, (matrix, layers))| picture(at, matrix, layers)).collect()
}

fn picture<'a>(at: usize, matrix: &'a Matrix, layers: &[(&'a str, &'a Layer)]) -> Picture<'a> {
    let mut checks: Vec<&str> = layers.iter().map(|(check, _)| *check).collect();
    checks.dedup();
    let mut told = Vec::new();
    let grids: Vec<Grid> = layers
        .iter()
        .enumerate()
        .map(|(layer, (_, what))| grid(format!("m{at}-{layer}"), matrix, what, &mut told))
        .collect();
    let more = told.len().saturating_sub(TOLD);
    let is_bad = !told.is_empty();
    told.truncate(TOLD);
    let size = format!("{} × {}", matrix.who.len(), matrix.places.len());
    Picture { title: &matrix.title, checks, size, grids, told, more, is_bad }
}

fn grid(id: String, matrix: &Matrix, layer: &Layer, told: &mut Vec<String>) -> Grid {
    let cells: Vec<Vec<Cell>> = matrix.cells(layer).collect();
    let tally = Tally::of(cells.iter().flatten());
    for (who, row) in matrix.who.iter().zip(&cells) {
        for (place, cell) in matrix.places.iter().zip(row) {
            if let Some(words) = difference(*cell) {
                told.push(format!("{who} {words} {} in {place}", layer.what));
            }
        }
    }
    let (per_row, per_column) = (matrix.who.len().div_ceil(MOST).max(1), matrix.places.len().div_ceil(MOST).max(1));
    let (down, across) = (matrix.who.len().div_ceil(per_row), matrix.places.len().div_ceil(per_column));
    let side = match down.max(across) {
        0..=6 => 26,
        7..=16 => 20,
        _ => 15,
    };
    let (rows, columns) = (labels(&matrix.who, per_row), labels(&matrix.places, per_column));
    let widest = |labels: &[(String, String)]| labels.iter().map(|(text, _)| text.chars().count()).max().unwrap_or(0);
    let (left, top) = (widest(&rows) * LETTER + 8, widest(&columns) * LETTER + 8);
    let mut squares = Vec::new();
    for row in 0..down {
        for column in 0..across {
            let block = cells[row * per_row..].iter().take(per_row);
            let block = block.flat_map(|cells| cells[column * per_column..].iter().take(per_column));
            let tally = Tally::of(block);
            let Some((class, glyph)) = tally.look() else { continue };
            let tip = format!("{}, {}: {}", rows[row].1, columns[column].1, tally.words());
            squares.push(Square { x: left + column * side, y: top + row * side, class, glyph, tip });
        }
    }
    let labelled = |labels: Vec<(String, String)>, place: &dyn Fn(usize) -> (usize, usize)| {
        let label = |(at, (text, whole))| {
            let (x, y) = place(at);
            Label { x, y, text, whole }
        };
        labels.into_iter().enumerate().map(label).collect()
    };
    Grid {
        id,
        what: layer.what.clone(),
        summary: tally.words(),
        width: left + across * side + 2,
        height: top + down * side + 2,
        side,
        left,
        top,
        across: across * side,
        down: down * side,
        rows: labelled(rows, &|at| (left - 5, top + at * side + side / 2)),
        columns: labelled(columns, &|at| (left + at * side + side / 2, top - 5)),
        squares,
    }
}

/// The labels of a side, shortened; one for each `per` names.
fn labels(names: &[String], per: usize) -> Vec<(String, String)> {
    names
        .chunks(per)
        .map(|names| {
            let whole = match names {
                [first, .., last] => format!("{first} to {last}"),
                _ => names.concat(),
            };
            let first = names.first().map(|name| shortened(name)).unwrap_or_default();
            (if names.len() > 1 { format!("{first} +{}", names.len() - 1) } else { first }, whole)
        })
        .collect()
}

/// A name that is too long loses its middle: names of one run differ at their end.
fn shortened(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    if letters.len() <= LABEL {
        return name.to_owned();
    }
    let (begin, end) = (LABEL / 3, LABEL - LABEL / 3 - 1);
    letters[..begin].iter().chain(&['…']).chain(&letters[letters.len() - end..]).collect()
}

fn difference(cell: Cell) -> Option<&'static str> {
    match cell {
        Cell::Tried { expected: false, seen: Some(true) } => Some("may, but should not,"),
        Cell::Tried { expected: true, seen: Some(false) } => Some("may not, but should,"),
        Cell::Tried { seen: None, .. } => Some("could not be seen to"),
        _ => None,
    }
}

/// How many cells came out how.
#[derive(Default)]
struct Tally {
    reached: usize,
    refused: usize,
    open: usize,
    shut: usize,
    unknown: usize,
}

impl Tally {
    fn of<'a>(cells: impl Iterator<Item = &'a Cell>) -> Self {
        let mut tally = Self::default();
        for cell in cells {
            match cell {
                Cell::Untried => {}
                Cell::Tried { seen: None, .. } => tally.unknown += 1,
                Cell::Tried { expected: true, seen: Some(true) } => tally.reached += 1,
                Cell::Tried { expected: false, seen: Some(false) } => tally.refused += 1,
                Cell::Tried { expected: false, seen: Some(true) } => tally.open += 1,
                Cell::Tried { expected: true, seen: Some(false) } => tally.shut += 1,
            }
        }
        tally
    }

    /// The class and the sign of a square; nothing for one that looks as the ground does. Signs and shapes differ as well
    /// as colours.
    fn look(&self) -> Option<(&'static str, String)> {
        let sign = |sign: &str, count: usize| match count {
            2..=99 => count.to_string(),
            _ => sign.to_owned(),
        };
        Some(match self {
            Self { open: 1.., .. } => ("open", sign("!", self.open)),
            Self { shut: 1.., .. } => ("shut", sign("×", self.shut)),
            Self { unknown: 1.., .. } => ("unknown", "?".to_owned()),
            Self { reached: 1.., refused: 0, .. } => ("reached", "✓".to_owned()),
            Self { reached: 1.., .. } => ("mixed", String::new()),
            Self { refused: 1.., .. } => return None,
            _ => ("untried", String::new()),
        })
    }

    fn words(&self) -> String {
        let Self { reached, refused, open, shut, unknown } = self;
        let mut words = vec![format!("{reached} reached and {refused} refused as they should be")];
        for (count, what) in
            [(open, "reached, but should be refused"), (shut, "refused, but should be reached"), (unknown, "not told")]
        {
            if *count > 0 {
                words.push(format!("{count} {what}"));
            }
        }
        words.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn people(count: usize, seen: impl Fn(usize, usize) -> Option<bool>) -> Matrix {
        let names = |prefix: &str| (0..count).map(|n| format!("{prefix}-{n}")).collect();
        let cell = |_, row: usize, column: usize| Cell::Tried { expected: row == column, seen: seen(row, column) };
        Matrix::of("people", names("user"), names("home"), vec!["list notebooks".to_owned()], cell)
    }

    fn drawn(matrix: &Matrix) -> (Grid, Vec<String>) {
        let mut told = Vec::new();
        (grid("m".to_owned(), matrix, &matrix.layers[0], &mut told), told)
    }

    #[test]
    fn three_people_are_nine_squares() {
        let (grid, told) = drawn(&people(3, |row, column| Some(row == column || (row, column) == (2, 0))));
        assert_eq!(grid.across, 3 * grid.side);
        let classes: Vec<&str> = grid.squares.iter().map(|square| square.class).collect();
        assert_eq!(classes, ["reached", "reached", "open", "reached"], "what is refused as it should be is the ground");
        assert_eq!(told, ["user-2 may, but should not, list notebooks in home-0"]);
    }

    #[test]
    fn a_thousand_people_are_a_legible_grid_whose_worst_cell_shows() {
        let (grid, told) = drawn(&people(1000, |row, column| Some(row == column || (row, column) == (999, 1))));
        assert!(grid.rows.len() <= MOST && grid.columns.len() <= MOST);
        assert!(grid.squares.len() < 3 * MOST, "{}", grid.squares.len());
        let open: Vec<&Square> = grid.squares.iter().filter(|square| square.class == "open").collect();
        assert_eq!(open.len(), 1);
        assert!(open[0].tip.contains("user-999") && open[0].tip.contains("home-0"), "{}", open[0].tip);
        assert_eq!(told.len(), 1);
        assert!(grid.summary.starts_with("1000 reached and 998999 refused"), "{}", grid.summary);
    }

    #[test]
    fn what_could_not_be_told_looks_neither_reached_nor_refused() {
        let (grid, told) = drawn(&people(2, |_, _| None));
        assert!(grid.squares.iter().all(|square| square.class == "unknown"));
        assert_eq!(told.len(), 4);
    }

    #[test]
    fn an_empty_matrix_draws_nothing() {
        let (grid, told) = drawn(&people(0, |_, _| None));
        assert!(grid.squares.is_empty() && told.is_empty());
    }

    #[test]
    fn a_long_name_keeps_its_end() {
        let short = shortened("conf-12345678-somebody-with-a-very-long-name-indeed-42");
        assert!(short.ends_with("-42") && short.chars().count() == LABEL, "{short}");
    }
}
