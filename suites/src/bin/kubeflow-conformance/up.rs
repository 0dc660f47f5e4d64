//! `up`: the embedded platform for a person.

/// Serves until a signal comes.
#[cfg(not(feature = "embedded"))]
pub fn up(_: &clap::ArgMatches) -> u8 {
    crate::wrong("this program was built without the embedded platform; build it with --features embedded")
}

#[cfg(feature = "embedded")]
pub use serve::up;

#[cfg(feature = "embedded")]
mod serve {
    use std::fs::OpenOptions;
    use std::io::{self, Write as _};
    use std::net::{Ipv4Addr, SocketAddr};
    use std::path::{Path, PathBuf};

    use clap::{ArgMatches, FromArgMatches as _};
    use clusters::install::Progress;
    use clusters::versions::Version;
    use clusters::versions::credentials::{DEFAULT_PASSWORD, DEFAULT_USER};
    use clusters::{Embedded, Holds, Provided, Provider as _};
    use harness::cli::{answered, refused, say};
    use harness::config::InstallationOptions;
    use harness::{exit, signals};
    use tokio_util::sync::CancellationToken;

    use crate::impossible;

    /// Serves until a signal comes.
    pub fn up(matches: &ArgMatches) -> u8 {
        let installation = match InstallationOptions::from_arg_matches(matches) {
            Ok(installation) => installation,
            Err(error) => return refused(&error.into()),
        };
        harness::init();
        let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return impossible(&format!("cannot start threads: {error}")),
        };
        runtime.block_on(serve(matches, &installation)).unwrap_or_else(|reason| impossible(&reason))
    }

    async fn serve(matches: &ArgMatches, installation: &InstallationOptions) -> Result<u8, String> {
        let cancel = CancellationToken::new();
        signals::watch(cancel.clone()).map_err(|error| format!("cannot watch for signals: {error}"))?;
        let version = harness::cli::release_or_default(installation.kubeflow)?;
        let mut embedded = Embedded::new(version);
        embedded.manifests = match &installation.manifests {
            Some(path) => Some(harness::cli::manifests(path, version)?),
            None => None,
        };
        embedded.progress = Progress::stderr();
        embedded.echo = matches.get_flag("echo");
        if matches.get_one::<String>("as").is_some_and(|played| played == "standalone") {
            embedded.holds = Holds::Standalone;
        }
        embedded.gateway = local(matches, "port");
        embedded.api = local(matches, "api-port");
        let provided = embedded.provide(&cancel).await.map_err(|error| error.to_string())?;
        let file = Kubeconfig::write(matches.get_one::<PathBuf>("write-kubeconfig"), &provided)?;
        let gateway = provided.target.gateway.as_ref().map(ToString::to_string).unwrap_or_default();
        if embedded.holds == Holds::Standalone {
            let shown = answered(&format!(
                "plays      standalone Kubeflow Pipelines and Katib on Bitnami charts, with data: SIMULATED, in this process\n\
                 kubectl    export KUBECONFIG={0}\n\
                 migration  kubeflow-conformance migrate preflight --kubeconfig {0} --context embedded\n",
                file.path().display(),
            ));
            return if shown == 0 { until_ctrl_c(&cancel).await } else { Ok(shown) };
        }
        let shown = answered(&format!(
            "platform   {}: SIMULATED, plays a cluster in this process\n\
             dashboard  {gateway}\n\
             login      {DEFAULT_USER} / {DEFAULT_PASSWORD}\n\
             kubectl    export KUBECONFIG={}\n",
            played(version, &provided),
            file.path().display(),
        ));
        if shown != 0 {
            return Ok(shown);
        }
        until_ctrl_c(&cancel).await
    }

    async fn until_ctrl_c(cancel: &CancellationToken) -> Result<u8, String> {
        say("serving until Ctrl-C");
        cancel.cancelled().await;
        Ok(exit::CONFORMANT)
    }

    /// What is played: a built-in release, or what the manifests make of an empty cluster.
    fn played(version: &Version, provided: &Provided) -> String {
        match &provided.installed {
            Some(installed) => installed.source.clone(),
            None => format!("Kubeflow {}, contract {}", version.kubeflow, version.contract.letter()),
        }
    }

    fn local(matches: &ArgMatches, option: &str) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, matches.get_one::<u16>(option).copied().unwrap_or_default()))
    }

    /// A kubeconfig of the platform, readable by its owner only; a temporary one goes with the platform.
    enum Kubeconfig {
        Named(PathBuf),
        Temporary(tempfile::NamedTempFile),
    }

    impl Kubeconfig {
        fn write(path: Option<&PathBuf>, provided: &Provided) -> Result<Self, String> {
            let text = provided.kubeconfig.as_deref().unwrap_or_default();
            let written = match path {
                Some(path) => private(path, text).map(|()| Self::Named(path.clone())),
                None => temporary(text).map(Self::Temporary),
            };
            let shown = path.map_or_else(|| "to a temporary file".to_owned(), |path| path.display().to_string());
            written.map_err(|error| {
                format!("cannot write the kubeconfig {shown}: {error}; name another with --write-kubeconfig")
            })
        }

        fn path(&self) -> &Path {
            match self {
                Self::Named(path) => path,
                Self::Temporary(file) => file.path(),
            }
        }
    }

    fn private(path: &Path, text: &str) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(path)?.write_all(text.as_bytes())
    }

    fn temporary(text: &str) -> io::Result<tempfile::NamedTempFile> {
        let mut file = tempfile::Builder::new().prefix("kubeflow-conformance-").suffix(".kubeconfig").tempfile()?;
        file.write_all(text.as_bytes())?;
        Ok(file)
    }
}
