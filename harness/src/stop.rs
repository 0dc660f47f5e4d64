//! How a check ends early: the platform failed it, or it could not tell.

use reports::model::{Failure, Outcome, Problem, Skip};

/// What a check's function returns: `Ok` is a pass.
pub type Checked<T = ()> = Result<T, Stop>;

/// Why a check ended without a pass. Denied, allowed and could-not-tell are three different things: only what the
/// platform answered may become [`Stop::Failed`]; a transport or harness error is [`Stop::Errored`].
#[derive(Debug, Clone, PartialEq)]
pub enum Stop {
    /// The platform does not meet the requirement.
    Failed(Box<Failure>),
    /// Could not tell.
    Errored(Box<Problem>),
    /// It turned out not to apply.
    Skipped(Skip),
    /// What it is about is a part that the site is said to leave out (`--without`), named here. Those that come after
    /// it may go on: nothing is broken.
    LeftOut(String),
}

impl Stop {
    /// The platform differs from the requirement.
    #[must_use]
    pub fn failed(expected: impl Into<String>, actual: impl Into<String>) -> Self {
        Self::Failed(Box::new(Failure {
            expected: expected.into(),
            actual: actual.into(),
            at: None,
            cause: None,
            fix: None,
        }))
    }

    /// Could not tell. `class` is one of those that [`Problem::class`] lists.
    #[must_use]
    pub fn errored(class: &str, message: impl Into<String>) -> Self {
        Self::Errored(Box::new(Problem { class: class.into(), message: message.into(), next: None }))
    }

    /// The platform does not have what the check is about.
    #[must_use]
    pub fn absent(feature: impl Into<String>) -> Self {
        Self::Skipped(Skip::FeatureAbsent { feature: feature.into() })
    }

    /// Says where it was seen: a request line, an object.
    #[must_use]
    pub fn at(mut self, place: impl Into<String>) -> Self {
        if let Self::Failed(failure) = &mut self {
            failure.at = Some(place.into());
        }
        self
    }

    /// Names the object or setting that most likely causes it.
    #[must_use]
    pub fn because(mut self, cause: impl Into<String>) -> Self {
        if let Self::Failed(failure) = &mut self {
            failure.cause = Some(cause.into());
        }
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn fix(mut self, what: impl Into<String>) -> Self {
        match &mut self {
            Self::Failed(failure) => failure.fix = Some(what.into()),
            Self::Errored(problem) => problem.next = Some(what.into()),
            Self::Skipped(_) | Self::LeftOut(_) => {}
        }
        self
    }
}

impl From<kube::Error> for Stop {
    fn from(error: kube::Error) -> Self {
        Self::errored("kubernetes", crate::kubernetes::describe(&error))
    }
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Failed(failure) => write!(f, "expected {}, actual {}", failure.expected, failure.actual),
            Self::Errored(problem) => write!(f, "{} ({})", problem.message, problem.class),
            Self::Skipped(skip) => match skip {
                Skip::NotSelected => f.write_str("not selected"),
                Skip::FeatureAbsent { feature } => write!(f, "the platform has no {feature}"),
                Skip::VersionOutside { applies_to } => write!(f, "applies to {applies_to} only"),
                Skip::BlockedBy { id } => write!(f, "blocked by {id}"),
                Skip::NoCapability { capability } => write!(f, "the run has no {capability}"),
                Skip::ReadOnly => f.write_str("the run is read-only"),
                Skip::Interrupted => f.write_str("interrupted"),
            },
            Self::LeftOut(feature) => write!(f, "the platform has no {feature}"),
        }
    }
}

impl From<Stop> for Outcome {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Failed(failure) => Self::Failed(*failure),
            Stop::Errored(problem) => Self::Errored(*problem),
            Stop::Skipped(skip) => Self::Skipped(skip),
            Stop::LeftOut(feature) => Self::Skipped(Skip::FeatureAbsent { feature }),
        }
    }
}
