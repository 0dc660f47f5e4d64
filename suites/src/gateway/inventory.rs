//! The gateway's objects: what is attached to it leads somewhere, and nothing is doubled.

use std::collections::BTreeMap;

use harness::check::source;
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Severity, Stop, check};

use super::diagnose::{self, GATEWAY_PRINCIPAL, PLATFORM_GATEWAY, attached, prefixes};
use crate::applications::ENTRIES;
use crate::faults::gateway as faults;
use crate::objects::{self, AUTHORIZATION_POLICY, DEPLOYMENT, ENDPOINT_SLICE, GATEWAY, POD, SERVICE};

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "GWY-040",
        "The platform's gateway is bound to running gateway pods",
        Level::Must,
        source("kubeflow/manifests", "Gateway kubeflow/kubeflow-gateway"),
        |cx| Box::pin(gateway_is_bound(cx)),
    )
    .explain(Explain {
        what: "Gateway kubeflow/kubeflow-gateway selects pods that are ready.",
        why: "All routes of the platform hang on this object. If it selects nothing, the gateway answers 404 to \
              everything.",
        fix: "Set its selector to istio: ingressgateway, and start Deployment istio-system/istio-ingressgateway.",
        reproduce: "kubectl -n kubeflow get gateway kubeflow-gateway -o jsonpath='{.spec.selector}'; kubectl -n \
                    istio-system get pods -l istio=ingressgateway",
    })
    .breaks_on(&[&faults::GATEWAY_UNBOUND]),
    check(
        "GWY-041",
        "The gateway's Service publishes the port that the Gateway listens on",
        Level::Must,
        source("kubeflow/manifests", "Service istio-system/istio-ingressgateway"),
        |cx| Box::pin(port_is_published(cx)),
    )
    .explain(Explain {
        what: "For each server of Gateway kubeflow/kubeflow-gateway, Service istio-system/istio-ingressgateway has a \
               port of that number.",
        why: "Istio binds a server to the pods' port behind that Service port; without one the server is not opened, \
              and nothing is said.",
        fix: "Use port 80 (443 for TLS) in the Gateway, or add the port to the Service.",
        reproduce: "kubectl -n kubeflow get gateway kubeflow-gateway -o jsonpath='{.spec.servers[*].port.number}'; \
                    kubectl -n istio-system get service istio-ingressgateway",
    })
    .breaks_on(&[&faults::GATEWAY_PORT_UNPUBLISHED]),
    check(
        "GWY-042",
        "Every route on the gateway leads to a Service that answers",
        Level::Must,
        source("istio/istio", "VirtualService HTTPRouteDestination"),
        |cx| Box::pin(routes_lead_somewhere(cx)),
    )
    .explain(Explain {
        what: "Each VirtualService attached to kubeflow/kubeflow-gateway names Services that exist and have a ready \
               endpoint. Routes that this suite does not probe are listed in the report.",
        why: "A route to nowhere is a 503 that only its users see.",
        fix: "Correct the destination, start the application, or remove the route.",
        reproduce: "kubectl get virtualservice -A; kubectl -n kubeflow get endpointslices",
    })
    .breaks_on(&[&faults::KATIB_DESTINATION_MISSPELT, &faults::KATIB_UI_STOPPED, &faults::KATIB_SELECTOR_CHANGED]),
    check(
        "GWY-043",
        "No two routes claim the same path",
        Level::Should,
        source("istio/istio", "Traffic Management best practices: one owner a host and path"),
        |cx| Box::pin(no_doubled_route(cx)),
    )
    .explain(Explain {
        what: "No prefix is matched by two VirtualServices of the gateway.",
        why: "Istio takes the older of two equal routes: which one wins changes when either is created anew, as after \
              a restored backup.",
        fix: "Remove one of the two.",
        reproduce: "kubectl get virtualservice -A -o custom-columns=NS:.metadata.namespace,NAME:.metadata.name,\
                    PREFIX:.spec.http[*].match[*].uri.prefix",
    })
    .breaks_on(&[&faults::PIPELINES_ROUTE_DOUBLED]),
    check(
        "GWY-044",
        "Every application's sidecar lets the gateway in by its account",
        Level::Must,
        source("kubeflow/manifests", "AuthorizationPolicies of the applications in kubeflow"),
        |cx| Box::pin(policies_name_the_gateway(cx)),
    )
    .explain(Explain {
        what: "Each application in the mesh has its AuthorizationPolicy, which names the account that the ingress \
               gateway runs as.",
        why: "The mesh denies what no policy allows: a renamed gateway account closes every application at once.",
        fix: "Name cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account in the policy, or run the \
              gateway as that account.",
        reproduce: "kubectl -n kubeflow get authorizationpolicy -o yaml | grep principals -A1",
    })
    .breaks_on(&[&faults::KATIB_POLICY_RENAMED, &faults::KATIB_POLICY_REMOVED]),
    check(
        "GWY-045",
        "The mesh denies what no policy allows",
        Level::Must,
        source("kubeflow/manifests", "AuthorizationPolicy istio-system/global-deny-all"),
        |cx| Box::pin(denied_by_default(cx)),
    )
    .explain(Explain {
        what: "AuthorizationPolicy istio-system/global-deny-all is there and has no rules.",
        why: "Controllers and databases in the mesh have no policy of their own: this one is all that keeps other \
              tenants' pods away from them.",
        fix: "Apply AuthorizationPolicy istio-system/global-deny-all of kubeflow/manifests again.",
        reproduce: "kubectl -n istio-system get authorizationpolicy global-deny-all -o jsonpath='{.spec}'",
    })
    .profiles(&[Profile::Core, Profile::Security])
    .breaks_on(&[&faults::DENY_BY_DEFAULT_REMOVED]),
];

async fn gateway_is_bound(cx: &Ctx) -> Checked {
    let Some(gateway) = objects::get(cx, GATEWAY, "kubeflow", "kubeflow-gateway").await? else {
        return Err(Stop::failed(format!("Gateway {PLATFORM_GATEWAY} exists"), "it does not")
            .because(format!("Gateway {PLATFORM_GATEWAY} is absent"))
            .fix("apply common/istio*/kubeflow-istio-resources of kubeflow/manifests again"));
    };
    let selector = gateway.data.pointer("/spec/selector").cloned().unwrap_or_default();
    let pods = objects::all(cx, POD).await?;
    let ready = pods.iter().filter(|pod| {
        let labels = serde_json::json!(pod.metadata.labels);
        objects::selects(&selector, &labels) && objects::condition(pod, "Ready") == "True"
    });
    if ready.count() > 0 {
        return Ok(());
    }
    Err(Stop::failed(format!("a ready pod has the labels {selector}"), "no ready pod has them")
        .at(format!("Gateway {PLATFORM_GATEWAY}"))
        .because(format!("Gateway {PLATFORM_GATEWAY} selects {selector}"))
        .fix("set spec.selector to istio: ingressgateway, and start istio-system/istio-ingressgateway"))
}

async fn port_is_published(cx: &Ctx) -> Checked {
    let gateway = objects::get(cx, GATEWAY, "kubeflow", "kubeflow-gateway").await?;
    let service = objects::get(cx, SERVICE, "istio-system", "istio-ingressgateway").await?;
    let (Some(gateway), Some(service)) = (gateway, service) else {
        return Err(Stop::failed(
            format!("Gateway {PLATFORM_GATEWAY} and Service istio-system/istio-ingressgateway exist"),
            "one of them does not",
        )
        .because("the gateway is not installed as kubeflow/manifests has it"));
    };
    let published: Vec<i64> =
        objects::items(&service.data, "/spec/ports").iter().filter_map(|port| objects::number(port, "/port")).collect();
    let servers = objects::items(&gateway.data, "/spec/servers");
    for server in servers {
        let number = objects::number(server, "/port/number").unwrap_or_default();
        if !published.contains(&number) {
            return Err(Stop::failed(
                format!("Service istio-system/istio-ingressgateway publishes port {number}"),
                format!("it publishes {published:?}"),
            )
            .at(format!("Gateway {PLATFORM_GATEWAY}"))
            .because(format!("Gateway {PLATFORM_GATEWAY} listens on port {number}"))
            .fix("use port 80 in the Gateway, or add the port to the Service"));
        }
    }
    if !servers.iter().any(|server| server.get("tls").is_some()) {
        cx.finding(
            Severity::Medium,
            "The gateway speaks plain HTTP only",
            "Passwords, session cookies and tokens cross the network unencrypted unless something before the gateway \
             adds TLS. Add a TLS server to Gateway kubeflow/kubeflow-gateway, or end TLS on the load balancer.",
        );
    }
    Ok(())
}

async fn routes_lead_somewhere(cx: &Ctx) -> Checked {
    let slices = objects::all(cx, ENDPOINT_SLICE).await?;
    let known: Vec<(&str, &str)> = cx.version().routes().map(|route| route.virtual_service).collect();
    for route in attached(cx).await? {
        if !known.contains(&(objects::namespace(&route), objects::name(&route))) {
            let prefixes = prefixes(&route).join(", ");
            cx.note("uncovered-route", format!("VirtualService {} ({prefixes}) has no probe", objects::place(&route)));
        }
        for host in destinations(&route) {
            let mut parts = host.split('.');
            let name = parts.next().unwrap_or_default();
            let namespace = parts.next().unwrap_or_else(|| objects::namespace(&route));
            let lives =
                slices.iter().any(|slice| objects::namespace(slice) == namespace && diagnose::is_live(slice, name));
            if !lives {
                return Err(Stop::failed(
                    format!("a ready endpoint answers for {host}"),
                    format!("Service {namespace}/{name} has none, or does not exist"),
                )
                .at(format!("VirtualService {}", objects::place(&route)))
                .because(format!("VirtualService {} leads to {host}", objects::place(&route)))
                .fix("correct the destination, start the application, or remove the route"));
            }
        }
    }
    Ok(())
}

fn destinations(route: &kube::api::DynamicObject) -> Vec<String> {
    objects::items(&route.data, "/spec/http")
        .iter()
        .flat_map(|http| objects::items(http, "/route"))
        .map(|to| objects::text(to, "/destination/host").to_owned())
        .collect()
}

async fn no_doubled_route(cx: &Ctx) -> Checked {
    let mut owners: BTreeMap<(String, String), String> = BTreeMap::new();
    for route in attached(cx).await? {
        for prefix in prefixes(&route) {
            for host in objects::items(&route.data, "/spec/hosts") {
                let key = (host.as_str().unwrap_or_default().to_owned(), prefix.clone());
                let place = objects::place(&route);
                if let Some(other) = owners.insert(key, place.clone())
                    && other != place
                {
                    return Err(Stop::failed(
                        format!("one VirtualService matches {prefix}"),
                        format!("{other} and {place} both do"),
                    )
                    .at(format!("VirtualService {place}"))
                    .because(format!("VirtualServices {other} and {place} claim {prefix}"))
                    .fix("remove one of the two"));
                }
            }
        }
    }
    Ok(())
}

async fn policies_name_the_gateway(cx: &Ctx) -> Checked {
    let deployment = objects::get(cx, DEPLOYMENT, "istio-system", "istio-ingressgateway").await?;
    let account = deployment
        .as_ref()
        .map(|deployment| objects::text(&deployment.data, "/spec/template/spec/serviceAccountName").to_owned());
    let principal = format!("cluster.local/ns/istio-system/sa/{}", account.unwrap_or_default());
    if principal != GATEWAY_PRINCIPAL {
        return Err(Stop::failed(
            format!("the ingress gateway runs as {GATEWAY_PRINCIPAL}"),
            format!("it runs as {principal}"),
        )
        .at("Deployment istio-system/istio-ingressgateway")
        .because("the policies of all applications name another account")
        .fix("run the gateway as istio-ingressgateway-service-account"));
    }
    for entry in ENTRIES {
        if objects::get(cx, DEPLOYMENT, entry.namespace, entry.deployment).await?.is_none() {
            continue;
        }
        if let Some(cause) = diagnose::policy(cx, entry).await? {
            return Err(Stop::failed(
                format!("the sidecar of {} lets the gateway in", entry.app.name()),
                cause.what.clone(),
            )
            .at(format!("AuthorizationPolicy {}/{}", entry.namespace, entry.policy))
            .because(cause.what)
            .fix(cause.fix));
        }
    }
    Ok(())
}

async fn denied_by_default(cx: &Ctx) -> Checked {
    const PLACE: &str = "AuthorizationPolicy istio-system/global-deny-all";
    let policy = objects::get(cx, AUTHORIZATION_POLICY, "istio-system", "global-deny-all").await?;
    let actual = match &policy {
        None => "it does not exist".to_owned(),
        Some(policy) => {
            let spec = policy.data.get("spec").cloned().unwrap_or_default();
            let open = !objects::items(&spec, "/rules").is_empty() || spec.get("selector").is_some();
            if !open && matches!(objects::text(&spec, "/action"), "" | "ALLOW") {
                return Ok(());
            }
            format!("it is {spec}")
        }
    };
    Err(Stop::failed(format!("{PLACE} exists, for all workloads and without rules"), actual)
        .at(PLACE)
        .because(format!("{PLACE} is not as kubeflow/manifests has it"))
        .fix("apply common/istio*/istio-install/base/deny_all_authorizationpolicy.yaml again"))
}
