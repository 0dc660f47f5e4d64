//! Which contract and release a cluster runs, found out by its objects.
//!
//! The contract follows from the object that makes the gateway ask its guard, never from a version string. The release
//! follows from image tags (a mirror keeps them), by majority: a platform between two releases is said to be that.

use std::collections::BTreeMap;

use futures::future::{join_all, try_join_all};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, Client};

use super::{Contract, Releases, VERSIONS, Version};
use crate::install::words;

/// What a cluster was found to run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Detected {
    /// Its contract; `None` if no guard or more than one stands before the gateway, see `clues`.
    pub contract: Option<Contract>,
    /// Its release, if most of the programs looked at have the tag that a supported release ships.
    pub version: Option<&'static Version>,
    /// What was seen, one sentence each.
    pub clues: Vec<String>,
}

/// Why a cluster could not be looked at.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot read {what} to find out the platform's version: {}; ask for the right to read it, or say the version with --kubeflow",
    words(source)
)]
pub struct DetectError {
    /// What was asked for.
    pub what: String,
    /// The API's answer.
    pub source: Box<kube::Error>,
}

/// A program by whose image tag a release is recognised.
struct Marker {
    namespace: &'static str,
    deployment: &'static str,
    tags: &'static [(&'static str, Releases)],
}

const V1_8: Releases = Releases::V1_8;
const V1_9: Releases = Releases::V1_9;
const V1_10: Releases = Releases::V1_10;

static MARKERS: &[Marker] = &[
    marker("kubeflow", "centraldashboard", &[("v1.8.0", V1_8), ("v1.9.2", V1_9), ("v1.10.0", V1_10)]),
    marker("kubeflow", "profiles-deployment", &[("v1.8.0", V1_8), ("v1.9.2", V1_9), ("v1.10.0", V1_10)]),
    marker("kubeflow", "ml-pipeline", &[("2.0.5", V1_8), ("2.3.0", V1_9), ("2.5.0", V1_10)]),
    marker("kubeflow", "katib-controller", &[("v0.16.0", V1_8), ("v0.17.0", V1_9), ("v0.18.0", V1_10)]),
    marker("auth", "dex", &[("v2.36.0", V1_8), ("v2.39.1", V1_9), ("v2.41.1", V1_10)]),
    marker("istio-system", "istiod", &[("1.17.5", V1_8), ("1.22.1", V1_9), ("1.26.1", V1_10)]),
];

const fn marker(
    namespace: &'static str,
    deployment: &'static str,
    tags: &'static [(&'static str, Releases)],
) -> Marker {
    Marker { namespace, deployment, tags }
}

/// The image tag that a release ships a Deployment with, of those Deployments that releases are recognised by.
#[must_use]
pub fn shipped_tag(version: &Version, namespace: &str, deployment: &str) -> Option<&'static str> {
    let marker = MARKERS.iter().find(|marker| marker.namespace == namespace && marker.deployment == deployment)?;
    marker.tags.iter().find(|(_, of)| *of == version.release).map(|(tag, _)| *tag)
}

/// Looks at a cluster.
///
/// # Errors
/// [`DetectError`] if an answer is anything else than the object or its absence.
pub async fn detect(client: &Client) -> Result<Detected, DetectError> {
    let mut detected = Detected::default();
    let gates = [Contract::A, Contract::B].map(|contract| contract.auth());
    let found = try_join_all(gates.map(|auth| async move {
        let got = auth.gate.api(client).get_metadata_opt(auth.gate.name).await;
        got.map(|got| got.is_some()).map_err(|error| unreadable(&auth.gate.to_string(), error))
    }))
    .await?;
    for (auth, found) in gates.iter().zip(&found) {
        let is = if *found { "exists" } else { "does not exist" };
        detected.clues.push(format!("{} {is}", auth.gate));
    }
    detected.contract = match found[..] {
        [true, false] => Some(Contract::A),
        [false, true] => Some(Contract::B),
        _ => None,
    };
    let mut votes: BTreeMap<usize, usize> = BTreeMap::new();
    let mut seen = 0;
    for (marker, tags) in MARKERS.iter().zip(join_all(MARKERS.iter().map(|marker| image_tags(client, marker))).await) {
        let tags = tags?;
        let Some(tag) = tags.first() else { continue };
        seen += 1;
        let release = marker.tags.iter().find(|(shipped, _)| tags.iter().any(|tag| tag == shipped));
        let version = release.and_then(|(_, of)| VERSIONS.iter().position(|version| version.release == *of));
        let shipped = version.map_or("no supported release".to_owned(), |at| VERSIONS[at].kubeflow.to_owned());
        detected.clues.push(format!("{}/{} runs {tag}, as {shipped}", marker.namespace, marker.deployment));
        if let Some(version) = version {
            *votes.entry(version).or_default() += 1;
        }
    }
    let winner = votes.into_iter().max_by_key(|(_, count)| *count).filter(|(_, count)| count * 2 > seen);
    detected.version = winner
        .map(|(version, _)| &VERSIONS[version])
        .filter(|version| detected.contract.is_none_or(|contract| contract == version.contract));
    Ok(detected)
}

/// The tags of a Deployment's images; none if there is no such Deployment, or its images have digests only.
async fn image_tags(client: &Client, marker: &Marker) -> Result<Vec<String>, DetectError> {
    let api: Api<Deployment> = Api::namespaced(client.clone(), marker.namespace);
    let found = api
        .get_opt(marker.deployment)
        .await
        .map_err(|error| unreadable(&format!("deployment {}/{}", marker.namespace, marker.deployment), error))?;
    let pod = found.and_then(|deployment| deployment.spec).and_then(|spec| spec.template.spec);
    let images = pod.into_iter().flat_map(|pod| pod.containers).filter_map(|container| container.image);
    Ok(images.filter_map(|image| tag(&image).map(str::to_owned)).collect())
}

/// The tag of an image reference: after the last colon of the last path segment, before a digest.
fn tag(image: &str) -> Option<&str> {
    let name = image.split('@').next().unwrap_or_default();
    name.rsplit('/').next().and_then(|last| last.split_once(':')).map(|(_, tag)| tag)
}

fn unreadable(what: &str, error: kube::Error) -> DetectError {
    DetectError { what: what.to_owned(), source: Box::new(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_neither_a_port_nor_a_digest() {
        for (image, expected) in [
            ("docker.io/kubeflownotebookswg/centraldashboard:v1.9.2", Some("v1.9.2")),
            ("registry.example:5000/mirror/dex:v2.39.1", Some("v2.39.1")),
            ("registry.example:5000/mirror/dex", None),
            ("mysql:8.0.29@sha256:00", Some("8.0.29")),
            ("gcr.io/knative-releases/x@sha256:00", None),
            ("", None),
        ] {
            assert_eq!(tag(image), expected, "{image}");
        }
    }

    #[test]
    fn every_marker_knows_every_release() {
        for marker in MARKERS {
            for version in VERSIONS {
                let tags = marker.tags.iter().filter(|(_, release)| *release == version.release).count();
                assert_eq!(tags, 1, "{} of {}", marker.deployment, version.kubeflow);
            }
        }
    }
}
