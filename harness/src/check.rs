//! What a check is: data first, one function pointer last.

use std::time::Duration;

use clusters::versions::Contract;
use futures::future::BoxFuture;
use reports::model::Level;

use crate::context::Ctx;
use crate::fault::Fault;
use crate::stop::Checked;

/// The checks of one area.
#[derive(Debug)]
pub struct Suite {
    /// Its name on the command line, for example `gateway`.
    pub name: &'static str,
    /// The prefix of its ids, for example `GWY`.
    pub prefix: &'static str,
    /// What the area is, in a few words.
    pub title: &'static str,
    /// The images of the containers that its checks start.
    pub images: &'static [Image],
    /// Its checks, in the order of the catalogue, one table a topic.
    pub topics: &'static [&'static [Check]],
}

impl Suite {
    /// All checks of all topics.
    pub fn checks(&self) -> impl Iterator<Item = &'static Check> {
        self.topics.iter().flat_map(|topic| topic.iter())
    }

    /// The name of a check's test: `suite::ID::what_the_title_says`.
    #[must_use]
    pub fn test_name(&self, check: &Check) -> String {
        format!("{}::{}::{}", self.name, check.id, slug(check.title))
    }
}

/// An image that is run for a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Image {
    /// What runs in it.
    pub runs: &'static str,
    /// Which one, if this program says so.
    pub name: Option<&'static str>,
    /// Where the platform says so, if it does.
    pub told_by: &'static str,
}

impl Image {
    /// One that this program names.
    #[must_use]
    pub const fn of_ours(runs: &'static str, name: &'static str) -> Self {
        Self { runs, name: Some(name), told_by: "" }
    }

    /// One that the platform names.
    #[must_use]
    pub const fn of_the_platform(runs: &'static str, told_by: &'static str) -> Self {
        Self { runs, name: None, told_by }
    }
}

/// One requirement, and the function that tries it.
#[derive(Debug)]
pub struct Check {
    /// Stable id, never reused.
    pub id: &'static str,
    /// The requirement, in the positive, without a final period.
    pub title: &'static str,
    /// How much it weighs.
    pub level: Level,
    /// Where the requirement comes from.
    pub source: Source,
    /// What is checked, why it matters, how to fix, how to reproduce.
    pub explain: Explain,
    /// The named sets that it belongs to.
    pub profiles: &'static [Profile],
    /// Ids of checks that must have passed first.
    pub after: &'static [&'static str],
    /// What it may run beside.
    pub isolation: Isolation,
    /// How long it may take, clean-up not included.
    pub within: Duration,
    /// How much longer it may take for each pair of people that the run knows: zero unless it asks something of each pair.
    pub for_each_pair: Duration,
    /// The contracts that it applies to; empty means all.
    pub contracts: &'static [Contract],
    /// Whether each shard of a run does a part of it: see [`Ctx::shard`].
    pub divided: bool,
    /// Whether it creates objects, so that `--read-only` leaves it out.
    pub writes: bool,
    /// The faults that it must notice.
    pub breaks_on: &'static [&'static Fault],
    /// The function.
    pub run: Run,
}

/// A title in the form of a function's name, at most 64 characters, cut at a word.
fn slug(title: &str) -> String {
    let mut slug = String::new();
    for word in title.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        if slug.len() + word.len() >= 64 {
            break;
        }
        if !slug.is_empty() {
            slug.push('_');
        }
        slug.push_str(&word.to_ascii_lowercase());
    }
    slug
}

/// A check's function.
pub type Run = for<'a> fn(&'a Ctx) -> BoxFuture<'a, Checked>;

/// Where a requirement comes from: a document and the place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// The document: `kubeflow/manifests`, `istio/istio`, `RFC 6265` …
    pub document: &'static str,
    /// The place in it: a path, a section, a name of an object.
    pub place: &'static str,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.document, self.place)
    }
}

/// The four parts of an explanation; each is one or more sentences of plain text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explain {
    /// What is checked.
    pub what: &'static str,
    /// Why it matters to the platform's users.
    pub why: &'static str,
    /// How to fix a platform that fails.
    pub fix: &'static str,
    /// Commands that show the same by hand. `$GATEWAY` stands for the gateway's URL.
    pub reproduce: &'static str,
}

/// A named set of checks that a platform is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Profile {
    /// What every platform needs: install, gateway, login, identity, dashboard.
    Core,
    /// Profiles, contributors, isolation.
    Tenancy,
    /// Kubeflow Pipelines.
    Pipelines,
    /// Katib.
    Katib,
    /// Notebooks, volumes, tensorboards.
    Notebooks,
    /// What an attacker would try.
    Security,
    /// What survives a restart.
    Durability,
    /// The way here from standalone parts.
    Migration,
}

impl Profile {
    /// All profiles.
    pub const ALL: &'static [Self] = &[
        Self::Core,
        Self::Tenancy,
        Self::Pipelines,
        Self::Katib,
        Self::Notebooks,
        Self::Security,
        Self::Durability,
        Self::Migration,
    ];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Tenancy => "tenancy",
            Self::Pipelines => "pipelines",
            Self::Katib => "katib",
            Self::Notebooks => "notebooks",
            Self::Security => "security",
            Self::Durability => "durability",
            Self::Migration => "migration",
        }
    }
}

/// What a check may run beside, from the most sociable to the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isolation {
    /// Anything.
    Shared,
    /// Anything but the other checks of its suite that say so, too.
    Suite,
    /// Nothing.
    Exclusive,
    /// Nothing, and only after all others: it may leave the platform changed.
    Destructive,
}

/// A bound in whole seconds, for [`Check::within`].
#[derive(Debug, Clone, Copy)]
pub struct Seconds(pub u64);

/// How long a check may take unless it says otherwise.
pub const DEFAULT_BOUND: Duration = Duration::from_secs(30);

/// The row of a check; more is added by the methods.
pub const fn check(id: &'static str, title: &'static str, level: Level, source: Source, run: Run) -> Check {
    Check {
        id,
        title,
        level,
        source,
        explain: Explain { what: "", why: "", fix: "", reproduce: "" },
        profiles: &[Profile::Core],
        after: &[],
        isolation: Isolation::Shared,
        within: DEFAULT_BOUND,
        for_each_pair: Duration::ZERO,
        contracts: &[],
        divided: false,
        writes: false,
        breaks_on: &[],
        run,
    }
}

/// A source.
pub const fn source(document: &'static str, place: &'static str) -> Source {
    Source { document, place }
}

impl Check {
    /// Sets the explanation.
    pub const fn explain(mut self, explain: Explain) -> Self {
        self.explain = explain;
        self
    }

    /// Sets the profiles.
    pub const fn profiles(mut self, profiles: &'static [Profile]) -> Self {
        self.profiles = profiles;
        self
    }

    /// Sets the checks that must have passed first.
    pub const fn after(mut self, ids: &'static [&'static str]) -> Self {
        self.after = ids;
        self
    }

    /// Sets what it may run beside.
    pub const fn isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = isolation;
        self
    }

    /// Sets how long it may take.
    pub const fn within(mut self, bound: Seconds) -> Self {
        self.within = Duration::from_secs(bound.0);
        self
    }

    /// Lets it take longer for each pair of people, in milliseconds.
    pub const fn for_each_pair(mut self, millis: u64) -> Self {
        self.for_each_pair = Duration::from_millis(millis);
        self
    }

    /// How long it may take in a run that knows so many people.
    #[must_use]
    pub fn bound(&self, people: usize) -> Duration {
        let pairs = u32::try_from(people.saturating_mul(people)).unwrap_or(u32::MAX);
        self.within.saturating_add(self.for_each_pair.saturating_mul(pairs))
    }

    /// Limits it to contracts.
    pub const fn only(mut self, contracts: &'static [Contract]) -> Self {
        self.contracts = contracts;
        self
    }

    /// Lets each shard of a run do a part of it.
    pub const fn divided(mut self) -> Self {
        self.divided = true;
        self
    }

    /// Marks it as creating objects.
    pub const fn writes(mut self) -> Self {
        self.writes = true;
        self
    }

    /// Sets the faults that it must notice.
    pub const fn breaks_on(mut self, faults: &'static [&'static Fault]) -> Self {
        self.breaks_on = faults;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_of_each_pair_of_people_may_take_as_long() {
        let plain = check("TST-001", "It works", Level::Must, source("a", "b"), |_| Box::pin(async { Ok(()) }));
        let plain = plain.within(Seconds(600));
        assert_eq!(plain.bound(1000), Duration::from_secs(600));
        let each = plain.for_each_pair(200);
        assert_eq!(each.bound(3), Duration::from_millis(601_800));
        assert_eq!(each.bound(300), Duration::from_secs(18_600));
        assert!(each.bound(usize::MAX) > Duration::from_secs(600));
    }
}
