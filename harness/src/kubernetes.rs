//! The Kubernetes API as a run uses it: one pool of connections, a client for each check whose every call is evidence,
//! and discovery that is asked once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ::http::{HeaderValue, Request, Response};
use futures::future::BoxFuture;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::client::Body;
use kube::config::AuthInfo;
use kube::core::{GroupVersion, GroupVersionKind};
use kube::discovery::{ApiGroup, Scope};
use reports::model::EventKind;
use tokio::sync::OnceCell;

use crate::evidence::{Recorder, millis};

/// To open a connection to the API server; kube's own default of 30 s is as long as a whole check.
const CONNECT: Duration = Duration::from_secs(5);

/// The Kubernetes API of a run.
#[derive(Clone)]
pub struct Kubernetes {
    shared: kube::Client,
    config: kube::Config,
    namespace: String,
    kinds: Arc<Kinds>,
}

impl Kubernetes {
    /// Prepares connections as a kubeconfig says. Nothing is asked yet, and nothing is ever asked twice: a failed call
    /// is a finding, not a reason to try again.
    ///
    /// # Errors
    /// If the credentials or certificates of the configuration cannot be used.
    pub fn new(mut config: kube::Config) -> Result<Self, kube::Error> {
        crate::init();
        config.default_retry = false;
        config.connect_timeout = config.connect_timeout.map_or(Some(CONNECT), |bound| Some(bound.min(CONNECT)));
        let namespace = config.default_namespace.clone();
        Ok(Self { shared: kube::Client::try_from(config.clone())?, config, namespace, kinds: Arc::default() })
    }

    /// A client without evidence, for what the run itself does.
    #[must_use]
    pub fn shared(&self) -> kube::Client {
        self.shared.clone()
    }

    /// A client whose calls carry `user_agent` and are evidence of `recorder`'s check. It shares its connections.
    #[must_use]
    pub fn client(&self, user_agent: &str, recorder: Recorder) -> kube::Client {
        let shared = self.shared.clone();
        let user_agent = HeaderValue::from_str(user_agent).ok();
        let service = tower::service_fn(move |mut request: Request<Body>| {
            if let Some(user_agent) = &user_agent {
                request.headers_mut().insert("user-agent", user_agent.clone());
            }
            recorded(shared.clone(), recorder.clone(), request)
        });
        kube::Client::new(service, self.namespace.clone())
    }

    /// A client that comes with a token of its own instead of the run's credentials, and asks the same server.
    ///
    /// # Errors
    /// If the certificates of the configuration cannot be used.
    pub(crate) fn with_token(&self, token: &str) -> Result<Self, kube::Error> {
        let mut config = self.config.clone();
        config.auth_info = AuthInfo { token: Some(token.to_owned().into()), ..AuthInfo::default() };
        Self::new(config)
    }

    /// How the API server names the resource of a kind, asked once per run; `None` if it does not serve the kind.
    ///
    /// # Errors
    /// Whatever keeps the server from telling.
    pub async fn find(&self, api_version: &str, kind: &str) -> Result<Option<Served>, kube::Error> {
        self.kinds.find(&self.shared, api_version, kind).await
    }

    /// The resource of an object's own kind.
    ///
    /// # Errors
    /// Whatever keeps the server from telling.
    pub async fn find_for(&self, object: &DynamicObject) -> Result<Option<Served>, kube::Error> {
        match &object.types {
            Some(types) => self.find(&types.api_version, &types.kind).await,
            None => Ok(None),
        }
    }
}

/// Makes a call and records it, also when nobody waits for its answer any longer.
fn recorded(
    client: kube::Client,
    recorder: Recorder,
    request: Request<Body>,
) -> BoxFuture<'static, Result<Response<Body>, kube::Error>> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let mut call = Call { recorder, what: format!("{} {path}", request.method()), started: Instant::now(), status: 0 };
    Box::pin(async move {
        let answer = client.send(request).await;
        call.answered(&answer);
        answer
    })
}

/// A call under way; recorded when it ends, in whatever way.
struct Call {
    recorder: Recorder,
    what: String,
    started: Instant,
    status: u16,
}

impl Call {
    fn answered(&mut self, answer: &Result<Response<Body>, kube::Error>) {
        self.status = answer.as_ref().map_or(0, |answer| answer.status().as_u16());
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let (call, duration_ms) = (std::mem::take(&mut self.what), millis(self.started.elapsed()));
        self.recorder.record(EventKind::Kubernetes { call, status: self.status, duration_ms });
    }
}

/// A kind that the API server serves.
#[derive(Debug, Clone)]
pub struct Served {
    /// Its names.
    pub resource: ApiResource,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}

impl Served {
    /// Access to its objects: in a namespace, or everywhere if that is empty or the kind knows none.
    #[must_use]
    pub fn api(&self, client: &kube::Client, namespace: &str) -> Api<DynamicObject> {
        if self.namespaced && !namespace.is_empty() {
            Api::namespaced_with(client.clone(), namespace, &self.resource)
        } else {
            Api::all_with(client.clone(), &self.resource)
        }
    }
}

/// What discovery has told so far, one group version at a time.
#[derive(Default)]
struct Kinds(Mutex<HashMap<String, Arc<OnceCell<Option<ApiGroup>>>>>);

impl Kinds {
    fn cell(&self, api_version: &str) -> Arc<OnceCell<Option<ApiGroup>>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(api_version.to_owned()).or_default())
    }

    fn forget(&self, api_version: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(api_version);
    }

    async fn find(&self, client: &kube::Client, api_version: &str, kind: &str) -> Result<Option<Served>, kube::Error> {
        let Ok(version) = api_version.parse::<GroupVersion>() else { return Ok(None) };
        let wanted = GroupVersionKind::gvk(&version.group, &version.version, kind);
        let known = self.cell(api_version);
        let fresh = !known.initialized();
        let group = known.get_or_try_init(|| discover(client, &version)).await?;
        if let Some(served) = group.as_ref().and_then(|group| look_up(group, &wanted)) {
            return Ok(Some(served));
        }
        if fresh {
            return Ok(None);
        }
        // What was missing then may have been installed since.
        self.forget(api_version);
        let group = discover(client, &version).await?;
        let served = group.as_ref().and_then(|group| look_up(group, &wanted));
        _ = self.cell(api_version).set(group);
        Ok(served)
    }
}

async fn discover(client: &kube::Client, version: &GroupVersion) -> Result<Option<ApiGroup>, kube::Error> {
    match kube::discovery::pinned_group(client, version).await {
        Ok(group) => Ok(Some(group)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(error),
    }
}

fn look_up(group: &ApiGroup, wanted: &GroupVersionKind) -> Option<Served> {
    let mut resources = group.versioned_resources(&wanted.version).into_iter();
    let (resource, capabilities) = resources.find(|(resource, _)| resource.kind == wanted.kind)?;
    Some(Served { resource, namespaced: capabilities.scope == Scope::Namespaced })
}

/// An error of the API in one plain sentence: what the server said, or why it said nothing.
#[must_use]
pub fn describe(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if status.reason.is_empty() => format!("{}: {}", status.code, status.message),
        kube::Error::Api(status) => format!("{} {}: {}", status.code, status.reason, status.message),
        other => crate::http::causes(other),
    }
}
