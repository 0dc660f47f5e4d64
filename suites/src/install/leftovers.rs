//! What an earlier life of the cluster left: standalone Pipelines and Katib, charts of their stores, another login.

use harness::check::source;
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Severity, check};
use kube::api::DynamicObject;
use serde_json::Value;

use super::Differences;
use crate::faults::install as faults;
use crate::objects::{
    self, CLAIM, DAEMON_SET, DEPLOYMENT, Kind, MUTATING, SECRET, SERVICE, STATEFUL_SET, VALIDATING, items, text,
};

const MIGRATION: &[Profile] = &[Profile::Core, Profile::Migration];

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "INS-060",
        "No standalone Kubeflow Pipelines is left in the cluster",
        Level::Must,
        source("kubeflow/pipelines", "manifests/kustomize/env/platform-agnostic against base/installs/multi-user"),
        |cx| Box::pin(standalone_pipelines(cx)),
    )
    .explain(Explain {
        what: "No Deployment ml-pipeline outside kubeflow, no cache deployer, and no workflow controller that watches \
               one namespace only.",
        why: "Two Pipelines fight: the multi-user one watches all namespaces and deletes Workflows whose runs are not \
              in its database, so the standalone one loses its runs, and its cache deployer replaces the platform's \
              webhook.",
        fix: "Save what is needed of the standalone installation, then delete it by its own kustomization.",
        reproduce: "kubectl get deployments -A | grep -e cache-deployer -e ml-pipeline; kubectl get deployments -A -o \
                    jsonpath='{range .items[?(@.metadata.name==\"workflow-controller\")]}{.metadata.namespace} \
                    {.spec.template.spec.containers[0].args}{\"\\n\"}{end}'",
    })
    .profiles(MIGRATION)
    .breaks_on(&[&faults::STANDALONE_PIPELINES, &faults::CACHE_DEPLOYER_LEFT]),
    check(
        "INS-061",
        "No standalone Katib is left in the cluster",
        Level::Must,
        source("kubeflow/katib", "manifests/v1beta1/installs/katib-standalone against katib-with-kubeflow"),
        |cx| Box::pin(standalone_katib(cx)),
    )
    .explain(Explain {
        what: "No Deployment katib-controller outside kubeflow, and katib-ui asks who may see what \
               (APP_DISABLE_AUTH is false).",
        why: "Two controllers reconcile the same Experiments. A standalone katib-ui shows and deletes everybody's \
              experiments for everybody.",
        fix: "Delete the other installation by its own kustomization; set APP_DISABLE_AUTH=false on Deployment \
              kubeflow/katib-ui.",
        reproduce: "kubectl get deployments -A | grep katib; kubectl -n kubeflow get deployment katib-ui -o \
                    jsonpath='{.spec.template.spec.containers[0].env}'",
    })
    .profiles(MIGRATION)
    .breaks_on(&[&faults::STANDALONE_KATIB, &faults::KATIB_WITHOUT_AUTHORIZATION]),
    check(
        "INS-062",
        "No Helm release of MinIO or MySQL is left beside the bundled stores",
        Level::Must,
        source(
            "bitnami/charts",
            "minio, mysql, mariadb: standard labels, volume claim templates; helm release Secrets",
        ),
        |cx| Box::pin(charts(cx)),
    )
    .explain(Explain {
        what: "The release's namespaces hold no workload, Service, claim or Helm record of a MinIO or MySQL chart. \
               Elsewhere in the cluster they are a finding.",
        why: "Such charts bring Services named mysql and minio: which store answers depends on who was applied last. \
              Their claims outlive helm uninstall, with the old data in them.",
        fix: "Save the data, helm uninstall the release, and delete its claims data-RELEASE-*.",
        reproduce: "helm list -A; kubectl get all,pvc,secret -A -l 'app.kubernetes.io/name in (minio,mysql,mariadb)'",
    })
    .profiles(MIGRATION)
    .breaks_on(&[&faults::CHART_LEFT, &faults::CHART_CLAIM_LEFT, &faults::CHART_RECORD_LEFT]),
    check(
        "INS-063",
        "No object of another login stands before the gateway",
        Level::Must,
        source("kubeflow/manifests", "common/oidc-client (v1.8) against common/oauth2-proxy (v1.9 and later)"),
        |cx| Box::pin(foreign_login(cx)),
    )
    .explain(Explain {
        what: "None of the objects exists that the other contract's login is made of: EnvoyFilters and authservice in \
               v1.9 and later, policies and oauth2-proxy in v1.8.",
        why: "An upgrade by apply deletes nothing: two guards ask one after the other, people log in twice, and a \
              logout ends one of two sessions.",
        fix: "Delete the object that is named here.",
        reproduce: "kubectl -n istio-system get envoyfilters,authorizationpolicies,requestauthentications,statefulsets",
    })
    .profiles(MIGRATION)
    .breaks_on(&[&faults::FOREIGN_LOGIN_A, &faults::FOREIGN_LOGIN_B]),
    check(
        "INS-064",
        "No workload or webhook of an earlier release is left",
        Level::Should,
        source("kubeflow/manifests", "example: what v1.8.1 and v1.9.1 create and later releases do not"),
        |cx| Box::pin(earlier_release(cx)),
    )
    .explain(Explain {
        what: "No Deployment, StatefulSet, DaemonSet or webhook configuration exists that only an earlier supported \
               release creates.",
        why: "Old controllers go on acting on the objects that the new ones own, and their webhooks on every request.",
        fix: "Delete the object that is named here.",
        reproduce: "kubectl get deployments,statefulsets,daemonsets -A; kubectl get \
                    mutatingwebhookconfigurations,validatingwebhookconfigurations",
    })
    .profiles(MIGRATION)
    .breaks_on(&[&faults::EARLIER_WORKLOAD_LEFT]),
];

async fn standalone_pipelines(cx: &Ctx) -> Checked {
    let mut differences = Differences::default();
    for deployment in objects::all(cx, DEPLOYMENT).await? {
        let place = format!("Deployment {}", objects::place(&deployment));
        match objects::name(&deployment) {
            "ml-pipeline" if objects::namespace(&deployment) != "kubeflow" => {
                differences.add(place, "is another Kubeflow Pipelines");
            }
            "cache-deployer-deployment" => differences.add(place, "belongs to a standalone Kubeflow Pipelines"),
            "workflow-controller" if containers(&deployment).any(watches_one_namespace) => {
                differences.add(place, "watches one namespace only, as that of a standalone Kubeflow Pipelines");
            }
            _ => {}
        }
    }
    differences.judge(
        "the only Kubeflow Pipelines is the platform's",
        "save what is needed of the standalone installation, then delete it by its own kustomization",
    )
}

fn containers(workload: &DynamicObject) -> impl Iterator<Item = &Value> {
    items(&workload.data, "/spec/template/spec/containers").iter()
}

fn watches_one_namespace(container: &Value) -> bool {
    items(container, "/args").iter().any(|argument| argument == "--namespaced")
}

async fn standalone_katib(cx: &Ctx) -> Checked {
    let mut differences = Differences::default();
    for deployment in objects::all(cx, DEPLOYMENT).await? {
        let place = format!("Deployment {}", objects::place(&deployment));
        match (objects::namespace(&deployment), objects::name(&deployment)) {
            ("kubeflow", "katib-ui") => {
                // Of several variables of one name the last one counts; without any, katib-ui asks nobody.
                let disabled = containers(&deployment)
                    .flat_map(|container| items(container, "/env"))
                    .filter(|variable| variable["name"] == "APP_DISABLE_AUTH")
                    .last()
                    .map_or("true", |variable| text(variable, "/value"));
                if disabled != "false" {
                    differences.add(place, format!("has APP_DISABLE_AUTH={disabled}: it asks nobody for permission"));
                }
            }
            (namespace, "katib-controller") if namespace != "kubeflow" => {
                differences.add(place, "is another Katib");
            }
            _ => {}
        }
    }
    differences.judge(
        "the only Katib is the platform's, and it asks who may see what",
        "delete the other installation by its own kustomization; set APP_DISABLE_AUTH=false on kubeflow/katib-ui",
    )
}

/// Charts that bring what the platform brings, too.
const CHARTS: &[&str] = &["minio", "mysql", "mariadb"];

/// Why an object belongs to such a chart. Claims that a StatefulSet's template made carry the application's name and the
/// release's only, so labels of Helm itself are not enough.
fn chart_of(object: &DynamicObject) -> Option<String> {
    let (chart, name) = (objects::label(object, "helm.sh/chart"), objects::label(object, "app.kubernetes.io/name"));
    let release = objects::label(object, "app.kubernetes.io/instance");
    let of_chart = CHARTS.iter().any(|known| chart.strip_prefix(known).is_some_and(|rest| rest.starts_with('-')));
    if of_chart || (CHARTS.contains(&name) && !release.is_empty()) {
        let chart = if chart.is_empty() { name } else { chart };
        return Some(format!("belongs to chart {chart}, release {release:?}"));
    }
    let record = objects::label(object, "name");
    let is_record = text(&object.data, "/type") == "helm.sh/release.v1";
    (is_record && CHARTS.iter().any(|known| record.contains(known))).then(|| format!("records Helm release {record}"))
}

async fn charts(cx: &Ctx) -> Checked {
    const KINDS: &[(&str, Kind)] = &[
        ("Deployment", DEPLOYMENT),
        ("StatefulSet", STATEFUL_SET),
        ("Service", SERVICE),
        ("PersistentVolumeClaim", CLAIM),
        ("Secret", SECRET),
    ];
    let mut differences = Differences::default();
    for (kind, of) in KINDS {
        for object in objects::all(cx, *of).await? {
            let Some(why) = chart_of(&object) else { continue };
            let place = format!("{kind} {}", objects::place(&object));
            if cx.version().namespaces().any(|namespace| namespace.name == objects::namespace(&object)) {
                differences.add(place, why);
            } else {
                cx.finding(
                    Severity::Low,
                    format!("{place} {why}"),
                    "If it was the store of a standalone installation, its data is not in the platform: save or \
                     migrate it, then remove it.",
                );
            }
        }
    }
    differences.judge(
        "no object of a MinIO or MySQL chart is in the release's namespaces",
        "save the data, helm uninstall the release, and delete its claims",
    )
}

async fn foreign_login(cx: &Ctx) -> Checked {
    let mut differences = Differences::default();
    for object in cx.version().foreign_auth() {
        let resource = object.resource();
        let served = cx.objects(object.api_version, object.kind, object.namespace).await;
        let api = match served {
            Ok(api) => api,
            // A kind that the cluster does not know has no objects.
            Err(harness::Stop::Skipped(_)) => continue,
            Err(stop) => return Err(stop),
        };
        if api.get_opt(object.name).await?.is_some() {
            differences.add(object.to_string(), format!("belongs to the login of another release ({})", resource.kind));
        }
    }
    differences.judge("no object of the other contract's login exists", "delete the object")
}

async fn earlier_release(cx: &Ctx) -> Checked {
    let mut differences = Differences::default();
    for (kind, of) in [("Deployment", DEPLOYMENT), ("StatefulSet", STATEFUL_SET), ("DaemonSet", DAEMON_SET)] {
        let found = objects::all(cx, of).await?;
        for left in cx.version().retired_workloads().filter(|workload| workload.kind.name() == kind) {
            let exists = found
                .iter()
                .any(|object| objects::namespace(object) == left.namespace && objects::name(object) == left.name);
            // The login's own workloads are INS-063's.
            let of_login = cx.version().foreign_auth().any(|object| object.name == left.name);
            if exists && !of_login {
                differences.add(format!("{kind} {}/{}", left.namespace, left.name), "belongs to an earlier release");
            }
        }
    }
    for (kind, of) in [("MutatingWebhookConfiguration", MUTATING), ("ValidatingWebhookConfiguration", VALIDATING)] {
        let found = objects::all(cx, of).await?;
        for left in cx.version().retired_webhooks().filter(|webhook| webhook.kind.name() == kind) {
            if found.iter().any(|object| objects::name(object) == left.name) {
                differences.add(format!("{kind} {}", left.name), "belongs to an earlier release");
            }
        }
    }
    differences.judge("no workload or webhook that only an earlier release creates exists", "delete the object")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn chart(object: Value) -> Option<String> {
        chart_of(&serde_json::from_value(object).unwrap())
    }

    #[test]
    fn charts_are_recognised_by_what_they_leave() {
        let labelled = |labels: Value| chart(json!({"metadata": {"name": "x", "labels": labels}}));
        assert!(labelled(json!({"helm.sh/chart": "minio-14.1.0", "app.kubernetes.io/instance": "store"})).is_some());
        assert!(labelled(json!({"app.kubernetes.io/name": "mysql", "app.kubernetes.io/instance": "db"})).is_some());
        // The platform's own, and other charts.
        assert!(labelled(json!({"app": "minio", "application-crd-id": "kubeflow-pipelines"})).is_none());
        assert!(
            labelled(json!({"helm.sh/chart": "spark-operator-2.2.0", "app.kubernetes.io/managed-by": "Helm"}))
                .is_none()
        );
        let record = json!({"metadata": {"name": "sh.helm.release.v1.kfp-minio.v3", "labels": {"owner": "helm",
            "name": "kfp-minio"}}, "type": "helm.sh/release.v1"});
        assert_eq!(chart(record).unwrap(), "records Helm release kfp-minio");
    }
}
