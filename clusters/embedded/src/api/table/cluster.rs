//! Namespaces, nodes, configuration, storage, events, and kinds that show no more than their name.

use serde_json::{Value, json};

use super::age;
use super::column::{AGE, Column, NAME, number, or};
use crate::object::{label, list, text};

pub(super) const NAME_AND_AGE: &[Column] = &[NAME, AGE];

pub(super) const NAME_AND_TIME: &[Column] =
    &[NAME, Column::typed("Created At", "date", |it| it["metadata"]["creationTimestamp"].clone())];

pub(super) const NAMESPACES: &[Column] = &[NAME, Column::new("Status", |it| or(it, "/status/phase", "Active")), AGE];

pub(super) const NODES: &[Column] = &[
    NAME,
    Column::new("Status", |it| {
        let ready = list(it, "/status/conditions").iter().find(|condition| condition["type"] == "Ready");
        let mut said = match ready.map(|condition| text(condition, "/status")) {
            Some("True") => "Ready".to_owned(),
            Some(_) => "NotReady".to_owned(),
            None => "Unknown".to_owned(),
        };
        if it["spec"]["unschedulable"] == true {
            said.push_str(",SchedulingDisabled");
        }
        json!(said)
    }),
    Column::new("Roles", |it| {
        let labels = it["metadata"]["labels"].as_object().into_iter().flatten();
        let roles: Vec<&str> = labels
            .filter_map(|(key, _)| key.strip_prefix("node-role.kubernetes.io/"))
            .filter(|role| !role.is_empty())
            .collect();
        json!(if roles.is_empty() { "<none>".into() } else { roles.join(",") })
    }),
    AGE,
    Column::new("Version", |it| it["status"]["nodeInfo"]["kubeletVersion"].clone()),
    Column::wide("Internal-IP", |it| address(it, "InternalIP")),
    Column::wide("External-IP", |it| address(it, "ExternalIP")),
    Column::wide("OS-Image", |it| or(it, "/status/nodeInfo/osImage", "<unknown>")),
    Column::wide("Kernel-Version", |it| or(it, "/status/nodeInfo/kernelVersion", "<unknown>")),
    Column::wide("Container-Runtime", |it| or(it, "/status/nodeInfo/containerRuntimeVersion", "<unknown>")),
];

fn address(node: &Value, kind: &str) -> Value {
    let found = list(node, "/status/addresses").iter().find(|address| address["type"] == kind);
    found.map_or(json!("<none>"), |address| address["address"].clone())
}

pub(super) const CONFIG_MAPS: &[Column] = &[
    NAME,
    Column::count("Data", |it| {
        let count = |part: &str| it[part].as_object().map_or(0, serde_json::Map::len);
        json!(count("data") + count("binaryData"))
    }),
    AGE,
];

pub(super) const SECRETS: &[Column] = &[
    NAME,
    Column::new("Type", |it| it["type"].clone()),
    Column::count("Data", |it| json!(it["data"].as_object().map_or(0, serde_json::Map::len))),
    AGE,
];

pub(super) const EVENTS: &[Column] = &[
    Column::new("Last Seen", |it| {
        let times = ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/firstTimestamp"];
        let last = times.iter().map(|pointer| text(it, pointer)).find(|time| !time.is_empty()).unwrap_or_default();
        json!(age::since(last))
    }),
    Column::new("Type", |it| it["type"].clone()),
    Column::new("Reason", |it| it["reason"].clone()),
    Column::new("Object", |it| {
        let about = &it["involvedObject"];
        json!(format!("{}/{}", text(about, "/kind").to_lowercase(), text(about, "/name")))
    }),
    Column::wide("Subobject", |it| json!(text(it, "/involvedObject/fieldPath"))),
    Column::wide("Source", |it| or(it, "/source/component", text(it, "/reportingComponent"))),
    Column::new("Message", |it| json!(text(it, "/message").trim())),
    Column::wide("First Seen", |it| {
        let times = ["/firstTimestamp", "/eventTime"];
        let first = times.iter().map(|pointer| text(it, pointer)).find(|time| !time.is_empty()).unwrap_or_default();
        json!(age::since(first))
    }),
    Column::wide("Count", |it| json!(number(it, "/count").max(1).to_string())),
    Column::wide("Name", |it| it["metadata"]["name"].clone()),
];

fn quota(object: &Value, limits: bool) -> Value {
    let of = |part: &str, key: &str| object["status"][part][key].as_str().unwrap_or("0").to_owned();
    let hard = object["status"]["hard"].as_object().into_iter().flatten();
    let shown: Vec<String> = hard
        .filter(|(key, _)| key.starts_with("limits.") == limits)
        .map(|(key, _)| format!("{key}: {}/{}", of("used", key), of("hard", key)))
        .collect();
    json!(shown.join(", "))
}

pub(super) const QUOTAS: &[Column] =
    &[NAME, Column::new("Request", |it| quota(it, false)), Column::new("Limit", |it| quota(it, true)), AGE];

fn access_modes(modes: &[Value]) -> String {
    let short = |mode: &Value| match mode.as_str().unwrap_or_default() {
        "ReadWriteOnce" => "RWO",
        "ReadOnlyMany" => "ROX",
        "ReadWriteMany" => "RWX",
        "ReadWriteOncePod" => "RWOP",
        _ => "",
    };
    modes.iter().map(short).collect::<Vec<_>>().join(",")
}

pub(super) const CLAIMS: &[Column] = &[
    NAME,
    Column::new("Status", |it| match it["metadata"]["deletionTimestamp"].is_string() {
        true => json!("Terminating"),
        false => it["status"]["phase"].clone(),
    }),
    Column::new("Volume", |it| or(it, "/spec/volumeName", "")),
    Column::new("Capacity", |it| or(it, "/status/capacity/storage", "")),
    Column::new("Access Modes", |it| json!(access_modes(list(it, "/status/accessModes")))),
    Column::new("StorageClass", |it| or(it, "/spec/storageClassName", "")),
    Column::new("VolumeAttributesClass", |it| or(it, "/spec/volumeAttributesClassName", "<unset>")),
    AGE,
    Column::wide("VolumeMode", |it| or(it, "/spec/volumeMode", "<unset>")),
];

pub(super) const VOLUMES: &[Column] = &[
    NAME,
    Column::new("Capacity", |it| or(it, "/spec/capacity/storage", "")),
    Column::new("Access Modes", |it| json!(access_modes(list(it, "/spec/accessModes")))),
    Column::new("Reclaim Policy", |it| or(it, "/spec/persistentVolumeReclaimPolicy", "")),
    Column::new("Status", |it| or(it, "/status/phase", "")),
    Column::new("Claim", |it| match text(it, "/spec/claimRef/name") {
        "" => json!(""),
        name => json!(format!("{}/{name}", text(it, "/spec/claimRef/namespace"))),
    }),
    Column::new("StorageClass", |it| or(it, "/spec/storageClassName", "")),
    Column::new("VolumeAttributesClass", |it| or(it, "/spec/volumeAttributesClassName", "<unset>")),
    Column::new("Reason", |it| or(it, "/status/reason", "")),
    AGE,
    Column::wide("VolumeMode", |it| or(it, "/spec/volumeMode", "<unset>")),
];

pub(super) const STORAGE_CLASSES: &[Column] = &[
    Column::new("Name", |it| {
        let default = it["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] == "true";
        let name = text(it, "/metadata/name");
        json!(if default { format!("{name} (default)") } else { name.to_owned() })
    }),
    Column::new("Provisioner", |it| it["provisioner"].clone()),
    Column::new("ReclaimPolicy", |it| or(it, "/reclaimPolicy", "Delete")),
    Column::new("VolumeBindingMode", |it| or(it, "/volumeBindingMode", "Immediate")),
    Column::new("AllowVolumeExpansion", |it| json!((it["allowVolumeExpansion"] == true).to_string())),
    AGE,
];

pub(super) const PRIORITY_CLASSES: &[Column] = &[
    NAME,
    Column::number("Value", |it| json!(number(it, "/value"))),
    Column::new("Global-Default", |it| json!((it["globalDefault"] == true).to_string())),
    AGE,
    Column::new("PreemptionPolicy", |it| or(it, "/preemptionPolicy", "PreemptLowerPriority")),
];

pub(super) const LEASES: &[Column] =
    &[NAME, Column::new("Holder", |it| or(it, "/spec/holderIdentity", label(it, "holder").unwrap_or_default())), AGE];
