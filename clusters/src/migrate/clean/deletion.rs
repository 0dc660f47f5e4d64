//! Deleting single objects, and waiting until they are gone: the controllers' work, finalizers by hand, namespaces.

use std::time::Duration;

use http::{Request, header};
use kube::Client;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::super::MigrateError;
use super::super::hang::{FINALIZERS, is_known};
use super::super::survey::Object;
use super::plan::{Step, Target};
use crate::install::{fetch, words};

/// How often it is looked at whether something is gone.
const GLANCE: Duration = Duration::from_millis(250);
/// Deletes an object if it is still the same.
pub(super) async fn delete(client: &Client, target: &Target) -> Result<(), MigrateError> {
    let body = json!({ "kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background",
        "preconditions": { "uid": target.uid } });
    let request = Request::delete(target.path()).header(header::CONTENT_TYPE, "application/json");
    let answer: Result<Value, kube::Error> = fetch(client, request, body.to_string().into_bytes()).await;
    match answer {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        // Of the namespace that is being deleted already, and of an object that took the name since.
        Err(kube::Error::Api(status)) if status.code == 409 && target.of.kind == "Namespace" => Ok(()),
        Err(error) => Err(MigrateError::Refused { object: target.place.clone(), reason: words(&error) }),
    }
}

/// The object as it is, if it is still the same.
async fn left(client: &Client, target: &Target) -> Result<Option<Object>, MigrateError> {
    let answer: Result<Value, kube::Error> = fetch(client, Request::get(target.path()), Vec::new()).await;
    match answer {
        Ok(body) => {
            let object = Object { of: target.of.clone(), body, helm_record: false };
            Ok((object.uid() == target.uid).then_some(object))
        }
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(MigrateError::api(&target.place, &error)),
    }
}

/// Waits until controllers have let go of their objects; removes the finalizers of those that do not.
pub(super) async fn let_go(
    client: &Client,
    step: &Step,
    patience: Duration,
    say: &(dyn Fn(&str) + Sync),
) -> Result<Vec<String>, MigrateError> {
    let started = Instant::now();
    let mut rest: Vec<(&Target, Object)> = Vec::new();
    loop {
        let asked: Vec<&Target> =
            if rest.is_empty() { step.targets.iter().collect() } else { rest.iter().map(|(one, _)| *one).collect() };
        rest.clear();
        for target in asked {
            rest.extend(left(client, target).await?.map(|object| (target, object)));
        }
        if rest.is_empty() {
            return Ok(Vec::new());
        }
        if started.elapsed() >= patience {
            break;
        }
        sleep(GLANCE).await;
    }
    let mut unfinished = Vec::new();
    for (target, object) in rest {
        let held: Vec<&str> = object.finalizers().collect();
        if let Some(unknown) = held.iter().find(|finalizer| !is_known(finalizer)) {
            let reason = format!("finalizer {unknown} is not known here; find out whose it is, and remove it");
            return Err(MigrateError::Stays { object: target.place.clone(), seconds: patience.as_secs(), reason });
        }
        let undone = FINALIZERS.iter().find(|known| held.contains(&known.name)).map_or("nothing", |known| known.undone);
        let line =
            format!("{}: finalizer {} removed by hand, which leaves {undone} undone", target.place, held.join(", "));
        say(&line);
        unfinished.push(line);
        let body = json!({ "metadata": { "uid": target.uid, "finalizers": null } });
        let request = Request::patch(target.path()).header(header::CONTENT_TYPE, "application/merge-patch+json");
        let answer: Result<Value, kube::Error> = fetch(client, request, body.to_string().into_bytes()).await;
        match answer {
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(MigrateError::Refused { object: target.place.clone(), reason: words(&error) }),
            Ok(_) => {}
        }
    }
    Ok(unfinished)
}

/// Waits until namespaces are gone; says what holds one that stays.
pub(super) async fn gone(
    client: &Client,
    step: &Step,
    within: Duration,
    say: &(dyn Fn(&str) + Sync),
) -> Result<(), MigrateError> {
    let started = Instant::now();
    for target in &step.targets {
        let mut said = String::new();
        while let Some(namespace) = left(client, target).await? {
            let held = namespace.items("/status/conditions").iter().filter(|one| one["status"] == "True");
            let held: Vec<&str> = held.filter_map(|one| one["message"].as_str()).collect();
            let held = held.join("; ");
            if started.elapsed() >= within {
                let reason = if held.is_empty() { "its status names nothing that holds it".to_owned() } else { held };
                return Err(MigrateError::Stays { object: target.place.clone(), seconds: within.as_secs(), reason });
            }
            if held != said && !held.is_empty() {
                say(&format!("{} waits: {held}", target.place));
                said = held;
            }
            sleep(GLANCE).await;
        }
    }
    Ok(())
}
