//! The API of Kubeflow Pipelines as its users reach it: through the gateway, in a session; and what keeps it from
//! answering.
//!
//! Errors are judged by status, gRPC code and the short text in `details` (kubeflow/pipelines
//! `backend/src/common/util/error.go`); the long message is a chain of internal causes that changes with every release.

use harness::http::Answer;
use harness::{Checked, Ctx, Stop};
use http::Method;
use serde_json::Value;

use crate::gateway::diagnose::{Cause, blame, pods_behind};
use crate::objects::{self, CLUSTER_ROLE, SECRET, secret_value, text};
use crate::recognise::who;
use crate::rights::{self, Ask};

/// Where v2beta1 is.
pub const API: &str = "/pipeline/apis/v2beta1";
/// Where v1beta1 is.
pub const OLD_API: &str = "/pipeline/apis/v1beta1";
/// The account that the API server runs as.
pub const ACCOUNT: &str = "system:serviceaccount:kubeflow:ml-pipeline";

/// The role that gives owners and contributors their rights.
const EDITORS: &str = "aggregate-to-kubeflow-pipelines-edit";

/// The Secret with the keys of the bundled object store.
const STORE_KEYS: &str = "mlpipeline-minio-artifact";

/// An answer of the API.
#[derive(Debug)]
pub struct Reply {
    /// The answer.
    pub answer: Answer,
    /// Its body; null if it is no JSON.
    pub body: Value,
}

/// Sends a call in the run's user's session.
pub async fn call(cx: &Ctx, method: Method, path: &str, body: Option<&Value>) -> Checked<Reply> {
    let session = cx.user_session().await?;
    let mut request = session.request(method, path);
    if let Some(body) = body {
        request = request.json(body);
    }
    reply(request.send().await?)
}

/// Reads an answer.
pub fn reply(answer: Answer) -> Checked<Reply> {
    let body = answer.json().unwrap_or_default();
    Ok(Reply { answer, body })
}

/// `GET` of v2beta1.
pub async fn get(cx: &Ctx, path: &str) -> Checked<Value> {
    call(cx, Method::GET, &format!("{API}{path}"), None).await?.ok(cx).await
}

/// `POST` to v2beta1.
pub async fn post(cx: &Ctx, path: &str, body: &Value) -> Checked<Value> {
    call(cx, Method::POST, &format!("{API}{path}"), Some(body)).await?.ok(cx).await
}

/// `DELETE` of v2beta1.
pub async fn delete(cx: &Ctx, path: &str) -> Checked<Value> {
    call(cx, Method::DELETE, &format!("{API}{path}"), None).await?.ok(cx).await
}

/// How an API refuses.
#[derive(Debug, Clone, Copy)]
pub struct Refused<'a> {
    /// HTTP status.
    pub status: u16,
    /// gRPC's number.
    pub code: i64,
    /// What the short text contains.
    pub detail: &'a str,
}

impl Reply {
    /// The body of a success.
    pub async fn ok(self, cx: &Ctx) -> Checked<Value> {
        if self.answer.status.is_success() && self.body.is_object() {
            return Ok(self.body);
        }
        let stop = Stop::failed("200 and JSON of the pipelines API", self.told()).at(self.answer.at());
        let cause = match self.database() {
            None => trouble(cx).await,
            told => Ok(told),
        };
        Err(blame(stop, cause))
    }

    /// What the database refused, if the API server says so, in MySQL's own numbers (MySQL 8.0 Server Error Message
    /// Reference).
    fn database(&self) -> Option<Cause> {
        let told = self.body.to_string();
        if told.contains("Error 1290") {
            let cause = "Deployment kubeflow/mysql runs read-only, so nothing new is kept";
            return Some(Cause::new(
                cause,
                "take --super-read-only away from its arguments, or SET GLOBAL super_read_only=OFF",
            ));
        }
        let full = ["Error 1114", "No space left on device", "disk is full"].iter().any(|words| told.contains(words));
        full.then(|| {
            let cause = "the volume of Deployment kubeflow/mysql (claim mysql-pv-claim) is full";
            Cause::new(cause, "enlarge claim kubeflow/mysql-pv-claim, or remove rows of old runs")
        })
    }

    /// Fails unless the API itself refused so.
    pub async fn refused(&self, cx: &Ctx, as_: Refused<'_>) -> Checked {
        let Refused { status, code, detail } = as_;
        let found = (self.answer.status.as_u16(), self.body["code"].as_i64());
        if found == (status, Some(code)) && text(&self.body, "/details/0/message").contains(detail) {
            return Ok(());
        }
        let expected = format!("{status}, code {code}, saying {detail:?}");
        let stop = Stop::failed(expected, self.told()).at(self.answer.at());
        // A call that was allowed is no trouble of the API: its rights are wrong.
        if self.answer.status.is_success() { Err(stop) } else { Err(blame(stop, trouble(cx).await)) }
    }

    /// What came, in a few words.
    #[must_use]
    pub fn told(&self) -> String {
        let detail = text(&self.body, "/details/0/message");
        match (self.body["code"].as_i64(), detail) {
            (Some(code), "") => format!("{}, code {code}: {}", self.answer.status, text(&self.body, "/message")),
            (Some(code), detail) => format!("{}, code {code}: {detail}", self.answer.status),
            // The server of uploads has words of its own, the reason last.
            _ if !text(&self.body, "/error_message").is_empty() => {
                format!("{}: {}", self.answer.status, text(&self.body, "/error_message"))
            }
            _ => format!("{} ({})", who(&self.answer), self.answer.summary()),
        }
    }
}

/// What keeps the API from answering: its pods, its database, its rights.
pub async fn trouble(cx: &Ctx) -> Checked<Option<Cause>> {
    for (service, deployment) in [
        ("ml-pipeline-ui", "ml-pipeline-ui"),
        ("mysql", "mysql"),
        ("minio-service", "minio"),
        ("ml-pipeline", "ml-pipeline"),
    ] {
        if deployment == "ml-pipeline"
            && let Some(cause) = password(cx).await?
        {
            return Ok(Some(cause));
        }
        if deployment == "ml-pipeline"
            && let Some(cause) = store_keys(cx).await?
        {
            return Ok(Some(cause));
        }
        // A site may have an object store of its own.
        if deployment == "minio" && objects::get(cx, objects::DEPLOYMENT, "kubeflow", deployment).await?.is_none() {
            continue;
        }
        if let Some(cause) = pods_behind(cx, ("kubeflow", service), ("kubeflow", deployment)).await? {
            return Ok(Some(cause));
        }
    }
    if let Some(mysql) = objects::get(cx, objects::DEPLOYMENT, "kubeflow", "mysql").await?
        && !mysql.data.to_string().contains("persistentVolumeClaim")
    {
        return Ok(Some(Cause::new(
            "Deployment kubeflow/mysql keeps its data on no PersistentVolumeClaim: a new pod begins without any",
            "mount claim mysql-pv-claim at /var/lib/mysql again, and restart ml-pipeline",
        )));
    }
    for policy in ["ml-pipeline", "mysql"] {
        let found = objects::get(cx, objects::AUTHORIZATION_POLICY, "kubeflow", policy).await?;
        let lets_in = found.is_some_and(|policy| policy.data.to_string().contains("/sa/ml-pipeline"));
        if !lets_in {
            return Ok(Some(Cause::new(
                format!("AuthorizationPolicy kubeflow/{policy} does not let Kubeflow Pipelines in"),
                format!("apply AuthorizationPolicy kubeflow/{policy} of kubeflow/manifests again"),
            )));
        }
    }
    let review =
        Ask { verb: "create", group: "authorization.k8s.io", resource: "subjectaccessreviews", ..Ask::default() };
    let workflows = Ask { verb: "create", group: "argoproj.io", resource: "workflows", ..Ask::default() };
    for ask in [review, workflows] {
        if !rights::allowed(cx, ACCOUNT, &ask).await? {
            return Ok(Some(Cause::new(
                format!("ClusterRoleBinding ml-pipeline is absent or binds to too little: {ACCOUNT} may not {ask}"),
                "apply ClusterRole and ClusterRoleBinding ml-pipeline of kubeflow/manifests again",
            )));
        }
    }
    if objects::get(cx, CLUSTER_ROLE, "", EDITORS).await?.is_none() {
        return Ok(Some(Cause::new(
            format!("ClusterRole {EDITORS}, by which owners may make anything, is absent"),
            format!("apply ClusterRole {EDITORS} of kubeflow/manifests again"),
        )));
    }
    Ok(None)
}

/// The bundled MySQL lets root in without a password; a Secret that says otherwise locks the API server out.
pub async fn password(cx: &Ctx) -> Checked<Option<Cause>> {
    let Some(secret) = objects::get(cx, SECRET, "kubeflow", "mysql-secret").await? else {
        return Ok(Some(Cause::new(
            "Secret kubeflow/mysql-secret is absent",
            "apply Secret mysql-secret of kubeflow/manifests again",
        )));
    };
    let Some(deployment) = objects::get(cx, objects::DEPLOYMENT, "kubeflow", "mysql").await? else { return Ok(None) };
    let is_open = objects::variable(&deployment, "MYSQL_ALLOW_EMPTY_PASSWORD").is_some();
    let asks = secret_value(&secret, "password").is_some_and(|password| !password.is_empty());
    Ok((is_open && asks).then(|| {
        Cause::new(
            "Secret kubeflow/mysql-secret has a password, and Deployment kubeflow/mysql was set up without one",
            "set the same password in MySQL: ALTER USER root IDENTIFIED BY '…'; or empty the Secret's",
        )
    }))
}

/// The API server is told keys of the object store by name; others than those of the Secret that the bundled store reads
/// let it make no bucket.
async fn store_keys(cx: &Ctx) -> Checked<Option<Cause>> {
    if objects::get(cx, objects::DEPLOYMENT, "kubeflow", "minio").await?.is_none() {
        return Ok(None);
    }
    let Some(server) = objects::get(cx, objects::DEPLOYMENT, "kubeflow", "ml-pipeline").await? else { return Ok(None) };
    let Some(secret) = objects::get(cx, SECRET, "kubeflow", STORE_KEYS).await? else {
        return Ok(Some(Cause::new(
            format!("Secret kubeflow/{STORE_KEYS} is absent"),
            format!("apply Secret {STORE_KEYS} of kubeflow/manifests again"),
        )));
    };
    for (variable, key) in
        [("OBJECTSTORECONFIG_ACCESSKEY", "accesskey"), ("OBJECTSTORECONFIG_SECRETACCESSKEY", "secretkey")]
    {
        let told = objects::variable(&server, variable);
        if told.is_some_and(|told| secret_value(&secret, key).as_deref() != Some(told)) {
            return Ok(Some(Cause::new(
                format!(
                    "{variable} of Deployment kubeflow/ml-pipeline is not {key} of Secret kubeflow/{STORE_KEYS}, which the \
                     object store reads"
                ),
                format!("take {variable} from the Secret again, as kubeflow/manifests does"),
            )));
        }
    }
    Ok(None)
}
