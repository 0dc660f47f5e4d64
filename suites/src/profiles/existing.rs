//! The Profiles that are there: each has what the controller gave it. Nothing is created.

use std::collections::HashMap;

use harness::check::source;
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Severity, check};
use kube::api::DynamicObject;

use super::contents::{self, ACCOUNTS, ADMIN, POLICY, QUOTA};
use super::none;
use crate::faults::profiles as faults;
use crate::objects::{
    self, AUTHORIZATION_POLICY, CONFIG_MAP, Kind, NAMESPACE, PROFILE, RESOURCE_QUOTA, ROLE_BINDING, SERVICE_ACCOUNT,
    config_value, name, text,
};
use crate::tenants;
use clusters::versions::tenancy::{NOTEBOOK_CONTROLLER, ON_BEHALF, USERID_HEADER};

const TENANCY: &[Profile] = &[Profile::Core, Profile::Tenancy];
const SECURITY: &[Profile] = &[Profile::Core, Profile::Tenancy, Profile::Security];
const CONTROLLER: &str = "components/profile-controller/controllers/profile_controller.go";

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "PRF-001",
        "Every Profile has a namespace that names its owner",
        Level::Must,
        source("kubeflow/kubeflow", CONTROLLER),
        |cx| Box::pin(namespaces(cx)),
    )
    .explain(Explain {
        what: "For each Profile there is a namespace of its name, not terminating, whose annotation owner is the \
               Profile's owner.",
        why: "The controller touches no namespace whose annotation differs: from then on nothing of the Profile is made \
              or corrected, and no condition says so.",
        fix: "kubectl annotate namespace NAME owner=OWNER --overwrite, if it is the Profile's. If it is somebody \
              else's, delete the Profile.",
        reproduce: "kubectl get profiles -o custom-columns=NAME:.metadata.name,OWNER:.spec.owner.name; kubectl get \
                    namespaces -o custom-columns=NAME:.metadata.name,OWNER:.metadata.annotations.owner",
    })
    .profiles(TENANCY)
    .breaks_on(&[&faults::NAMESPACE_DISOWNED]),
    check(
        "PRF-002",
        "Every Profile's namespace has the labels that the applications look for",
        Level::Must,
        source("kubeflow/manifests", "apps/profiles/upstream/base/namespace-labels.yaml"),
        |cx| Box::pin(labels(cx)),
    )
    .explain(Explain {
        what: "Each Profile's namespace carries the labels of the release, with their values: the mesh's, those of \
               Katib, KServe and Pipelines, part-of, and from v1.10 on the Pod Security level baseline.",
        why: "The controller adds a label that is absent but never corrects a value, and never restores \
              istio-injection. Without it pods get no identity, and the owner's own notebooks refuse them.",
        fix: "Set the label by hand: kubectl label namespace NAME KEY=VALUE --overwrite; then restart the pods in it.",
        reproduce: "kubectl get namespaces -l app.kubernetes.io/part-of=kubeflow-profile --show-labels",
    })
    .profiles(TENANCY)
    .breaks_on(&[&faults::LABEL_CHANGED, &faults::INJECTION_LABEL_REMOVED]),
    check(
        "PRF-003",
        "Every Profile has the accounts default-editor and default-viewer with their roles",
        Level::Must,
        source("kubeflow/kubeflow", CONTROLLER),
        |cx| Box::pin(accounts(cx)),
    )
    .explain(Explain {
        what: "Both service accounts are there, default-editor bound to ClusterRole kubeflow-edit and default-viewer to \
               kubeflow-view, each alone in a RoleBinding of its name.",
        why: "Notebooks and pipeline steps run as default-editor. Without it no pod starts; with other rights pipelines \
              fail at their first step, or reach more than they should.",
        fix: "The profile controller restores both: see why it does not (kubectl -n kubeflow logs \
              deployment/profiles-deployment -c manager).",
        reproduce: "kubectl -n NAMESPACE get serviceaccounts,rolebindings -o wide",
    })
    .profiles(TENANCY)
    .breaks_on(&[&faults::EDITOR_ACCOUNT_REMOVED, &faults::VIEWER_PROMOTED]),
    check(
        "PRF-004",
        "Every Profile's owner, and nobody else, is bound as its administrator",
        Level::Must,
        source("kubeflow/kubeflow", CONTROLLER),
        |cx| Box::pin(administrators(cx)),
    )
    .explain(Explain {
        what: "RoleBinding namespaceAdmin binds ClusterRole kubeflow-admin to exactly the owner that the Profile names.",
        why: "This binding is what makes the owner an owner, for the Kubernetes API and for every web application.",
        fix: "The profile controller restores it: see why it does not. An owner of another kind than User, Group or \
              ServiceAccount never gets one: correct spec.owner.kind.",
        reproduce: "kubectl -n NAMESPACE get rolebinding namespaceAdmin -o yaml",
    })
    .profiles(SECURITY)
    .breaks_on(&[&faults::ADMIN_REPLACED]),
    check(
        "PRF-005",
        "Every Profile's policy lets in its owner, its own pods and probes, and nobody else",
        Level::Must,
        source("kubeflow/kubeflow", CONTROLLER),
        |cx| Box::pin(policies(cx)),
    )
    .explain(Explain {
        what: "AuthorizationPolicy ns-owner-access-istio holds exactly the controller's four rules: the owner through \
               the ingress gateway and the pipelines UI, pods of the same namespace, the paths of probes, and the \
               notebook controller.",
        why: "Notebooks have no login of their own: this policy is their only lock. A rule too many opens them, a rule \
              too few locks the owner out.",
        fix: "The profile controller corrects it: see why it does not.",
        reproduce: "kubectl -n NAMESPACE get authorizationpolicy ns-owner-access-istio -o yaml",
    })
    .profiles(SECURITY)
    .breaks_on(&[&faults::POLICY_REMOVED, &faults::POLICY_OPENED]),
    check(
        "PRF-006",
        "Every Profile has the quota that it asks for",
        Level::Must,
        source("kubeflow/kubeflow", CONTROLLER),
        |cx| Box::pin(quotas(cx)),
    )
    .explain(Explain {
        what: "ResourceQuota kf-resource-quota is what resourceQuotaSpec of the Profile says; where that is empty there \
               is none.",
        why: "The controller does not watch quotas: one that was deleted by hand stays away until the Profile changes, \
              and the tenant may use the whole cluster.",
        fix: "Change the Profile, for example by an annotation: the controller then makes the quota again.",
        reproduce: "kubectl -n NAMESPACE get resourcequota kf-resource-quota -o yaml; kubectl get profile NAME -o \
                    jsonpath='{.spec.resourceQuotaSpec}'",
    })
    .profiles(TENANCY)
    .breaks_on(&[&faults::QUOTA_UNMET]),
    check(
        "PRF-007",
        "Controller and KFAM know the gateway and the identity header",
        Level::Must,
        source("kubeflow/manifests", "apps/profiles/upstream/manager/kustomization.yaml: profiles-config"),
        |cx| Box::pin(configuration(cx)),
    )
    .explain(Explain {
        what: "The ConfigMap profiles-config that Deployment profiles-deployment reads names the identity header, the \
               principals of the ingress gateway, the pipelines UI and the notebook controller. A KFAM administrator \
               is reported.",
        why: "Every policy of every Profile is made of these. With another principal no owner reaches a notebook.",
        fix: "Restore the values of apps/profiles/upstream/manager and restart profiles-deployment.",
        reproduce: "kubectl -n kubeflow get configmaps -o yaml | grep -A9 ISTIO_INGRESS_GATEWAY_PRINCIPAL",
    })
    .profiles(SECURITY)
    .breaks_on(&[&faults::GATEWAY_PRINCIPAL_CHANGED]),
];

/// The Profiles of the platform's users: none of a run's own, none that is leaving.
async fn profiles(cx: &Ctx) -> Checked<Vec<DynamicObject>> {
    let mut found = objects::all(cx, PROFILE).await?;
    found.retain(tenants::stays);
    if found.is_empty() {
        cx.remark("there is no Profile");
    }
    Ok(found)
}

/// All objects of a kind, by namespace and name.
async fn by_place(cx: &Ctx, kind: Kind) -> Checked<HashMap<(String, String), DynamicObject>> {
    let all = objects::all(cx, kind).await?;
    Ok(all
        .into_iter()
        .map(|object| ((objects::namespace(&object).to_owned(), name(&object).to_owned()), object))
        .collect())
}

fn at<'a>(all: &'a HashMap<(String, String), DynamicObject>, namespace: &str, name: &str) -> Option<&'a DynamicObject> {
    all.get(&(namespace.to_owned(), name.to_owned()))
}

async fn namespaces(cx: &Ctx) -> Checked {
    let homes = by_place(cx, NAMESPACE).await?;
    let mut differences = Vec::new();
    for profile in profiles(cx).await? {
        let (home, (_, owner)) = (name(&profile), tenants::owner(&profile));
        differences.extend(contents::ownership(home, owner, at(&homes, "", home)));
    }
    none(
        "every Profile has a namespace that names its owner",
        differences,
        "kubectl annotate namespace NAME owner=OWNER --overwrite, if it is the Profile's",
    )
}

async fn labels(cx: &Ctx) -> Checked {
    let homes = by_place(cx, NAMESPACE).await?;
    let mut differences = Vec::new();
    for profile in profiles(cx).await? {
        if let Some(home) = at(&homes, "", name(&profile)) {
            differences.extend(contents::labels(cx.version(), home));
        }
    }
    none(
        "every Profile's namespace has the release's labels",
        differences,
        "kubectl label namespace NAME KEY=VALUE --overwrite",
    )
}

const LOGS: &str = "kubectl -n kubeflow logs deployment/profiles-deployment -c manager";

async fn accounts(cx: &Ctx) -> Checked {
    let (known, bindings) = (by_place(cx, SERVICE_ACCOUNT).await?, by_place(cx, ROLE_BINDING).await?);
    let mut differences = Vec::new();
    for profile in profiles(cx).await? {
        let home = name(&profile);
        for (account, role) in ACCOUNTS {
            if at(&known, home, account).is_none() {
                differences.push(format!("there is no ServiceAccount {home}/{account}"));
            }
            let subject = contents::account(home, account);
            differences.extend(contents::binding(home, account, role, &subject, at(&bindings, home, account)));
        }
    }
    none("every Profile has its service accounts, bound to their roles", differences, LOGS)
}

async fn administrators(cx: &Ctx) -> Checked {
    let bindings = by_place(cx, ROLE_BINDING).await?;
    let mut differences = Vec::new();
    for profile in profiles(cx).await? {
        let home = name(&profile);
        let owner = contents::owner(&profile);
        differences.extend(contents::binding(home, ADMIN, "kubeflow-admin", &owner, at(&bindings, home, ADMIN)));
    }
    none("every Profile's owner alone is its administrator", differences, LOGS)
}

async fn policies(cx: &Ctx) -> Checked {
    let policies = by_place(cx, AUTHORIZATION_POLICY).await?;
    let mut differences = Vec::new();
    for profile in profiles(cx).await? {
        let (home, (_, owner)) = (name(&profile), tenants::owner(&profile));
        differences.extend(contents::policy(home, POLICY, &contents::rules(home, owner), at(&policies, home, POLICY)));
    }
    none("every Profile's policy has the controller's four rules", differences, LOGS)
}

async fn quotas(cx: &Ctx) -> Checked {
    let quotas = by_place(cx, RESOURCE_QUOTA).await?;
    let mut differences = Vec::new();
    for profile in profiles(cx).await? {
        let home = name(&profile);
        differences.extend(contents::quota(home, &profile, at(&quotas, home, QUOTA)));
    }
    none(
        "every Profile has the quota that it asks for",
        differences,
        "change the Profile: the quota is then made again",
    )
}

async fn configuration(cx: &Ctx) -> Checked {
    let deployment = objects::get(cx, objects::DEPLOYMENT, "kubeflow", "profiles-deployment").await?;
    let referred = deployment.as_ref().map_or("", |deployment| {
        let containers = objects::items(&deployment.data, "/spec/template/spec/containers").iter();
        let sources = containers.flat_map(|container| objects::items(container, "/envFrom"));
        sources.map(|source| text(source, "/configMapRef/name")).find(|name| !name.is_empty()).unwrap_or_default()
    });
    let Some(config) = objects::get(cx, CONFIG_MAP, "kubeflow", referred).await? else {
        let differences =
            vec![format!("Deployment kubeflow/profiles-deployment reads ConfigMap {referred:?}, which is not there")];
        return none(
            "the settings of controller and KFAM",
            differences,
            "apply apps/profiles of kubeflow/manifests again",
        );
    };
    let mut differences = Vec::new();
    for (key, wanted) in [
        ("USERID_HEADER", USERID_HEADER),
        ("ISTIO_INGRESS_GATEWAY_PRINCIPAL", ON_BEHALF[0]),
        ("KFP_UI_PRINCIPAL", ON_BEHALF[1]),
        ("NOTEBOOK_CONTROLLER_PRINCIPAL", NOTEBOOK_CONTROLLER),
    ] {
        let found = config_value(&config, key).unwrap_or_default();
        if found != wanted {
            differences.push(format!("{key} of ConfigMap kubeflow/{referred} is {found:?}, not {wanted:?}"));
        }
    }
    let admin = config_value(&config, "ADMIN").unwrap_or_default();
    if !admin.is_empty() {
        cx.finding(
            Severity::Medium,
            format!("{admin} manages the members of every Profile"),
            "ADMIN of ConfigMap profiles-config names this user: through the dashboard they add and remove members of \
             every namespace. It gives no right at the Kubernetes API.",
        );
    }
    none(
        "the release's identity header and principals",
        differences,
        "restore the values and restart Deployment kubeflow/profiles-deployment",
    )
}
