//! Namespaces, definitions of custom resources, and the objects that controllers are configured with.

use clusters::versions::parts;
use harness::check::source;
use harness::{Check, Checked, Ctx, Explain, Level, Severity, check};
use kube::api::DynamicObject;

use super::Differences;
use crate::faults::install as faults;
use crate::objects::{
    self, CLUSTER_ISSUER, COMPOSITE_CONTROLLER, DECORATOR_CONTROLLER, DEFINITION, GATEWAY, NAMESPACE, PROFILE,
};

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "INS-001",
        "Every namespace of the release exists and is active",
        Level::Must,
        source("kubeflow/manifests", "example: objects of kind Namespace"),
        |cx| Box::pin(namespaces(cx)),
    )
    .explain(Explain {
        what: "The namespaces that the release creates are there, and none of them is being deleted.",
        why: "A namespace that hangs in Terminating (a leftover of the standalone installation, usually) takes no new \
              object: everything that belongs into it is missing.",
        fix: "Apply the release again. If the namespace is Terminating, its conditions name what it waits for: \
              kubectl get namespace NAME -o yaml.",
        reproduce: "kubectl get namespaces",
    })
    .breaks_on(&[&faults::NAMESPACE_REMOVED]),
    check(
        "INS-002",
        "Every CustomResourceDefinition of the release is established",
        Level::Must,
        source("kubernetes/apiextensions-apiserver", "CustomResourceDefinitionCondition Established, NamesAccepted"),
        |cx| Box::pin(definitions(cx)),
    )
    .explain(Explain {
        what: "Each definition that the release creates exists, has the kind and scope that the release gives it, and \
               its conditions Established and NamesAccepted are True.",
        why: "Definitions are too large for a client-side apply (the annotation with the last applied state has a \
              limit of 262144 bytes) and are refused then, often unnoticed: what depends on them never appears.",
        fix: "kubectl apply --server-side --force-conflicts the definitions of the release, then everything else again.",
        reproduce: "kubectl get crd -o custom-columns='NAME:.metadata.name,ESTABLISHED:.status.conditions[?(@.type==\
                    \"Established\")].status'",
    })
    .breaks_on(&[&faults::DEFINITION_REMOVED]),
    check(
        "INS-003",
        "The objects that configure the platform's controllers exist",
        Level::Must,
        source("kubeflow/manifests", "example: custom resources of cert-manager, metacontroller, Istio, Kubeflow"),
        |cx| Box::pin(configuration(cx)),
    )
    .explain(Explain {
        what: "ClusterIssuer kubeflow-self-signing-issuer, metacontroller's kubeflow-pipelines-profile-controller, \
               Gateway kubeflow/kubeflow-gateway and at least one Profile exist.",
        why: "They are custom resources: an apply that was not repeated until their definitions were established left \
              them out, and all pods run all the same. Without the profile controller's hook no tenant gets Pipelines.",
        fix: "Apply the release again, until no object is refused.",
        reproduce: "kubectl get clusterissuer,profile; kubectl get compositecontroller,decoratorcontroller; kubectl -n \
                    kubeflow get gateway",
    })
    .after(&["INS-002"])
    .breaks_on(&[&faults::CLUSTER_ISSUER_REMOVED]),
];

async fn namespaces(cx: &Ctx) -> Checked {
    let found = objects::all(cx, NAMESPACE).await?;
    let mut differences = Differences::default();
    for wanted in cx.version().namespaces() {
        let object = format!("Namespace {}", wanted.name);
        match found.iter().find(|namespace| objects::name(namespace) == wanted.name) {
            None => differences.add_missing(cx, parts::of_object(wanted.name, ""), object, "is absent"),
            Some(namespace) if namespace.metadata.deletion_timestamp.is_some() => {
                differences.add(object, format!("is being deleted{}", what_it_waits_for(namespace)));
            }
            Some(_) => {}
        }
    }
    for left in cx.version().retired_namespaces() {
        if found.iter().any(|namespace| objects::name(namespace) == left.name) {
            cx.finding(
                Severity::Low,
                format!("Namespace {} is left of an earlier release", left.name),
                "This release does not use it. Delete it when nothing in it is needed.",
            );
        }
    }
    differences.judge("all namespaces of the release exist and are active", "apply the release's namespaces again")
}

/// The first condition that keeps a namespace from going away, in the server's words.
fn what_it_waits_for(namespace: &DynamicObject) -> String {
    objects::items(&namespace.data, "/status/conditions")
        .iter()
        .find(|condition| condition["status"] == "True")
        .map(|condition| format!(": {}", objects::text(condition, "/message")))
        .unwrap_or_default()
}

async fn definitions(cx: &Ctx) -> Checked {
    let found = objects::all(cx, DEFINITION).await?;
    let mut differences = Differences::default();
    for wanted in cx.version().crds() {
        let object = format!("CustomResourceDefinition {} ({})", wanted.name, wanted.owner);
        let Some(definition) = found.iter().find(|definition| objects::name(definition) == wanted.name) else {
            differences.add_missing(cx, parts::of_owner(wanted.owner), object, "is absent");
            continue;
        };
        let kind = objects::text(&definition.data, "/spec/names/kind");
        let scope = objects::text(&definition.data, "/spec/scope");
        let wanted_scope = if wanted.namespaced { "Namespaced" } else { "Cluster" };
        if kind != wanted.kind || scope != wanted_scope {
            let how = format!("defines {kind}, {scope}, instead of {}, {wanted_scope}", wanted.kind);
            differences.add(object, how);
        } else if let Some(condition) =
            ["Established", "NamesAccepted"].into_iter().find(|of| objects::condition(definition, of) != "True")
        {
            differences.add(object, format!("has no condition {condition}=True"));
        }
    }
    for left in cx.version().retired_crds() {
        if found.iter().any(|definition| objects::name(definition) == left.name) {
            cx.finding(
                Severity::Low,
                format!("CustomResourceDefinition {} is left of an earlier release", left.name),
                "This release has no controller for it. Deleting it deletes its objects.",
            );
        }
    }
    differences.judge(
        "all definitions of the release exist, with their kind and scope, and are established",
        "kubectl apply --server-side --force-conflicts the release's definitions again",
    )
}

async fn configuration(cx: &Ctx) -> Checked {
    let mut differences = Differences::default();
    let issuers = objects::all(cx, CLUSTER_ISSUER).await?;
    if !issuers.iter().any(|issuer| objects::name(issuer) == "kubeflow-self-signing-issuer") {
        let part = parts::named("cert-manager");
        differences.add_missing(cx, part, "ClusterIssuer kubeflow-self-signing-issuer", "is absent");
    }
    // Up to v1.9 the hook is a CompositeController, since v1.10 a DecoratorController; both do the same.
    let mut hooks = objects::all(cx, COMPOSITE_CONTROLLER).await?;
    hooks.extend(objects::all(cx, DECORATOR_CONTROLLER).await?);
    if !hooks.iter().any(|hook| objects::name(hook) == "kubeflow-pipelines-profile-controller") {
        let hook = "metacontroller's hook kubeflow-pipelines-profile-controller";
        differences.add_missing(cx, parts::named("metacontroller"), hook, "is absent");
    }
    if objects::get(cx, GATEWAY, "kubeflow", "kubeflow-gateway").await?.is_none() {
        differences.add("Gateway kubeflow/kubeflow-gateway", "is absent");
    }
    if objects::all(cx, PROFILE).await?.is_empty() {
        differences.add_missing(cx, parts::named("profiles"), "a Profile", "is absent: nobody has a namespace");
    }
    differences.judge("the objects that configure the platform's controllers exist", "apply the release again")
}
