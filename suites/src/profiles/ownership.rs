//! Whose a namespace is: nobody's is taken over, and it follows its owner.

use std::time::Duration;

use harness::check::source;
use harness::context::Seen;
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Seconds, Stop, check};
use serde_json::json;

use super::contents::{self, ADMIN, POLICY};
use crate::faults::{dashboard::KFAM_STOPPED, profiles as faults};
use crate::objects::{self, AUTHORIZATION_POLICY, NAMESPACE, PROFILE, ROLE_BINDING, SERVICE_ACCOUNT};
use crate::rights::{Ask, allowed};
use crate::tenants::{self, EVERY, GONE_WITHIN, REACTS_WITHIN, blamed};

const SECURITY: &[Profile] = &[Profile::Tenancy, Profile::Security];
const TENANCY: &[Profile] = &[Profile::Tenancy];
const CONTROLLER: &str = "components/profile-controller/controllers/profile_controller.go";

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "PRF-030",
        "A namespace that is somebody else's is not taken over",
        Level::Must,
        source("kubeflow/kubeflow", CONTROLLER),
        |cx| Box::pin(not_taken_over(cx)),
    )
    .explain(Explain {
        what: "A namespace of the run's own without the annotation owner, and one that names another owner, are left \
               alone when a Profile of their name is created: no account, binding, policy or label. A second Profile, \
               created later, is complete by then: the controller was at work.",
        why: "Whoever may create a Profile (anyone, through the dashboard) would get administrator's rights in any \
              namespace by its name.",
        fix: "Run the profile controller of the release: the protection is part of it.",
        reproduce: "kubectl create namespace NAME; create a Profile NAME; kubectl -n NAME get \
                    serviceaccounts,rolebindings",
    })
    .profiles(SECURITY)
    .writes()
    .within(Seconds(300))
    .after(&["PRF-020"])
    .breaks_on(&[&faults::TAKES_OVER, &KFAM_STOPPED]),
    check(
        "PRF-031",
        "A namespace that names the Profile's owner is adopted, and stays when the Profile goes",
        Level::Should,
        source("kubeflow/kubeflow", CONTROLLER),
        |cx| Box::pin(adopted(cx)),
    )
    .explain(Explain {
        what: "A namespace of the run's own with the annotation owner gets accounts, bindings, policy and labels from a \
               Profile of its name and owner. It does not belong to the Profile: deleting that leaves the namespace.",
        why: "This is how existing namespaces are moved to Kubeflow without losing what is in them. The label \
              istio-injection has to be set by hand there.",
        fix: "Look at the controller's log.",
        reproduce: "kubectl create namespace NAME; kubectl annotate namespace NAME owner=OWNER; create a Profile NAME",
    })
    .profiles(TENANCY)
    .writes()
    .within(Seconds(420))
    .after(&["PRF-020"])
    .breaks_on(&[&faults::RIGHTS_LOST]),
    check(
        "PRF-032",
        "A namespace follows its Profile to a new owner",
        Level::Must,
        source("kubeflow/kubeflow", CONTROLLER),
        |cx| Box::pin(new_owner(cx)),
    )
    .explain(Explain {
        what: "The owner of a Profile of the run's own is changed, and the annotation owner of its namespace: within 30 s \
               the new owner has the binding, the policy and the right to create notebooks, and the old one has none of \
               them. The annotations user of both objects keep the old name, which KFAM goes by.",
        why: "When people change teams, the old owner must lose access with the change, not with the next clean-up.",
        fix: "Change both: spec.owner.name of the Profile and the annotation owner of the namespace. See whether the \
              controller may update bindings and policies.",
        reproduce: "kubectl patch profile NAME --type merge -p '{\"spec\":{\"owner\":{\"name\":\"NEW\"}}}'; kubectl \
                    annotate namespace NAME owner=NEW --overwrite; kubectl -n NAME get rolebinding namespaceAdmin -o yaml",
    })
    .profiles(SECURITY)
    .writes()
    .within(Seconds(120))
    .after(&["PRF-020"])
    .breaks_on(&[&faults::MAY_NOT_CORRECT]),
    check(
        "PRF-033",
        "One user may own several Profiles",
        Level::Must,
        source("kubeflow/kubeflow", "issues 4938 and 4999; components/profile-controller"),
        |cx| Box::pin(several(cx)),
    )
    .explain(Explain {
        what: "Two Profiles of the run's own with the same owner are both complete, and the owner may create notebooks in \
               both.",
        why: "A namespace for each project is the usual way to work.",
        fix: "Look at the controller's log.",
        reproduce: "kubectl auth can-i create notebooks.kubeflow.org -n NAME --as OWNER",
    })
    .profiles(TENANCY)
    .writes()
    .within(Seconds(150))
    .after(&["PRF-020"])
    .breaks_on(&[&faults::RIGHTS_LOST]),
];

/// How many looks in a row must find nothing, how far apart they are, and how long all may take.
const QUIET: (u32, Duration, Duration) = (8, Duration::from_millis(150), Duration::from_secs(90));

async fn not_taken_over(cx: &Ctx) -> Checked {
    let mut homes = Vec::new();
    for (what, annotations) in [("clash", json!({})), ("taken", json!({"owner": tenants::somebody(cx, "first")}))] {
        let home = tenants::name(cx, what);
        let metadata = json!({"name": home, "annotations": annotations});
        tenants::own(cx, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})).await?;
        tenants::own(cx, tenants::profile(&home, &tenants::somebody(cx, what))).await?;
        homes.push(home);
    }
    // The controller is at work: a Profile that came later is complete.
    tenants::tenant(cx, "later", &tenants::somebody(cx, "later")).await?;
    for home in &homes {
        let what = format!("nothing is made in namespace {home}, which is not the Profile's owner's");
        let name = home.as_str();
        let looks = cx.eventually_steady(&what, QUIET.0, QUIET.2, QUIET.1, || {
            Box::pin(async move {
                match trace(cx, name).await? {
                    None => Ok(Seen::Yes(())),
                    Some(trace) => Err(Stop::failed(format!("namespace {name} is left alone"), trace.clone())
                        .because(format!("the profile controller took the namespace over: {trace}"))
                        .fix("run the profile controller of the release")),
                }
            })
        });
        looks.await?;
    }
    Ok(())
}

/// What the controller has left in a namespace.
async fn trace(cx: &Ctx, home: &str) -> Checked<Option<String>> {
    for (kind, name) in [
        (SERVICE_ACCOUNT, "default-editor"),
        (SERVICE_ACCOUNT, "default-viewer"),
        (ROLE_BINDING, "default-editor"),
        (ROLE_BINDING, "default-viewer"),
        (ROLE_BINDING, ADMIN),
        (AUTHORIZATION_POLICY, POLICY),
    ] {
        if objects::get(cx, kind, home, name).await?.is_some() {
            return Ok(Some(format!("there is a {} {home}/{name}", kind.kind)));
        }
    }
    let namespace = objects::get(cx, NAMESPACE, "", home).await?;
    let label = namespace.map(|namespace| objects::label(&namespace, "app.kubernetes.io/part-of").to_owned());
    Ok(label
        .filter(|label| !label.is_empty())
        .map(|label| format!("namespace {home} has the label app.kubernetes.io/part-of={label}")))
}

async fn adopted(cx: &Ctx) -> Checked {
    let (home, owner) = (tenants::name(cx, "adopt"), tenants::somebody(cx, "adopt"));
    let metadata = json!({"name": home, "annotations": {"owner": owner}});
    tenants::own(cx, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})).await?;
    tenants::own(cx, tenants::profile(&home, &owner)).await?;
    tenants::complete(cx, &home).await?;
    objects::delete(cx, PROFILE, "", &home).await?;
    let name = home.as_str();
    let what = format!("Profile {home} is gone and its bindings with it");
    // Kubernetes collects what belonged to it, in its own time.
    cx.eventually(&what, GONE_WITHIN, EVERY, || {
        Box::pin(async move {
            for (kind, home, name) in [(PROFILE, "", name), (ROLE_BINDING, name, ADMIN)] {
                if objects::get(cx, kind, home, name).await?.is_some() {
                    return Ok(Seen::NotYet(format!("{} {name} is still there", kind.kind)));
                }
            }
            Ok(Seen::Yes(()))
        })
    })
    .await?;
    let leaves = objects::get(cx, NAMESPACE, "", &home).await?;
    match leaves {
        Some(namespace) if namespace.metadata.deletion_timestamp.is_none() => Ok(()),
        _ => Err(Stop::failed(
            format!("namespace {home}, which was there before the Profile, stays when that is deleted"),
            "it went with the Profile",
        )
        .because(format!("the profile controller made namespace {home} the Profile's own"))),
    }
}

async fn new_owner(cx: &Ctx) -> Checked {
    let (old, new) = (tenants::somebody(cx, "old"), tenants::somebody(cx, "new"));
    let home = tenants::tenant(cx, "move", &old).await?;
    objects::merge(cx, PROFILE, "", &home, &json!({"spec": {"owner": {"name": new}}})).await?;
    objects::merge(cx, NAMESPACE, "", &home, &json!({"metadata": {"annotations": {"owner": new}}})).await?;
    let what = format!("binding, policy and rights of namespace {home} are the new owner's alone");
    let (name, old, new) = (home.as_str(), old.as_str(), new.as_str());
    cx.eventually(&what, REACTS_WITHIN, EVERY, || {
        Box::pin(async move {
            let binding = objects::get(cx, ROLE_BINDING, name, ADMIN).await?;
            let policy = objects::get(cx, AUTHORIZATION_POLICY, name, POLICY).await?;
            let subject = json!({"kind": "User", "name": new});
            let mut differences = contents::binding(name, ADMIN, "kubeflow-admin", &subject, binding.as_ref());
            differences.extend(contents::policy(name, POLICY, &contents::rules(name, new), policy.as_ref()));
            for (user, wanted) in [(new, true), (old, false)] {
                if may_create_notebooks(cx, user, name).await? != wanted {
                    differences.push(format!("{user} may{} create notebooks", if wanted { " not" } else { "" }));
                }
            }
            match differences.into_iter().next() {
                None => Ok(Seen::Yes(())),
                Some(difference) => tenants::not_yet(cx, "the new owner alone has access", difference).await,
            }
        })
    })
    .await
}

async fn may_create_notebooks(cx: &Ctx, user: &str, namespace: &str) -> Checked<bool> {
    let ask = Ask { verb: "create", group: "kubeflow.org", resource: "notebooks", namespace, ..Ask::default() };
    allowed(cx, user, &ask).await
}

async fn several(cx: &Ctx) -> Checked {
    let owner = tenants::somebody(cx, "both");
    for what in ["one", "two"] {
        let home = tenants::tenant(cx, what, &owner).await?;
        if !may_create_notebooks(cx, &owner, &home).await? {
            let stop = Stop::failed(format!("{owner} may create notebooks in {home}"), "they may not");
            return Err(
                blamed(cx, stop.because(format!("RoleBinding {home}/{ADMIN} or ClusterRole kubeflow-admin"))).await
            );
        }
    }
    Ok(())
}
