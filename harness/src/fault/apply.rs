//! Applying a fault through the Kubernetes API, and taking it back.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use clusters::Mode;
use clusters::versions::Version;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::{Change, Fault, Ref};
use crate::kubernetes::{Kubernetes, Served, describe};

/// Where the switches of the embedded platform are (its documentation names them).
const SWITCHES: Ref = super::object("v1", "ConfigMap", "embedded-reference-platform", "switches");
/// How long a deleted object may take to be gone; finalizers of the platform's controllers run meanwhile.
const GONE_WITHIN: Duration = Duration::from_secs(20);
/// How often it is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How often an object is written that its controller writes, too: each time another one was faster.
const WRITE_TRIES: u32 = 20;

/// Why a fault could not be applied or taken back.
#[derive(Debug, thiserror::Error)]
pub enum FaultError {
    /// The object is not there: the fault is about something that the platform does not have.
    #[error("fault {fault}: there is no {object} to break")]
    Missing {
        /// The fault.
        fault: &'static str,
        /// The object.
        object: String,
    },
    /// The text to replace is not there: the fault would change nothing.
    #[error("fault {fault}: {key} of {object} does not contain {find:?}, so the fault would change nothing")]
    FoundNothing {
        /// The fault.
        fault: &'static str,
        /// The object.
        object: String,
        /// The key in `data`.
        key: &'static str,
        /// What was looked for.
        find: &'static str,
    },
    /// The fault itself is not well formed: a defect of the suite.
    #[error("fault {fault}: {reason}")]
    Malformed {
        /// The fault.
        fault: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A switch, but the target is a real cluster.
    #[error("fault {fault} is a switch of the embedded platform, and the target is none")]
    NotSimulated {
        /// The fault.
        fault: &'static str,
    },
    /// The cluster is somebody's.
    #[error("fault {fault} is not applied to somebody's cluster: faults are for targets that this program made")]
    NotOurs {
        /// The fault.
        fault: &'static str,
    },
    /// The API server refuses or does not answer.
    #[error("fault {fault}: {what} {object}: {reason}")]
    Kubernetes {
        /// The fault.
        fault: &'static str,
        /// What was tried.
        what: &'static str,
        /// The object.
        object: String,
        /// The server's words.
        reason: String,
    },
}

/// How to take one change back.
enum Restore {
    /// Put the object back as it was.
    AsItWas(Served, Box<DynamicObject>),
    /// Delete what was created.
    Gone(Served, Box<DynamicObject>),
}

impl Restore {
    fn is_workload(&self) -> bool {
        let (Self::AsItWas(served, _) | Self::Gone(served, _)) = self;
        served.resource.group == "apps"
    }
}

/// What takes an applied fault back. It does not act by itself: a platform that is thrown away needs no repair.
#[must_use]
pub struct Applied {
    fault: &'static str,
    kubernetes: Kubernetes,
    done: Vec<Restore>,
}

impl Fault {
    /// Whether it applies to a release.
    #[must_use]
    pub fn applies_to(&self, version: &Version) -> bool {
        (self.contracts.is_empty() || self.contracts.contains(&version.contract)) && self.releases.has(version.release)
    }

    /// Makes all its changes in order, or none of them.
    ///
    /// # Errors
    /// [`FaultError`]; what had been changed is changed back as far as that goes.
    pub async fn apply(&self, kubernetes: &Kubernetes, mode: Mode) -> Result<Applied, FaultError> {
        if mode == Mode::Existing {
            return Err(FaultError::NotOurs { fault: self.name });
        }
        let mut applied = Applied { fault: self.name, kubernetes: kubernetes.clone(), done: Vec::new() };
        for change in self.changes {
            if let Err(error) = applied.make(change, mode).await {
                if let Err(second) = applied.undo().await {
                    tracing::warn!("{second}");
                }
                return Err(error);
            }
        }
        Ok(applied)
    }
}

impl Applied {
    /// Takes everything back, last change first, but workloads after everything else: a program that reads its
    /// configuration when it starts must not start before that is right again. What hung on a deleted object (owned
    /// objects, the contents of a namespace) does not come back with it.
    ///
    /// # Errors
    /// [`FaultError`] of the first change that could not be taken back; the others are taken back all the same.
    pub async fn undo(mut self) -> Result<(), FaultError> {
        let mut outcome = Ok(());
        self.done.reverse();
        self.done.sort_by_key(Restore::is_workload);
        for restore in std::mem::take(&mut self.done) {
            let undone = match restore {
                Restore::AsItWas(served, before) => self.put_back(&served, *before).await,
                Restore::Gone(served, object) => self.delete(&served, &object).await,
            };
            outcome = outcome.and(undone);
        }
        outcome
    }

    async fn make(&mut self, change: &Change, mode: Mode) -> Result<(), FaultError> {
        match change {
            Change::Delete(object) => {
                let (served, before) = self.find(object).await?;
                self.delete(&served, &before).await?;
                self.done.push(Restore::AsItWas(served, Box::new(before)));
                Ok(())
            }
            Change::Merge(object, patch) => {
                let patch = self.json(patch)?;
                let (served, before) = self.find(object).await?;
                self.merge(served, before, &patch).await
            }
            Change::Patch(object, patch) => {
                let patch = self.json(patch)?;
                let (served, before) = self.find(object).await?;
                self.json_patch(served, before, &patch).await
            }
            Change::Replace { object, key, find, put } => self.replace(object, key, find, put).await,
            Change::Create(yaml) => {
                let object: DynamicObject = serde_saphyr::from_str(yaml)
                    .map_err(|error| FaultError::Malformed { fault: self.fault, reason: error.to_string() })?;
                self.create(object).await
            }
            Change::Switch(switch) if mode == Mode::Simulated => self.switch(switch).await,
            Change::Switch(_) => Err(FaultError::NotSimulated { fault: self.fault }),
        }
    }

    async fn merge(&mut self, served: Served, before: DynamicObject, patch: &Value) -> Result<(), FaultError> {
        let (api, name) = (self.api(&served, &before), name_of(&before));
        let (params, merge) = (PatchParams::default(), Patch::Merge(patch));
        // The status is a resource of its own; a patch of the object would leave it as it is.
        let only_status = patch.as_object().is_some_and(|keys| keys.len() == 1 && keys.contains_key("status"));
        let patched = if only_status {
            api.patch_status(&name, &params, &merge).await
        } else {
            api.patch(&name, &params, &merge).await
        };
        patched.map_err(|error| self.failed("merge into", &before, &error))?;
        self.done.push(Restore::AsItWas(served, Box::new(before)));
        Ok(())
    }

    async fn json_patch(&mut self, served: Served, before: DynamicObject, patch: &Value) -> Result<(), FaultError> {
        let url = format!("{}/{}", self.api(&served, &before).resource_url(), name_of(&before));
        let request = ::http::Request::patch(url).header("content-type", "application/json-patch+json");
        let request = request
            .body(patch.to_string().into_bytes())
            .map_err(|error| FaultError::Malformed { fault: self.fault, reason: error.to_string() })?;
        let patched = self.kubernetes.shared().request::<DynamicObject>(request).await;
        patched.map_err(|error| self.failed("patch", &before, &error))?;
        self.done.push(Restore::AsItWas(served, Box::new(before)));
        Ok(())
    }

    async fn replace(
        &mut self,
        object: &Ref,
        key: &'static str,
        find: &'static str,
        put: &str,
    ) -> Result<(), FaultError> {
        let (served, before) = self.find(object).await?;
        let secret = object.kind == "Secret";
        let nothing = || FaultError::FoundNothing { fault: self.fault, object: object.to_string(), key, find };
        let stored = before.data.pointer(&format!("/data/{}", key.replace('~', "~0").replace('/', "~1")));
        let stored = stored.and_then(Value::as_str).ok_or_else(nothing)?;
        let text = if secret {
            let bytes = BASE64.decode(stored).map_err(|_| nothing())?;
            String::from_utf8(bytes).map_err(|_| nothing())?
        } else {
            stored.to_owned()
        };
        if find.is_empty() || !text.contains(find) {
            return Err(nothing());
        }
        let text = text.replace(find, put);
        let text = if secret { BASE64.encode(text) } else { text };
        self.merge(served, before, &json!({"data": {key: text}})).await
    }

    async fn create(&mut self, object: DynamicObject) -> Result<(), FaultError> {
        let served = self
            .kubernetes
            .find_for(&object)
            .await
            .map_err(|error| self.failed("find the kind of", &object, &error))?;
        let served = served.ok_or_else(|| FaultError::Malformed {
            fault: self.fault,
            reason: format!("the platform does not serve the kind of {}", described(&object)),
        })?;
        let created = self.api(&served, &object).create(&PostParams::default(), &object).await;
        created.map_err(|error| self.failed("create", &object, &error))?;
        self.done.push(Restore::Gone(served, Box::new(object)));
        Ok(())
    }

    async fn switch(&mut self, switch: &str) -> Result<(), FaultError> {
        let (name, value) = switch.split_once('=').unwrap_or((switch, "true"));
        let patch = json!({"data": {name: value}});
        if let Ok((served, before)) = self.find(&SWITCHES).await {
            return self.merge(served, before, &patch).await;
        }
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SWITCHES.namespace}});
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": patch["data"],
            "metadata": {"name": SWITCHES.name, "namespace": SWITCHES.namespace}});
        let parsed = |value: Value| {
            serde_json::from_value(value)
                .map_err(|error| FaultError::Malformed { fault: self.fault, reason: error.to_string() })
        };
        let (namespace, map): (DynamicObject, DynamicObject) = (parsed(namespace)?, parsed(map)?);
        // The namespace may be there already; whether it is shows with the next call.
        _ = self.create(namespace).await;
        self.create(map).await
    }

    /// The object that a change names, as it is now.
    async fn find(&self, wanted: &Ref) -> Result<(Served, DynamicObject), FaultError> {
        let failed = |error: &kube::Error| FaultError::Kubernetes {
            fault: self.fault,
            what: "get",
            object: wanted.to_string(),
            reason: describe(error),
        };
        let missing = || FaultError::Missing { fault: self.fault, object: wanted.to_string() };
        let served = self.kubernetes.find(wanted.api_version, wanted.kind).await.map_err(|error| failed(&error))?;
        let served = served.ok_or_else(missing)?;
        let api = served.api(&self.kubernetes.shared(), wanted.namespace);
        let found = if let Some(prefix) = wanted.name.strip_suffix('*') {
            let mut all = api.list(&ListParams::default()).await.map_err(|error| failed(&error))?.items;
            all.retain(|object| name_of(object).starts_with(prefix));
            all.sort_by_key(name_of);
            all.into_iter().next()
        } else {
            match api.get(wanted.name).await {
                Ok(object) => Some(object),
                Err(kube::Error::Api(status)) if status.code == 404 => None,
                Err(error) => return Err(failed(&error)),
            }
        };
        let mut object = found.ok_or_else(missing)?;
        // The items of a list come without their kind.
        object.types.get_or_insert_with(|| kube::api::TypeMeta {
            api_version: served.resource.api_version.clone(),
            kind: served.resource.kind.clone(),
        });
        Ok((served, object))
    }

    async fn delete(&self, served: &Served, object: &DynamicObject) -> Result<(), FaultError> {
        let (api, name) = (self.api(served, object), name_of(object));
        match api.delete(&name, &DeleteParams::background()).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
            Err(error) => return Err(self.failed("delete", object, &error)),
        }
        let gone = async {
            // Another object of that name may have taken its place: a controller made it anew.
            while api.get_metadata(&name).await.is_ok_and(|now| now.metadata.uid == object.metadata.uid) {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(GONE_WITHIN, gone).await.map_err(|_| FaultError::Kubernetes {
            fault: self.fault,
            what: "delete",
            object: described(object),
            reason: format!("it is still there after {} s: a finalizer holds it", GONE_WITHIN.as_secs()),
        })
    }

    /// Writes an object as it was, over what is there now or anew.
    async fn put_back(&self, served: &Served, mut before: DynamicObject) -> Result<(), FaultError> {
        let (api, name) = (self.api(served, &before), name_of(&before));
        before.metadata.managed_fields = None;
        let mut tries = 0;
        let written = loop {
            let written = match api.get(&name).await {
                Ok(now) => {
                    before.metadata.resource_version = now.metadata.resource_version;
                    before.metadata.uid = now.metadata.uid;
                    api.replace(&name, &PostParams::default(), &before).await
                }
                Err(_) => {
                    before.metadata.resource_version = None;
                    before.metadata.uid = None;
                    before.metadata.creation_timestamp = None;
                    api.create(&PostParams::default(), &before).await
                }
            };
            tries += 1;
            match written {
                // Its controller wrote it between the two calls, or made it anew.
                Err(kube::Error::Api(status)) if status.code == 409 && tries < WRITE_TRIES => {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                written => break written,
            }
        };
        let written = written.map_err(|error| self.failed("put back", &before, &error))?;
        let status = before.data.get("status").filter(|status| written.data.get("status") != Some(status));
        // A workload's status is its controller's to write.
        let Some(status) = status.filter(|_| served.resource.group != "apps") else { return Ok(()) };
        // Not every kind has a status of its own; those that have need it written apart.
        _ = api.patch_status(&name, &PatchParams::default(), &Patch::Merge(json!({"status": status}))).await;
        Ok(())
    }

    fn api(&self, served: &Served, object: &DynamicObject) -> Api<DynamicObject> {
        served.api(&self.kubernetes.shared(), object.metadata.namespace.as_deref().unwrap_or_default())
    }

    fn json(&self, text: &str) -> Result<Value, FaultError> {
        serde_json::from_str(text)
            .map_err(|error| FaultError::Malformed { fault: self.fault, reason: format!("{error} in {text}") })
    }

    fn failed(&self, what: &'static str, object: &DynamicObject, error: &kube::Error) -> FaultError {
        FaultError::Kubernetes { fault: self.fault, what, object: described(object), reason: describe(error) }
    }
}

fn name_of(object: &DynamicObject) -> String {
    object.metadata.name.clone().unwrap_or_default()
}

fn described(object: &DynamicObject) -> String {
    let kind = object.types.as_ref().map_or("object", |types| types.kind.as_str());
    match &object.metadata.namespace {
        Some(namespace) => format!("{kind} {namespace}/{}", name_of(object)),
        None => format!("{kind} {}", name_of(object)),
    }
}
