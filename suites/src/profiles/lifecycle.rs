//! A Profile from its creation to its end, on Profiles of the run's own.

use harness::check::source;
use harness::context::Seen;
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Seconds, Stop, check};
use kube::api::DynamicObject;
use serde_json::json;

use super::contents::{self, ACCOUNTS, ADMIN, POLICY, QUOTA};
use super::none;
use crate::faults::{dashboard::KFAM_STOPPED, profiles as faults};
use crate::objects::{
    self, AUTHORIZATION_POLICY, Kind, NAMESPACE, PROFILE, RESOURCE_QUOTA, ROLE_BINDING, SERVICE_ACCOUNT,
};
use crate::tenants::{self, EVERY, GONE_WITHIN, REACTS_WITHIN, blamed};

const TENANCY: &[Profile] = &[Profile::Tenancy];
const CONTROLLER: &str = "components/profile-controller/controllers/profile_controller.go";
const LOGS: &str = "kubectl -n kubeflow logs deployment/profiles-deployment -c manager";

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "PRF-020",
        "A new Profile gets everything that a Profile consists of",
        Level::Must,
        source("kubeflow/kubeflow", CONTROLLER),
        |cx| Box::pin(new_profile(cx)),
    )
    .explain(Explain {
        what: "A Profile of the run's own becomes complete: namespace with annotation and the release's labels, policy, \
               two accounts and three bindings, each as the controller makes it and each belonging to the Profile.",
        why: "There is no condition that says whether a Profile is ready: what is missing shows only when a notebook or \
              a pipeline does not start.",
        fix: "Look at the log of the profile controller, and at what binds its account to cluster-admin.",
        reproduce: "kubectl create -f profile.yaml; kubectl get profile NAME -o jsonpath='{.metadata.finalizers}'; \
                    kubectl -n NAME get serviceaccounts,rolebindings,authorizationpolicies",
    })
    .profiles(TENANCY)
    .writes()
    .within(Seconds(90))
    .breaks_on(&[
        &KFAM_STOPPED,
        &faults::RIGHTS_LOST,
        &faults::LABEL_LEFT_OUT,
        &faults::INJECTION_SWITCHED_OFF,
        &faults::UNOWNED,
    ]),
    check(
        "PRF-021",
        "What is deleted of a Profile comes back",
        Level::Must,
        source("kubeflow/kubeflow", CONTROLLER),
        |cx| Box::pin(restored(cx)),
    )
    .explain(Explain {
        what: "In a namespace of the run's own, the policy, both accounts and the three bindings are deleted one by one; \
               each is there again within 30 s.",
        why: "An owner may delete bindings, and a clean-up script deletes more. A platform that does not repair itself \
              locks its users out until somebody notices.",
        fix: "The controller watches what it owns; see whether it runs and may list and watch these kinds.",
        reproduce: "kubectl -n NAME delete rolebinding default-editor; kubectl -n NAME get rolebinding default-editor",
    })
    .profiles(TENANCY)
    .writes()
    .within(Seconds(180))
    .after(&["PRF-020"])
    .breaks_on(&[&faults::CHILDREN_UNWATCHED, &KFAM_STOPPED]),
    check(
        "PRF-022",
        "What is changed in a Profile's policy and bindings is set right",
        Level::Must,
        source("kubeflow/kubeflow", CONTROLLER),
        |cx| Box::pin(corrected(cx)),
    )
    .explain(Explain {
        what: "In a namespace of the run's own, the policy is opened for everyone and another user is put into \
               namespaceAdmin and default-editor; each is set right within 30 s. Annotations are not: the controller \
               leaves them.",
        why: "An owner may edit bindings. What they change must not outlive the controller's next look.",
        fix: "See whether the controller runs and may update these kinds.",
        reproduce: "kubectl -n NAME patch authorizationpolicy ns-owner-access-istio --type merge -p \
                    '{\"spec\":{\"rules\":[{}]}}'; kubectl -n NAME get authorizationpolicy ns-owner-access-istio -o yaml",
    })
    .profiles(&[Profile::Tenancy, Profile::Security])
    .writes()
    .within(Seconds(120))
    .after(&["PRF-020"])
    .breaks_on(&[&faults::MAY_NOT_CORRECT, &faults::CHILDREN_UNWATCHED]),
    check(
        "PRF-023",
        "A Profile's quota follows the Profile",
        Level::Must,
        source("kubeflow/kubeflow", CONTROLLER),
        |cx| Box::pin(quota(cx)),
    )
    .explain(Explain {
        what: "A Profile of the run's own asks for a quota, for another, and for none: ResourceQuota kf-resource-quota is \
               made, changed and removed, each within 30 s.",
        why: "Quotas are how a platform is shared. One that stays behind blocks the tenant, one that is not made lets \
              them take everything.",
        fix: "See whether the controller runs and may change ResourceQuotas.",
        reproduce: "kubectl patch profile NAME --type merge -p \
                    '{\"spec\":{\"resourceQuotaSpec\":{\"hard\":{\"cpu\":\"1\"}}}}'; kubectl -n NAME get resourcequota",
    })
    .profiles(TENANCY)
    .writes()
    .within(Seconds(120))
    .after(&["PRF-020"])
    .breaks_on(&[&faults::MAY_NOT_CORRECT]),
    check(
        "PRF-024",
        "A deleted Profile takes its namespace and everything in it along",
        Level::Must,
        source("kubeflow/kubeflow", CONTROLLER),
        |cx| Box::pin(deleted(cx)),
    )
    .explain(Explain {
        what: "A Profile of the run's own is deleted (in the background): it goes, and its namespace with all it holds is \
               gone within five minutes.",
        why: "A namespace that stays keeps data, running pods and rights of somebody who has left, and the name cannot be \
              used again by another owner.",
        fix: "Look for finalizers in the namespace: kubectl get namespace NAME -o jsonpath='{.status.conditions}'; and \
              for ownerReferences on it.",
        reproduce: "kubectl delete profile NAME --cascade=background; kubectl get namespace NAME",
    })
    .profiles(TENANCY)
    .writes()
    .within(Seconds(420))
    .after(&["PRF-020"])
    .breaks_on(&[&faults::UNOWNED]),
    check(
        "PRF-025",
        "A Profile's plugin annotates the account that its workloads run as",
        Level::Should,
        source("kubeflow/kubeflow", "components/profile-controller/controllers/plugin_iam.go"),
        |cx| Box::pin(plugin(cx)),
    )
    .explain(Explain {
        what: "A Profile of the run's own with the plugin AwsIamForServiceAccount and annotateOnly is complete, and \
               service account default-editor carries the role in eks.amazonaws.com/role-arn. No cloud is asked.",
        why: "By this annotation pods get their rights in the cloud. A plugin that fails leaves the Profile without its \
              finalizer, and so not complete.",
        fix: "Look at the controller's log for the plugin's error.",
        reproduce: "kubectl -n NAME get serviceaccount default-editor -o jsonpath='{.metadata.annotations}'",
    })
    .profiles(TENANCY)
    .writes()
    .within(Seconds(90))
    .after(&["PRF-020"])
    .breaks_on(&[&faults::MAY_NOT_CORRECT]),
];

async fn new_profile(cx: &Ctx) -> Checked {
    let owner = tenants::somebody(cx, "new");
    let home = tenants::tenant(cx, "new", &owner).await?;
    let Some(profile) = objects::get(cx, PROFILE, "", &home).await? else {
        return Err(Stop::failed(format!("Profile {home}"), "it is gone again"));
    };
    let namespace = objects::get(cx, NAMESPACE, "", &home).await?;
    let mut differences = contents::ownership(&home, &owner, namespace.as_ref());
    if let Some(namespace) = &namespace {
        differences.extend(contents::labels(cx.version(), namespace));
    }
    let policy = objects::get(cx, AUTHORIZATION_POLICY, &home, POLICY).await?;
    differences.extend(contents::policy(&home, POLICY, &contents::rules(&home, &owner), policy.as_ref()));
    let mut children = vec![namespace, policy];
    for (account, role) in ACCOUNTS {
        let subject = contents::account(&home, account);
        let binding = objects::get(cx, ROLE_BINDING, &home, account).await?;
        differences.extend(contents::binding(&home, account, role, &subject, binding.as_ref()));
        children.extend([objects::get(cx, SERVICE_ACCOUNT, &home, account).await?, binding]);
    }
    let admin = objects::get(cx, ROLE_BINDING, &home, ADMIN).await?;
    let subject = contents::owner(&profile);
    differences.extend(contents::binding(&home, ADMIN, "kubeflow-admin", &subject, admin.as_ref()));
    // KFAM, and through it the dashboard, knows owners by these.
    let named = |key: &str| admin.as_ref().map(|admin| objects::annotation(admin, key)).unwrap_or_default();
    if (named("user"), named("role")) != (owner.as_str(), "admin") {
        differences.push(format!("RoleBinding {home}/{ADMIN} lacks the annotations user: {owner} and role: admin"));
    }
    children.push(admin);
    let uid = profile.metadata.uid.clone().unwrap_or_default();
    differences.extend(children.iter().flatten().filter(|child| !belongs_to(child, &uid)).map(|child| {
        let kind = child.types.as_ref().map_or("object", |types| types.kind.as_str());
        format!("{kind} {} does not belong to Profile {home}: no ownerReference", objects::place(child))
    }));
    none("everything that the controller makes for a Profile", differences, LOGS)
}

/// Whether a Profile is the controlling owner of an object.
fn belongs_to(object: &DynamicObject, uid: &str) -> bool {
    let owners = object.metadata.owner_references.iter().flatten();
    owners.into_iter().any(|owner| owner.uid == uid && owner.controller == Some(true))
}

/// Waits until an object is as wanted; `differs` says how it is not.
async fn until(
    cx: &Ctx,
    what: String,
    (kind, home, name): (Kind, &str, &str),
    differs: impl Fn(Option<&DynamicObject>) -> Option<String> + Send + Sync,
) -> Checked {
    let (differs, wanted) = (&differs, what.as_str());
    let looked = cx
        .eventually(&what, REACTS_WITHIN, EVERY, || {
            Box::pin(async move {
                let found = objects::get(cx, kind, home, name).await?;
                match differs(found.as_ref()) {
                    None => Ok(Seen::Yes(())),
                    Some(difference) => tenants::not_yet(cx, wanted, difference).await,
                }
            })
        })
        .await;
    looked.map_err(|stop| stop.at(format!("{} {home}/{name}", kind.kind)))
}

async fn restored(cx: &Ctx) -> Checked {
    let home = tenants::tenant(cx, "heal", &tenants::somebody(cx, "heal")).await?;
    for (kind, name) in [
        (AUTHORIZATION_POLICY, POLICY),
        (SERVICE_ACCOUNT, "default-editor"),
        (SERVICE_ACCOUNT, "default-viewer"),
        (ROLE_BINDING, "default-editor"),
        (ROLE_BINDING, "default-viewer"),
        (ROLE_BINDING, ADMIN),
    ] {
        let before = objects::get(cx, kind, &home, name).await?.and_then(|object| object.metadata.uid);
        objects::delete(cx, kind, &home, name).await?;
        let what = format!("{} {home}/{name} is there again after its deletion", kind.kind);
        until(cx, what, (kind, &home, name), |found| match found {
            Some(found) if found.metadata.uid != before => None,
            Some(_) => Some("it is not gone yet".to_owned()),
            None => Some("it is gone".to_owned()),
        })
        .await?;
    }
    Ok(())
}

async fn corrected(cx: &Ctx) -> Checked {
    let owner = tenants::somebody(cx, "drift");
    let home = tenants::tenant(cx, "drift", &owner).await?;
    let mallory =
        json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "mallory@conformance.invalid"});
    objects::merge(cx, AUTHORIZATION_POLICY, &home, POLICY, &json!({"spec": {"rules": [{}]}})).await?;
    let what = format!("AuthorizationPolicy {home}/{POLICY} is set right after it was opened");
    let rules = contents::rules(&home, &owner);
    until(cx, what, (AUTHORIZATION_POLICY, &home, POLICY), |found| {
        contents::policy(&home, POLICY, &rules, found).into_iter().next()
    })
    .await?;
    let owner = json!({"kind": "User", "name": owner});
    let editor = contents::account(&home, "default-editor");
    let bindings = [
        // In the owner's place and not beside them: KFAM answers nobody while any owner's binding has two subjects.
        (ADMIN, "kubeflow-admin", owner, json!([mallory.clone()])),
        ("default-editor", "kubeflow-edit", editor.clone(), json!([editor, mallory])),
    ];
    for (name, role, subject, subjects) in bindings {
        objects::merge(cx, ROLE_BINDING, &home, name, &json!({"subjects": subjects})).await?;
        let what = format!("RoleBinding {home}/{name} is set right after a stranger was put in");
        until(cx, what, (ROLE_BINDING, &home, name), |found| {
            contents::binding(&home, name, role, &subject, found).into_iter().next()
        })
        .await?;
    }
    Ok(())
}

async fn quota(cx: &Ctx) -> Checked {
    let home = tenants::name(cx, "quota");
    let mut profile = tenants::profile(&home, &tenants::somebody(cx, "quota"));
    profile["spec"]["resourceQuotaSpec"] = json!({"hard": {"cpu": "4", "memory": "8Gi"}});
    tenants::own(cx, profile).await?;
    tenants::complete(cx, &home).await?;
    for (what, patch, hard) in [
        ("is made", None, json!({"cpu": "4", "memory": "8Gi"})),
        ("follows a change of the Profile", Some(json!({"cpu": "2"})), json!({"cpu": "2", "memory": "8Gi"})),
        ("is removed when the Profile asks for none", Some(json!(null)), json!(null)),
    ] {
        if let Some(patch) = patch {
            let patch = json!({"spec": {"resourceQuotaSpec": {"hard": patch}}});
            objects::merge(cx, PROFILE, "", &home, &patch).await?;
        }
        until(cx, format!("ResourceQuota {home}/{QUOTA} {what}"), (RESOURCE_QUOTA, &home, QUOTA), |found| {
            let found = found.and_then(|found| found.data.pointer("/spec/hard")).cloned().unwrap_or_default();
            (found != hard).then(|| format!("it is {found}, not {hard}"))
        })
        .await?;
    }
    Ok(())
}

async fn deleted(cx: &Ctx) -> Checked {
    let home = tenants::tenant(cx, "gone", &tenants::somebody(cx, "gone")).await?;
    objects::delete(cx, PROFILE, "", &home).await?;
    let what = format!("Profile {home} and its namespace are gone after the deletion");
    let name = home.as_str();
    let looked = cx
        .eventually(&what, GONE_WITHIN, EVERY, || {
            Box::pin(async move {
                if objects::get(cx, PROFILE, "", name).await?.is_some() {
                    return Ok(Seen::NotYet(format!("Profile {name} is still there")));
                }
                let Some(namespace) = objects::get(cx, NAMESPACE, "", name).await? else { return Ok(Seen::Yes(())) };
                if namespace.metadata.deletion_timestamp.is_none() && !is_owned(&namespace) {
                    let stop = Stop::failed(
                        format!("namespace {name} goes with its Profile"),
                        format!("namespace {name} stays: it belongs to nothing"),
                    );
                    return Err(stop.because(format!("namespace {name} had no ownerReference to the Profile")));
                }
                Ok(Seen::NotYet(format!(
                    "namespace {name} is still there: {}",
                    objects::text(&namespace.data, "/status/phase")
                )))
            })
        })
        .await;
    let Err(stop) = looked else { return Ok(()) };
    // Nobody else would remove it. If that fails as well, what the check saw still counts.
    if let Err(left) = objects::delete(cx, NAMESPACE, "", &home).await {
        cx.remark(format!("namespace {home} stays: {left}"));
    }
    Err(stop.fix("kubectl get namespace NAME -o yaml: look at ownerReferences and conditions"))
}

fn is_owned(object: &DynamicObject) -> bool {
    object.metadata.owner_references.as_ref().is_some_and(|owners| !owners.is_empty())
}

async fn plugin(cx: &Ctx) -> Checked {
    const ROLE: &str = "arn:aws:iam::000000000000:role/conformance";
    let home = tenants::name(cx, "plugin");
    let mut profile = tenants::profile(&home, &tenants::somebody(cx, "plugin"));
    profile["spec"]["plugins"] = json!([{
        "apiVersion": "kubeflow.org/v1", "kind": "AwsIamForServiceAccount",
        "spec": {"awsIamRole": ROLE, "annotateOnly": true},
    }]);
    tenants::own(cx, profile).await?;
    tenants::complete(cx, &home).await?;
    let account = objects::get(cx, SERVICE_ACCOUNT, &home, "default-editor").await?;
    let found = account.as_ref().map(|account| objects::annotation(account, "eks.amazonaws.com/role-arn"));
    if found == Some(ROLE) {
        return Ok(());
    }
    let stop = Stop::failed(
        format!("annotation eks.amazonaws.com/role-arn: {ROLE} on ServiceAccount {home}/default-editor"),
        format!("{found:?}"),
    );
    Err(blamed(cx, stop.fix(LOGS)).await)
}
