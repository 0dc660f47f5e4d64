//! The platform in front of which an application is asked, with the people of the recordings: wanda and otto own
//! namespaces of their names, edna may edit wanda's, vera view it; sam has none; root is the cluster's administrator.

use std::time::Duration;

use axum::body::Body;
use embedded::mesh::{self, Caller};
use embedded::platform::World;
use embedded::store::Key;
use embedded::{Options, Platform, Release, blueprint};
use http::header::{HOST, HeaderName, HeaderValue};
use http::{Request, Uri};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::Application;
use super::recorded::{Answer, Recorded};

/// How long a platform may take to be ready, and an application to answer.
const LIMIT: Duration = Duration::from_secs(20);
const RBAC: &str = "rbac.authorization.k8s.io";

/// A platform with an application in use.
pub struct Stage {
    platform: Platform,
    service: &'static str,
}

impl Stage {
    /// Starts a platform of release v1.9.1 with changed objects.
    pub async fn set(application: &Application, change: fn(&mut Vec<Value>)) -> Self {
        let mut objects = blueprint::objects(Release::V1_9_1).unwrap();
        // metacontroller was not there: it adds to what the namespaces hold.
        objects.retain(|object| object["kind"] != "Profile" && object["metadata"]["name"] != "metacontroller");
        objects.extend(people());
        objects.extend((application.objects)());
        change(&mut objects);
        let platform = Platform::start(Options::default()).await.unwrap();
        blueprint::put(platform.world(), objects).unwrap();
        let stage = Self { platform, service: application.service };
        let in_time = tokio::time::timeout(LIMIT, stage.ready()).await;
        assert!(in_time.is_ok(), "{} is not ready in time", application.service);
        (application.seed)(stage.world());
        stage
    }

    /// What its parts share.
    pub fn world(&self) -> &World {
        self.platform.world()
    }

    async fn ready(&self) {
        let probe = Recorded::lacking("wanda@example.com", http::Method::GET, "/", "");
        let owned = |name: &str| {
            let key = Key::new(RBAC, "rolebindings", name, "namespaceAdmin");
            self.platform.world().store.get(&key).is_some()
        };
        while !(owned("wanda") && owned("otto")) || [0, 503].contains(&self.send(&probe).await.status) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Sends a recorded request to the application, as the ingress gateway does. Status 0: no answer, or no request.
    pub async fn send(&self, recorded: &Recorded) -> Answer {
        let Some(request) = self.request(recorded) else { return Answer::default() };
        let gateway = Caller {
            namespace: "istio-system".to_owned(),
            service_account: "istio-ingressgateway-service-account".to_owned(),
            in_mesh: true,
        };
        let answered = async {
            let (head, body) = mesh::call(self.platform.world(), gateway, request).await.into_parts();
            let body = body.collect().await.ok()?.to_bytes();
            let text = |value: &HeaderValue| value.as_bytes().iter().map(|byte| char::from(*byte)).collect::<String>();
            Some(Answer {
                status: head.status.as_u16(),
                headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
                body: String::from_utf8_lossy(&body).into_owned(),
                truncated: false,
            })
        };
        tokio::time::timeout(LIMIT, answered).await.ok().flatten().unwrap_or_default()
    }

    fn request(&self, recorded: &Recorded) -> Option<Request<Body>> {
        let mut request = Request::new(Body::from(recorded.body.clone()));
        *request.method_mut() = recorded.method.clone();
        *request.uri_mut() = recorded.path.parse::<Uri>().ok()?;
        let headers = request.headers_mut();
        headers.insert(HOST, HeaderValue::from_static(self.service));
        if !recorded.body.is_empty() {
            headers.insert(http::header::CONTENT_LENGTH, recorded.body.len().into());
        }
        for (name, value) in &recorded.headers {
            headers
                .append(HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_bytes(value.as_bytes()).ok()?);
        }
        Some(request)
    }
}

/// Somebody who may `edit` or `view` wanda's namespace, as KFAM binds them.
pub fn contributor(name: &str, role: &str) -> Value {
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"namespace": "wanda", "name": format!("user-{name}-example-com-clusterrole-{role}"),
            "annotations": {"role": role, "user": format!("{name}@example.com")}},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": format!("kubeflow-{role}")},
        "subjects": [{"apiGroup": RBAC, "kind": "User", "name": format!("{name}@example.com")}]})
}

/// The people's Profiles and rights.
pub fn people() -> Vec<Value> {
    let profile = |name: &str| {
        json!({"apiVersion": "kubeflow.org/v1", "kind": "Profile", "metadata": {"name": name},
            "spec": {"owner": {"kind": "User", "name": format!("{name}@example.com")}}})
    };
    let administrator = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "root"},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": RBAC, "kind": "User", "name": "root@example.com"}]});
    vec![profile("wanda"), profile("otto"), contributor("edna", "edit"), contributor("vera", "view"), administrator]
}
