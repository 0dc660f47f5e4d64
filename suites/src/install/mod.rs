//! Everything is installed, and ready.

pub mod admission;
pub mod definitions;
pub mod leftovers;
pub mod pods;
pub mod services;
pub mod storage;
pub mod workloads;

use std::collections::BTreeSet;

use clusters::versions::parts::Part;
use harness::{Ctx, Stop, Suite};

/// The suite.
pub static SUITE: Suite = Suite {
    name: "install",
    prefix: "INS",
    title: "Everything is installed, and ready",
    images: &[],
    topics: &[
        definitions::CHECKS,
        workloads::CHECKS,
        pods::CHECKS,
        services::CHECKS,
        admission::CHECKS,
        storage::CHECKS,
        leftovers::CHECKS,
    ],
};

/// What differs, collected over many objects: one failure names them all, so that they are fixed in one go.
#[derive(Debug, Default)]
struct Differences {
    found: Vec<Difference>,
    left_out: BTreeSet<&'static str>,
}

#[derive(Debug)]
struct Difference {
    object: String,
    how: String,
}

/// How many differences a failure spells out.
const SHOWN: usize = 5;

impl Differences {
    /// Adds an object, and how it differs.
    fn add(&mut self, object: impl Into<String>, how: impl Into<String>) {
        self.found.push(Difference { object: object.into(), how: how.into() });
    }

    /// Adds an object that is missing, unless it belongs to a part that the site is said to leave out.
    fn add_missing(
        &mut self,
        cx: &Ctx,
        part: Option<&'static Part>,
        object: impl Into<String>,
        how: impl Into<String>,
    ) {
        match part.filter(|part| cx.leaves_out(part)) {
            Some(part) => _ = self.left_out.insert(part.title),
            None => self.add(object, how),
        }
    }

    /// Passes if there are none.
    ///
    /// # Errors
    /// [`Stop::Failed`] that names the first few; the first one is the cause, with what to do about it.
    /// [`Stop::LeftOut`] if nothing differs but what the site leaves out.
    fn judge(self, expected: &str, fix: &str) -> harness::Checked {
        let Some(first) = self.found.first() else {
            let left_out: Vec<&str> = self.left_out.into_iter().collect();
            return if left_out.is_empty() { Ok(()) } else { Err(Stop::LeftOut(left_out.join(", "))) };
        };
        let mut actual: Vec<String> =
            self.found.iter().take(SHOWN).map(|Difference { object, how }| format!("{object} {how}")).collect();
        if self.found.len() > SHOWN {
            actual.push(format!("and {} more", self.found.len() - SHOWN));
        }
        Err(Stop::failed(expected, actual.join("; "))
            .at(first.object.clone())
            .because(format!("{} {}", first.object, first.how))
            .fix(fix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_first_few_and_counts_the_rest() {
        let mut differences = Differences::default();
        for number in 1..=7 {
            differences.add(format!("Service kubeflow/s{number}"), "is absent");
        }
        let Err(Stop::Failed(failure)) = differences.judge("all Services exist", "apply them") else {
            panic!("seven differences are a failure");
        };
        assert_eq!(failure.cause.as_deref(), Some("Service kubeflow/s1 is absent"));
        assert!(failure.actual.ends_with("Service kubeflow/s5 is absent; and 2 more"), "{}", failure.actual);
        assert!(Differences::default().judge("x", "y").is_ok());
    }

    #[test]
    fn what_is_left_out_is_no_pass() {
        let left_out = BTreeSet::from(["Katib", "KServe"]);
        let mut differences = Differences { left_out: left_out.clone(), ..Differences::default() };
        assert_eq!(differences.judge("x", "y"), Err(Stop::LeftOut("KServe, Katib".to_owned())));
        differences = Differences { left_out, ..Differences::default() };
        differences.add("Service kubeflow/s", "is absent");
        assert!(matches!(differences.judge("x", "y"), Err(Stop::Failed(_))));
    }
}
