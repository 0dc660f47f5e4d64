//! Creating an object of a run's own.

use std::time::Duration;

use kube::api::{DynamicObject, ObjectMeta, Patch, PatchParams, PostParams};
use reports::model::{EventKind, Skip};
use serde_json::json;

use super::{CHECK_LABEL, EXPIRES_ANNOTATION, KINDS, Kind, NEVER, Owned, RUN_LABEL};
use crate::context::Ctx;
use crate::engine::Environment;
use crate::stop::{Checked, Stop};

/// How long after its creation an object of a run that died may be removed by another run. No check and no run takes
/// as long.
const EXPIRY: Duration = Duration::from_secs(2 * 60 * 60);

/// Creates an object, labelled, and remembers to remove it.
pub(crate) async fn create(cx: &Ctx, mut object: DynamicObject) -> Checked<DynamicObject> {
    if cx.environment().read_only {
        return Err(Stop::Skipped(Skip::ReadOnly));
    }
    let kind = kind_of(&object)?;
    if kind.namespaced != object.metadata.namespace.is_some() {
        let placed = if kind.namespaced { "needs a namespace" } else { "takes no namespace" };
        return Err(Stop::errored("precondition", format!("a {} {placed}", kind.kind)));
    }
    label(cx, &mut object);
    cx.shared().created(kind);
    // Remembered before it exists: the check may be ended between the request and the answer.
    let ticket = cx.undo().expect(Owned::of(kind, &object))?;
    let api = kind.api(cx.kube(), object.metadata.namespace.as_deref());
    match api.create(&PostParams::default(), &object).await {
        Ok(created) => {
            let owned = Owned::of(kind, &created);
            let (action, text) = (String::from("created"), owned.to_string());
            if brings_a_namespace(kind) {
                cx.shared().made_namespace(&owned.name, cx.check().id);
            }
            cx.undo().confirm(ticket, owned);
            cx.recorder().record(EventKind::Object { action, object: text });
            Ok(created)
        }
        Err(kube::Error::Api(status)) if status.code == 409 && status.reason == "AlreadyExists" => {
            cx.undo().forget(ticket);
            let found = Owned::of(kind, &object);
            Err(Stop::errored("precondition", format!("{found} exists already and is not this check's"))
                .fix("remove it if nobody needs it, and run the check again"))
        }
        Err(error) => {
            if matches!(&error, kube::Error::Api(_)) {
                cx.undo().forget(ticket);
            }
            Err(error.into())
        }
    }
}

/// Makes an object that an application has made for this check the check's own: labelled, and remembered to be removed.
pub(crate) async fn adopt(cx: &Ctx, mut object: DynamicObject) -> Checked {
    if cx.environment().read_only {
        return Err(Stop::Skipped(Skip::ReadOnly));
    }
    let kind = kind_of(&object)?;
    let owned = Owned::of(kind, &object);
    cx.shared().created(kind);
    if brings_a_namespace(kind) {
        cx.shared().made_namespace(&owned.name, cx.check().id);
    }
    let ticket = cx.undo().expect(owned.clone())?;
    cx.undo().confirm(ticket, owned.clone());
    cx.recorder().record(EventKind::Object { action: String::from("created"), object: owned.to_string() });
    label(cx, &mut object);
    let ObjectMeta { labels, annotations, uid, .. } = &object.metadata;
    // Another object of that name is nobody's to label: the uid is part of the patch, and the server refuses to change it.
    let marks = json!({ "metadata": { "labels": labels, "annotations": annotations, "uid": uid } });
    let api = kind.api(cx.kube(), object.metadata.namespace.as_deref());
    api.patch_metadata(&owned.name, &PatchParams::default(), &Patch::Merge(marks)).await?;
    Ok(())
}

/// Whether objects of a kind come with a namespace of their name.
fn brings_a_namespace(kind: &Kind) -> bool {
    matches!(kind.kind, "Profile" | "Namespace")
}

fn kind_of(object: &DynamicObject) -> Checked<&'static Kind> {
    let Some(types) = &object.types else {
        return Err(Stop::errored("precondition", "an object without apiVersion and kind cannot be created"));
    };
    let group = types.api_version.rsplit_once('/').map_or("", |(group, _)| group);
    KINDS.iter().find(|kind| kind.kind == types.kind && kind.group == group).ok_or_else(|| {
        Stop::errored("precondition", format!("no check may create a {} of {}", types.kind, types.api_version))
            .fix("add it to KINDS in harness/src/own/kinds.rs, so that leftovers of it are found")
    })
}

fn label(cx: &Ctx, object: &mut DynamicObject) {
    let environment = cx.environment();
    let labels = object.metadata.labels.get_or_insert_default();
    labels.insert(RUN_LABEL.to_owned(), environment.run_id.clone());
    labels.insert(CHECK_LABEL.to_owned(), cx.check().id.to_owned());
    object.metadata.annotations.get_or_insert_default().insert(EXPIRES_ANNOTATION.to_owned(), expiry(environment));
}

/// When what a run makes now may be removed by another run: RFC 3339, or [`NEVER`] if it is to be kept.
#[must_use]
pub fn expiry(environment: &Environment) -> String {
    match (environment.keep, jiff::Timestamp::now().checked_add(EXPIRY)) {
        (false, Ok(expires)) => expires.to_string(),
        _ => NEVER.to_owned(),
    }
}
