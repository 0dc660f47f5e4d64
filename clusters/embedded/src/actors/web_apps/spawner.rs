//! The form that makes a notebook: the defaults of its ConfigMap, and what becomes of what the user fills in
//! (`components/crud-web-apps/jupyter/backend/apps/common/form.py` and `volumes.py`, kubeflow v1.9.2).

use http::Method;
use serde_json::{Value, json};

use super::asked::{Asked, said};
use super::flask::{Outcome, Refusal, printed, truthy};
use super::jupyter;
use super::tensorboards::key;
use crate::actors::kubernetes::part;
use crate::controllers::owned::suffix;
use crate::kubelet::environment;

const CONFIG: &str = "/etc/config/spawner_ui_config.yaml";
const SERVER_TYPE: &str = "notebooks.kubeflow.org/server-type";
const REWRITE: &str = "notebooks.kubeflow.org/http-rewrite-uri";
const HEADERS: &str = "notebooks.kubeflow.org/http-headers-request-set";

/// As upstream's template, which is YAML that the name is written into as it came.
const TEMPLATE: &str = r#"
apiVersion: kubeflow.org/v1beta1
kind: Notebook
metadata:
  name: {name}
  labels:
    app: {name}
  annotations: {}
spec:
  template:
    spec:
      serviceAccountName: default-editor
      containers:
        - name: {name}
          env: []
          volumeMounts: []
          resources: {requests: {}, limits: {}}
      volumes: []
      tolerations: []
"#;

/// `spawnerFormDefaults` of the ConfigMap that the program's pod mounts.
///
/// # Errors
/// 404 if there is none.
pub fn defaults(asked: &Asked<'_>) -> Result<Value, Refusal> {
    let visit = asked.visit;
    let file = environment::file(&visit.world.store, &visit.pod, &visit.container, CONFIG);
    let read = file.and_then(|file| serde_saphyr::from_str::<Value>(&file).ok());
    let defaults = read.and_then(|mut config| config.get_mut("spawnerFormDefaults").map(Value::take));
    defaults.ok_or_else(|| Refusal::new(404, "Couldn't find any config file."))
}

/// Makes a notebook and the claims that it asks for; all are tried first.
pub async fn create(asked: &Asked<'_>, namespace: &str) -> Outcome {
    let form = Form { body: asked.form(&["name"])?, defaults: defaults(asked)? };
    let mut notebook = form.notebook(namespace)?;
    notebook["metadata"]["annotations"]["notebooks.kubeflow.org/creator"] = json!(asked.user);
    let volumes = form.volumes()?;
    let notebooks = jupyter::collection(namespace);
    let claims = format!("/api/v1/namespaces/{}/persistentvolumeclaims", part(namespace));
    asked.allowed("create", "kubeflow.org/v1beta1/notebooks", Some(namespace)).await?;
    asked.api.write(Method::POST, &format!("{notebooks}?dryRun=All"), &notebook).await.map_err(said)?;
    for volume in &volumes {
        if let Some(claim) = new_claim(volume)? {
            asked.allowed("create", "v1/persistentvolumeclaims", Some(namespace)).await?;
            asked.api.write(Method::POST, &format!("{claims}?dryRun=All"), &claim).await.map_err(said)?;
        }
    }
    for volume in &volumes {
        let source = match new_claim(volume)? {
            Some(claim) => {
                let made = asked.api.write(Method::POST, &claims, &claim).await.map_err(said)?;
                let name = &made["metadata"]["name"];
                json!({"name": name, "persistentVolumeClaim": {"claimName": name}})
            }
            None => existing(volume)?,
        };
        let pod = &mut notebook["spec"]["template"]["spec"];
        push(&mut pod["containers"][0]["volumeMounts"], json!({"name": source["name"], "mountPath": volume["mount"]}));
        push(&mut pod["volumes"], source);
    }
    asked.api.write(Method::POST, &notebooks, &notebook).await.map_err(said)?;
    Ok(json!({"message": "Notebook created successfully."}))
}

fn push(list: &mut Value, item: Value) {
    if let Some(list) = list.as_array_mut() {
        list.push(item);
    }
}

/// What the user sent, and the defaults.
struct Form {
    body: Value,
    defaults: Value,
}

impl Form {
    /// A field of the form: one that the defaults have may be fixed there, and must be given otherwise.
    fn value(&self, field: &str, default: &str, optional: bool) -> Result<Value, Refusal> {
        let given = self.body.get(field).cloned();
        let Some(default) = self.defaults.get(default).filter(|_| !optional || given.is_some()) else {
            return Ok(given.unwrap_or_default());
        };
        if default.get("readOnly").is_some_and(truthy) {
            return match given {
                Some(given) => {
                    let why = format!("'{field}' is readonly but a value was provided: {}", printed(&given));
                    Err(Refusal::bad_request(why))
                }
                None => Ok(default["value"].clone()),
            };
        }
        match given {
            Some(given) if !given.is_null() || optional => Ok(given),
            _ => Err(Refusal::bad_request(format!("No value provided for: {field}"))),
        }
    }

    fn required(&self, field: &str) -> Result<Value, Refusal> {
        self.value(field, field, false)
    }

    fn notebook(&self, namespace: &str) -> Result<Value, Refusal> {
        let name = printed(&self.body["name"]);
        let written = TEMPLATE.replace("{name}", &name);
        let mut notebook: Value = serde_saphyr::from_str(&written).map_err(|_| Refusal::backend())?;
        notebook["metadata"]["namespace"] = json!(namespace);
        let container = "/spec/template/spec/containers/0";
        let mut set = |pointer: &str, field: &str, value: Value| {
            if let Some(part) = notebook.pointer_mut(pointer) {
                part[field] = value;
            }
        };
        let image = if self.body.get("customImage").is_some_and(truthy) { "customImage" } else { "image" };
        let image = self.value(image, "image", false)?;
        set(container, "image", json!(image.as_str().ok_or_else(Refusal::backend)?.trim()));
        set(container, "imagePullPolicy", self.required("imagePullPolicy")?);
        for (annotation, value) in self.server_type(namespace)? {
            set("/metadata/annotations", annotation, value);
        }
        for (resource, unit, asked) in [("cpu", "", "CPU"), ("memory", "Gi", "Memory")] {
            let (request, limit) = self.resource(resource, unit, asked)?;
            set(&format!("{container}/resources/requests"), resource, json!(request));
            if let Some(limit) = limit {
                set(&format!("{container}/resources/limits"), resource, json!(limit));
            }
        }
        if let Some((vendor, number)) = self.devices()? {
            set(&format!("{container}/resources/limits"), &vendor, number);
        }
        let chosen = |field: &str, by: &str, takes: &str| -> Result<Option<Value>, Refusal> {
            let wanted = self.required(field)?;
            let options = self.defaults[field]["options"].as_array().into_iter().flatten();
            Ok(options.into_iter().find(|option| option[by] == wanted).map(|option| option[takes].clone()))
        };
        if let Some(tolerations) = chosen("tolerationGroup", "groupKey", "tolerations")? {
            set("/spec/template/spec", "tolerations", tolerations);
        }
        if let Some(affinity) = chosen("affinityConfig", "configKey", "affinity")? {
            set("/spec/template/spec", "affinity", affinity);
        }
        let configurations = self.required("configurations")?;
        let Some(labels) = configurations.as_array() else {
            let why = format!("Labels for PodDefaults are not list: {}", printed(&configurations));
            return Err(Refusal::bad_request(why));
        };
        for label in labels {
            set("/metadata/labels", &key(label), json!("true"));
        }
        if truthy(&self.required("shm")?) {
            let pod = &mut notebook["spec"]["template"]["spec"];
            push(&mut pod["volumes"], json!({"name": "dshm", "emptyDir": {"medium": "Memory"}}));
            push(&mut pod["containers"][0]["volumeMounts"], json!({"name": "dshm", "mountPath": "/dev/shm"}));
        }
        Ok(notebook)
    }

    /// The kind of server, and how the gateway must treat requests to it.
    fn server_type(&self, namespace: &str) -> Result<Vec<(&'static str, Value)>, Refusal> {
        let server = printed(&self.required("serverType")?);
        if !matches!(server.as_str(), "jupyter" | "group-one" | "group-two") {
            return Err(Refusal::bad_request(format!("'{server}' is not a valid server type")));
        }
        let mut annotations = vec![(SERVER_TYPE, json!(server))];
        if server != "jupyter" {
            annotations.push((REWRITE, json!("/")));
        }
        if server == "group-two" {
            let root = format!("/notebook/{namespace}/{}/", printed(&self.body["name"]));
            annotations.push((HEADERS, json!(json!({"X-RStudio-Root-Path": root}).to_string())));
        }
        Ok(annotations)
    }

    /// Request and limit of a resource. Numbers are read as Python's `float` does; anything else is an error of the
    /// program.
    fn resource(&self, field: &str, unit: &str, named: &str) -> Result<(String, Option<String>), Refusal> {
        let number = |text: &str| {
            let digits = if unit.is_empty() { text.to_owned() } else { text.replace(unit, "") };
            digits.trim().parse::<f64>().map_err(|_| Refusal::backend())
        };
        let not_a_number = |text: &str, what: &str| {
            let bad = text.to_lowercase().contains("nan");
            if bad { Err(Refusal::bad_request(format!("Invalid value for {what}: {text}"))) } else { Ok(()) }
        };
        let request = self.required(field)?;
        let request = request.as_str().ok_or_else(Refusal::backend)?.to_owned();
        not_a_number(&request, field)?;
        let given = self.value(&format!("{field}Limit"), &format!("{field}Limit"), true)?;
        let factor = printed(&self.defaults[field]["limitFactor"]);
        let limit = match given.as_str().filter(|given| !given.is_empty()) {
            Some(given) => given.to_owned(),
            None if truthy(&given) => return Err(Refusal::backend()),
            None if factor == "none" => return Ok((request, None)),
            None => {
                let factor: f64 = factor.parse().map_err(|_| Refusal::backend())?;
                let limit: f64 = (number(&request)? * factor * 10.0).round() / 10.0;
                // Python writes a whole number with its ".0".
                format!("{limit:?}{unit}")
            }
        };
        not_a_number(&limit, &format!("{field} limit"))?;
        if number(&limit)? < number(&request)? {
            return Err(Refusal::bad_request(format!("{named} limit must be greater than the request")));
        }
        Ok((request, Some(limit)))
    }

    /// The vendor's resource and the number of devices, if any are wanted.
    fn devices(&self) -> Result<Option<(String, Value)>, Refusal> {
        let gpus = self.required("gpus")?;
        let lacks = |field: &str| Refusal::bad_request(format!("'gpus' must have a '{field}' field"));
        let fields = match &gpus {
            Value::Object(fields) => fields,
            Value::String(_) | Value::Array(_) => return Err(lacks("num")),
            _ => return Err(Refusal::backend()),
        };
        let number = fields.get("num").ok_or_else(|| lacks("num"))?;
        if number == "none" {
            return Ok(None);
        }
        let vendor = fields.get("vendor").ok_or_else(|| lacks("vendor"))?;
        Ok(Some((printed(vendor), number.clone())))
    }

    /// Data volumes, then the workspace.
    fn volumes(&self) -> Result<Vec<Value>, Refusal> {
        let mut volumes = match self.value("datavols", "dataVolumes", false)? {
            Value::Array(volumes) => volumes,
            Value::Object(fields) => fields.keys().map(|key| json!(key)).collect(),
            Value::String(text) => text.chars().map(|letter| json!(letter.to_string())).collect(),
            _ => return Err(Refusal::backend()),
        };
        let workspace = self.value("workspace", "workspaceVolume", true)?;
        if truthy(&workspace) {
            volumes.push(workspace);
        }
        Ok(volumes)
    }
}

/// The claim that a volume of the form wants to be made.
fn new_claim(volume: &Value) -> Result<Option<Value>, Refusal> {
    let has = |field: &str| volume.get(field).is_some();
    let shown = printed(volume);
    if !has("mount") {
        return Err(Refusal::bad_request(format!("Volume should have a mount: {shown}")));
    }
    match (has("existingSource"), has("newPvc")) {
        (false, false) => Err(Refusal::bad_request(format!("Volume has neither existingSource nor newPvc: {shown}"))),
        (true, true) => Err(Refusal::bad_request(format!("Volume has both existingSource and newPvc: {shown}"))),
        (true, false) => Ok(None),
        (false, true) => {
            let claim = &volume["newPvc"];
            let metadata = claim.get("metadata").filter(|metadata| metadata.is_object());
            let metadata = metadata.ok_or_else(Refusal::backend)?;
            if metadata.get("namespace").is_some_and(|namespace| !namespace.is_null()) {
                return Err(Refusal::bad_request("PVC should not specify the namespace."));
            }
            Ok(Some(claim.clone()))
        }
    }
}

/// The pod's volume for a source that is there already.
fn existing(volume: &Value) -> Result<Value, Refusal> {
    let source = volume["existingSource"].as_object().ok_or_else(Refusal::backend)?;
    let name = match source.get("persistentVolumeClaim") {
        Some(claim) => claim.get("claimName").cloned().ok_or_else(|| {
            Refusal::bad_request(format!("Failed to retrieve the PVC name from '{}'", printed(volume)))
        })?,
        None => json!(format!("existing-source-volume-{}", suffix())),
    };
    let mut made = json!({"name": name});
    if let Some(made) = made.as_object_mut() {
        made.extend(source.clone());
    }
    Ok(made)
}
