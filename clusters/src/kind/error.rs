//! Why there is no kind cluster: one sentence each, with what to do next.

use std::time::Duration;

/// Why there is no kind cluster.
#[derive(Debug, thiserror::Error)]
pub enum KindError {
    /// kind is not installed.
    #[error(
        "there is no program kind on the PATH; install it (https://kind.sigs.k8s.io), or judge a cluster that exists: --cluster existing"
    )]
    NoKind,
    /// kind is too old for today's node images.
    #[error(
        "kind {found} is too old, node images of today need {needed}; install a newer one, then check with: kind version"
    )]
    Old {
        /// The version that is installed.
        found: String,
        /// The oldest that will do.
        needed: &'static str,
    },
    /// No container runtime that kind can use is installed.
    #[error("kind runs its nodes with docker, podman or nerdctl, and none of them is on the PATH; install one of them")]
    NoRuntime,
    /// The container runtime that the environment asks for is not installed.
    #[error(
        "the environment variable KIND_EXPERIMENTAL_PROVIDER asks for {program}, which is not on the PATH; install it, or unset the variable"
    )]
    MissingRuntime {
        /// The program.
        program: String,
    },
    /// The environment asks for a container runtime that kind does not know.
    #[error(
        "the environment variable KIND_EXPERIMENTAL_PROVIDER is {value:?}, which is none of docker, podman and nerdctl; correct or unset it"
    )]
    UnknownRuntime {
        /// What it says.
        value: String,
    },
    /// The container runtime does not answer.
    #[error("{program} does not answer: {reason}; start it, then check with: {program} info")]
    RuntimeDown {
        /// The program.
        program: String,
        /// Its words.
        reason: String,
    },
    /// The machine is too small.
    #[error("{what} needs {needed} and has {found}: {remedy}; or go on nevertheless: --ignore-resources")]
    Short {
        /// What needs it.
        what: &'static str,
        /// What is needed.
        needed: String,
        /// What there is.
        found: String,
        /// How to get more.
        remedy: String,
    },
    /// Somebody else's cluster has the name.
    #[error(
        "there is a kind cluster {name} already that this program did not make, so it is left alone; give another name: --cluster-name NAME"
    )]
    NameInUse {
        /// The name.
        name: String,
    },
    /// The cluster that is there was made from something else.
    #[error(
        "the kind cluster {name} is there from before and was made from another image or configuration; give another name: --cluster-name NAME, or delete it with: kind delete cluster --name {name}"
    )]
    Differs {
        /// The cluster.
        name: String,
    },
    /// Another run is at work on the cluster.
    #[error(
        "another run uses the kind cluster {name}; wait until it is over, or give another name: --cluster-name NAME"
    )]
    Busy {
        /// The cluster.
        name: String,
    },
    /// A kind configuration that cannot be used.
    #[error(
        "cannot use the kind configuration {path}: {reason}; see https://kind.sigs.k8s.io/docs/user/configuration/"
    )]
    Configuration {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The folder for what is to be remembered of a cluster cannot be used.
    #[error("cannot use the folder {path}: {reason}; name another with the environment variable XDG_STATE_HOME")]
    Folder {
        /// The folder.
        path: String,
        /// The operating system's words.
        reason: String,
    },
    /// A program failed.
    #[error("{what} failed: {reason}; {remedy}")]
    Failed {
        /// What was tried.
        what: String,
        /// The program's words.
        reason: String,
        /// What to do.
        remedy: String,
    },
    /// The cluster did not get ready.
    #[error("the kind cluster {name} is not ready after {} s: {waiting}; look at it with: kind export logs --name {name}", within.as_secs())]
    NotReady {
        /// The cluster.
        name: String,
        /// The bound.
        within: Duration,
        /// What was waited for.
        waiting: String,
    },
}
