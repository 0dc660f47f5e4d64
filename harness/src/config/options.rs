//! Every option, once: the command line, the environment, `conformance.toml`, the help and the completions are all
//! made from these tables.

use std::path::PathBuf;

use clap::builder::{BoolishValueParser, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum, ValueHint};
use clusters::versions::credentials::DEFAULT_USER;
use clusters::versions::parts::{self, PARTS, Part};
use clusters::versions::{self, VERSIONS, Version};
use url::Url;

use crate::check::Profile;

/// Where the platform comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Cluster {
    /// The embedded reference platform: simulated, for trying out; no cluster is judged
    Embedded,
    /// A running platform: a kubeconfig context
    Existing,
    /// A kind cluster, made for the run and deleted after it
    Kind,
}

/// What is judged.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Platform")]
pub struct PlatformOptions {
    /// Where the platform comes from [default: existing if --context, --kubeconfig or --gateway-url is given, else embedded]
    #[arg(long, env = "CONFORMANCE_CLUSTER", value_enum, value_name = "WHERE")]
    pub cluster: Option<Cluster>,

    /// What is installed.
    #[command(flatten)]
    pub installation: InstallationOptions,

    /// How the Kubernetes API is reached.
    #[command(flatten)]
    pub access: AccessOptions,

    /// The kind cluster that is made.
    #[command(flatten)]
    pub kind: KindOptions,

    /// Parts that this site leaves out on purpose: what concerns them is FeatureAbsent where they are not found, and the verdict is at best PARTIAL
    #[arg(long, env = "CONFORMANCE_WITHOUT", value_name = "PART", value_delimiter = ',', value_parser = parts_of_the_platform())]
    pub without: Vec<&'static Part>,

    /// The gateway's address, for example http://localhost:8080 [default: a port forwarded to istio-ingressgateway]
    #[arg(long, env = "CONFORMANCE_GATEWAY_URL", value_name = "URL", value_parser = gateway_url, value_hint = ValueHint::Url)]
    pub gateway_url: Option<Url>,
}

/// What is installed.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Platform")]
pub struct InstallationOptions {
    /// The Kubeflow release whose expectations apply [default: as detected; 1.9.1 for an embedded platform without --manifests]
    #[arg(long, env = "CONFORMANCE_KUBEFLOW", value_name = "VERSION", value_parser = release)]
    pub kubeflow: Option<&'static Version>,

    /// Manifests to install: rendered YAML (plain, .gz or .xz), a kustomization, a checkout or archive (.tar.gz) of kubeflow/manifests, or a folder of files such as example-v1.9.1.yaml.xz
    #[arg(long, env = "CONFORMANCE_MANIFESTS", value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub manifests: Option<PathBuf>,
}

/// How the Kubernetes API is reached.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Platform")]
pub struct AccessOptions {
    /// The kubeconfig context [default: the current one]
    #[arg(long, env = "CONFORMANCE_CONTEXT", value_name = "NAME")]
    pub context: Option<String>,

    /// The kubeconfig file [default: as kubectl: $KUBECONFIG, then ~/.kube/config]
    #[arg(long, env = "CONFORMANCE_KUBECONFIG", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub kubeconfig: Option<PathBuf>,
}

/// The kind cluster that is made.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "With --cluster kind")]
pub struct KindOptions {
    /// The kind cluster's name [default: kubeflow-conformance]
    #[arg(long, env = "CONFORMANCE_CLUSTER_NAME", value_name = "NAME", value_parser = cluster_name)]
    pub cluster_name: Option<String>,

    /// The image of its nodes; one that is on this machine is not downloaded [default: that of the installed kind]
    #[arg(long, env = "CONFORMANCE_NODE_IMAGE", value_name = "IMAGE")]
    pub node_image: Option<String>,

    /// A configuration of kind: nodes, ports, mounts, registry mirrors [default: one node]
    #[arg(long, env = "CONFORMANCE_KIND_CONFIG", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub kind_config: Option<PathBuf>,

    /// An archive of images, as `docker save` writes it, to put into the nodes; may be given several times
    #[arg(long, env = "CONFORMANCE_IMAGE_ARCHIVE", value_name = "FILE", value_delimiter = ',', value_hint = ValueHint::FilePath)]
    pub image_archive: Vec<PathBuf>,

    /// Go on although the machine looks too small
    #[arg(long, env = "CONFORMANCE_IGNORE_RESOURCES", value_parser = BoolishValueParser::new())]
    pub ignore_resources: bool,
}

/// Who logs in.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Login")]
pub struct LoginOptions {
    /// The e-mail address that the run logs in with
    #[arg(long, env = "CONFORMANCE_USER", value_name = "EMAIL", default_value = DEFAULT_USER, value_hint = ValueHint::EmailAddress)]
    pub user: String,

    /// A file that holds the password; or set CONFORMANCE_PASSWORD [default: the one that the manifests ship]
    #[arg(long, env = "CONFORMANCE_PASSWORD_FILE", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub password_file: Option<PathBuf>,

    /// A file with further users for the checks of tenancy: an e-mail address and a password on each line
    #[arg(long, env = "CONFORMANCE_USERS_FILE", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub users_file: Option<PathBuf>,

    /// How many users the checks of tenancy log in as, the run's own among them
    #[arg(long, env = "CONFORMANCE_USERS", value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub users: u16,
}

/// How the run goes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Run")]
pub struct RunOptions {
    /// Judge by these profiles only
    #[arg(long, env = "CONFORMANCE_PROFILE", value_name = "PROFILE", value_delimiter = ',', value_parser = profiles())]
    pub profile: Vec<Profile>,

    /// Create nothing: checks that would are skipped
    #[arg(long, env = "CONFORMANCE_READ_ONLY", value_parser = BoolishValueParser::new())]
    pub read_only: bool,

    /// On somebody's cluster: let checks of durability restart parts of the platform, one by one; type the name of its kubeconfig context. Without it they are skipped there
    #[arg(long, env = "CONFORMANCE_MAY_RESTART", value_name = "CONTEXT", conflicts_with = "read_only")]
    pub may_restart: Option<String>,

    /// The image of the pods that send requests inside the cluster; it has curl and sleep [default: the one that the platform's proxies run]
    #[arg(long, env = "CONFORMANCE_PROBE_IMAGE", value_name = "IMAGE")]
    pub probe_image: Option<String>,

    /// How many checks may run at once [default: four a core, at least 32]
    #[arg(long, env = "CONFORMANCE_JOBS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: Option<u16>,

    /// Run one part of the checks, and the check of many users for one part of their namespaces: part I of N, counted from 0; join all parts with `kubeflow-conformance report merge`. In an Indexed Job: $(JOB_COMPLETION_INDEX)/N
    #[arg(long, env = "CONFORMANCE_SHARD", value_name = "I/N", value_parser = shard, requires = "shard_of")]
    pub shard: Option<(u32, u32)>,

    /// What all parts of one run have in common and no other run has, for example the uid of the Job
    #[arg(long, env = "CONFORMANCE_SHARD_OF", value_name = "RUN", value_parser = shared_name, requires = "shard")]
    pub shard_of: Option<String>,

    /// Where the reports go, one folder a run [default: target/conformance]
    #[arg(long, env = "CONFORMANCE_REPORT_DIR", value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub report_dir: Option<PathBuf>,

    /// Leave what the checks created, and the kind cluster, for a person to look at
    #[arg(long, env = "CONFORMANCE_KEEP", value_parser = BoolishValueParser::new())]
    pub keep: bool,

    /// An Experiment of your own (kubeflow.org/v1beta1) that Katib is to carry to its end, in the user's namespace
    #[arg(long, env = "CONFORMANCE_EXPERIMENT", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub experiment: Option<PathBuf>,

    /// A compiled pipeline of your own (what `kfp dsl compile` writes) that is to run to its end, in the user's namespace
    #[arg(long, env = "CONFORMANCE_PIPELINE", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub pipeline: Option<PathBuf>,

    /// How long that pipeline may run before it is terminated: at most an hour
    #[arg(long, env = "CONFORMANCE_PIPELINE_WITHIN", value_name = "SECONDS", default_value_t = 3600)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub pipeline_within: u16,

    /// Print without colours
    #[arg(long, env = "CONFORMANCE_NO_COLOR", value_parser = BoolishValueParser::new())]
    pub no_color: bool,
}

/// What is answered without touching any platform. Neither the environment nor a file asks these.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Questions, answered without touching any platform")]
pub struct QuestionOptions {
    /// Print which checks would run, everything they would create, and the permissions that they need
    #[arg(long, conflicts_with_all = ["explain", "catalogue", "list"])]
    pub plan: bool,

    /// With --plan: print the images of all containers that the run would start, one a line, for a site that mirrors them; where the platform names others, a line that begins with # says where
    #[arg(long, requires = "plan")]
    pub images: bool,

    /// Print what a check checks, why it matters, how to fix a platform that fails it, how to reproduce it
    #[arg(long, value_name = "ID", conflicts_with_all = ["catalogue", "list"])]
    pub explain: Option<String>,

    /// Print all checks and faults as YAML
    #[arg(long, conflicts_with = "list")]
    pub catalogue: bool,
}

/// All options of a run.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// What is judged.
    #[command(flatten)]
    pub platform: PlatformOptions,
    /// Who logs in.
    #[command(flatten)]
    pub login: LoginOptions,
    /// How the run goes.
    #[command(flatten)]
    pub run: RunOptions,
    /// What is only asked.
    #[command(flatten)]
    pub questions: QuestionOptions,
}

impl PlatformOptions {
    /// Where the platform comes from, said or implied: who names a cluster does not mean the embedded platform.
    #[must_use]
    pub fn cluster(&self) -> Cluster {
        let implied = if self.names_a_cluster() || cfg!(not(feature = "embedded")) {
            Cluster::Existing
        } else {
            Cluster::Embedded
        };
        self.cluster.unwrap_or(implied)
    }

    fn names_a_cluster(&self) -> bool {
        self.access.context.is_some() || self.access.kubeconfig.is_some() || self.gateway_url.is_some()
    }

    /// Options that contradict one another, in one sentence.
    ///
    /// # Errors
    /// The sentence.
    pub fn consistent(&self) -> Result<(), String> {
        match self.cluster() {
            Cluster::Embedded if cfg!(not(feature = "embedded")) => Err(
                "this program was built without the embedded platform: build it with the feature embedded, or say --cluster existing".to_owned(),
            ),
            Cluster::Embedded if self.names_a_cluster() => Err(
                "--cluster embedded brings its own Kubernetes API and gateway: leave out --context, --kubeconfig and --gateway-url, or say --cluster existing".to_owned(),
            ),
            Cluster::Existing if self.installation.manifests.is_some() => Err(
                "a run installs nothing into an existing cluster: leave out --manifests, or install first with `kubeflow-conformance install`".to_owned(),
            ),
            Cluster::Kind if self.access.context.is_some() || self.access.kubeconfig.is_some() => Err(
                "--cluster kind makes a cluster of its own: leave out --context and --kubeconfig, or say --cluster existing".to_owned(),
            ),
            Cluster::Kind if self.installation.manifests.is_none() => Err(
                "--cluster kind makes an empty cluster: name what to install into it, --manifests PATH, or use --cluster embedded".to_owned(),
            ),
            Cluster::Embedded | Cluster::Existing if self.kind.is_told() => Err(
                "--cluster-name, --node-image, --kind-config, --image-archive and --ignore-resources are about a kind cluster: say --cluster kind, or leave them out".to_owned(),
            ),
            _ => Ok(()),
        }
    }
}

impl KindOptions {
    /// Whether anything is said about a kind cluster.
    fn is_told(&self) -> bool {
        let Self { cluster_name, node_image, kind_config, image_archive, ignore_resources } = self;
        cluster_name.is_some()
            || node_image.is_some()
            || kind_config.is_some()
            || !image_archive.is_empty()
            || *ignore_resources
    }
}

/// What kind takes for a name (`pkg/internal/apis/config/validate.go`), and the nodes' host names have room for.
fn cluster_name(name: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
    match name.chars().next() {
        Some(first) if first.is_ascii_alphanumeric() && name.chars().all(fits) && name.len() <= 48 => Ok(name.to_owned()),
        _ => Err("a cluster's name has small letters, digits, dots and hyphens, 48 at most, and begins with a letter or digit".to_owned()),
    }
}

/// No run is cut into more.
const SHARDS: u32 = 1000;

fn shard(text: &str) -> Result<(u32, u32), String> {
    let hint = "write it as I/N, for example 0/4, 1/4, 2/4 and 3/4";
    let (index, count) = text.split_once('/').ok_or_else(|| hint.to_owned())?;
    let number = |text: &str| text.parse::<u32>().map_err(|_| format!("{text:?} is no number; {hint}"));
    let (index, count) = (number(index)?, number(count)?);
    if count == 0 || count > SHARDS {
        return Err(format!("there are 1 to {SHARDS} parts; {hint}"));
    }
    if index >= count {
        return Err(format!("parts are counted from 0, so the last is {}/{count}; {hint}", count - 1));
    }
    Ok((index, count))
}

fn shared_name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match text.len() {
        1..=63 if text.chars().all(fits) => Ok(text.to_owned()),
        _ => Err("the name that all parts share has 1 to 63 letters, digits, dots, hyphens and underscores".to_owned()),
    }
}

/// The release of that name.
///
/// # Errors
/// There is none, with those that there are.
pub fn release(name: &str) -> Result<&'static Version, String> {
    versions::named(name).ok_or_else(|| {
        let supported: Vec<&str> = VERSIONS.iter().map(|version| version.kubeflow).collect();
        format!("the supported releases are {}", supported.join(", "))
    })
}

fn gateway_url(text: &str) -> Result<Url, String> {
    let hint = "write it as http://localhost:8080";
    let url = Url::parse(text).map_err(|error| format!("{error}; {hint}"))?;
    let plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    match url.scheme() {
        "http" | "https" if url.has_host() && plain => Ok(url),
        "http" | "https" => Err(format!("a gateway's address has no path, query or user; {hint}")),
        _ => Err(format!("neither http nor https; {hint}")),
    }
}

fn parts_of_the_platform() -> impl TypedValueParser<Value = &'static Part> {
    let names = PARTS.iter().map(|part| part.name);
    PossibleValuesParser::new(names).try_map(|name| parts::named(&name).ok_or_else(|| format!("no part {name}")))
}

fn profiles() -> impl TypedValueParser<Value = Profile> {
    let names = Profile::ALL.iter().map(|profile| profile.name());
    PossibleValuesParser::new(names).try_map(|name| {
        let found = Profile::ALL.iter().copied().find(|profile| profile.name() == name);
        found.ok_or_else(|| format!("no profile {name}"))
    })
}
