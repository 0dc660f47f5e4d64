//! What the people and pods of one Profile may do elsewhere: nothing.

use harness::check::source;
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Seconds, Stop, check};

use super::bound_everywhere;
use crate::faults::{contributors::USER_SEES_EVERYTHING, isolation as faults};
use crate::gateway::diagnose::{Cause, blame};
use crate::objects::{self, ROLE_BINDING, items, name, text};
use crate::rights::{Ask, Expected, differences, differences_shown};
use crate::tenants;

const SECURITY: &[Profile] = &[Profile::Tenancy, Profile::Security];

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "ISO-010",
        "Nobody of one Profile may do anything in another's namespace",
        Level::Must,
        source("kubeflow/manifests", "common/kubeflow-roles: roles are bound in namespaces alone"),
        |cx| Box::pin(elsewhere(cx, Place::Profile)),
    )
    .explain(Explain {
        what: "The owner of one Profile of the run's own, its accounts default-editor and default-viewer, and the run's \
               user may neither read nor change anything in another Profile's namespace, by any of twenty resources. That \
               the other's owner may is the control.",
        why: "This is what makes a namespace a tenant's. Service accounts count with their groups: a binding of all \
              service accounts opens every namespace to every notebook.",
        fix: "Look for ClusterRoleBindings of users, and of the groups system:serviceaccounts and system:authenticated.",
        reproduce: "kubectl auth can-i list secrets -n OTHER --as system:serviceaccount:NAMESPACE:default-editor --as-group \
                    system:serviceaccounts",
    })
    .profiles(SECURITY)
    .writes()
    .within(Seconds(120))
    .after(&["PRF-020"])
    .breaks_on(&[&faults::ACCOUNTS_EVERYWHERE, &USER_SEES_EVERYTHING]),
    check(
        "ISO-011",
        "No tenant may do anything in the platform's own namespaces",
        Level::Must,
        source("kubeflow/manifests", "common/kubeflow-roles: roles are bound in namespaces alone"),
        |cx| Box::pin(elsewhere(cx, Place::Platform)),
    )
    .explain(Explain {
        what: "The run's user and the accounts of a Profile may neither read nor change anything in the namespaces kubeflow, \
               istio-system and auth.",
        why: "There are the passwords of the stores, the keys of the login and the programs that all tenants trust.",
        fix: "Look for RoleBindings in these namespaces that name users or tenants' accounts.",
        reproduce: "kubectl auth can-i get secrets -n kubeflow --as user@example.com",
    })
    .profiles(SECURITY)
    .writes()
    .within(Seconds(120))
    .after(&["PRF-020"])
    .breaks_on(&[&faults::USER_IN_KUBEFLOW, &faults::ACCOUNTS_EVERYWHERE]),
    check(
        "ISO-012",
        "No tenant may list or change anything across namespaces",
        Level::Must,
        source("kubeflow/manifests", "common/kubeflow-roles: roles are bound in namespaces alone"),
        |cx| Box::pin(elsewhere(cx, Place::Cluster)),
    )
    .explain(Explain {
        what: "The run's user and the accounts of a Profile may list, read, create and delete nothing in the whole cluster: \
               neither namespaces, Profiles, nodes and ClusterRoles, nor all tenants' notebooks and secrets.",
        why: "One list over all namespaces shows every tenant's data; one Profile made or changed moves a namespace.",
        fix: "Look for ClusterRoleBindings of users and of groups of service accounts.",
        reproduce: "kubectl auth can-i list secrets -A --as user@example.com",
    })
    .profiles(SECURITY)
    .writes()
    .within(Seconds(120))
    .after(&["PRF-020"])
    .breaks_on(&[&USER_SEES_EVERYTHING, &faults::ACCOUNTS_EVERYWHERE]),
    check(
        "ISO-013",
        "No tenant may change their own namespace or Profile",
        Level::Must,
        source("kubeflow/manifests", "common/kubeflow-roles/base/cluster-roles.yaml"),
        |cx| Box::pin(own_namespace(cx)),
    )
    .explain(Explain {
        what: "The owner of a Profile and its account default-editor may neither change nor delete their namespace, nor the \
               Profile, nor its quota, limits and policies.",
        why: "The namespace's labels hold the mesh's and Pod Security's settings, its annotation says whose it is, the \
              quota what it may use: a tenant who changes them is bound by nothing.",
        fix: "Look for ClusterRoles that are labelled into kubeflow-admin or kubeflow-edit.",
        reproduce: "kubectl auth can-i patch namespaces -n NAMESPACE --as OWNER",
    })
    .profiles(SECURITY)
    .writes()
    .within(Seconds(90))
    .after(&["PRF-020"])
    .breaks_on(&[&faults::ADMIN_WIDENED]),
];

/// Where tenants have no business.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Profile,
    Platform,
    Cluster,
}

const VERBS: [&str; 4] = ["get", "list", "create", "delete"];

/// Resources of every kind of value: API group and resource.
const RESOURCES: &[(&str, &str)] = &[
    ("", "secrets"),
    ("", "configmaps"),
    ("", "pods"),
    ("", "services"),
    ("", "serviceaccounts"),
    ("", "persistentvolumeclaims"),
    ("", "events"),
    ("apps", "deployments"),
    ("batch", "jobs"),
    ("kubeflow.org", "notebooks"),
    ("kubeflow.org", "poddefaults"),
    ("kubeflow.org", "experiments"),
    ("tensorboard.kubeflow.org", "tensorboards"),
    ("pipelines.kubeflow.org", "runs"),
    ("pipelines.kubeflow.org", "pipelines"),
    ("argoproj.io", "workflows"),
    ("serving.kserve.io", "inferenceservices"),
    ("rbac.authorization.k8s.io", "rolebindings"),
    ("networking.istio.io", "virtualservices"),
    ("security.istio.io", "authorizationpolicies"),
];

/// Resources of the cluster.
const CLUSTER_RESOURCES: &[(&str, &str)] = &[
    ("", "namespaces"),
    ("", "nodes"),
    ("kubeflow.org", "profiles"),
    ("rbac.authorization.k8s.io", "clusterroles"),
    ("rbac.authorization.k8s.io", "clusterrolebindings"),
];

async fn elsewhere(cx: &Ctx, place: Place) -> Checked {
    let home = tenants::of_user(cx).await?;
    let other = tenants::of_other(cx).await?;
    let account = |namespace: &str, name: &str| format!("system:serviceaccount:{namespace}:{name}");
    // Whose business it is not, and where.
    let users = match place {
        Place::Profile => {
            vec![cx.user().email.clone(), account(&home, "default-editor"), account(&home, "default-viewer")]
        }
        _ => vec![
            cx.user().email.clone(),
            other.owner.clone(),
            account(&home, "default-editor"),
            account(&home, "default-viewer"),
        ],
    };
    let places: Vec<&str> = match place {
        Place::Profile => vec![&other.name],
        Place::Platform => vec!["kubeflow", "istio-system", "auth"],
        Place::Cluster => vec![""],
    };
    // A store of service accounts lists storage classes and namespaces to nobody.
    let resources: Vec<(&str, &str)> = match place {
        Place::Cluster => RESOURCES.iter().chain(CLUSTER_RESOURCES).copied().collect(),
        _ => RESOURCES.to_vec(),
    };
    let mut questions = Vec::new();
    for namespace in &places {
        for (group, resource) in &resources {
            for verb in VERBS {
                let ask = Ask { verb, group, resource, subresource: "", namespace };
                questions.extend(users.iter().map(|user| Expected { user, ask, allowed: false }));
            }
        }
    }
    if place == Place::Profile {
        let ask = Ask { verb: "list", group: "", resource: "secrets", subresource: "", namespace: &other.name };
        questions.push(Expected { user: &other.owner, ask, allowed: true });
    }
    let title = match place {
        Place::Profile => "People and accounts in somebody else's namespace",
        Place::Platform => "People and accounts in the platform's namespaces",
        Place::Cluster => "People and accounts in the whole cluster",
    };
    let found = differences_shown(cx, title, &questions).await?;
    let Some(first) = found.first() else { return Ok(()) };
    let subject = first.split(' ').next().unwrap_or_default();
    let told = found.iter().take(6).cloned().collect::<Vec<_>>().join("; ");
    let stop =
        Stop::failed("no rights there", format!("{} of {} answers differ: {told}", found.len(), questions.len()));
    if let Some(cause) = bound_everywhere(cx, subject).await? {
        return Err(stop.because(cause.what).fix(cause.fix));
    }
    for namespace in places.iter().filter(|namespace| !namespace.is_empty()) {
        if let Some(cause) = bound_there(cx, namespace, subject).await? {
            return Err(stop.because(cause.what).fix(cause.fix));
        }
    }
    Err(stop)
}

/// Which RoleBinding of a namespace names a subject.
async fn bound_there(cx: &Ctx, namespace: &str, subject: &str) -> Checked<Option<Cause>> {
    let bindings = objects::within(cx, ROLE_BINDING, namespace).await?;
    let found = bindings.iter().find(|binding| {
        items(&binding.data, "/subjects").iter().any(|one| {
            let (of, named) = (text(one, "/namespace"), text(one, "/name"));
            named == subject || subject == format!("system:serviceaccount:{of}:{named}")
        })
    });
    Ok(found.map(|binding| {
        let name = name(binding);
        Cause::new(
            format!("RoleBinding {namespace}/{name} binds {subject} to {}", text(&binding.data, "/roleRef/name")),
            format!("kubectl -n {namespace} delete rolebinding {name}"),
        )
    }))
}

async fn own_namespace(cx: &Ctx) -> Checked {
    let other = tenants::of_other(cx).await?;
    let home = other.name.as_str();
    let editor = format!("system:serviceaccount:{home}:default-editor");
    let mut questions = Vec::new();
    for (group, resource) in [
        ("", "namespaces"),
        ("kubeflow.org", "profiles"),
        ("", "resourcequotas"),
        ("", "limitranges"),
        ("security.istio.io", "authorizationpolicies"),
    ] {
        for verb in ["create", "update", "patch", "delete"] {
            let ask = Ask { verb, group, resource, subresource: "", namespace: home };
            questions.extend([other.owner.as_str(), &editor].map(|user| Expected { user, ask, allowed: false }));
        }
    }
    let found = differences(cx, &questions).await?;
    let Some(first) =
        questions.iter().find(|question| found.iter().any(|one| one.ends_with(&question.ask.to_string())))
    else {
        return Ok(());
    };
    let stop = Stop::failed("tenants may not change what binds them", found.join("; "));
    Err(blame(stop, super::widened_by(cx, "kubeflow-admin", &first.ask).await))
}
