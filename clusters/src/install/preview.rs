//! What an installation would do, asked of the cluster itself: server-side dry-run, object by object, and nothing
//! written. The same comparison, made later, tells how far a cluster has drifted from its manifests.

use std::collections::BTreeSet;

use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use http::{Request, header};
use kube::core::Status;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::conflict::{self, Claim};
use super::difference::{Difference, differences};
use super::existing::Existing;
use super::kinds::{Kinds, Resource};
use super::leftover;
use super::request::{address, fetch, words};
use super::{FIELD_MANAGER, InstallError, Installer, PARALLEL};
use crate::manifests::{Id, Manifest, Manifests, Place};

/// What an installation would do to one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It does not exist. `tried` tells whether the API server was asked; it is not where the object's namespace or
    /// definition does not exist yet.
    Created {
        /// Whether the API server would take it.
        tried: bool,
    },
    /// These fields would change.
    Changed(Vec<Difference>),
    /// It would change in fields that its definition does not have yet: which ones cannot be asked before.
    ChangedLater,
    /// It is just so.
    Unchanged,
    /// The API server would refuse it.
    Refused(String),
}

/// One object of the manifests and what would become of it.
#[derive(Debug, Clone)]
pub struct Previewed {
    /// The object.
    pub id: Id,
    /// Where it stands.
    pub place: Place,
    /// What would become of it.
    pub change: Change,
    /// Fields that others own.
    pub claims: Vec<Claim>,
    /// The object as it is in the cluster.
    pub(super) live: Option<Value>,
}

/// What an installation would do.
#[derive(Debug, Clone)]
pub struct Preview {
    /// Where the manifests come from.
    pub source: String,
    /// SHA-256 of the manifests as read, in hexadecimal.
    pub sha256: String,
    /// The objects, in the order of the manifests.
    pub objects: Vec<Previewed>,
    /// Objects that an earlier installation by this program wrote, and that the manifests no longer have, of the kinds
    /// that they have.
    pub surplus: Vec<String>,
}

impl Preview {
    /// How many objects would be created, changed, left and refused.
    #[must_use]
    pub fn counts(&self) -> [usize; 4] {
        let mut counts = [0; 4];
        for object in &self.objects {
            let at = match object.change {
                Change::Created { .. } => 0,
                Change::Changed(_) | Change::ChangedLater => 1,
                Change::Unchanged => 2,
                Change::Refused(_) => 3,
            };
            counts[at] += 1;
        }
        counts
    }
}

impl Previewed {
    /// A line for each thing that would happen; none if nothing would.
    fn lines(&self) -> Vec<String> {
        let id = &self.id;
        let mut lines = match &self.change {
            Change::Created { tried: true } => vec![format!("create   {id}")],
            Change::Created { tried: false } => {
                vec![format!("create   {id} (its namespace or definition comes first)")]
            }
            Change::Changed(fields) => fields.iter().map(|field| format!("change   {id} {field}")).collect(),
            Change::ChangedLater => vec![format!("change   {id} (in fields that its definition gets first)")],
            Change::Unchanged => Vec::new(),
            Change::Refused(reason) => vec![format!("refused  {id} ({}): {reason}", self.place)],
        };
        lines.extend(self.claims.iter().map(|claim| format!("owned    {claim}")));
        lines
    }

    fn json(&self) -> Value {
        let (what, fields, reason) = match &self.change {
            Change::Created { .. } => ("create", None, None),
            Change::Changed(fields) => ("change", Some(fields), None),
            Change::ChangedLater => ("change", None, None),
            Change::Unchanged => ("leave", None, None),
            Change::Refused(reason) => ("refused", None, Some(reason)),
        };
        let mut json = json!({ "object": self.id.to_string(), "apiVersion": self.id.api_version(), "would": what });
        if let Some(fields) = fields {
            json["fields"] = json!(fields);
        }
        if let Some(reason) = reason {
            json["reason"] = json!(reason);
        }
        if !self.claims.is_empty() {
            json["claims"] = json!(self.claims);
        }
        json
    }
}

impl Preview {
    /// The account for a person: a line for everything that would happen, and the sum.
    #[must_use]
    pub fn table(&self) -> String {
        let [created, changed, unchanged, refused] = self.counts();
        let lines = self.objects.iter().flat_map(Previewed::lines);
        let surplus = self.surplus.iter().map(|one| format!("left     {one}: no longer in the manifests, not deleted"));
        let sum = format!(
            "{} objects in {}: {created} would be created, {changed} changed, {unchanged} left as they are, {refused} refused; nothing was written",
            self.objects.len(),
            self.source
        );
        lines.chain(surplus).chain([sum]).map(|line| line + "\n").collect()
    }

    /// The same for a machine.
    #[must_use]
    pub fn json(&self) -> Value {
        let [created, changed, unchanged, refused] = self.counts();
        json!({
            "manifests": self.source, "sha256": self.sha256,
            "counts": { "create": created, "change": changed, "leave": unchanged, "refused": refused },
            "objects": self.objects.iter().map(Previewed::json).collect::<Vec<_>>(),
            "surplus": self.surplus,
        })
    }
}

impl Installer {
    /// Asks the cluster what installing the manifests would do.
    ///
    /// # Errors
    /// [`InstallError`] if the cluster cannot be asked; an object that it would refuse is part of the answer.
    pub async fn preview(&self, manifests: &Manifests, cancel: &CancellationToken) -> Result<Preview, InstallError> {
        let asked = cancel.run_until_cancelled(self.ask(manifests)).await;
        asked.unwrap_or(Err(InstallError::Interrupted { written: 0, objects: manifests.objects.len() }))
    }

    async fn ask(&self, manifests: &Manifests) -> Result<Preview, InstallError> {
        let kinds = Kinds::find(&self.client, manifests).await?;
        let existing = Existing::default();
        let mut seen = BTreeSet::new();
        let known = manifests.objects.iter().filter_map(|manifest| Some((&manifest.id, kinds.of(&manifest.id)?)));
        let looked = known.filter(|(id, resource)| seen.insert((id.group.clone(), resource.plural.clone()))).collect();
        existing.look(&self.client, looked).await?;
        let asking = Asking { installer: self, kinds: &kinds, existing: &existing, manifests };
        let asked: Vec<_> = manifests.objects.iter().map(|manifest| asking.object(manifest).boxed()).collect();
        let mut objects: Vec<Previewed> = stream::iter(asked).buffered(PARALLEL).try_collect().await?;
        let later: Vec<usize> = (0..objects.len()).filter(|index| asking.is_later(&objects, *index)).collect();
        later.into_iter().for_each(|index| objects[index].change = Change::ChangedLater);
        Ok(Preview {
            source: manifests.source.clone(),
            sha256: manifests.sha256.clone(),
            objects,
            surplus: asking.surplus(),
        })
    }
}

/// What is known while the objects are asked about.
struct Asking<'a> {
    installer: &'a Installer,
    kinds: &'a Kinds,
    existing: &'a Existing,
    manifests: &'a Manifests,
}

impl Asking<'_> {
    async fn object(&self, manifest: &Manifest) -> Result<Previewed, InstallError> {
        let Manifest { id, place, body } = manifest;
        let previewed = |change, claims, live| Previewed { id: id.clone(), place: *place, change, claims, live };
        let Some(resource) = self.kinds.of(id) else {
            return Ok(previewed(Change::Created { tried: false }, Vec::new(), None));
        };
        let namespace = id.namespace.as_deref().unwrap_or(&self.installer.namespace);
        let namespace = resource.namespaced.then_some(namespace);
        let client = &self.installer.client;
        let path = address(id, resource, namespace, Some(&id.name));
        let live: Option<Value> = match self.existing.mark(id, resource, namespace) {
            None => None,
            Some(_) => match fetch(client, Request::get(&path), Vec::new()).await {
                Ok(live) => Some(live),
                Err(kube::Error::Api(status)) if status.code == 404 => None,
                Err(error) => return Err(InstallError::api(&id.to_string(), &error)),
            },
        };
        if live.is_none() && self.too_early(resource, namespace) {
            return Ok(previewed(Change::Created { tried: false }, Vec::new(), None));
        }
        let (mut ours, mut claims, mut force) = (body.clone(), Vec::new(), false);
        let mut removal = None;
        let change = loop {
            let (how, forced) = match removal {
                None => ("application/apply-patch+yaml", format!("&force={force}")),
                Some(_) => ("application/merge-patch+json", String::new()),
            };
            let url = format!("{path}?dryRun=All&fieldManager={FIELD_MANAGER}{forced}");
            let request = Request::patch(url).header(header::CONTENT_TYPE, how);
            let answer: Result<Value, kube::Error> = fetch(client, request, ours.to_string().into_bytes()).await;
            match (answer, &live) {
                (Ok(_), None) => break Change::Created { tried: true },
                (Ok(after), Some(live)) => match differences(live, &after) {
                    none if none.is_empty() => break Change::Unchanged,
                    some => break Change::Changed(some),
                },
                (Err(kube::Error::Api(status)), _) if !force && conflict::is_conflict(&status) => {
                    claims = conflict::claims(id, &status);
                    if let Some(theirs) = conflict::of_another_platform(id, &claims) {
                        break Change::Refused(theirs);
                    }
                    conflict::give_way(&mut ours, &claims);
                    force = true;
                }
                (Err(kube::Error::Api(status)), _) if removal.is_none() => {
                    removal = leftover::removal(manifest, &status);
                    match &removal {
                        Some(removal) => ours = leftover::whole(manifest, removal),
                        None if is_answer(&status) => break Change::Refused(words(&kube::Error::Api(status))),
                        None => return Err(InstallError::api(&id.to_string(), &kube::Error::Api(status))),
                    }
                }
                (Err(kube::Error::Api(status)), _) if is_answer(&status) => {
                    break Change::Refused(words(&kube::Error::Api(status)));
                }
                (Err(error), _) => return Err(InstallError::api(&id.to_string(), &error)),
            }
        };
        Ok(previewed(change, claims, live))
    }

    /// Whether an object's namespace or definition is among the manifests and does not exist yet.
    fn too_early(&self, resource: &Resource, namespace: Option<&str>) -> bool {
        let absent = |manifest: &Manifest| {
            let resource = self.kinds.of(&manifest.id);
            resource.is_some_and(|resource| self.existing.mark(&manifest.id, resource, None).is_none())
        };
        let home = |manifest: &&Manifest| {
            manifest.id.kind == "Namespace"
                && manifest.id.group.is_empty()
                && Some(manifest.id.name.as_str()) == namespace
        };
        let definition = resource.defined_by.and_then(|index| self.manifests.objects.get(index));
        definition.into_iter().chain(self.manifests.objects.iter().find(home)).any(absent)
    }

    /// Whether an object was refused for fields that its definition, which would change, does not have yet.
    fn is_later(&self, objects: &[Previewed], index: usize) -> bool {
        let object = &objects[index];
        let Change::Refused(reason) = &object.change else { return false };
        let definition = self.kinds.of(&object.id).and_then(|resource| objects.get(resource.defined_by?));
        // structured-merge-diff, `typed/validate.go`.
        reason.contains("not declared in schema")
            && definition.is_some_and(|definition| matches!(definition.change, Change::Changed(_)))
    }

    /// What this program wrote earlier and would not write now.
    fn surplus(&self) -> Vec<String> {
        let wanted: BTreeSet<[String; 4]> = self
            .manifests
            .objects
            .iter()
            .filter_map(|manifest| {
                let id = &manifest.id;
                let resource = self.kinds.of(id)?;
                let namespace = id.namespace.as_deref().unwrap_or(&self.installer.namespace);
                let namespace = if resource.namespaced { namespace } else { "" };
                Some([id.group.clone(), resource.plural.clone(), namespace.to_owned(), id.name.clone()])
            })
            .collect();
        let ours = self.existing.ours().into_iter().filter(|key| !wanted.contains(key));
        let mut surplus: Vec<String> = ours
            .map(|[group, plural, namespace, name]| {
                let kind = if group.is_empty() { plural } else { format!("{plural}.{group}") };
                if namespace.is_empty() { format!("{kind} {name}") } else { format!("{kind} {namespace}/{name}") }
            })
            .collect();
        surplus.sort();
        surplus
    }
}

/// Whether the API server has said something about the object, other than that it is busy.
fn is_answer(status: &Status) -> bool {
    !matches!(status.code, 401 | 429 | 503 | 504)
}
