//! What the pods of a run do: a driver finds out what each task gets and where its results go, a launcher runs the task's
//! command, stores what it has written, and notes both in ML Metadata. Argo's executor keeps what was printed.
//!
//! Commands are played as far as the shell here goes; one that is not known ends well and writes nothing, which a launcher
//! takes as it is. Loops, conditions and pipelines inside of pipelines are not played: their tasks are left out.
//!
//! Source: kubeflow/pipelines 2.0.5, 2.3.0 and 2.5.0 `backend/src/v2/{driver,component,objectstore,cacheutils}`.

mod archive;
mod cache;
mod dag;
pub mod pods;
mod values;

use serde_json::{Map, Value, json};

use super::report;
use super::rows::Rows;
use super::workflows::RUN_LABEL;
use crate::access::{Attributes, UserInfo, authorize};
use crate::actors::ml_metadata::{self, Execution, Records};
use crate::actors::object_store::{self, Credentials};
use crate::kubelet::environment;
use crate::object::{label, list, namespace, text};
use crate::platform::World;
use crate::store::Key;

use dag::{Task, tasks};
use values::Given;

/// Where drivers and launchers find the API server, ML Metadata and the object store, unless told otherwise.
const API: (&str, u16) = ("ml-pipeline.kubeflow", 8887);
const METADATA: (&str, u16) = ("metadata-grpc-service.kubeflow", 8080);
const STORE: (&str, &str) = ("minio-service.kubeflow", "9000");
/// The Secret with the object store's keys, in the namespace of the run.
const SECRET: &str = "mlpipeline-minio-artifact";
/// Where results go unless ConfigMap `kfp-launcher` or the run says otherwise.
const ROOT: &str = "minio://mlpipeline/v2/artifacts";

/// Why a run fails: the step, and what it printed last.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{step}: {why}")]
pub struct Failure {
    /// The step.
    pub step: String,
    /// Its words.
    pub why: String,
}

/// What a run's steps came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The tasks whose results were there already.
    pub cached: Vec<String>,
    /// What failed, if anything did.
    pub failure: Option<Failure>,
}

/// Does the work of a Workflow. `codes` tells how the command of a task ends, by its executor.
pub fn perform(world: &World, workflow: &Value, code: impl Fn(&Value) -> i64) -> Outcome {
    let run = Run::of(workflow);
    let mut outcome = Outcome::default();
    let work = Work::begin(world, &run).and_then(|work| {
        let root = work.dag(None, "root")?;
        let mut given = Given::root(&run.root, &run.config);
        for task in tasks(&run.root, &run.components) {
            if work.task(&task, root, &mut given, &code)? {
                outcome.cached.push(task.name);
            }
        }
        Ok(())
    });
    outcome.failure = work.err();
    if let Some(failure) = &outcome.failure {
        let what = if failure.step == "root-driver" { pods::DAG_DRIVER } else { pods::CONTAINER_DRIVER };
        pods::leave(world, &run, what, "Failed", &json!({"image": "kfp-driver"}), vec![failure.why.clone()]);
    }
    outcome
}

/// Begins the pod of a container of a Workflow that does not come to its end.
pub fn begin(world: &World, workflow: &Value, container: &Value) {
    pods::begin(world, &Run::of(workflow), container);
}

/// Stops the pod that [`begin`] has begun.
pub fn stop(world: &World, workflow: &Value) {
    pods::stop(world, &Run::of(workflow));
}

/// A run, as its Workflow has it.
struct Run<'a> {
    workflow: &'a Value,
    namespace: &'a str,
    id: &'a str,
    account: &'a str,
    pipeline: String,
    root: Value,
    components: Map<String, Value>,
    executors: Map<String, Value>,
    config: Value,
}

impl<'a> Run<'a> {
    fn of(workflow: &'a Value) -> Self {
        let (mut root, mut config) = (Value::Null, Value::Null);
        let (mut components, mut executors) = (Map::new(), Map::new());
        for parameter in list(workflow, "/spec/arguments/parameters") {
            let value = serde_json::from_str::<Value>(text(parameter, "/value")).unwrap_or_default();
            match text(parameter, "/name") {
                "components-root" => root = value,
                other => {
                    if let Some(component) = other.strip_prefix("components-") {
                        components.insert(component.to_owned(), value);
                    } else if let Some(executor) = other.strip_prefix("implementations-") {
                        executors.insert(executor.to_owned(), value);
                    }
                }
            }
        }
        let templates = list(workflow, "/spec/templates").iter();
        for parameter in templates.flat_map(|template| list(template, "/dag/tasks/0/arguments/parameters")) {
            if text(parameter, "/name") == "runtime-config" {
                config = serde_json::from_str(text(parameter, "/value")).unwrap_or_default();
            }
        }
        Self {
            workflow,
            namespace: namespace(workflow),
            id: label(workflow, RUN_LABEL).unwrap_or_default(),
            account: text(workflow, "/spec/serviceAccountName"),
            pipeline: text(workflow, "/metadata/generateName").trim_end_matches('-').to_owned(),
            root,
            components,
            executors,
            config,
        }
    }
}

/// What the steps of a run work with.
struct Work<'a> {
    world: &'a World,
    run: &'a Run<'a>,
    records: Records,
    contexts: [i64; 2],
    bucket: String,
    /// Where results go, without a slash at the end.
    root: String,
    /// Since 2.5 results of one task are told apart by a random part of their keys, and what is printed may be one.
    salted: bool,
    keeps_logs: bool,
}

fn at(step: &str) -> impl Fn(String) -> Failure + '_ {
    move |why| Failure { step: step.to_owned(), why }
}

impl<'a> Work<'a> {
    /// The driver of the root: where results go, and the run's records.
    fn begin(world: &'a World, run: &'a Run<'a>) -> Result<Self, Failure> {
        let failed = at("root-driver");
        let launcher = Key::new("", "configmaps", run.namespace, "kfp-launcher");
        let default = world.store.get(&launcher).map(|map| text(&map, "/data/defaultPipelineRoot").to_owned());
        let asked = text(&run.config, "/pipelineRoot").to_owned();
        let base = [asked, default.unwrap_or_default()].into_iter().find(|root| !root.is_empty());
        let base = base.unwrap_or_else(|| ROOT.to_owned());
        let root = format!("{}/{}/{}", base.trim_end_matches('/'), run.pipeline, run.id);
        let (_, rest) = base
            .split_once("://")
            .ok_or_else(|| failed(format!("KFP driver: driver.RootDAG: failed to parse pipeline root {base:?}")))?;
        let bucket = rest.split('/').next().unwrap_or_default().to_owned();
        let records = ml_metadata::reach(world, run.namespace, METADATA).map_err(&failed)?;
        let properties = [
            ("namespace", run.namespace),
            ("resource_name", "run-resource"),
            ("pipeline_root", root.as_str()),
            ("store_session_info", r#"{"Provider":"minio","Params":{"fromEnv":"false"}}"#),
        ];
        let contexts = records.contexts(&run.pipeline, run.id, &properties).map_err(&failed)?;
        let settings = report::settings_behind(world, run.namespace, API);
        let release = settings.as_ref().map_or((2, 0), |settings| settings.release);
        let keeps_logs = settings.is_some_and(|settings| settings.publishes_logs);
        Ok(Self { world, run, records, contexts, bucket, root, salted: release >= (2, 5), keeps_logs })
    }

    /// The record of a graph of tasks.
    fn dag(&self, parent: Option<i64>, task: &str) -> Result<i64, Failure> {
        let parent = parent.map(|parent| parent.to_string()).unwrap_or_default();
        let mut properties = vec![("display_name", task), ("task_name", task)];
        if !parent.is_empty() {
            properties.push(("parent_dag_id", &parent));
        }
        let records = &self.records;
        records
            .execution("system.DAGExecution", Execution::Complete, &self.contexts, &properties)
            .map_err(at("root-driver"))
    }

    /// The keys of the object store, as the namespace has them; the account must be allowed to read them.
    fn keys(&self) -> Result<Credentials, String> {
        let (home, account) = (self.run.namespace, self.run.account);
        let who = UserInfo::service_account(home, account, "");
        if !authorize(self.world, &who, &Attributes::resource("get", "", "secrets", home, SECRET)) {
            let user = &who.name;
            return Err(format!("secrets \"{SECRET}\" is forbidden: User \"{user}\" cannot get resource \"secrets\""));
        }
        let keys = environment::contents(&self.world.store, "secrets", home, SECRET)?;
        let key = |name: &str| keys.get(name).cloned().unwrap_or_default();
        Ok(Credentials { access: key("accesskey"), secret: key("secretkey") })
    }

    fn rows(&self) -> Option<Rows> {
        report::rows_behind(self.world, self.run.namespace, API.0, API.1)
    }

    /// One task: yields whether its results were there already.
    fn task(&self, task: &Task, root: i64, given: &mut Given, code: impl Fn(&Value) -> i64) -> Result<bool, Failure> {
        let container = self.run.executors.get(&task.executor).cloned().unwrap_or_default();
        let step = format!("{}-driver", task.name);
        let failed = at(&step);
        let inputs = given.inputs_of(task);
        let fingerprint = if task.caches { values::fingerprint(&container, task, &inputs) } else { String::new() };
        let (parent, image) = (root.to_string(), text(&container, "/image"));
        let about = |pod: &'_ str| {
            [
                ("display_name", task.name.clone()),
                ("task_name", task.name.clone()),
                ("parent_dag_id", parent.clone()),
                ("namespace", self.run.namespace.to_owned()),
                ("image", image.to_owned()),
                ("pod_name", pod.to_owned()),
                ("cache_fingerprint", fingerprint.clone()),
            ]
        };
        let record = |state, pod: &str, cached: Option<&str>| {
            let about = about(pod);
            let mut properties: Vec<(&str, &str)> = about
                .iter()
                .filter(|(_, value)| !value.is_empty())
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            properties.extend(cached.map(|of| ("cached_execution_id", of)));
            self.records.execution("system.ContainerExecution", state, &self.contexts, &properties)
        };
        if !fingerprint.is_empty()
            && let Some(of) = self.cached(&fingerprint)
        {
            let execution = record(Execution::Cached, "", Some(&of.to_string())).map_err(&failed)?;
            self.records.same_outputs(of, execution).map_err(&failed)?;
            return Ok(true);
        }
        let at_impl = at(&task.name);
        let keys = self.keys().map_err(&at_impl)?;
        let opened = object_store::reach(self.world, self.run.namespace, STORE, &keys);
        let store = opened.map_err(|error| at_impl(error.to_string()))?;
        let salt = if self.salted { format!("/{}", uuid::Uuid::new_v4()) } else { String::new() };
        let folder = format!("{}/{}{salt}", self.root, task.name);
        let ran = values::run(
            self.world,
            self.run.workflow,
            &container,
            &values::Place { task, folder: &folder, inputs: &inputs, store: &store },
        );
        let ended = code(&container);
        let phase = if ended == 0 { "Succeeded" } else { "Failed" };
        let pod = pods::leave(self.world, self.run, pods::IMPLEMENTATION, phase, &container, ran.lines());
        self.archive(&keys, &pod, &ran.printed);
        let state = if ended == 0 { Execution::Complete } else { Execution::Failed };
        let execution = record(state, &pod, None).map_err(&at_impl)?;
        if ended != 0 {
            return Err(Failure { step: task.name.clone(), why: format!("main: Error (exit code {ended})") });
        }
        let mut outputs = task.artifacts.clone();
        if self.salted && self.keeps_logs {
            outputs.push(("executor-logs".to_owned(), "system.Artifact".to_owned()));
        }
        for (name, kind) in &outputs {
            let uri = format!("{folder}/{name}");
            let bytes = if name == "executor-logs" { Some(&ran.printed) } else { ran.files.get(&values::path(&uri)) };
            if let Some(bytes) = bytes {
                let key = values::key(&uri);
                store
                    .put(&self.bucket, key, "application/octet-stream", bytes.clone())
                    .map_err(|error| at_impl(format!("failed to upload output artifact {name:?}: {error}")))?;
            }
            self.records.output(execution, &self.contexts, (kind, name, &uri)).map_err(&at_impl)?;
            given.artifact(&task.name, name, &uri);
        }
        given.parameters(task, &ran.files);
        self.remember(&fingerprint, execution);
        Ok(false)
    }
}
