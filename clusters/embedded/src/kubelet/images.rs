//! Which images this node can pull.
//!
//! There is no registry here: every image can be pulled, but for those whose name is malformed, whose registry is in the
//! domain `.invalid` (RFC 2606: such a name never resolves, on a real node as little as here), and those that the switch
//! `image-cannot-be-pulled` names (comma-separated parts of image names), so that a whole registry can be cut off.

use crate::actors;
use crate::store::Store;
use crate::switches;

/// Name of the switch.
pub const SWITCH: &str = "image-cannot-be-pulled";

/// Why a container waits for its image: `reason` and message of its waiting state, and that of the event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullProblem {
    /// `ImagePullBackOff` or `InvalidImageName`.
    pub reason: &'static str,
    /// The message of the waiting state.
    pub message: String,
    /// The message of the `Failed` event.
    pub event: String,
}

/// Why an image cannot be pulled, if so.
#[must_use]
pub fn pull_problem(store: &Store, image: &str) -> Option<PullProblem> {
    let repository = actors::repository(image);
    let named = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-/:".contains(c);
    let (registry, _) = repository.split_once('/').unwrap_or(("", repository));
    let path = repository.strip_prefix(registry).unwrap_or(repository);
    if repository.is_empty() || !path.chars().all(named) {
        let message = format!(
            "Failed to apply default image tag \"{image}\": couldn't parse image name \"{image}\": invalid reference format"
        );
        return Some(PullProblem { reason: "InvalidImageName", event: message.clone(), message });
    }
    let host = registry.split(':').next().unwrap_or_default();
    let why = if host.ends_with(".invalid") {
        format!("dial tcp: lookup {host}: no such host")
    } else if is_cut_off(store, image) {
        "403 Forbidden".to_owned()
    } else {
        return None;
    };
    Some(PullProblem {
        reason: "ImagePullBackOff",
        message: format!("Back-off pulling image \"{image}\""),
        event: format!("Failed to pull image \"{image}\": failed to resolve reference \"{image}\": {why}"),
    })
}

fn is_cut_off(store: &Store, image: &str) -> bool {
    switches::value(store, SWITCH)
        .is_some_and(|parts| parts.split(',').map(str::trim).any(|part| !part.is_empty() && image.contains(part)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::Key;

    #[test]
    fn images_that_cannot_be_pulled_say_why() {
        let store = Store::default();
        let reason = |store: &Store, image: &str| pull_problem(store, image).map(|problem| problem.reason);
        assert_eq!(reason(&store, "ghcr.io/dexidp/dex:v2.41.1"), None);
        assert_eq!(reason(&store, "mysql:8.0.29"), None);
        assert_eq!(reason(&store, "mirror:5000/Kubeflow/x"), Some("InvalidImageName"));
        assert_eq!(reason(&store, ""), Some("InvalidImageName"));
        assert_eq!(reason(&store, "registry.invalid:5000/x/y:1"), Some("ImagePullBackOff"));
        let key = Key::new("", "configmaps", switches::NAMESPACE, switches::NAME);
        store.create(&key, json!({"data": {"image-cannot-be-pulled": "gcr.io/ml-pipeline, quay.io"}})).unwrap();
        assert_eq!(reason(&store, "gcr.io/ml-pipeline/minio:1"), Some("ImagePullBackOff"));
        assert_eq!(reason(&store, "docker.io/x:1"), None);
    }
}
