//! Services, and who answers for them.

use clusters::versions::parts;
use harness::check::source;
use harness::{Check, Checked, Ctx, Explain, Level, check};

use super::Differences;
use crate::faults::install as faults;
use crate::gateway::diagnose::is_live;
use crate::objects::{self, API_SERVICE, ENDPOINT_SLICE, SERVICE, items, number, text};

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "INS-030",
        "Every Service of the release has a ready endpoint",
        Level::Must,
        source("kubernetes/website", "Service: EndpointSlices, selectors"),
        |cx| Box::pin(endpoints(cx)),
    )
    .explain(Explain {
        what: "Each Service that the release creates exists, and an EndpointSlice names a ready endpoint of it.",
        why: "Two installations whose labels differ leave Services that select nothing: the pods run, and nobody \
              reaches them.",
        fix: "Compare the Service's selector with the labels of the pods, and apply the release's Service again.",
        reproduce: "kubectl get services -A -o wide; kubectl get endpointslices -A",
    })
    .after(&["INS-010", "INS-011"])
    .breaks_on(&[&faults::SELECTOR_CHANGED, &faults::SERVICE_REMOVED]),
    check(
        "INS-031",
        "Every Service of the release publishes its ports",
        Level::Must,
        source("kubeflow/manifests", "example: objects of kind Service"),
        |cx| Box::pin(ports(cx)),
    )
    .explain(Explain {
        what: "Each Service that the release creates has the ports that the release gives it; more are allowed.",
        why: "Components know one another by Service name and port: the Pipelines SDK and the agents use two ports of \
              the same Service.",
        fix: "Apply the release's Service again.",
        reproduce: "kubectl get services -A",
    })
    .after(&["INS-001"])
    .breaks_on(&[&faults::PORT_REMOVED]),
    check(
        "INS-032",
        "Every aggregated API answers",
        Level::Must,
        source("kubernetes/kube-aggregator", "APIServiceConditionType Available"),
        |cx| Box::pin(aggregated(cx)),
    )
    .explain(Explain {
        what: "Each APIService that leads to a Service has the condition Available=True.",
        why: "One dead aggregated API breaks discovery for everybody: namespaces hang in Terminating, and kubectl \
              complains on each call. It is usually what an uninstalled component left behind.",
        fix: "kubectl describe apiservice NAME; bring its Service back, or delete the APIService.",
        reproduce: "kubectl get apiservices | grep -v -e Local -e True",
    })
    .breaks_on(&[&faults::LEFTOVER_API]),
];

async fn endpoints(cx: &Ctx) -> Checked {
    let (services, slices) = (objects::all(cx, SERVICE).await?, objects::all(cx, ENDPOINT_SLICE).await?);
    let mut differences = Differences::default();
    for wanted in cx.version().services() {
        let object = format!("Service {}/{}", wanted.namespace, wanted.name);
        let part = parts::of_object(wanted.namespace, wanted.name);
        let found = services
            .iter()
            .find(|service| objects::namespace(service) == wanted.namespace && objects::name(service) == wanted.name);
        let Some(service) = found else {
            differences.add_missing(cx, part, object, "is absent");
            continue;
        };
        let live =
            slices.iter().any(|slice| objects::namespace(slice) == wanted.namespace && is_live(slice, wanted.name));
        if !live {
            let selector = service.data.pointer("/spec/selector").cloned().unwrap_or_default();
            differences.add_missing(cx, part, object, format!("has no ready endpoint; it selects {selector}"));
        }
    }
    differences.judge(
        "all Services of the release exist and have a ready endpoint",
        "compare the Service's selector with the labels of the pods",
    )
}

async fn ports(cx: &Ctx) -> Checked {
    let services = objects::all(cx, SERVICE).await?;
    let mut differences = Differences::default();
    for wanted in cx.version().services() {
        let found = services
            .iter()
            .find(|service| objects::namespace(service) == wanted.namespace && objects::name(service) == wanted.name);
        // One that is absent is INS-030's.
        let Some(service) = found else { continue };
        let published: Vec<i64> =
            items(&service.data, "/spec/ports").iter().filter_map(|port| number(port, "/port")).collect();
        let missing: Vec<String> = wanted
            .ports
            .iter()
            .filter(|port| !published.contains(&i64::from(**port)))
            .map(ToString::to_string)
            .collect();
        if !missing.is_empty() {
            let how = format!("publishes {published:?} and lacks {}", missing.join(", "));
            differences.add(format!("Service {}/{}", wanted.namespace, wanted.name), how);
        }
    }
    differences.judge("all Services of the release publish their ports", "apply the release's Service again")
}

async fn aggregated(cx: &Ctx) -> Checked {
    let mut differences = Differences::default();
    for api in objects::all(cx, API_SERVICE).await? {
        let service = text(&api.data, "/spec/service/name");
        if service.is_empty() || objects::condition(&api, "Available") == "True" {
            continue;
        }
        let why = items(&api.data, "/status/conditions")
            .iter()
            .find(|condition| condition["type"] == "Available")
            .map_or("nobody says why", |condition| text(condition, "/message"));
        let place = format!("{}/{service}", text(&api.data, "/spec/service/namespace"));
        let how = format!("is not available: it leads to Service {place}; {why}");
        differences.add(format!("APIService {}", objects::name(&api)), how);
    }
    differences.judge(
        "all APIServices that lead to a Service are available",
        "bring the Service back, or delete the APIService",
    )
}
