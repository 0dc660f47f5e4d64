//! What of the platform could still point at a former store: workloads, configuration, credentials, Services.

use std::collections::BTreeSet;

use clusters::versions::parts;
use harness::check::{Run, source};
use harness::{Check, Checked, Ctx, Explain, Fault, Level, Profile, Source, Stop, check};
use kube::api::DynamicObject;

use super::hosts::strangers;
use crate::faults::retired as faults;
use crate::objects::{
    self, CONFIG_MAP, DAEMON_SET, DEPLOYMENT, Kind, NAMESPACE, POD, PROFILE, SECRET, SERVICE, STATEFUL_SET, items,
    label, name, place, secret_value, selects, text,
};
use crate::stand_in::not_installed;

const MIGRATION: &[Profile] = &[Profile::Core, Profile::Migration, Profile::Durability];
const CONFIG: Source =
    source("kubeflow/manifests", "ConfigMap pipeline-install-config, Deployments of apps/pipeline and katib");

/// The checks.
pub static CHECKS: &[Check] = &[
    row(
        "RET-001",
        "No workload of the platform names a store of a former installation",
        "kubectl -n kubeflow get deployments,statefulsets,daemonsets -o yaml | grep -iE '(mysql|minio)[a-z0-9-]*\\.'",
        |cx| Box::pin(workloads(cx)),
        &[&faults::WORKLOAD_POINTS_BACK],
    ),
    row(
        "RET-002",
        "No ConfigMap of the platform names a store of a former installation",
        "kubectl -n kubeflow get configmaps -o yaml | grep -iE '(mysql|minio)[a-z0-9-]*\\.'",
        |cx| Box::pin(configuration(cx)),
        &[&faults::CONFIG_POINTS_BACK],
    ),
    row(
        "RET-003",
        "No Secret of the platform names a store of a former installation",
        "kubectl -n kubeflow get secrets; decode what looks like an address",
        |cx| Box::pin(credentials(cx)),
        &[&faults::SECRET_POINTS_BACK],
    ),
    row(
        "RET-004",
        "The Services of the stores lead to the bundled stores alone",
        "kubectl -n kubeflow get endpointslices -l kubernetes.io/service-name=mysql; kubectl -n kubeflow get pods -l app=mysql",
        |cx| Box::pin(services(cx)),
        &[&faults::STRANGER_BEHIND_SERVICE, &faults::SERVICE_LEADS_AWAY],
    ),
    row(
        "RET-005",
        "No workload in the platform's namespaces runs a retired chart's image",
        "kubectl -n kubeflow get pods -o jsonpath='{..image}' | tr ' ' '\\n' | grep -i bitnami",
        |cx| Box::pin(images(cx)),
        &[&faults::CHART_IMAGE],
    ),
];

const fn row(
    id: &'static str,
    title: &'static str,
    reproduce: &'static str,
    run: Run,
    on: &'static [&'static Fault],
) -> Check {
    check(id, title, Level::Must, CONFIG, run)
        .explain(Explain {
            what: "In the namespaces of the platform and of its tenants, nothing names a Service of this cluster that speaks of \
                   MySQL, MariaDB, MinIO or the like and is not one that the release brings; the Services mysql, katib-mysql \
                   and minio-service select pods of the release's own Deployments only.",
            why: "A part that still works with the former store loses its data on the day when that store is removed, which is \
                  the day after the migration was signed off.",
            fix: "Point it at mysql, katib-mysql or minio-service in kubeflow, move what it has written, and restart it.",
            reproduce,
        })
        .profiles(MIGRATION)
        .breaks_on(on)
}

/// The namespaces of the platform and of its tenants, and all that there are.
async fn namespaces(cx: &Ctx) -> Checked<(Vec<String>, BTreeSet<String>)> {
    let all: BTreeSet<String> = objects::all(cx, NAMESPACE).await?.iter().map(|one| name(one).to_owned()).collect();
    let mut wanted: Vec<String> = objects::all(cx, PROFILE).await?.iter().map(|one| name(one).to_owned()).collect();
    wanted.push("kubeflow".to_owned());
    wanted.retain(|one| all.contains(one));
    wanted.sort();
    Ok((wanted, all))
}

/// Fails if one of the objects names a stranger; `said` is what an object says.
async fn point_back(cx: &Ctx, kinds: &[Kind], said: fn(&DynamicObject) -> String) -> Checked {
    let (wanted, all) = namespaces(cx).await?;
    let mut found = Vec::new();
    for namespace in &wanted {
        for kind in kinds {
            for object in objects::within(cx, *kind, namespace).await? {
                // A note of what was applied says what the object says.
                let hosts = strangers(&said(&object), &all);
                found.extend(hosts.into_iter().map(|host| format!("{} {} names {host}", kind.kind, place(&object))));
            }
        }
    }
    match found.first() {
        None => Ok(()),
        Some(first) => Err(Stop::failed("no store that the release does not bring", found.join("; "))
            .because(first.clone())
            .fix("point it at the bundled store, and move the data")),
    }
}

async fn workloads(cx: &Ctx) -> Checked {
    point_back(cx, &[DEPLOYMENT, STATEFUL_SET, DAEMON_SET], |object| {
        object.data.pointer("/spec/template/spec").map(ToString::to_string).unwrap_or_default()
    })
    .await
}

async fn configuration(cx: &Ctx) -> Checked {
    point_back(cx, &[CONFIG_MAP], |object| {
        let data = object.data.get("data").and_then(serde_json::Value::as_object);
        data.into_iter().flatten().filter_map(|(_, value)| value.as_str()).collect::<Vec<_>>().join("\n")
    })
    .await
}

async fn credentials(cx: &Ctx) -> Checked {
    point_back(cx, &[SECRET], |object| {
        let keys = object.data.get("data").and_then(serde_json::Value::as_object);
        keys.into_iter().flatten().filter_map(|(key, _)| secret_value(object, key)).collect::<Vec<_>>().join("\n")
    })
    .await
}

/// The Services of the stores, and the Deployments behind them.
const STORES: [(&str, &[&str]); 3] =
    [("mysql", &["mysql"]), ("katib-mysql", &["katib-mysql"]), ("minio-service", &["minio", "seaweedfs"])];

async fn services(cx: &Ctx) -> Checked {
    let pods = objects::within(cx, POD, "kubeflow").await?;
    for (service, deployments) in STORES {
        let Some(found) = objects::get(cx, SERVICE, "kubeflow", service).await? else {
            if service == "katib-mysql" && parts::named("katib").is_some_and(|part| cx.leaves_out(part)) {
                continue;
            }
            return Err(Stop::failed(format!("Service kubeflow/{service}"), "it is absent")
                .because(format!("Service kubeflow/{service} is absent")));
        };
        let leads_away = |why: String| {
            Stop::failed(
                format!("Service kubeflow/{service} leads to pods of Deployment {}", deployments.join(" or ")),
                why,
            )
            .because(format!("Service kubeflow/{service}"))
            .fix(format!("apply Service {service} of kubeflow/manifests again, and rename what is in its way"))
        };
        let selector = found.data.pointer("/spec/selector").cloned().unwrap_or_default();
        if !text(&found.data, "/spec/externalName").is_empty()
            || selector.as_object().is_none_or(serde_json::Map::is_empty)
        {
            return Err(leads_away(format!("it leads to {:?}", text(&found.data, "/spec/externalName"))));
        }
        let mut behind = 0;
        for pod in pods.iter().filter(|pod| selects(&selector, &serde_json::json!(pod.metadata.labels))) {
            behind += 1;
            let of = owner(pod);
            if !deployments.contains(&of.as_str()) {
                return Err(leads_away(format!("it selects pod {} of {of}, too", name(pod))).at(format!(
                    "Pod {}, label app={}",
                    place(pod),
                    label(pod, "app")
                )));
            }
        }
        if behind == 0 {
            if let Some(absent) = not_installed(cx, "kubeflow", deployments[0]).await? {
                return Err(absent);
            }
            return Err(leads_away("it selects no pod".to_owned()));
        }
    }
    Ok(())
}

/// The name of the Deployment of a pod: that of its ReplicaSet without the hash at the end.
fn owner(pod: &DynamicObject) -> String {
    let owner = pod.metadata.owner_references.iter().flatten().next();
    let Some(owner) = owner else { return name(pod).to_owned() };
    match owner.kind.as_str() {
        "ReplicaSet" => owner.name.rsplit_once('-').map_or(owner.name.clone(), |(deployment, _)| deployment.to_owned()),
        _ => owner.name.clone(),
    }
}

async fn images(cx: &Ctx) -> Checked {
    let (wanted, _) = namespaces(cx).await?;
    let mut found = Vec::new();
    for namespace in &wanted {
        for kind in [DEPLOYMENT, STATEFUL_SET, DAEMON_SET] {
            for object in objects::within(cx, kind, namespace).await? {
                let pod = "/spec/template/spec";
                let containers = items(&object.data, &format!("{pod}/containers")).iter();
                for container in containers.chain(items(&object.data, &format!("{pod}/initContainers"))) {
                    let image = text(container, "/image");
                    if image.split('/').any(|part| part.starts_with("bitnami")) {
                        found.push(format!("{} {} runs {image}", kind.kind, place(&object)));
                    }
                }
            }
        }
    }
    match found.first() {
        None => Ok(()),
        Some(first) => Err(Stop::failed("no image of a Bitnami chart", found.join("; "))
            .because(first.clone())
            .fix("save its data, and remove it with the chart that brought it")),
    }
}
