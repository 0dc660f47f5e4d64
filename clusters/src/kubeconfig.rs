//! Finding and reading a kubeconfig, with errors that say what to do next and that hold nothing of its content:
//! it has credentials in it.

use std::env;
use std::path::{Path, PathBuf};

use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};

use crate::target::ProvideError;

/// A context, ready for use.
#[derive(Clone)]
pub struct Context {
    /// Its name; `in-cluster` for a pod's service account.
    pub name: String,
    /// How to reach its cluster. Retries are off.
    pub config: Config,
}

/// The context of that name, or the current one.
///
/// The kubeconfig is `path`, else what `KUBECONFIG` lists (merged as `kubectl` does), else `~/.kube/config`; a pod that
/// has none of them uses its service account.
///
/// # Errors
/// [`ProvideError::NoKubeconfig`], [`ProvideError::BadKubeconfig`], [`ProvideError::UnknownContext`].
pub async fn load(path: Option<&Path>, context: Option<&str>) -> Result<Context, ProvideError> {
    let listed = env::var_os("KUBECONFIG").filter(|listed| !listed.is_empty());
    let home = env::home_dir().map(|home| home.join(".kube/config"));
    let in_pod = env::var_os("KUBERNETES_SERVICE_HOST").is_some();
    if path.is_none() && listed.is_none() && in_pod && !home.as_deref().is_some_and(Path::exists) {
        let config = Config::incluster().map_err(|error| ProvideError::BadKubeconfig {
            path: "of this pod's service account".to_owned(),
            reason: error.to_string(),
        })?;
        return Ok(Context { name: "in-cluster".to_owned(), config: without_retries(config) });
    }
    let files: Vec<PathBuf> = match (path, listed) {
        (Some(path), _) => vec![path.to_owned()],
        (None, Some(listed)) => env::split_paths(&listed).filter(|file| !file.as_os_str().is_empty()).collect(),
        (None, None) => vec![home.unwrap_or_else(|| PathBuf::from(".kube/config"))],
    };
    // Of several files those that do not exist are passed over, as `kubectl` does.
    let found: Vec<&PathBuf> = files.iter().filter(|file| files.len() == 1 || file.exists()).collect();
    let path = files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(":");
    if found.is_empty() {
        return Err(ProvideError::NoKubeconfig { path, reason: "none of them exists".to_owned() });
    }
    let mut merged = Kubeconfig::default();
    for file in found {
        let next = read(file)?;
        merged = merged.merge(next).map_err(|error| explain(&path, &error))?;
    }
    select(merged, &path, context).await
}

/// Reads one file; its text is looked at first, for `kube` panics at some that is no UTF-8.
fn read(file: &Path) -> Result<Kubeconfig, ProvideError> {
    let path = file.display().to_string();
    match std::fs::read(file) {
        Err(error) => return Err(ProvideError::NoKubeconfig { path, reason: error.to_string() }),
        Ok(bytes) if std::str::from_utf8(&bytes).is_err() => {
            return Err(ProvideError::BadKubeconfig { path, reason: "it is not UTF-8 text".to_owned() });
        }
        Ok(_) => {}
    }
    Kubeconfig::read_from(file).map_err(|error| explain(&path, &error))
}

/// The context of that name, or the current one, out of a kubeconfig's text; `origin` names it in errors.
///
/// # Errors
/// [`ProvideError::BadKubeconfig`], [`ProvideError::UnknownContext`].
pub async fn parse(text: &str, origin: &str, context: Option<&str>) -> Result<Context, ProvideError> {
    let kubeconfig = Kubeconfig::from_yaml(text).map_err(|error| explain(origin, &error))?;
    select(kubeconfig, origin, context).await
}

async fn select(kubeconfig: Kubeconfig, path: &str, context: Option<&str>) -> Result<Context, ProvideError> {
    let bad = |reason: &str| ProvideError::BadKubeconfig { path: path.to_owned(), reason: reason.to_owned() };
    let known: Vec<&str> = kubeconfig.contexts.iter().map(|context| context.name.as_str()).collect();
    if known.is_empty() {
        return Err(bad("it has no contexts"));
    }
    let current = kubeconfig.current_context.as_deref().filter(|current| !current.is_empty());
    let Some(name) = context.or(current).map(str::to_owned) else {
        let reason = format!("no current context is set; pass one of {} with --context", known.join(", "));
        return Err(bad(&reason));
    };
    if !known.contains(&name.as_str()) {
        let known = known.join(", ");
        return Err(ProvideError::UnknownContext { path: path.to_owned(), context: name, known });
    }
    let options = KubeConfigOptions { context: Some(name.clone()), cluster: None, user: None };
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
    let config = config.map_err(|error| explain(path, &error))?;
    Ok(Context { name, config: without_retries(config) })
}

fn without_retries(mut config: Config) -> Config {
    config.default_retry = false;
    config
}

/// `kube`'s error without a piece of the file.
fn explain(path: &str, error: &KubeconfigError) -> ProvideError {
    let bad = |reason: String| ProvideError::BadKubeconfig { path: path.to_owned(), reason };
    match error {
        KubeconfigError::Parse(error) => bad(match error.location() {
            Some(at) => format!("line {} is not what a kubeconfig has there", at.line()),
            None => "it is not YAML in the shape of a kubeconfig".to_owned(),
        }),
        KubeconfigError::LoadClusterOfContext(name) => bad(format!("it has no cluster {name:?}")),
        KubeconfigError::LoadContext(name) => bad(format!("it has no context {name:?}")),
        KubeconfigError::MissingClusterUrl => bad("the cluster has no server".to_owned()),
        KubeconfigError::ParseClusterUrl(_) => bad("the cluster's server is not a URL".to_owned()),
        KubeconfigError::ParseProxyUrl(_) => bad("the cluster's proxy-url is not a URL".to_owned()),
        other => bad(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "apiVersion: v1\nkind: Config\ncurrent-context: one\n\
        clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\n\
        users: [{name: u, user: {token: top-secret}}]\n\
        contexts: [{name: one, context: {cluster: c, user: u}}, {name: two, context: {cluster: gone, user: u}}]\n";

    async fn failure(text: &str, context: Option<&str>) -> String {
        let error = parse(text, "some/config", context).await.err().expect("it cannot be used").to_string();
        assert!(!error.contains("top-secret") && error.lines().count() == 1, "{error}");
        error
    }

    #[tokio::test]
    async fn the_current_context_is_used_and_nothing_is_retried() {
        let context = parse(GOOD, "some/config", None).await.expect("usable");
        assert_eq!(context.name, "one");
        assert!(!context.config.default_retry);
        assert_eq!(context.config.cluster_url.to_string(), "https://127.0.0.1:1/");
    }

    #[tokio::test]
    async fn what_is_wrong_is_said_without_the_files_content() {
        let unknown = failure(GOOD, Some("three")).await;
        assert!(unknown.contains("no context \"three\"; it has: one, two; pass one of them"), "{unknown}");
        for (text, context, words) in [
            (GOOD, Some("two"), "it has no cluster \"gone\""),
            (&GOOD.replace("current-context: one\n", ""), None, "no current context is set; pass one of one, two"),
            (&GOOD.replace("https://127.0.0.1:1", "http://a b"), None, "server is not a URL"),
            (&GOOD.replace("{server: 'https://127.0.0.1:1'}", "{}"), None, "the cluster has no server"),
            ("a: [top-secret", None, "cannot use the kubeconfig some/config: line 1"),
            ("apiVersion: v1\nusers: top-secret\n", None, "line 2"),
            ("", None, "some/config"),
            ("<html>top-secret</html>", None, "line 1"),
            ("{}", None, "it has no contexts"),
        ] {
            let error = failure(text, context).await;
            assert!(error.contains(words), "{error}\nshould contain\n{words}");
        }
    }

    #[tokio::test]
    async fn a_missing_file_and_a_binary_one_are_told_apart() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("config");
        let missing = load(Some(&path), None).await.err().expect("missing");
        assert!(matches!(missing, ProvideError::NoKubeconfig { .. }), "{missing}");
        std::fs::write(&path, b"\xff\xfe\x00").expect("a temporary folder");
        let binary = load(Some(&path), None).await.err().expect("binary");
        assert!(matches!(binary, ProvideError::BadKubeconfig { .. }), "{binary}");
    }
}
