//! Services and what stands around them.

use serde_json::{Value, json};

use super::column::{AGE, Column, NAME, or, pairs};
use crate::object::{list, text};

/// How many entries a cell lists before it says `+ N more...`.
const SHOWN: usize = 3;

pub(super) const SERVICES: &[Column] = &[
    NAME,
    Column::new("Type", |it| it["spec"]["type"].clone()),
    Column::new("Cluster-IP", |it| or(it, "/spec/clusterIP", "<none>")),
    Column::new("External-IP", |it| {
        if text(it, "/spec/type") == "ExternalName" {
            return it["spec"]["externalName"].clone();
        }
        let mut addresses: Vec<&str> = list(it, "/status/loadBalancer/ingress")
            .iter()
            .map(|entry| if text(entry, "/ip").is_empty() { text(entry, "/hostname") } else { text(entry, "/ip") })
            .collect();
        addresses.extend(list(it, "/spec/externalIPs").iter().filter_map(Value::as_str));
        match (addresses.is_empty(), text(it, "/spec/type")) {
            (false, _) => json!(addresses.join(",")),
            (true, "LoadBalancer") => json!("<pending>"),
            (true, _) => json!("<none>"),
        }
    }),
    Column::new("Port(s)", |it| {
        let ports: Vec<String> = list(it, "/spec/ports")
            .iter()
            .map(|port| match port["nodePort"].as_i64() {
                Some(node) if node > 0 => format!("{}:{node}/{}", port["port"], text(port, "/protocol")),
                _ => format!("{}/{}", port["port"], text(port, "/protocol")),
            })
            .collect();
        json!(if ports.is_empty() { "<none>".into() } else { ports.join(",") })
    }),
    AGE,
    Column::wide("Selector", |it| json!(pairs(it.pointer("/spec/selector")))),
];

pub(super) const ENDPOINTS: &[Column] = &[
    NAME,
    Column::new("Endpoints", |it| {
        let mut found = Vec::new();
        for subset in list(it, "/subsets") {
            for address in list(subset, "/addresses") {
                if list(subset, "/ports").is_empty() {
                    found.push(text(address, "/ip").to_owned());
                }
                for port in list(subset, "/ports") {
                    found.push(format!("{}:{}", text(address, "/ip"), port["port"]));
                }
            }
        }
        json!(shortened(&found))
    }),
    AGE,
];

pub(super) const ENDPOINT_SLICES: &[Column] = &[
    NAME,
    Column::new("AddressType", |it| it["addressType"].clone()),
    Column::new("Ports", |it| {
        let ports: Vec<String> = list(it, "/ports").iter().map(|port| port["port"].to_string()).collect();
        json!(if ports.is_empty() { "<unset>".into() } else { shortened(&ports) })
    }),
    Column::new("Endpoints", |it| {
        let addresses: Vec<String> = list(it, "/endpoints")
            .iter()
            .flat_map(|endpoint| list(endpoint, "/addresses"))
            .filter_map(|address| address.as_str().map(str::to_owned))
            .collect();
        json!(if addresses.is_empty() { "<unset>".into() } else { shortened(&addresses) })
    }),
    AGE,
];

fn shortened(entries: &[String]) -> String {
    match entries {
        [] => "<none>".into(),
        entries if entries.len() > SHOWN => {
            format!("{} + {} more...", entries[..SHOWN].join(","), entries.len() - SHOWN)
        }
        entries => entries.join(","),
    }
}

pub(super) const INGRESSES: &[Column] = &[
    NAME,
    Column::new("Class", |it| or(it, "/spec/ingressClassName", "<none>")),
    Column::new("Hosts", |it| {
        let hosts: Vec<String> = list(it, "/spec/rules")
            .iter()
            .map(|rule| if text(rule, "/host").is_empty() { "*".into() } else { text(rule, "/host").to_owned() })
            .collect();
        json!(if hosts.is_empty() { "*".into() } else { shortened(&hosts) })
    }),
    Column::new("Address", |it| {
        let addresses: Vec<&str> =
            list(it, "/status/loadBalancer/ingress").iter().map(|entry| text(entry, "/ip")).collect();
        json!(addresses.join(","))
    }),
    Column::new("Ports", |it| json!(if list(it, "/spec/tls").is_empty() { "80" } else { "80, 443" })),
    AGE,
];

pub(super) const INGRESS_CLASSES: &[Column] = &[
    NAME,
    Column::new("Controller", |it| it["spec"]["controller"].clone()),
    Column::new("Parameters", |it| match it["spec"]["parameters"].as_object() {
        None => json!("<none>"),
        Some(_) => json!(format!("{}/{}", text(it, "/spec/parameters/kind"), text(it, "/spec/parameters/name"))),
    }),
    AGE,
];

pub(super) const NETWORK_POLICIES: &[Column] =
    &[NAME, Column::new("Pod-Selector", |it| json!(pairs(it.pointer("/spec/podSelector/matchLabels")))), AGE];
