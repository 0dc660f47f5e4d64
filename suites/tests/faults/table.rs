//! The table fault × check, as a report of its own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::json;

/// What became of a fault on a release.
pub struct Row {
    pub fault: &'static str,
    pub what: &'static str,
    pub release: &'static str,
    /// The checks that name the fault.
    pub noticed: Vec<(&'static str, Notice)>,
    /// Checks that do not, and failed all the same.
    pub collateral: Vec<(String, String)>,
}

/// Whether a check noticed a fault.
pub enum Notice {
    /// It failed, and named what is broken.
    Killed(String),
    /// It failed, but its message leads elsewhere.
    Unexplained(String),
    /// It did not fail.
    Missed(String),
    /// It did not find what it is about.
    Absent(String),
}

impl Notice {
    /// Whether the check noticed, and said what.
    pub fn is_kill(&self) -> bool {
        matches!(self, Self::Killed(_))
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Killed(_) => "killed",
            Self::Unexplained(_) => "unexplained",
            Self::Missed(_) => "missed",
            Self::Absent(_) => "absent",
        }
    }

    fn said(&self) -> &str {
        let (Self::Killed(said) | Self::Unexplained(said) | Self::Missed(said) | Self::Absent(said)) = self;
        said
    }
}

impl Row {
    /// Every check that names the fault has to have killed it.
    pub fn verdict(&self) -> Result<(), String> {
        let others: Vec<String> = self
            .noticed
            .iter()
            .filter(|(_, notice)| !notice.is_kill())
            .map(|(id, notice)| format!("{id} {}: {}", notice.word(), notice.said()))
            .collect();
        if others.is_empty() { Ok(()) } else { Err(format!("{}\n{}", self.what, others.join("\n"))) }
    }
}

/// Writes both forms to files of a name; nothing if no fault was applied.
pub fn write(name: &str, mut rows: Vec<Row>) {
    let Some(target) = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().filter(|_| !rows.is_empty()) else { return };
    rows.sort_by_key(|row| (row.fault, row.release));
    let folder = target.join("conformance");
    std::fs::create_dir_all(&folder).expect("the target folder can be written to");
    std::fs::write(folder.join(format!("{name}.md")), markdown(&rows)).expect("the target folder can be written to");
    let text = serde_json::to_string_pretty(&as_json(&rows)).expect("rows are JSON");
    std::fs::write(folder.join(format!("{name}.json")), text).expect("the target folder can be written to");
    eprintln!("table    {}", folder.join(format!("{name}.md")).display());
}

fn as_json(rows: &[Row]) -> serde_json::Value {
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            let noticed: BTreeMap<_, _> = row
                .noticed
                .iter()
                .map(|(id, notice)| (*id, json!({"result": notice.word(), "said": notice.said()})))
                .collect();
            let collateral: BTreeMap<_, _> = row.collateral.iter().map(|(id, said)| (id, said)).collect();
            json!({"fault": row.fault, "what": row.what, "release": row.release, "noticed": noticed,
                   "collateral": collateral})
        })
        .collect();
    json!({"rows": rows})
}

fn markdown(rows: &[Row]) -> String {
    let count =
        |word: &str| rows.iter().flat_map(|row| &row.noticed).filter(|(_, notice)| notice.word() == word).count();
    let mut out = String::from("# Faults and the checks that notice them\n\n");
    let _ = writeln!(
        out,
        "{} faults applied: {} killed, {} unexplained, {} missed.\n",
        rows.len(),
        count("killed"),
        count("unexplained"),
        count("missed")
    );
    out.push_str("| fault | release | killed by | missed by | collateral |\n|---|---|---|---|---|\n");
    for row in rows {
        let of = |killed: bool| {
            let ids = row.noticed.iter().filter(|(_, notice)| notice.is_kill() == killed);
            ids.map(|(id, _)| *id).collect::<Vec<_>>().join(", ")
        };
        let collateral: Vec<&str> = row.collateral.iter().map(|(id, _)| id.as_str()).collect();
        let (killed, missed, collateral) = (of(true), of(false), collateral.join(", "));
        let _ = writeln!(out, "| {} | {} | {killed} | {missed} | {collateral} |", row.fault, row.release);
    }
    out
}
