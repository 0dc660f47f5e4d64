//! The pod webhook: the pods of a trial's job get its labels, and the primary one a metrics collector that reads what its
//! program writes (`pkg/webhook/v1beta1/pod`).

use serde_json::{Value, json};

use super::{denied, home, hooks};
use crate::access::pod_admission::push;
use crate::actors::katib::collector::VOLUME;
use crate::actors::katib::{API_VERSION, DB_MANAGER, EXPERIMENT_LABEL, GROUP, TRIAL_LABEL, config};
use crate::api::{Status, kinds};
use crate::object::{label, list, name, namespace, text};
use crate::platform::World;
use crate::store::Key;

/// Where the program's output is collected if the experiment says nothing else.
const METRICS_FILE: &str = "/var/log/katib/metrics.log";
/// Owners of owners are followed so far.
const FARTHEST: usize = 8;

/// Gives a new pod of a trial its collector, if a webhook says so.
///
/// # Errors
/// 500 when the webhook cannot be called and its `failurePolicy` is `Fail`; 400 for a pod that gets none.
pub(crate) fn admit(world: &World, pod: &mut Value) -> Result<(), Status> {
    hooks(world, "mutatingwebhookconfigurations", "/mutate-pod", pod, |webhook, pod| {
        let Some(trial) = trial_of(world, pod, 0) else { return Ok(()) };
        let key = Key::new(GROUP, "trials", namespace(pod), &trial);
        let trial = world.store.get(&key).ok_or_else(|| {
            Status::new(500, "InternalError", refusal(webhook, &format!("Trial.kubeflow.org \"{trial}\" not found")))
        })?;
        mutate(world, &home(world, webhook), pod, &trial).map_err(|why| denied(webhook, &why))
    })
}

fn refusal(webhook: &Value, why: &str) -> String {
    format!("admission webhook \"{}\" denied the request: {why}", text(webhook, "/name"))
}

/// The trial that a pod works for: the job between them has its name.
fn trial_of(world: &World, object: &Value, far: usize) -> Option<String> {
    if far > FARTHEST {
        return None;
    }
    let owners = list(object, "/metadata/ownerReferences");
    if owners.iter().any(|owner| text(owner, "/kind") == "Trial" && text(owner, "/apiVersion") == API_VERSION) {
        return Some(name(object).to_owned());
    }
    owners.iter().find_map(|owner| {
        let kind = json!({"apiVersion": text(owner, "/apiVersion"), "kind": text(owner, "/kind")});
        let key = kinds::of_object(world, &kind)?.key(namespace(object), text(owner, "/name"));
        trial_of(world, world.store.get(&key)?.as_ref(), far + 1)
    })
}

fn mutate(world: &World, home: &str, pod: &mut Value, trial: &Value) -> Result<(), String> {
    if !pod["metadata"]["labels"].is_object() {
        pod["metadata"]["labels"] = json!({});
    }
    for (key, value) in trial.pointer("/metadata/labels").and_then(Value::as_object).into_iter().flatten() {
        pod["metadata"]["labels"][key] = value.clone();
    }
    pod["metadata"]["labels"][TRIAL_LABEL] = json!(name(trial));
    let kind = text(trial, "/spec/metricsCollector/collector/kind");
    let primary = trial.pointer("/spec/primaryPodLabels").and_then(Value::as_object);
    let fits = primary.into_iter().flatten().all(|(key, value)| label(pod, key) == value.as_str());
    if !fits || kind == "Push" {
        return Ok(());
    }
    let experiment = label(trial, EXPERIMENT_LABEL).unwrap_or_default();
    let configured = config::collector(&world.store, home, kind)?;
    for (plural, shown) in [("experiments", "Experiment"), ("suggestions", "Suggestion")] {
        let key = Key::new(GROUP, plural, namespace(pod), experiment);
        world.store.get(&key).ok_or_else(|| format!("{shown}.kubeflow.org \"{experiment}\" not found"))?;
    }
    let path = path(trial, kind);
    let container = json!({
        "name": if matches!(kind, "StdOut" | "File") { "metrics-logger-and-collector" } else { "metrics-collector" },
        "image": configured.image, "imagePullPolicy": configured.pull_policy, "resources": configured.resources,
        "args": arguments(trial, home, kind, path),
        "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
    });
    let wanted = text(trial, "/spec/primaryContainerName");
    let collector = text(&container, "/name").to_owned();
    push(&mut pod["spec"], "containers", container);
    pod["spec"]["shareProcessNamespace"] = json!(true);
    push(&mut pod["spec"], "volumes", json!({"name": VOLUME, "emptyDir": {}}));
    let folder = path.rsplit_once('/').map_or("/", |(folder, _)| folder);
    let mut found = false;
    for container in pod["spec"]["containers"].as_array_mut().into_iter().flatten() {
        let called = text(container, "/name").to_owned();
        if called == wanted || called == collector {
            push(container, "volumeMounts", json!({"name": VOLUME, "mountPath": folder}));
        }
        if called == wanted {
            found = true;
            if matches!(kind, "StdOut" | "File" | "TensorFlowEvent") {
                wrap(container, kind, path, folder)?;
            }
        }
    }
    if found { Ok(()) } else { Err(format!("Unable to find primary container {wanted} in mutated pod containers")) }
}

fn path<'a>(trial: &'a Value, kind: &str) -> &'a str {
    match text(trial, "/spec/metricsCollector/source/fileSystemPath/path") {
        path if kind != "StdOut" && !path.is_empty() => path,
        _ => METRICS_FILE,
    }
}

fn arguments(trial: &Value, home: &str, kind: &str, path: &str) -> Vec<String> {
    let objective = |field: &str| text(trial, &format!("/spec/objective/{field}"));
    let more = list(trial, "/spec/objective/additionalMetricNames").iter().filter_map(Value::as_str);
    let metrics: Vec<&str> = std::iter::once(objective("objectiveMetricName")).chain(more).collect();
    let manager = format!("{}.{home}:{}", DB_MANAGER.0, DB_MANAGER.1);
    let metrics = metrics.join(";");
    let mut arguments: Vec<String> =
        ["-t", name(trial), "-m", &metrics, "-o-type", objective("type"), "-s-db", &manager, "-path", path]
            .map(str::to_owned)
            .to_vec();
    let filters: Vec<&str> =
        list(trial, "/spec/metricsCollector/source/filter/metricsFormat").iter().filter_map(Value::as_str).collect();
    if !filters.is_empty() {
        arguments.extend(["-f".to_owned(), filters.join(";")]);
    }
    let format = match kind {
        "StdOut" => "TEXT",
        _ => text(trial, "/spec/metricsCollector/source/fileSystemPath/format"),
    };
    if matches!(kind, "StdOut" | "File") {
        arguments.extend(["-format".to_owned(), format.to_owned()]);
    }
    arguments
}

/// Lets the program's output go into the file, and marks that it has ended well.
fn wrap(container: &mut Value, kind: &str, path: &str, folder: &str) -> Result<(), String> {
    let of = |field: &str| -> Vec<String> {
        list(container, field).iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let mut words = of("/command");
    if words.is_empty() {
        // What the image starts is only known to its registry, and there is none here.
        let image = text(container, "/image");
        return Err(format!("Failed to get container image \"{image}\" info from registry: no registry"));
    }
    words.extend(of("/args"));
    let mut command = vec!["sh".to_owned(), "-c".to_owned()];
    if matches!(words[0].as_str(), "sh" | "bash") && words.get(1).is_some_and(|flag| flag == "-c") {
        command = words.drain(..2).collect();
    }
    if kind == "StdOut" {
        words.push(format!("1>{path} 2>&1"));
    }
    words.push(format!("&& echo completed > {folder}/$$$$.pid"));
    container["command"] = json!(command);
    container["args"] = json!([words.join(" ")]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_wrapped_into_a_shell() {
        let mut container = json!({"command": ["sh", "-c", "echo loss=1"]});
        wrap(&mut container, "StdOut", METRICS_FILE, "/var/log/katib").unwrap();
        let script = "echo loss=1 1>/var/log/katib/metrics.log 2>&1 && echo completed > /var/log/katib/$$$$.pid";
        assert_eq!(container, json!({"command": ["sh", "-c"], "args": [script]}));
        let mut container = json!({"command": ["python3", "train.py"], "args": ["--lr=1"]});
        wrap(&mut container, "File", "/out/m", "/out").unwrap();
        assert_eq!(container["args"], json!(["python3 train.py --lr=1 && echo completed > /out/$$$$.pid"]));
        assert!(wrap(&mut json!({"image": "x"}), "StdOut", METRICS_FILE, "/").is_err());
    }
}
