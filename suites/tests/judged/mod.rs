//! An embedded platform in the process of a test, and the real program that judges it from outside, as it would a cluster.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use clusters::versions::credentials::{DEFAULT_PASSWORD, EMBEDDED_USERS};
use clusters::{Embedded, Provided, Provider, versions};
use tokio_util::sync::CancellationToken;

/// The platform, and a folder where the program works.
pub struct Judged {
    provided: Provided,
    folder: tempfile::TempDir,
}

impl Judged {
    pub async fn start() -> Self {
        harness::init();
        let embedded = Embedded::new(versions::named("1.9.1").unwrap());
        let provided = embedded.provide(&CancellationToken::new()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("kubeconfig"), provided.kubeconfig.as_deref().unwrap()).unwrap();
        let users: Vec<String> = EMBEDDED_USERS.iter().map(|user| format!("{user} {DEFAULT_PASSWORD}\n")).collect();
        std::fs::write(folder.path().join("users"), users.concat()).unwrap();
        Self { provided, folder }
    }

    /// Its Kubernetes API, as the administrator.
    pub fn client(&self) -> kube::Client {
        kube::Client::try_from(self.provided.target.kube.clone()).unwrap()
    }

    /// A file in the program's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program, told where the platform is and nothing else by the environment. Its reports go to `reports`.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubeflow-conformance"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CONFORMANCE_") {
                command.env_remove(name);
            }
        }
        let gateway = self.provided.target.gateway.as_ref().unwrap().to_string();
        command.args(["run", "--cluster", "existing", "--kubeconfig", "kubeconfig", "--gateway-url", &gateway]);
        command.args(["--users-file", "users", "--report-dir", "reports"]);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }
}
