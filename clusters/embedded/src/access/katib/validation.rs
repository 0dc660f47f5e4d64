//! Which experiments are refused, and why (`pkg/webhook/v1beta1/experiment`).
//!
//! Up to v0.17 the first reason is told; from v0.18 on all of them, as errors of fields.

use std::collections::HashSet;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

use super::INJECTION;
use super::release::tells_all;
use crate::actors::katib::config;
use crate::controllers::katib::templates;
use crate::object::{label, list, name, namespace, text};
use crate::platform::World;
use crate::store::Key;

/// A place in a template that no parameter fills.
static PLACEHOLDER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\$\{trialParameters\..+?\}").ok());
const COUNTS: [&str; 3] = ["parallelTrialCount", "maxTrialCount", "maxFailedTrialCount"];
const COLLECTORS: &[&str] = &["StdOut", "File", "TensorFlowEvent", "PrometheusMetric", "Custom", "None", "Push"];

/// One reason.
#[derive(Debug, Clone, PartialEq)]
struct Problem {
    field: String,
    kind: Kind,
    detail: String,
    /// The older wording.
    plain: String,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Required,
    Invalid(Value),
    Forbidden,
}

impl Problem {
    fn required(field: &str, detail: &str, plain: impl Into<String>) -> Self {
        Self { field: field.to_owned(), kind: Kind::Required, detail: detail.to_owned(), plain: plain.into() }
    }

    fn invalid(field: &str, value: Value, detail: impl Into<String>, plain: impl Into<String>) -> Self {
        Self { field: field.to_owned(), kind: Kind::Invalid(value), detail: detail.into(), plain: plain.into() }
    }

    fn told(&self) -> String {
        let Self { field, kind, detail, .. } = self;
        match kind {
            Kind::Required => format!("{field}: Required value: {detail}"),
            Kind::Invalid(value) => format!("{field}: Invalid value: {value}: {detail}"),
            Kind::Forbidden => format!("{field}: Forbidden: {detail}"),
        }
    }
}

/// Judges an experiment.
///
/// # Errors
/// Why it is refused.
pub(super) fn check(world: &World, home: &str, old: Option<&Value>, experiment: &Value) -> Result<(), String> {
    let place = namespace(experiment);
    let found = world.store.get(&Key::new("", "namespaces", "", place));
    let labelled = found.is_some_and(|found| label(&found, INJECTION.0) == Some(INJECTION.1));
    if !labelled {
        return Err(format!(
            "Cannot create the Experiment \"{}\" in namespace \"{place}\": the namespace lacks label \"{}: {}\"",
            name(experiment),
            INJECTION.0,
            INJECTION.1
        ));
    }
    let problems = problems(world, home, old, experiment);
    match problems.as_slice() {
        [] => Ok(()),
        [first, ..] if !tells_all(world, home) => Err(first.plain.clone()),
        [only] => Err(only.told()),
        all => Err(format!("[{}]", all.iter().map(Problem::told).collect::<Vec<_>>().join(", "))),
    }
}

fn problems(world: &World, home: &str, old: Option<&Value>, experiment: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    if !name(experiment).starts_with(|first: char| first.is_ascii_lowercase()) {
        let rule = "name must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end \
                    with an alphanumeric character (e.g. 'my-name', or 'abc-123', regex used for validation is \
                    '^[a-z]([-a-z0-9]*[a-z0-9])?)'";
        problems.push(Problem::invalid("metadata.name", json!(name(experiment)), rule, rule));
    }
    counts(experiment, &mut problems);
    if let Some(old) = old {
        changes(old, experiment, &mut problems);
    }
    let before = problems.len();
    objective(experiment, &mut problems);
    if problems.len() > before {
        return problems;
    }
    algorithm(world, home, experiment, &mut problems);
    early_stopping(world, home, experiment, &mut problems);
    let policy = text(experiment, "/spec/resumePolicy");
    if !matches!(policy, "" | "Never" | "LongRunning" | "FromVolume") {
        let plain = format!("invalid ResumePolicyType {policy}");
        problems.push(Problem::invalid("spec.resumePolicy", json!(policy), "invalid ResumePolicyType", plain));
    }
    template(world, experiment, &mut problems);
    parameters(experiment, &mut problems);
    collector(world, home, experiment, &mut problems);
    problems
}

fn counts(experiment: &Value, problems: &mut Vec<Problem>) {
    let count = |field: &str| experiment.pointer(&format!("/spec/{field}")).and_then(Value::as_i64);
    let mut refuse = |field: &str, value: i64, rule: &str, plain: String| {
        problems.push(Problem::invalid(&format!("spec.{field}"), json!(value), rule, plain));
    };
    if let Some(value) = count("maxFailedTrialCount").filter(|value| *value < 0) {
        let rule = "should not be less than 0";
        refuse("maxFailedTrialCount", value, rule, format!("spec.maxFailedTrialCount {rule}"));
    }
    for field in ["maxTrialCount", "parallelTrialCount"] {
        if let Some(value) = count(field).filter(|value| *value <= 0) {
            refuse(field, value, "must be greater than 0", format!("spec.{field} must be greater than 0"));
        }
    }
    let most = count("maxTrialCount").unwrap_or(i64::MAX);
    // The older wording lacks a letter.
    for (field, shown) in [("maxFailedTrialCount", "maxFailedTrialCount"), ("parallelTrialCount", "paralelTrialCount")]
    {
        if let Some(value) = count(field).filter(|value| *value > most) {
            let rule = "should be less than or equal to spec.maxTrialCount";
            refuse(field, value, rule, format!("spec.{shown} {rule}"));
        }
    }
}

/// Of an experiment only its counts may change, and once it has ended only if it can be restarted.
fn changes(old: &Value, experiment: &Value, problems: &mut Vec<Problem>) {
    if old["spec"] == experiment["spec"] {
        return;
    }
    let condition = |kind: &str| {
        list(old, "/status/conditions").iter().find(|one| text(one, "/type") == kind && text(one, "/status") == "True")
    };
    let full = condition("Succeeded").is_some_and(|one| text(one, "/reason") == "ExperimentMaxTrialsReached");
    let policy = text(old, "/spec/resumePolicy");
    let restartable = full && matches!(policy, "LongRunning" | "FromVolume");
    if (condition("Succeeded").is_some() || condition("Failed").is_some()) && !restartable {
        let rule = "Experiment can be restarted if it is in succeeded state by reaching max trials and spec.resumePolicy = \
                    LongRunning or spec.resumePolicy = FromVolume, when experiment is completed";
        problems.push(Problem::invalid("spec.resumePolicy", json!(policy), rule, rule));
    }
    let most = experiment.pointer("/spec/maxTrialCount").and_then(Value::as_i64);
    let trials = old.pointer("/status/trials").and_then(Value::as_i64).unwrap_or(0);
    if let Some(most) = most.filter(|most| *most <= trials) {
        let plain = format!("spec.maxTrialCount: {most} must be greater than status.trials count: {trials}");
        let rule = "must be greater than status.trials count";
        problems.push(Problem::invalid("spec.maxTrialCount", json!(most), rule, plain));
    }
    let without_counts = |object: &Value| {
        let mut specification = object["spec"].clone();
        if let Some(members) = specification.as_object_mut() {
            COUNTS.iter().for_each(|count| drop(members.shift_remove(*count)));
        }
        specification
    };
    if without_counts(old) != without_counts(experiment) {
        let rule = "only spec.parallelTrialCount, spec.maxTrialCount and spec.maxFailedTrialCount are editable";
        problems.push(Problem { field: "spec".into(), kind: Kind::Forbidden, detail: rule.into(), plain: rule.into() });
    }
}

fn objective(experiment: &Value, problems: &mut Vec<Problem>) {
    const PLACE: &str = "spec.objective";
    let Some(objective) = experiment.pointer("/spec/objective").filter(|objective| objective.is_object()) else {
        problems.push(Problem::required(PLACE, "must be specified", "no spec.objective specified"));
        return;
    };
    let kind = text(objective, "/type");
    if !matches!(kind, "minimize" | "maximize") {
        let rule = "must be minimize or maximize";
        problems.push(Problem::invalid("spec.objective.type", json!(kind), rule, format!("{PLACE}.type {rule}")));
    }
    let metric = text(objective, "/objectiveMetricName");
    if metric.is_empty() {
        let plain = "no spec.objective.objectiveMetricName specified";
        problems.push(Problem::required("spec.objective.objectiveMetricName", "must be specified", plain));
    }
    let more = list(objective, "/additionalMetricNames");
    if more.iter().any(|name| name == metric) {
        let rule = "should not contain spec.objective.objectiveMetricName";
        let field = "spec.objective.additionalMetricNames";
        problems.push(Problem::invalid(field, json!(more), rule, format!("{field} {rule}")));
    }
}

fn algorithm(world: &World, home: &str, experiment: &Value, problems: &mut Vec<Problem>) {
    let Some(algorithm) = experiment.pointer("/spec/algorithm").filter(|algorithm| algorithm.is_object()) else {
        problems.push(Problem::required("spec.algorithm", "must be specified", "no spec.algorithm specified"));
        return;
    };
    let called = text(algorithm, "/algorithmName");
    const FIELD: &str = "spec.algorithm.algorithmName";
    if called.is_empty() {
        problems.push(Problem::required(FIELD, "must be specified", "no spec.algorithm.name specified"));
    }
    if let Err(why) = config::suggestion(&world.store, home, called) {
        let why = format!("unable to get Suggestion config data for algorithm {called}: {why}");
        problems.push(Problem::invalid(FIELD, json!(called), why.clone(), why));
    }
}

fn early_stopping(world: &World, home: &str, experiment: &Value, problems: &mut Vec<Problem>) {
    let Some(stopping) = experiment.pointer("/spec/earlyStopping").filter(|stopping| stopping.is_object()) else {
        return;
    };
    let called = text(stopping, "/algorithmName");
    const FIELD: &str = "spec.earlyStopping.algorithmName";
    if called.is_empty() {
        problems.push(Problem::required(FIELD, "must be specified", format!("no {FIELD} specified")));
    }
    if let Err(why) = config::early_stopping(&world.store, home, called) {
        let why = format!("unable to get EarlyStopping config data for algorithm {called}: {why}");
        problems.push(Problem::invalid(FIELD, json!(called), why.clone(), why));
    }
}

fn template(world: &World, experiment: &Value, problems: &mut Vec<Problem>) {
    const PLACE: &str = "spec.trialTemplate";
    let Some(template) = experiment.pointer("/spec/trialTemplate").filter(|template| template.is_object()) else {
        problems.push(Problem::required(PLACE, "must be specified", format!("{PLACE} must be specified")));
        return;
    };
    if text(template, "/primaryContainerName").is_empty() {
        let field = format!("{PLACE}.primaryContainerName");
        problems.push(Problem::required(&field, "must be specified", format!("{field} must be specified")));
    }
    if text(template, "/successCondition").is_empty() || text(template, "/failureCondition").is_empty() {
        let plain = format!("{PLACE}.successCondition and {PLACE}.failureCondition must be specified");
        problems.push(Problem::required(PLACE, "successCondition and failureCondition must be specified", plain));
    }
    if !template["trialParameters"].is_array() {
        let field = format!("{PLACE}.trialParameters");
        problems.push(Problem::required(&field, "must be specified", format!("{field} must be specified")));
        return;
    }
    let either = format!("{PLACE}.trialSpec or {PLACE}.configMap");
    match (template.get("trialSpec").is_some(), template.get("configMap").is_some()) {
        (false, false) => {
            let rule = format!("{either} must be specified");
            problems.push(Problem::required(&format!("{PLACE}.TrialSource"), &rule, rule.clone()));
            return;
        }
        (true, true) => {
            let rule = format!("only one of {either} can be specified");
            problems.push(Problem::required(PLACE, &rule, rule.clone()));
            return;
        }
        _ => {}
    }
    match templates::template(world, experiment) {
        Ok(written) => filled(experiment, template, written, problems),
        Err(why) => {
            let why = format!("unable to parse {PLACE}: {why}");
            problems.push(Problem::invalid(PLACE, json!(""), why.clone(), why));
        }
    }
}

/// Every parameter has a place in the template, and every place a parameter.
fn filled(experiment: &Value, template: &Value, mut written: String, problems: &mut Vec<Problem>) {
    const PLACE: &str = "spec.trialTemplate";
    let known: HashSet<&str> = list(experiment, "/spec/parameters").iter().map(|one| text(one, "/name")).collect();
    let (mut names, mut references) = (HashSet::new(), HashSet::new());
    for (index, parameter) in list(template, "/trialParameters").iter().enumerate() {
        let field = format!("{PLACE}.trialParameters[{index}]");
        let (called, reference) = (text(parameter, "/name"), text(parameter, "/reference"));
        let mut refuse = |part: &str, value: &str, why: String| {
            problems.push(Problem::invalid(&format!("{field}{part}"), json!(value), why.clone(), why));
        };
        if called.is_empty() || reference.is_empty() || called.contains(['{', '}']) {
            refuse("", "", format!("invalid {PLACE}.trialParameters: {parameter}"));
            continue;
        }
        if !names.insert(called) {
            refuse(".name", called, format!("parameter name {called} can't be duplicated in {PLACE}.trialParameters"));
            continue;
        }
        if !references.insert(reference) {
            let why = format!("parameter reference {reference} can't be duplicated in {PLACE}.trialParameters");
            refuse(".reference", reference, why);
            continue;
        }
        if !known.is_empty() && templates::meta_key(reference).is_none() && !known.contains(reference) {
            refuse(
                ".reference",
                reference,
                format!("parameter reference {reference} does not exist in spec.parameters"),
            );
        }
        let place = templates::placeholder(called);
        if !written.contains(&place) {
            refuse(".name", called, format!("parameter name: {called} in spec.trialParameters not found in {PLACE}"));
            return;
        }
        written = written.replace(&place, "test-value");
    }
    let mut refuse = |why: String| problems.push(Problem::invalid(PLACE, json!(""), why.clone(), why));
    let left: Vec<&str> =
        PLACEHOLDER.iter().flat_map(|places| places.find_iter(&written)).map(|found| found.as_str()).collect();
    if !left.is_empty() {
        refuse(format!("parameters: [{}] in {PLACE} not found in spec.trialParameters", left.join(" ")));
    }
    match templates::object(&written) {
        Err(_) => refuse(format!("unable to convert {PLACE} to unstructured")),
        Ok(job) => {
            if !name(&job).is_empty() || !namespace(&job).is_empty() {
                refuse(format!("metadata.name and metadata.namespace in {PLACE} must be omitted"));
            }
            if text(&job, "/apiVersion").is_empty() || text(&job, "/kind").is_empty() {
                refuse(format!("APIVersion and Kind in {PLACE} must be specified"));
            }
        }
    }
}

fn parameters(experiment: &Value, problems: &mut Vec<Problem>) {
    let parameters = list(experiment, "/spec/parameters");
    let nas = experiment.pointer("/spec/nasConfig").is_some();
    match (parameters.is_empty(), nas) {
        (true, false) => {
            let rule = "spec.parameters or spec.nasConfig must be specified";
            problems.push(Problem::required("spec", rule, rule));
        }
        (false, true) => {
            let rule = "only one of spec.parameters and spec.nasConfig can be specified";
            problems.push(Problem::invalid("spec", json!({}), rule, rule));
        }
        _ => {}
    }
    for (index, parameter) in parameters.iter().enumerate() {
        let field = format!("spec.parameters[{index}]");
        let kind = text(parameter, "/parameterType");
        let feasible = |part: &str| text(parameter, &format!("/feasibleSpace/{part}"));
        let mut refuse = |part: &str, rule: String| {
            let plain = format!("{rule} in {field}: {parameter}");
            problems.push(Problem::invalid(&format!("{field}.{part}"), json!(kind), rule, plain));
        };
        if !matches!(kind, "int" | "double" | "categorical" | "discrete" | "unknown") {
            refuse("parameterType", format!("parameterType: {kind} is not supported"));
        }
        let listed = !list(parameter, "/feasibleSpace/list").is_empty();
        let ranged = ["min", "max", "step"].iter().any(|part| !feasible(part).is_empty());
        if !listed && !ranged {
            refuse("feasibleSpace", "feasibleSpace must be specified".to_owned());
        } else if matches!(kind, "int" | "double") {
            if listed {
                refuse("feasibleSpace.list", format!("feasibleSpace.list is not supported for parameterType: {kind}"));
            }
            if feasible("min").is_empty() && feasible("max").is_empty() {
                let rule = "feasibleSpace.max or feasibleSpace.min must be specified for parameterType";
                refuse("feasibleSpace.max", format!("{rule}: {kind}"));
            }
        } else if ranged {
            let rule = "feasibleSpace .max, .min and .step is not supported for parameterType";
            refuse("feasibleSpace", format!("{rule}: {kind}"));
        }
    }
}

fn collector(world: &World, home: &str, experiment: &Value, problems: &mut Vec<Problem>) {
    const FIELD: &str = "spec.metricsCollectorSpec.collector.kind";
    let kind = text(experiment, "/spec/metricsCollectorSpec/collector/kind");
    if !COLLECTORS.contains(&kind) {
        let rule = format!("invalid metrics collector kind: {kind}");
        problems.push(Problem::invalid(FIELD, json!(kind), rule.clone(), rule));
    } else if matches!(kind, "StdOut" | "File" | "TensorFlowEvent")
        && let Err(why) = config::collector(&world.store, home, kind)
    {
        let rule = format!("GetMetricsCollectorConfigData failed: {why}");
        problems.push(Problem::invalid(FIELD, json!(kind), rule.clone(), rule));
    }
}
