//! Suggestions: a Deployment and a Service an experiment, which are asked for values and removed at the end
//! (`suggestion_controller.go`, `suggestion/composer`).

use std::sync::Arc;

use serde_json::{Value, json};

use super::conditions::{end, has, holds, set};
use super::{Operator, complain, of_resource};
use crate::actors::katib::config::{self, Configured};
use crate::actors::katib::suggestion::{self, PORT, Refusal};
use crate::actors::katib::{API_VERSION, EXPERIMENT_LABEL, GROUP};
use crate::api::defaults;
use crate::controllers::owned::{controller_reference, is_leaving, number, owner_key, write_status};
use crate::controllers::reconciler::{Controller, Next};
use crate::controllers::services;
use crate::object::{list, text};
use crate::platform::World;
use crate::store::{Change, Key, now};

pub(in crate::controllers) const CONTROLLER: Controller =
    Controller { name: "suggestion-controller", concerns, reconcile };

fn concerns(world: &World, change: &Change) -> Vec<Key> {
    match (change.key.group.as_str(), change.key.plural.as_str()) {
        ("apps", "deployments") | ("", "services") => {
            owner_key(change, "Suggestion", GROUP, "suggestions").into_iter().collect()
        }
        _ => of_resource(world, change, "suggestions"),
    }
}

/// The suggestion of an experiment, asked for so many values in all; `None` when it has just been made.
pub(super) fn ask(
    world: &World,
    operator: &Operator,
    experiment_key: &Key,
    experiment: &Value,
    requests: i64,
) -> Result<Option<Arc<Value>>, String> {
    let key = Key { plural: "suggestions".to_owned(), ..experiment_key.clone() };
    let Some(found) = world.store.get(&key) else {
        let mut specification = json!({"algorithm": experiment["spec"]["algorithm"], "requests": requests});
        for field in ["earlyStopping", "resumePolicy"] {
            if let Some(value) = experiment["spec"].get(field) {
                specification[field] = value.clone();
            }
        }
        let object = json!({
            "apiVersion": API_VERSION, "kind": "Suggestion",
            "metadata": {"ownerReferences": [controller_reference(experiment, API_VERSION, "Experiment")]},
            "spec": specification,
        });
        operator.make(world, &key, object)?;
        return Ok(None);
    };
    if number(&found, "/spec/requests", 0) == requests || holds(&found, "Failed") {
        return Ok(Some(found));
    }
    operator.may(world, "update", &key)?;
    let written = world.store.update(&key, None, |suggestion| {
        suggestion["spec"]["requests"] = json!(requests);
        true
    });
    written.map(Some).map_err(|error| error.to_string())
}

/// Ends the suggestion of an experiment that has ended: its Deployment and Service go.
pub(super) fn succeeded(world: &World, experiment: &Key, restartable: bool) {
    let key = Key { plural: "suggestions".to_owned(), ..experiment.clone() };
    let Some(found) = world.store.get(&key) else { return };
    let mut conditions = list(&found, "/status/conditions").to_vec();
    let restarting = conditions.iter().any(|condition| text(condition, "/reason") == "SuggestionRestart");
    if has(&conditions, "Succeeded") || has(&conditions, "Failed") || restarting {
        return;
    }
    let reason = "Suggestion is succeeded";
    for (kind, message) in [("Running", "Suggestion is not running"), ("DeploymentReady", "Deployment is not ready")] {
        if conditions.iter().any(|condition| text(condition, "/type") == kind) {
            set(&mut conditions, kind, "False", reason, message);
        }
    }
    let message = if restartable {
        "Suggestion is succeeded, suggestion volume is not deleted, can be restarted"
    } else {
        "Suggestion is succeeded, can't be restarted"
    };
    set(&mut conditions, "Succeeded", "True", "Experiment is succeeded", message);
    write_conditions(world, &key, &found, conditions);
}

/// Begins again with the suggestion of an experiment that is given more trials.
pub(super) fn restarted(world: &World, experiment: &Key) {
    let key = Key { plural: "suggestions".to_owned(), ..experiment.clone() };
    let Some(found) = world.store.get(&key) else { return };
    let mut conditions = list(&found, "/status/conditions").to_vec();
    if has(&conditions, "Succeeded") {
        conditions.retain(|condition| text(condition, "/type") != "Succeeded");
        set(&mut conditions, "Running", "False", "SuggestionRestart", "Suggestion is not running");
        write_conditions(world, &key, &found, conditions);
    }
}

fn write_conditions(world: &World, key: &Key, suggestion: &Value, conditions: Vec<Value>) {
    let mut status = suggestion.get("status").cloned().unwrap_or_else(|| json!({}));
    status["conditions"] = json!(conditions);
    write_status(world, key, status);
}

fn reconcile(world: &World, key: &Key) -> Next {
    let Some(found) = world.store.get(key) else { return Next::Wait };
    let Some(operator) = Operator::running(world) else { return Next::Wait };
    if is_leaving(&found) {
        return Next::Wait;
    }
    let child = format!("{}-{}", key.name, text(&found, "/spec/algorithm/algorithmName"));
    if holds(&found, "Succeeded") {
        let removed = [("apps", "deployments"), ("", "services")]
            .iter()
            .try_for_each(|(group, plural)| operator.remove(world, &Key::new(group, plural, &key.namespace, &child)));
        return if removed.is_ok() { Next::Wait } else { Next::Retry };
    }
    let mut status = found.get("status").filter(|status| status.is_object()).cloned().unwrap_or_else(|| json!({}));
    let mut conditions = list(&status, "/conditions").to_vec();
    if !has(&conditions, "Created") {
        set(&mut conditions, "Created", "True", "SuggestionCreated", "Suggestion is created");
        write_status(world, key, json!({"startTime": now(), "conditions": conditions}));
        return Next::Wait;
    }
    let (next, proposed) = match step(world, &operator, key, &found, &child, &mut conditions) {
        Ok(proposed) => (Next::Wait, proposed),
        Err(why) => {
            complain(world, CONTROLLER.name, &found, &why);
            (Next::Retry, Vec::new())
        }
    };
    status["conditions"] = json!(conditions);
    if !proposed.is_empty() {
        let all = [list(&status, "/suggestions"), &proposed].concat();
        status["suggestionCount"] = json!(all.len());
        status["suggestions"] = json!(all);
    }
    write_status(world, key, status);
    next
}

/// Brings the service up and asks it for what is missing; yields the new proposals.
fn step(
    world: &World,
    operator: &Operator,
    key: &Key,
    found: &Value,
    child: &str,
    conditions: &mut Vec<Value>,
) -> Result<Vec<Value>, String> {
    let algorithm = text(found, "/spec/algorithm/algorithmName");
    let labels = json!({
        "katib.kubeflow.org/deployment": child, EXPERIMENT_LABEL: key.name, "katib.kubeflow.org/suggestion": key.name,
    });
    let owner = controller_reference(found, API_VERSION, "Suggestion");
    operator.make(world, &Key::new("", "services", &key.namespace, child), service(world, &labels, &owner))?;
    let configured = config::suggestion(&world.store, &operator.home, algorithm)?;
    let deployment_key = Key::new("apps", "deployments", &key.namespace, child);
    operator.make(world, &deployment_key, deployment(&configured, &labels, &owner))?;
    let available = world.store.get(&deployment_key).is_some_and(|deployment| holds(&deployment, "Available"));
    if !available {
        set(conditions, "DeploymentReady", "False", "DeploymentNotReady", "Deployment is not ready");
        return Ok(Vec::new());
    }
    set(conditions, "DeploymentReady", "True", "DeploymentReady", "Deployment is ready");
    let experiment = Key { plural: "experiments".to_owned(), ..key.clone() };
    let experiment =
        world.store.get(&experiment).ok_or_else(|| format!("Experiment.kubeflow.org \"{}\" not found", key.name))?;
    match suggestion::reach(world, &key.namespace, child, algorithm) {
        Ok(()) => {}
        Err(Refusal::Unavailable(why)) => return Err(why),
        Err(Refusal::Invalid(why)) => return Ok(refused(conditions, &why)),
    }
    if !has(conditions, "Running") {
        if let Err(why) = suggestion::validate(&experiment) {
            return Ok(refused(conditions, &why));
        }
        conditions.retain(|condition| text(condition, "/type") != "Succeeded");
        set(conditions, "Running", "True", "SuggestionRunning", "Suggestion is running");
    }
    let so_far = list(found, "/status/suggestions");
    let missing = usize::try_from(number(found, "/spec/requests", 0)).unwrap_or(0).saturating_sub(so_far.len());
    let taken: Vec<Value> = so_far.iter().map(|proposal| proposal["parameterAssignments"].clone()).collect();
    let proposed = suggestion::propose(&experiment, &taken, missing)?;
    let named = |assignments: Value| json!({"name": format!("{}-{}", key.name, random_end()), "parameterAssignments": assignments});
    Ok(proposed.into_iter().map(named).collect())
}

fn refused(conditions: &mut Vec<Value>, why: &str) -> Vec<Value> {
    let message = format!("Validation failed: ValidateAlgorithmSettings Error: {why}");
    end(conditions, "Failed", "SuggestionFailed", &message);
    Vec::new()
}

/// Eight characters in the alphabet of generated names.
fn random_end() -> String {
    use crate::controllers::owned::suffix;
    format!("{}{}", suffix(), &suffix()[..3])
}

fn service(world: &World, labels: &Value, owner: &Value) -> Value {
    let mut service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"ownerReferences": [owner]},
        "spec": {
            "type": "ClusterIP", "selector": labels,
            "ports": [{"name": "suggestion-api", "port": PORT, "protocol": "TCP", "targetPort": PORT}],
        },
        "status": {"loadBalancer": {}},
    });
    services::allocate(world, &mut service);
    service
}

/// The pods keep out of the mesh: the controller, which is not in it, speaks to them.
fn deployment(configured: &Configured, labels: &Value, owner: &Value) -> Value {
    let probe = |period: u32, failures: u32| {
        json!({
            "grpc": {"port": PORT, "service": "manager.v1beta1.Suggestion"}, "initialDelaySeconds": 10,
            "timeoutSeconds": 1, "periodSeconds": period, "successThreshold": 1, "failureThreshold": failures,
        })
    };
    let mut deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"ownerReferences": [owner]},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels, "annotations": {"sidecar.istio.io/inject": "false"}},
            "spec": {"containers": [{
                "name": "suggestion", "image": configured.image, "imagePullPolicy": configured.pull_policy,
                "ports": [{"name": "suggestion-api", "containerPort": PORT, "protocol": "TCP"}],
                "resources": configured.resources, "livenessProbe": probe(120, 12), "readinessProbe": probe(10, 3),
            }]},
        }},
    });
    defaults::built_in("apps", "Deployment", &mut deployment);
    deployment
}
