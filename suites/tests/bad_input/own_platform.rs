//! An embedded platform that a test breaks through its objects, and has judged by the real program.

use clusters::{Embedded, Provided, Provider, versions};
use tokio_util::sync::CancellationToken;

use crate::program::{Program, Ran};

/// A platform of one test.
pub struct Platform {
    provided: Provided,
    /// Its Kubernetes API, as the administrator.
    pub client: kube::Client,
}

impl Platform {
    /// Starts it.
    pub async fn start() -> Self {
        harness::init();
        let embedded = Embedded::new(versions::named("1.9.1").unwrap());
        let provided = embedded.provide(&CancellationToken::new()).await.unwrap();
        let client = kube::Client::try_from(provided.target.kube.clone()).unwrap();
        Self { provided, client }
    }

    /// Judges it by the checks whose names contain a word.
    pub fn judged(&self, users: &str, filter: &str) -> Ran {
        let mut program = Program::new(&["run", "--report-dir", "reports"]);
        let kubeconfig = program.file("kubeconfig", self.provided.kubeconfig.as_deref().unwrap());
        let users = program.file("users", users);
        let gateway = self.provided.target.gateway.as_ref().unwrap().to_string();
        program.command.args(["--cluster", "existing", "--gateway-url", &gateway, "--kubeconfig"]).arg(kubeconfig);
        program.command.arg("--users-file").arg(users).arg(filter);
        // The platform is in this process: it needs its threads.
        tokio::task::block_in_place(|| program.ends())
    }
}
