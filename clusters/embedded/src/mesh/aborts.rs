//! Answers that the sender's sidecar makes up: the fault injection of VirtualServices that are for the mesh.
//!
//! Source: Istio's VirtualService reference (`HTTPFaultInjection.Abort`: without a percentage no request is aborted;
//! `gateways`: none means `mesh`) and Envoy's `extensions/filters/http/fault/fault_filter.cc`, whose answer comes before
//! any endpoint is looked for. Played is what concerns all requests to a host: a route without `match`, 100 percent.

use http::StatusCode;
use serde_json::Value;

use super::destination::Destination;
use crate::object;

/// What Envoy says where it aborts a request.
pub(crate) const ABORTED: &str = "fault filter abort";

/// A host whose requests are all answered by the sender's sidecar.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Abort {
    host: String,
    pub(crate) status: StatusCode,
}

impl Abort {
    /// The aborts of one VirtualService, one for each host.
    pub(crate) fn read_all(service: &Value) -> Vec<Self> {
        let gateways = object::list(service, "/spec/gateways");
        if !gateways.is_empty() && !gateways.iter().any(|gateway| gateway == "mesh") {
            return Vec::new();
        }
        let for_all = object::list(service, "/spec/http").iter().find(|route| object::list(route, "/match").is_empty());
        let Some(status) = for_all.and_then(status) else { return Vec::new() };
        let hosts = object::list(service, "/spec/hosts").iter().filter_map(Value::as_str);
        hosts.map(|host| Self { host: Destination::new(host, object::namespace(service), 0).host(), status }).collect()
    }

    pub(crate) fn concerns(&self, destination: &Destination) -> bool {
        self.host == destination.host()
    }
}

fn status(route: &Value) -> Option<StatusCode> {
    let abort = route.pointer("/fault/abort")?;
    let always = abort.pointer("/percentage/value").and_then(Value::as_f64).is_some_and(|percent| percent >= 100.0);
    let status = abort.get("httpStatus").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok())?;
    StatusCode::from_u16(status).ok().filter(|_| always)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(spec: Value) -> Vec<Abort> {
        Abort::read_all(&json!({"metadata": {"name": "a", "namespace": "home"}, "spec": spec}))
    }

    #[test]
    fn all_requests_to_a_host_are_aborted_or_none() {
        let abort = json!({"fault": {"abort": {"httpStatus": 500, "percentage": {"value": 100}}}});
        let found = read(json!({"hosts": ["kfam", "b.other.svc.cluster.local"], "http": [abort]}));
        assert_eq!(found.len(), 2);
        assert!(found[0].concerns(&Destination::new("kfam.home", "x", 8081)));
        assert!(found[1].concerns(&Destination::new("b", "other", 80)));
        assert!(!found[1].concerns(&Destination::new("b", "home", 80)));
        assert_eq!(found[0].status, 500);
        assert_eq!(read(json!({"hosts": ["kfam"], "gateways": ["mesh", "home/g"], "http": [abort]})).len(), 1);
        for spec in [
            json!({"hosts": ["kfam"], "gateways": ["home/g"], "http": [abort]}),
            json!({"hosts": ["kfam"], "http": [{"fault": {"abort": {"httpStatus": 500}}}]}),
            json!({"hosts": ["kfam"], "http": [{"fault": {"abort": {"httpStatus": 7, "percentage": {"value": 100}}}}]}),
            json!({"hosts": ["kfam"], "http": [{"fault": {"abort": {"httpStatus": "x", "percentage": 100}}}]}),
            json!({"hosts": ["kfam"], "http": [{"route": []}, abort]}),
            json!({"hosts": 1, "gateways": "mesh", "http": {}}),
            Value::Null,
        ] {
            assert_eq!(read(spec.clone()), [], "{spec}");
        }
    }
}
