//! Contributors: an owner lets others in and out, and nobody lets themselves in.

pub mod existing;
pub mod membership;
pub mod requests;
pub mod self_service;

use clusters::versions::tenancy::USERID_HEADER;
use harness::http::{Answer, Session};
use harness::{Checked, Ctx, Stop, Suite};
use http::Method;
use serde_json::{Value, json};

use crate::applications::App;
use crate::dashboard::workgroup;
use crate::gateway::diagnose::{self, blame};
use crate::images;
use crate::objects::{self, config_value};
use crate::profiles::contents;
use crate::recognise::who;
use crate::tenants;

/// The suite.
pub static SUITE: Suite = Suite {
    name: "contributors",
    prefix: "CTB",
    title: "An owner lets others in and out, and nobody lets themselves in",
    images: &[images::PROFILES],
    topics: &[existing::CHECKS, membership::CHECKS, self_service::CHECKS, requests::CHECKS],
};

/// The name of a contributor's binding and policy (kubeflow/kubeflow `components/access-management/kfam/bindings.go`:
/// kind, user, kind of the role and role, in lower case, all else one hyphen).
pub(crate) fn object_name(user: &str, role: &str) -> String {
    let mut name = String::new();
    for letter in format!("user-{user}-clusterrole-{role}").to_lowercase().chars() {
        match letter {
            'a'..='z' | '0'..='9' => name.push(letter),
            _ if name.ends_with('-') => {}
            _ => name.push('-'),
        }
    }
    name
}

/// Lets a user into a namespace of the run's own, with the two objects that KFAM makes.
pub(crate) async fn grant(cx: &Ctx, home: &str, user: &str, role: &str) -> Checked<String> {
    let name = object_name(user, role);
    let metadata = json!({"name": name, "namespace": home, "annotations": {"user": user, "role": role}});
    tenants::own(
        cx,
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": metadata,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": format!("kubeflow-{role}")},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        }),
    )
    .await?;
    tenants::own(
        cx,
        json!({
            "apiVersion": "security.istio.io/v1beta1", "kind": "AuthorizationPolicy", "metadata": metadata,
            "spec": {"rules": [contents::through_gateway(user)]},
        }),
    )
    .await?;
    Ok(name)
}

/// Asks the dashboard to add or remove a contributor, as the session's user.
pub(crate) async fn ask(session: &Session, method: Method, home: &str, contributor: &Value) -> Checked<Answer> {
    let verb = if method == Method::POST { "add" } else { "remove" };
    let path = format!("/api/workgroup/{verb}-contributor/{home}");
    session.request(method, &path).json(&json!({"contributor": contributor})).send().await
}

/// The list of contributors that the dashboard answers with; or the failure, if it is none.
pub(crate) async fn listed(cx: &Ctx, answer: &Answer, wanted: &str) -> Checked<Vec<String>> {
    let list = answer.json().and_then(|json| {
        json.as_array().map(|list| list.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>())
    });
    match list {
        Some(list) if answer.status.is_success() => Ok(list),
        _ => Err(not_served(cx, answer, wanted).await),
    }
}

/// The dashboard's refusal, in its words; or the failure, if it did something else.
pub(crate) async fn refused(cx: &Ctx, answer: &Answer, wanted: &str, status: u16) -> Checked<String> {
    let error = answer.json().and_then(|json| json.get("error")?.as_str().map(str::to_owned));
    match error {
        Some(error) if answer.status.as_u16() == status => Ok(error),
        _ => Err(not_served(cx, answer, wanted).await),
    }
}

/// What came in place of what was wanted, and what keeps dashboard and KFAM from it.
pub(crate) async fn not_served(cx: &Ctx, answer: &Answer, wanted: &str) -> Stop {
    let stop = Stop::failed(wanted, format!("answered: {} ({})", who(answer), answer.summary())).at(answer.at());
    let stop = blame(stop, workgroup::kfam(cx).await);
    let stop = tenants::blamed(cx, stop).await;
    if matches!(&stop, Stop::Failed(failure) if failure.cause.is_some()) {
        return stop;
    }
    match diagnose::taken_by(cx, "/api/workgroup").await {
        Ok(None) => blame(stop, diagnose::route(cx, App::Dashboard.entry()).await),
        taken => blame(stop, taken),
    }
}

/// What makes KFAM take the run's user for its administrator.
pub(crate) async fn administrator(cx: &Ctx, stop: Stop) -> Checked<Stop> {
    let config = objects::config_of(cx, "profiles-deployment", "profiles-config").await?;
    let Some(config) = config.filter(|config| config_value(config, "ADMIN") == Some(cx.user().email.as_str())) else {
        return Ok(stop.because(format!(
            "KFAM (Deployment kubeflow/profiles-deployment) does not ask who sends a request, or does not see it in {USERID_HEADER}"
        )));
    };
    let place = objects::place(&config);
    Ok(stop
        .because(format!("ADMIN of ConfigMap {place} makes {} the administrator of every Profile", cx.user().email))
        .fix(format!("take the user out of ADMIN of ConfigMap {place} and restart profiles-deployment")))
}
