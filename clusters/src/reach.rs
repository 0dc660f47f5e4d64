//! Whether a Kubernetes API answers, and in which way it does not.

use std::error::Error;
use std::time::Duration;

use kube::{Client, Config};

use crate::target::ProvideError;

/// How long an API server may take to say its version.
const PATIENCE: Duration = Duration::from_secs(10);

/// A client of a configuration; one TLS provider is in use whoever asks first.
pub(crate) fn client(config: &Config) -> Result<Client, kube::Error> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::try_from(config.clone())
}

/// The version of an API server, for example `v1.33.1`.
pub(crate) async fn api_server(config: &Config, context: &str) -> Result<String, ProvideError> {
    let (server, context) = (config.cluster_url.to_string(), context.to_owned());
    let answer = async { client(config)?.apiserver_version().await };
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(Ok(info)) => Ok(info.git_version),
        Ok(Err(error)) => Err(classify(server, context, &error)),
        Err(_) => {
            let reason = format!("no answer within {} s", PATIENCE.as_secs());
            Err(ProvideError::Unreachable { server, context, reason })
        }
    }
}

fn classify(server: String, context: String, error: &kube::Error) -> ProvideError {
    match error {
        kube::Error::Api(status) if matches!(status.code, 401 | 403) => {
            let reason = format!("{} {}", status.code, status.reason);
            ProvideError::Refused { server, context, reason }
        }
        kube::Error::Api(status) => {
            let reason = format!("GET /version is answered with status {}", status.code);
            ProvideError::NotKubernetes { server, context, reason }
        }
        kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => {
            let reason = "GET /version is not answered with a version in JSON".to_owned();
            ProvideError::NotKubernetes { server, context, reason }
        }
        // What a credential plug-in wrote stays unsaid: it may be a token.
        kube::Error::Auth(error) => ProvideError::Refused { server, context, reason: plug_in(error) },
        error => {
            let reason = root_cause(error);
            if reason.contains("invalid peer certificate") {
                ProvideError::Untrusted { server, context, reason }
            } else if reason.contains("fatal alert") {
                ProvideError::Refused { server, context, reason }
            } else {
                ProvideError::Unreachable { server, context, reason }
            }
        }
    }
}

fn plug_in(error: &kube::client::AuthError) -> String {
    use kube::client::AuthError;
    match error {
        AuthError::AuthExecStart(error) => format!("the credential plug-in cannot be run: {error}"),
        AuthError::AuthExecRun { cmd, out } => {
            let program = cmd.split_whitespace().next().unwrap_or_default().trim_matches('"');
            format!("the credential plug-in {program} failed ({})", out.status)
        }
        AuthError::ReadTokenFile(error, path) => format!("the token file {} is unreadable: {error}", path.display()),
        AuthError::AuthExecParse(_) | AuthError::ExecPluginFailed => {
            "the credential plug-in did not answer with credentials".to_owned()
        }
        _ => "the credentials in the kubeconfig are not usable".to_owned(),
    }
}

/// The innermost words: `client error (Connect)` tells nothing, `Connection refused` does.
fn root_cause(error: &kube::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use wiremock::matchers::path;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;

    fn config(url: &str) -> Config {
        let mut config = Config::new(url.parse().expect("a URL"));
        config.default_retry = false;
        config
    }

    async fn answering(answer: ResponseTemplate) -> Result<String, ProvideError> {
        let server = MockServer::start().await;
        Mock::given(path("/version")).respond_with(answer).mount(&server).await;
        api_server(&config(&server.uri()), "some").await
    }

    #[tokio::test]
    async fn a_version_is_read() {
        let version = serde_json::json!({
            "major": "1", "minor": "33", "gitVersion": "v1.33.1", "gitCommit": "", "gitTreeState": "",
            "buildDate": "", "goVersion": "", "compiler": "", "platform": "",
        });
        let version = answering(ResponseTemplate::new(200).set_body_json(version)).await;
        assert_eq!(version.expect("a version"), "v1.33.1");
    }

    #[tokio::test]
    async fn what_answers_wrongly_is_told_apart() {
        let expired = serde_json::json!({
            "kind": "Status", "status": "Failure", "message": "Unauthorized", "reason": "Unauthorized", "code": 401,
        });
        let refused = answering(ResponseTemplate::new(401).set_body_json(expired)).await;
        assert!(matches!(refused, Err(ProvideError::Refused { .. })), "{refused:?}");
        for answer in [
            ResponseTemplate::new(200).set_body_string("<html>sign in</html>"),
            ResponseTemplate::new(404).set_body_string("not here"),
            ResponseTemplate::new(502).set_body_string("bad gateway"),
        ] {
            let other = answering(answer).await;
            assert!(matches!(other, Err(ProvideError::NotKubernetes { .. })), "{other:?}");
        }
    }

    #[tokio::test]
    async fn a_dead_server_is_named_with_its_context() {
        let dead = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", dead.local_addr().expect("a port"));
        drop(dead);
        let error = api_server(&config(&url), "some").await.expect_err("dead").to_string();
        assert!(error.contains("refused") && error.contains("kubectl cluster-info --context some"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_never_answers_is_given_up() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", silent.local_addr().expect("a port"));
        let error = api_server(&config(&url), "some").await.expect_err("silent").to_string();
        assert!(error.contains("no answer within 10 s"), "{error}");
    }
}
