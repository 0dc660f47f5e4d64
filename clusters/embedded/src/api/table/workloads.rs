//! The kinds that make pods or watch over their number.

use serde_json::{Value, json};

use super::age;
use super::column::{AGE, Column, NAME, containers, number, or, pairs, selector};
use crate::object::{list, text};

const CONTAINERS: Column = Column::wide("Containers", |object| containers(object, "name"));
const IMAGES: Column = Column::wide("Images", |object| containers(object, "image"));
const SELECTOR: Column = Column::wide("Selector", selector);

pub(super) const DEPLOYMENTS: &[Column] = &[
    NAME,
    Column::new("Ready", |it| {
        json!(format!("{}/{}", number(it, "/status/readyReplicas"), number(it, "/spec/replicas")))
    }),
    Column::count("Up-to-date", |it| json!(number(it, "/status/updatedReplicas"))),
    Column::count("Available", |it| json!(number(it, "/status/availableReplicas"))),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

pub(super) const REPLICA_SETS: &[Column] = &[
    NAME,
    Column::number("Desired", |it| json!(number(it, "/spec/replicas"))),
    Column::number("Current", |it| json!(number(it, "/status/replicas"))),
    Column::number("Ready", |it| json!(number(it, "/status/readyReplicas"))),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

pub(super) const REPLICATION_CONTROLLERS: &[Column] = REPLICA_SETS;

pub(super) const STATEFUL_SETS: &[Column] = &[
    NAME,
    Column::new("Ready", |it| {
        json!(format!("{}/{}", number(it, "/status/readyReplicas"), number(it, "/spec/replicas")))
    }),
    AGE,
    CONTAINERS,
    IMAGES,
];

pub(super) const DAEMON_SETS: &[Column] = &[
    NAME,
    Column::number("Desired", |it| json!(number(it, "/status/desiredNumberScheduled"))),
    Column::number("Current", |it| json!(number(it, "/status/currentNumberScheduled"))),
    Column::number("Ready", |it| json!(number(it, "/status/numberReady"))),
    Column::number("Up-to-date", |it| json!(number(it, "/status/updatedNumberScheduled"))),
    Column::number("Available", |it| json!(number(it, "/status/numberAvailable"))),
    Column::new("Node Selector", |it| json!(super::column::pairs(it.pointer("/spec/template/spec/nodeSelector")))),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

pub(super) const POD_TEMPLATES: &[Column] = &[NAME, AGE];

pub(super) const CONTROLLER_REVISIONS: &[Column] = &[
    NAME,
    Column::new("Controller", |it| match list(it, "/metadata/ownerReferences").first() {
        Some(owner) => json!(format!("{}/{}", text(owner, "/kind").to_lowercase(), text(owner, "/name"))),
        None => json!("<none>"),
    }),
    Column::number("Revision", |it| json!(number(it, "/revision"))),
    AGE,
];

pub(super) const JOBS: &[Column] = &[
    NAME,
    Column::new("Status", |it| {
        let holds =
            |kind: &str| list(it, "/status/conditions").iter().any(|c| c["type"] == kind && c["status"] == "True");
        let said = [("Complete", "Complete"), ("Failed", "Failed"), ("Suspended", "Suspended")];
        json!(said.iter().find(|(kind, _)| holds(kind)).map_or("Running", |(_, said)| said))
    }),
    Column::new("Completions", |it| {
        let done = number(it, "/status/succeeded");
        match it.pointer("/spec/completions").and_then(Value::as_i64) {
            Some(wanted) => json!(format!("{done}/{wanted}")),
            None => json!(format!("{done}/1")),
        }
    }),
    Column::new("Duration", |it| {
        let (start, end) = (text(it, "/status/startTime"), text(it, "/status/completionTime"));
        match (start, end) {
            ("", _) => json!(""),
            (start, "") => json!(age::since(start)),
            (start, end) => json!(age::between(start, end).unwrap_or_default()),
        }
    }),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

pub(super) const CRON_JOBS: &[Column] = &[
    NAME,
    Column::new("Schedule", |it| it["spec"]["schedule"].clone()),
    Column::new("Timezone", |it| or(it, "/spec/timeZone", "<none>")),
    Column::typed("Suspend", "boolean", |it| json!(if it["spec"]["suspend"] == true { "True" } else { "False" })),
    Column::number("Active", |it| json!(list(it, "/status/active").len())),
    Column::new("Last Schedule", |it| match text(it, "/status/lastScheduleTime") {
        "" => json!("<none>"),
        last => json!(age::since(last)),
    }),
    AGE,
    Column::wide("Containers", |it| containers(&it["spec"]["jobTemplate"], "name")),
    Column::wide("Images", |it| containers(&it["spec"]["jobTemplate"], "image")),
    Column::wide("Selector", |it| json!(pairs(it.pointer("/spec/jobTemplate/spec/selector/matchLabels")))),
];

pub(super) const AUTOSCALERS: &[Column] = &[
    NAME,
    Column::new("Reference", |it| {
        let target = &it["spec"]["scaleTargetRef"];
        json!(format!("{}/{}", text(target, "/kind"), text(target, "/name")))
    }),
    Column::new("Targets", |it| {
        let targets: Vec<String> = list(it, "/spec/metrics")
            .iter()
            .map(|metric| {
                let resource = &metric["resource"];
                match number(resource, "/target/averageUtilization") {
                    0 => "<unknown>".to_owned(),
                    target => format!("{}: <unknown>/{target}%", text(resource, "/name")),
                }
            })
            .collect();
        json!(if targets.is_empty() { "<none>".into() } else { targets.join(", ") })
    }),
    Column::new("MinPods", |it| {
        it["spec"].get("minReplicas").map_or(json!("<unset>"), |least| json!(least.to_string()))
    }),
    Column::new("MaxPods", |it| json!(number(it, "/spec/maxReplicas").to_string())),
    Column::new("Replicas", |it| json!(number(it, "/status/currentReplicas").to_string())),
    AGE,
];

pub(super) const DISRUPTION_BUDGETS: &[Column] = &[
    NAME,
    Column::new("Min Available", |it| amount(it.pointer("/spec/minAvailable"))),
    Column::new("Max Unavailable", |it| amount(it.pointer("/spec/maxUnavailable"))),
    Column::number("Allowed Disruptions", |it| json!(number(it, "/status/disruptionsAllowed"))),
    AGE,
];

fn amount(value: Option<&Value>) -> Value {
    match value {
        None | Some(Value::Null) => json!("N/A"),
        Some(Value::String(text)) => json!(text),
        Some(number) => json!(number.to_string()),
    }
}
