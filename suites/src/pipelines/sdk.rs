//! The calls of the SDK in a notebook: `kfp.Client()` without arguments, then an experiment and a run.
//!
//! In a cluster the client takes the address of a Service and, as `Authorization: Bearer`, the token of a file for every
//! call (kubeflow/pipelines `sdk/python/kfp/client/client.py` and `set_volume_credentials.py`, 2.0.1 to 2.5.0). What comes
//! in place of an answer says which link of the way broke: the name, the mesh, the token, the account's rights.

use harness::{Checked, Ctx, Stop};
use http::Method;
use serde_json::Value;

use super::api::trouble;
use super::granted::Notebook;
use crate::accounts::pipelines::settings;
use crate::gateway::diagnose::{Cause, blame};
use crate::objects::{self, AUTHORIZATION_POLICY, SERVICE, text};
use crate::probe::request::{Reply, Request};
use crate::recognise::{Answered, who};

/// Where the client finds the API: `Client._IN_CLUSTER_DNS_NAME` with the namespace that it takes for granted.
const HOST: &str = "http://ml-pipeline.kubeflow.svc.cluster.local:8888";

/// A client in a notebook.
pub struct Client<'a> {
    /// The notebook.
    pub notebook: &'a Notebook,
    /// The token that it found.
    pub token: String,
}

/// What came of a call.
#[derive(Debug)]
pub enum Came {
    /// A success, with its body.
    Body(Value),
    /// 403, code 7: the API server knows who asks, and does not let them. With its words.
    Forbidden(String),
    /// 401, code 16: the API server does not know who asks.
    Unknown,
    /// The mesh refused.
    Refused,
    /// There is no such name.
    NoSuchName,
    /// Something else.
    Other(String),
}

impl std::fmt::Display for Came {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Body(body) => write!(f, "the API server answers: {body}"),
            Self::Forbidden(words) => write!(f, "the API server knows who asks and refuses: {words}"),
            Self::Unknown => f.write_str("the API server does not know the token (401, code 16)"),
            Self::Refused => f.write_str("the mesh refuses (RBAC: access denied)"),
            Self::NoSuchName => write!(f, "the name in {HOST} is not resolved"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

fn came(reply: &Reply) -> Came {
    let answer = match reply {
        Reply::Answer(answer) => answer,
        Reply::NoSuchName => return Came::NoSuchName,
        silence => return Came::Other(silence.to_string()),
    };
    if who(answer) == Answered::RbacRefusal {
        return Came::Refused;
    }
    let body = answer.json().unwrap_or_default();
    match (answer.status.as_u16(), body["code"].as_i64()) {
        (200, None) if body.is_object() => Came::Body(body),
        (403, Some(7)) => Came::Forbidden(text(&body, "/details/0/message").to_owned()),
        (401, Some(16)) => Came::Unknown,
        _ => Came::Other(answer.summary()),
    }
}

impl<'a> Client<'a> {
    /// A client as it makes itself.
    pub async fn new(cx: &Ctx, notebook: &'a Notebook) -> Checked<Self> {
        Ok(Self { notebook, token: notebook.token(cx).await? })
    }

    /// Makes a call of v2beta1, with the token or without. Nothing that comes is a failure here.
    pub async fn ask(
        &self,
        cx: &Ctx,
        method: Method,
        path: &str,
        body: Option<&Value>,
        token: Option<&str>,
    ) -> Checked<(Came, String)> {
        let url = format!("{HOST}/apis/v2beta1{path}");
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<(&str, &str)> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
        let at =
            format!("notebook {}/{}, {method} {url}", self.notebook.probe.namespace, self.notebook.probe.container);
        let reply = self.notebook.probe.send(cx, Request { method, url: &url, headers: &headers, body }).await?;
        Ok((came(&reply), at))
    }

    /// Makes a call that must succeed.
    ///
    /// # Errors
    /// [`Stop::Failed`] with the link that broke.
    pub async fn call(&self, cx: &Ctx, method: Method, path: &str, body: Option<&Value>) -> Checked<Value> {
        match self.ask(cx, method, path, body, Some(&self.token)).await? {
            (Came::Body(body), _) => Ok(body),
            (came, at) => Err(self.differs(cx, "the API server answers the SDK of a notebook", &came, at).await?),
        }
    }

    /// A failure with what is to blame for it.
    ///
    /// # Errors
    /// [`Stop::Errored`] if the pod does not even reach what every pod reaches.
    pub async fn differs(&self, cx: &Ctx, expected: &str, came: &Came, at: String) -> Checked<Stop> {
        let cause = match came {
            Came::Refused => refusing_policy(cx).await,
            Came::NoSuchName => {
                self.notebook.probe.is_alive(cx).await?;
                unnamed(cx).await
            }
            // Whoever is asked nothing is let in; whoever looks for another audience knows no token.
            Came::Unknown | Came::Body(_) => match settings(cx).await {
                Ok(None) if matches!(came, Came::Unknown) => trouble(cx).await,
                Ok(None) => crate::reach::everywhere(cx, &self.notebook.account()).await,
                told => told,
            },
            Came::Forbidden(_) => trouble(cx).await,
            Came::Other(_) => match settings(cx).await {
                Ok(None) => trouble(cx).await,
                told => told,
            },
        };
        Ok(blame(Stop::failed(expected, came.to_string()).at(at), cause))
    }
}

/// What makes the mesh refuse a notebook.
async fn refusing_policy(cx: &Ctx) -> Checked<Option<Cause>> {
    let what = match objects::get(cx, AUTHORIZATION_POLICY, "kubeflow", "ml-pipeline").await? {
        Some(_) => "AuthorizationPolicy kubeflow/ml-pipeline does not let in whoever sends no kubeflow-userid",
        None => "AuthorizationPolicy kubeflow/ml-pipeline is absent, and another one lets in only whom it names",
    };
    Ok(Some(Cause::new(what, "apply AuthorizationPolicy kubeflow/ml-pipeline of kubeflow/manifests again")))
}

/// Why the API server has no name.
async fn unnamed(cx: &Ctx) -> Checked<Option<Cause>> {
    Ok(Some(match objects::get(cx, SERVICE, "kubeflow", "ml-pipeline").await? {
        None => Cause::new(
            "Service kubeflow/ml-pipeline is absent",
            "apply Service ml-pipeline of kubeflow/manifests again",
        ),
        Some(_) => Cause::new(
            "the cluster's DNS does not know Service kubeflow/ml-pipeline by its full name: another cluster domain than \
             cluster.local, or a DNS that lags",
            "where the domain differs, notebooks need KF_PIPELINES_ENDPOINT in their environment",
        ),
    }))
}
