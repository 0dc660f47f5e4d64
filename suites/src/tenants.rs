//! Profiles of a run's own, and what every Profile consists of: shared by the suites of tenancy.
//!
//! A Profile is complete when its finalizer and RoleBinding `namespaceAdmin` are there (kubeflow/kubeflow
//! `components/profile-controller/controllers/profile_controller.go`, v1.8.0 to v1.10.0: the finalizer is the last thing
//! that the controller sets; no release ever sets a condition).

use std::time::Duration;

use clusters::versions::parts;
use futures::future::BoxFuture;
use harness::context::Seen;
use harness::fixtures::Fixture;
use harness::own::{self, RUN_LABEL};
use harness::{Checked, Ctx, Stop};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::gateway::diagnose::{Cause, blame};
use crate::objects::{
    self, AUTHORIZATION_POLICY, DEPLOYMENT, NAMESPACE, PROFILE, ROLE_BINDING, SERVICE_ACCOUNT, condition, text,
};
use crate::rights::{self, Ask, Expected};

/// How long the controller may take for a new Profile; three seconds were seen on a busy machine.
pub const COMPLETE_WITHIN: Duration = Duration::from_secs(60);
/// How long it may take to react to a change: under a second where it is idle. It sends 20 requests a second and no more
/// (controller-runtime `pkg/client/config/config.go`), and a run makes some twenty Profiles beside one another, of ten objects
/// each: twelve seconds, and as much again for another run.
pub const REACTS_WITHIN: Duration = Duration::from_secs(30);
/// How long a deleted Profile's namespace may take to be gone: six seconds were seen for an empty one, but the pods that
/// Pipelines puts into it are given thirty to end, and Kubernetes looks again in growing steps.
pub const GONE_WITHIN: Duration = Duration::from_secs(300);
/// How long it may take where the site says that it has no controller, to find that this is so.
const ABSENT_AFTER: Duration = Duration::from_secs(10);
/// How often is looked.
pub const EVERY: Duration = Duration::from_millis(100);

/// The account that the controller and KFAM run as.
pub const CONTROLLER_ACCOUNT: &str = "system:serviceaccount:kubeflow:profiles-controller-service-account";
/// What binds it to its rights.
pub const CONTROLLER_BINDING: &str = "profiles-cluster-rolebinding";

/// The Profiles that the run's user owns, whoever made them.
pub async fn owned_by_user(cx: &Ctx) -> Checked<Vec<DynamicObject>> {
    let mut profiles = objects::all(cx, PROFILE).await?;
    profiles.retain(|profile| owner(profile) == ("User", cx.user().email.as_str()));
    Ok(profiles)
}

/// Whether a Profile is the site's, and stays: none that is leaving, and none of this run's or another's, which come and go.
/// What the dashboard makes for a check has a run's name and no label.
#[must_use]
pub fn stays(profile: &DynamicObject) -> bool {
    let of_a_run = !objects::label(profile, RUN_LABEL).is_empty() || own::run_in(objects::name(profile)).is_some();
    !of_a_run && profile.metadata.deletion_timestamp.is_none()
}

/// A name for a Profile of this run: short, because names of Notebooks and pods are made from it.
#[must_use]
pub fn name(cx: &Ctx, what: &str) -> String {
    own::name(&cx.environment().run_id, what)
}

/// Whose a name is that [`name`] gave: the end of the id of another run than this.
#[must_use]
pub fn made_by_another<'a>(cx: &Ctx, name: &'a str) -> Option<&'a str> {
    own::run_in(name).filter(|end| *end != own::ending(&cx.environment().run_id))
}

/// An owner who is no user of the platform: nobody can log in as them.
#[must_use]
pub fn somebody(cx: &Ctx, what: &str) -> String {
    format!("{}@conformance.example.com", name(cx, what))
}

/// A Profile as one creates it.
#[must_use]
pub fn profile(name: &str, owner: &str) -> Value {
    json!({
        "apiVersion": "kubeflow.org/v1", "kind": "Profile", "metadata": {"name": name},
        "spec": {"owner": {"kind": "User", "name": owner}},
    })
}

/// Creates an object of this check's own.
pub async fn own(cx: &Ctx, object: Value) -> Checked<DynamicObject> {
    let object = serde_json::from_value(object).map_err(|error| Stop::errored("precondition", error.to_string()))?;
    cx.own(object).await
}

/// Creates a Profile of this check's own and waits until it is complete.
pub async fn tenant(cx: &Ctx, what: &str, owner: &str) -> Checked<String> {
    let name = name(cx, what);
    own(cx, profile(&name, owner)).await?;
    complete(cx, &name).await.map(|()| name)
}

fn leaves_profiles_out(cx: &Ctx) -> bool {
    parts::named("profiles").is_some_and(|part| cx.leaves_out(part))
}

/// A Profile that the run's user owns and all checks share; it may not be changed.
pub struct OwnedByUser(pub String);

impl Fixture for OwnedByUser {
    const NAME: &'static str = "Profile of the run's user";
    const WITHIN: Duration = Duration::from_secs(20);

    async fn make(cx: Ctx) -> Checked<Self> {
        let name = name(&cx, "own");
        own(&cx, profile(&name, &cx.user().email)).await?;
        Ok(Self(name))
    }
}

/// A Profile that somebody else owns and all checks share; it may not be changed.
pub struct OwnedByOther {
    /// Its name.
    pub name: String,
    /// Its owner.
    pub owner: String,
}

impl Fixture for OwnedByOther {
    const NAME: &'static str = "Profile of somebody else";
    const WITHIN: Duration = Duration::from_secs(20);

    async fn make(cx: Ctx) -> Checked<Self> {
        let (name, owner) = (name(&cx, "other"), somebody(&cx, "other"));
        own(&cx, profile(&name, &owner)).await?;
        Ok(Self { name, owner })
    }
}

/// The shared Profile of the run's user, complete.
pub async fn of_user(cx: &Ctx) -> Checked<String> {
    let made = cx.fixture::<OwnedByUser>().await?;
    complete(cx, &made.0).await?;
    Ok(made.0.clone())
}

/// The shared Profile of somebody else, complete.
pub async fn of_other(cx: &Ctx) -> Checked<std::sync::Arc<OwnedByOther>> {
    let made = cx.fixture::<OwnedByOther>().await?;
    complete(cx, &made.name).await?;
    Ok(made)
}

/// Waits until a Profile is complete.
pub async fn complete(cx: &Ctx, name: &str) -> Checked {
    let wait = format!("Profile {name} is complete");
    let wanted = wait.as_str();
    let within = if leaves_profiles_out(cx) { ABSENT_AFTER } else { COMPLETE_WITHIN };
    let looked = cx
        .eventually(wanted, within, EVERY, || {
            let (cx, name, wanted) = (cx.clone(), name.to_owned(), wanted.to_owned());
            Box::pin(async move {
                match missing(&cx, &name).await? {
                    None => Ok(Seen::Yes(())),
                    Some(missing) => not_yet(&cx, &wanted, missing).await,
                }
            }) as BoxFuture<'_, Checked<Seen<()>>>
        })
        .await;
    // Whatever runs under the controller's name made nothing of the Profile, not even the first thing.
    if leaves_profiles_out(cx)
        && matches!(looked, Err(Stop::Failed(_)))
        && objects::get(cx, AUTHORIZATION_POLICY, name, "ns-owner-access-istio").await?.is_none()
    {
        return Err(Stop::absent("Profiles and KFAM"));
    }
    looked.map_err(|stop| {
        if matches!(&stop, Stop::Failed(failure) if failure.cause.is_some()) {
            return stop;
        }
        stop.because("the profile controller (Deployment kubeflow/profiles-deployment) did not get so far")
            .fix("kubectl -n kubeflow logs deployment/profiles-deployment -c manager")
    })
}

/// A look that has not seen what it waits for: no use in looking again if nobody is there who could bring it about.
pub async fn not_yet<T>(cx: &Ctx, wanted: &str, instead: String) -> Checked<Seen<T>> {
    match controller(cx).await? {
        Some(cause) => Err(Stop::failed(wanted, instead).because(cause.what).fix(cause.fix)),
        None => Ok(Seen::NotYet(instead)),
    }
}

/// What a Profile lacks to be complete, in the order in which the controller makes it.
async fn missing(cx: &Ctx, name: &str) -> Checked<Option<String>> {
    let Some(profile) = objects::get(cx, PROFILE, "", name).await? else {
        return Ok(Some(format!("there is no Profile {name}")));
    };
    if objects::get(cx, NAMESPACE, "", name).await?.is_none() {
        return Ok(Some(format!("there is no namespace {name}")));
    }
    for (kind, child) in [
        (AUTHORIZATION_POLICY, "ns-owner-access-istio"),
        (SERVICE_ACCOUNT, "default-editor"),
        (SERVICE_ACCOUNT, "default-viewer"),
        (ROLE_BINDING, "default-editor"),
        (ROLE_BINDING, "default-viewer"),
        (ROLE_BINDING, "namespaceAdmin"),
    ] {
        if objects::get(cx, kind, name, child).await?.is_none() {
            return Ok(Some(format!("there is no {} {name}/{child}", kind.kind)));
        }
    }
    let finalizers = profile.metadata.finalizers.unwrap_or_default();
    let finished = finalizers.iter().any(|finalizer| finalizer == "profile-finalizer");
    Ok((!finished).then(|| format!("Profile {name} lacks the finalizer profile-finalizer, which is set last")))
}

/// What keeps the profile controller, and KFAM beside it, from their work.
pub async fn controller(cx: &Ctx) -> Checked<Option<Cause>> {
    let place = "kubeflow/profiles-deployment";
    let Some(deployment) = objects::get(cx, DEPLOYMENT, "kubeflow", "profiles-deployment").await? else {
        let fix = "apply Deployment profiles-deployment of kubeflow/manifests again";
        return Ok(Some(Cause::new(format!("Deployment {place} is absent"), fix)));
    };
    if condition(&deployment, "Available") != "True" || objects::number(&deployment.data, "/spec/replicas") == Some(0) {
        let fix = "kubectl -n kubeflow describe deployment profiles-deployment";
        return Ok(Some(Cause::new(format!("Deployment {place} has no ready pod"), fix)));
    }
    // A site may let it run as another account.
    let account = match text(&deployment.data, "/spec/template/spec/serviceAccountName") {
        "" => CONTROLLER_ACCOUNT.to_owned(),
        account => format!("system:serviceaccount:kubeflow:{account}"),
    };
    let asked = |&(verb, group, resource)| Expected {
        user: account.as_str(),
        ask: Ask { verb, group, resource, ..Ask::default() },
        allowed: true,
    };
    let questions: Vec<Expected<'_>> = NEEDS.iter().map(asked).collect();
    let refused = rights::differences(cx, &questions).await?;
    Ok(refused.first().map(|refused| {
        Cause::new(
            format!("ClusterRoleBinding {CONTROLLER_BINDING} is absent or binds to less than cluster-admin: {refused}"),
            format!("apply ClusterRoleBinding {CONTROLLER_BINDING} of kubeflow/manifests again"),
        )
    }))
}

/// What the controller and KFAM must be allowed to do everywhere: verb, group, resource.
const NEEDS: &[(&str, &str, &str)] = &[
    ("create", "", "namespaces"),
    ("update", "", "namespaces"),
    ("create", "security.istio.io", "authorizationpolicies"),
    ("update", "security.istio.io", "authorizationpolicies"),
    ("delete", "security.istio.io", "authorizationpolicies"),
    ("create", "", "serviceaccounts"),
    ("create", "rbac.authorization.k8s.io", "rolebindings"),
    ("update", "rbac.authorization.k8s.io", "rolebindings"),
    ("delete", "rbac.authorization.k8s.io", "rolebindings"),
    ("create", "", "resourcequotas"),
    ("update", "kubeflow.org", "profiles"),
];

/// A failure with what keeps the controller from its work, if anything does.
pub async fn blamed(cx: &Ctx, stop: Stop) -> Stop {
    if matches!(&stop, Stop::Failed(failure) if failure.cause.is_some()) {
        return stop;
    }
    let cause = controller(cx).await;
    blame(stop, cause)
}

/// The owner that a Profile names: kind and name.
#[must_use]
pub fn owner(profile: &DynamicObject) -> (&str, &str) {
    (text(&profile.data, "/spec/owner/kind"), text(&profile.data, "/spec/owner/name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(metadata: &Value) -> DynamicObject {
        let object = json!({"apiVersion": "kubeflow.org/v1", "kind": "Profile", "metadata": metadata});
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn what_comes_and_goes_is_no_home() {
        for name in ["kubeflow-user-example-com", "conf-team", "conf-team-a"] {
            assert!(stays(&profile(&json!({"name": name}))), "{name}");
        }
        // The second one was made by the dashboard, for a run that was killed or that goes on beside this one.
        for metadata in [
            json!({"name": "a", "labels": {RUN_LABEL: "20260102-030405-7c31a695"}}),
            json!({"name": "conf-7c31a695-registered"}),
            json!({"name": "a", "deletionTimestamp": "2026-01-02T03:04:05Z"}),
        ] {
            assert!(!stays(&profile(&metadata)), "{metadata}");
        }
    }
}
