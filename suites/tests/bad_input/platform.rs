//! A Kubernetes API that answers, behind gateways that do not.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use clusters::{Embedded, Provided, Provider, versions};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

struct Platform {
    kubeconfig: PathBuf,
    _provided: Provided,
    _runtime: Runtime,
}

/// The kubeconfig of one embedded platform for all tests; its context is `embedded`.
pub fn kubeconfig() -> &'static Path {
    static PLATFORM: OnceLock<Platform> = OnceLock::new();
    let platform = PLATFORM.get_or_init(|| {
        let runtime = Runtime::new().unwrap();
        let version = versions::named("1.9.1").unwrap();
        let provided = runtime.block_on(Embedded::new(version).provide(&CancellationToken::new())).unwrap();
        let kubeconfig = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bad-input.kubeconfig");
        std::fs::write(&kubeconfig, provided.kubeconfig.as_deref().unwrap()).unwrap();
        Platform { kubeconfig, _provided: provided, _runtime: runtime }
    });
    &platform.kubeconfig
}
