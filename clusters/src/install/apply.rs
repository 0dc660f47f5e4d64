//! Writing one object: server-side apply, and what becomes of a refusal.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::{Request, header};
use kube::Client;
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use super::existing::{Existing, Mark, Metadata};
use super::kinds::Resource;
use super::request::{address, fetch, words};
use super::{FIELD_MANAGER, conflict, leftover};
use crate::manifests::Manifest;

/// The first pause before a repetition; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long what heals by itself within moments is repeated in place: a conflict, an overloaded or absent API server.
const PATIENCE: Duration = Duration::from_secs(30);

/// What became of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Written {
    /// It did not exist.
    Created,
    /// It existed otherwise.
    Changed,
    /// It existed just so.
    Unchanged,
    /// It may be accepted when others are further: another wave tries again.
    Later(String),
    /// It will never be accepted as it is.
    Refused(String),
}

/// What is told of the writes at the end.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Fields that others owned.
    pub claims: Mutex<Vec<conflict::Claim>>,
    /// Writes sent, repeated ones included.
    pub requests: AtomicUsize,
    /// Writes repeated.
    pub retries: AtomicUsize,
}

/// Writes one object. `namespace` is that of the object or, if it names none, the context's.
pub(super) async fn apply(
    client: &Client,
    manifest: &Manifest,
    (resource, namespace): (&Resource, Option<&str>),
    existing: &Existing,
    counts: &Counts,
) -> Written {
    let before = existing.mark(&manifest.id, resource, namespace);
    let path = address(&manifest.id, resource, namespace, Some(&manifest.id.name));
    let (mut body, mut force) = (bytes(&manifest.body), false);
    let (started, mut pause) = (Instant::now(), FIRST_PAUSE);
    let mut removed = false;
    loop {
        let url = format!("{path}?fieldManager={FIELD_MANAGER}&force={force}");
        let request = Request::patch(url).header(header::CONTENT_TYPE, "application/apply-patch+yaml");
        counts.requests.fetch_add(1, Ordering::Relaxed);
        let answer: Result<Applied, kube::Error> = fetch(client, request, body.clone()).await;
        let error = match answer {
            Ok(applied) => return compare(before.as_ref(), &applied.metadata.mark()),
            Err(kube::Error::Api(status)) if !force && conflict::is_conflict(&status) => {
                let claims = conflict::claims(&manifest.id, &status);
                if let Some(theirs) = conflict::of_another_platform(&manifest.id, &claims) {
                    return Written::Refused(theirs);
                }
                let mut ours = manifest.body.clone();
                conflict::give_way(&mut ours, &claims);
                counts.claims.lock().unwrap_or_else(PoisonError::into_inner).extend(claims);
                (body, force) = (bytes(&ours), true);
                continue;
            }
            Err(kube::Error::Api(status)) if !removed => match leftover::removal(manifest, &status) {
                Some(removal) => {
                    removed = true;
                    match remove(client, &path, &removal, counts).await {
                        Ok(()) => continue,
                        Err(error) => error,
                    }
                }
                None => kube::Error::Api(status),
            },
            Err(error) => error,
        };
        match heals(&error) {
            Heals::Soon if started.elapsed() < PATIENCE => {}
            Heals::Soon | Heals::WithOthers => return Written::Later(words(&error)),
            Heals::Never => return Written::Refused(words(&error)),
        }
        counts.retries.fetch_add(1, Ordering::Relaxed);
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Removes what an apply leaves over.
async fn remove(client: &Client, path: &str, removal: &serde_json::Value, counts: &Counts) -> Result<(), kube::Error> {
    let request = Request::patch(format!("{path}?fieldManager={FIELD_MANAGER}"));
    let request = request.header(header::CONTENT_TYPE, "application/merge-patch+json");
    counts.requests.fetch_add(1, Ordering::Relaxed);
    fetch::<Applied>(client, request, bytes(removal)).await.map(|_| ())
}

fn bytes(body: &serde_json::Value) -> Vec<u8> {
    body.to_string().into_bytes()
}

/// The part of the answer that is looked at.
#[derive(Deserialize)]
struct Applied {
    metadata: Metadata,
}

fn compare(before: Option<&Mark>, after: &Mark) -> Written {
    match before {
        None => Written::Created,
        Some(before) if before.unchanged(after) => Written::Unchanged,
        Some(_) => Written::Changed,
    }
}

/// Whether a refusal can heal, and by what.
#[derive(Debug, PartialEq, Eq)]
enum Heals {
    /// Within moments, by itself.
    Soon,
    /// When other objects are written and ready: a webhook's backend, a namespace that still goes away.
    WithOthers,
    Never,
}

fn heals(error: &kube::Error) -> Heals {
    match error {
        kube::Error::Api(status) => match status.code {
            // The API server's own words (apiserver/pkg/admission/plugin/webhook/errors, namespace/lifecycle).
            _ if status.message.contains("failed calling webhook") => Heals::WithOthers,
            _ if status.message.contains("conversion webhook") => Heals::WithOthers,
            403 if status.message.contains("being terminated") => Heals::WithOthers,
            // A definition that another replica of the API server does not serve yet.
            404 if status.message.contains("could not find the requested resource") => Heals::Soon,
            404 if status.message.contains("page not found") => Heals::Soon,
            409 | 429 | 500 | 502 | 503 | 504 => Heals::Soon,
            _ => Heals::Never,
        },
        kube::Error::HyperError(_) | kube::Error::Service(_) | kube::Error::ReadEvents(_) => Heals::Soon,
        _ => Heals::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(code: u16, message: &str) -> kube::Error {
        kube::Error::Api(kube::core::Status::failure(message, "").with_code(code).boxed())
    }

    #[test]
    fn only_what_can_heal_is_tried_again() {
        for (code, message, expected) in [
            (409, "the object has been modified; please apply your changes to the latest version", Heals::Soon),
            (429, "too many requests", Heals::Soon),
            (503, "apiserver not ready", Heals::Soon),
            (404, "the server could not find the requested resource", Heals::Soon),
            (404, "namespaces \"x\" not found", Heals::Never),
            (500, "Internal error occurred: failed calling webhook \"w\": connection refused", Heals::WithOthers),
            (403, "namespace x because it is being terminated", Heals::WithOthers),
            (403, "user cannot patch resource", Heals::Never),
            (400, "bad request", Heals::Never),
            (422, "Deployment is invalid", Heals::Never),
        ] {
            assert_eq!(heals(&refusal(code, message)), expected, "{code} {message}");
        }
    }
}
