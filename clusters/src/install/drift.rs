//! How far a cluster has drifted from the manifests that it was installed from: objects, images, versions of definitions.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

use super::admission::pod_template;
use super::difference::Difference;
use super::kinds::is_definition;
use super::preview::{Change, Preview, Previewed};
use crate::manifests::Manifest;

/// Everything that differs.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Drift {
    /// Where the manifests come from.
    pub manifests: String,
    /// SHA-256 of the manifests as read, in hexadecimal.
    pub sha256: String,
    /// Objects in the manifests.
    pub objects: usize,
    /// Those that do not exist.
    pub missing: Vec<String>,
    /// Those that an apply would change, with the fields.
    pub changed: Vec<ObjectDrift>,
    /// Those that the API server would refuse if they were applied, with its words.
    pub refused: Vec<RefusedObject>,
    /// Containers that run another image than the manifests have.
    pub images: Vec<ImageDrift>,
    /// Definitions that serve or store other versions than the manifests have.
    pub definitions: Vec<DefinitionVersions>,
    /// Objects that this program once wrote and that the manifests do not have.
    pub surplus: Vec<String>,
}

/// An object that differs.
#[derive(Debug, Clone, Serialize)]
pub struct ObjectDrift {
    /// The object.
    pub object: String,
    /// From what is there to what the manifests have.
    pub fields: Vec<Difference>,
}

/// An object that cannot be compared.
#[derive(Debug, Clone, Serialize)]
pub struct RefusedObject {
    /// The object.
    pub object: String,
    /// The server's words.
    pub reason: String,
}

/// A container that runs another image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageDrift {
    /// The workload.
    pub workload: String,
    /// The container.
    pub container: String,
    /// The image in the manifests.
    pub wanted: String,
    /// The image in the cluster.
    pub found: String,
}

/// A definition whose versions differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DefinitionVersions {
    /// Its name.
    pub definition: String,
    /// The versions that the manifests have; the stored one is marked with `*`.
    pub wanted: Vec<String>,
    /// The versions that the cluster has.
    pub found: Vec<String>,
    /// Versions that objects are stored in and that the manifests no longer have: the API server refuses such a
    /// definition until those objects are rewritten (`status.storedVersions`).
    pub stored_only: Vec<String>,
}

impl Drift {
    /// What a preview amounts to, by the manifests that it is of.
    #[must_use]
    pub fn of(preview: &Preview, manifests: &[Manifest]) -> Self {
        let mut drift = Self {
            manifests: preview.source.clone(),
            sha256: preview.sha256.clone(),
            objects: preview.objects.len(),
            surplus: preview.surplus.clone(),
            ..Self::default()
        };
        for (Previewed { id, change, live, .. }, manifest) in preview.objects.iter().zip(manifests) {
            let object = id.to_string();
            if let Some(live) = live {
                drift.images.extend(images(&object, manifest, live));
                drift.definitions.extend(versions(manifest, live));
            }
            match change {
                Change::Created { .. } => drift.missing.push(object),
                Change::Changed(fields) => drift.changed.push(ObjectDrift { object, fields: fields.clone() }),
                Change::ChangedLater => drift.changed.push(ObjectDrift { object, fields: Vec::new() }),
                Change::Refused(reason) => drift.refused.push(RefusedObject { object, reason: reason.clone() }),
                Change::Unchanged => {}
            }
        }
        drift
    }

    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { missing, changed, refused, images, definitions, surplus, .. } = self;
        [missing.len(), changed.len(), refused.len(), images.len(), definitions.len(), surplus.len()] == [0; 6]
    }

    /// The account for a person.
    #[must_use]
    pub fn table(&self) -> String {
        let Self { objects, missing, changed, refused, images, definitions, surplus, .. } = self;
        let mut table = format!("{objects} objects in {}", self.manifests);
        if self.is_empty() {
            table.push_str(": the cluster has all of them as written\n");
            return table;
        }
        _ = writeln!(
            table,
            ": {} missing, {} changed, {} refused, {} other images, {} definitions of other versions, {} no longer in the manifests",
            missing.len(),
            changed.len(),
            refused.len(),
            images.len(),
            definitions.len(),
            surplus.len()
        );
        let mut lines = |title: &str, lines: Vec<String>| {
            for line in lines {
                _ = writeln!(table, "  {title:<10} {line}");
            }
        };
        lines("missing", missing.clone());
        let fields =
            |one: &ObjectDrift| one.fields.iter().map(|field| format!("{} {field}", one.object)).collect::<Vec<_>>();
        lines("changed", changed.iter().flat_map(fields).collect());
        lines("refused", refused.iter().map(|one| format!("{}: {}", one.object, one.reason)).collect());
        let image = |one: &ImageDrift| {
            format!(
                "{} container {}: runs {}, the manifests have {}",
                one.workload, one.container, one.found, one.wanted
            )
        };
        lines("image", images.iter().map(image).collect());
        lines("version", definitions.iter().map(ToString::to_string).collect());
        lines("surplus", surplus.clone());
        table
    }
}

impl std::fmt::Display for DefinitionVersions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (found, wanted) = (self.found.join(", "), self.wanted.join(", "));
        write!(f, "{}: has {found}, the manifests have {wanted} (* is stored)", self.definition)?;
        match self.stored_only.as_slice() {
            [] => Ok(()),
            stored => write!(f, "; objects are still stored as {}: rewrite them first", stored.join(", ")),
        }
    }
}

fn images(object: &str, manifest: &Manifest, live: &Value) -> Vec<ImageDrift> {
    let Some(template) = pod_template(manifest) else { return Vec::new() };
    let found = live.pointer("/spec/template");
    let mut images = Vec::new();
    for list in ["/spec/initContainers", "/spec/containers"] {
        for wanted in items(template, list) {
            let same = |one: &&Value| one["name"] == wanted["name"];
            let Some(found) = found.and_then(|found| items(found, list).iter().find(same)) else { continue };
            if found["image"] != wanted["image"] {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                images.push(ImageDrift {
                    workload: object.to_owned(),
                    container: text(&wanted["name"]),
                    wanted: text(&wanted["image"]),
                    found: text(&found["image"]),
                });
            }
        }
    }
    images
}

fn versions(manifest: &Manifest, live: &Value) -> Option<DefinitionVersions> {
    if !is_definition(&manifest.id) {
        return None;
    }
    let of = |object: &Value| {
        let versions = items(object, "/spec/versions").iter().filter(|version| version["served"] != false);
        let mut versions: Vec<String> = versions.map(name_of).collect();
        versions.sort();
        versions
    };
    let (wanted, found) = (of(&manifest.body), of(live));
    let known =
        |stored: &Value| items(&manifest.body, "/spec/versions").iter().any(|version| version["name"] == *stored);
    let stored = items(live, "/status/storedVersions").iter().filter(|stored| !known(stored));
    let stored_only: Vec<String> = stored.filter_map(Value::as_str).map(str::to_owned).collect();
    let differ = wanted != found || !stored_only.is_empty();
    differ.then(|| DefinitionVersions { definition: manifest.id.name.clone(), wanted, found, stored_only })
}

fn name_of(version: &Value) -> String {
    let mark = if version["storage"] == true { "*" } else { "" };
    format!("{}{mark}", version["name"].as_str().unwrap_or_default())
}

fn items<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}
