//! What Argo's executor keeps of a pod's output, in the artifact repository of ConfigMap `workflow-controller-configmap`.

use serde_json::{Value, json};

use super::Work;
use crate::actors::object_store::{self, Credentials};
use crate::object::{name, text};
use crate::store::Key;

/// How keys begin where no format is given.
const DEFAULT: &str = "{{workflow.name}}/{{pod.name}}";

impl Work<'_> {
    /// What Argo's executor keeps of a pod's output, where ConfigMap `workflow-controller-configmap` says.
    pub(super) fn archive(&self, keys: &Credentials, pod: &str, printed: &[u8]) {
        let Some((place, bucket, format)) = self.repository() else { return };
        let made: Vec<&str> = text(self.run.workflow, "/metadata/creationTimestamp").split(['-', 'T']).collect();
        let [year, month, day, ..] = made.as_slice() else { return };
        let folder = [
            ("{{workflow.name}}", name(self.run.workflow)),
            ("{{workflow.namespace}}", self.run.namespace),
            ("{{workflow.creationTimestamp.Y}}", *year),
            ("{{workflow.creationTimestamp.m}}", *month),
            ("{{workflow.creationTimestamp.d}}", *day),
            ("{{pod.name}}", pod),
        ]
        .iter()
        .fold(format, |format, (placeholder, value)| format.replace(placeholder, value));
        let (host, port) = place.split_once(':').unwrap_or((&place, "9000"));
        let kept = object_store::reach(self.world, self.run.namespace, (host, port), keys)
            .map_err(|error| error.to_string())
            .and_then(|store| {
                let key = format!("{folder}/main.log");
                store.put(&bucket, &key, "text/plain", printed.to_vec()).map_err(|error| error.to_string())
            });
        if let Err(why) = kept {
            tracing::debug!(%why, "not archived");
        }
    }

    /// Endpoint, bucket and format of the keys of Argo's artifact repository, if logs are kept in one. Without a format
    /// keys are made as Argo's `artifact_repository_types.go` says.
    fn repository(&self) -> Option<(String, String, String)> {
        let map = Key::new("", "configmaps", "kubeflow", "workflow-controller-configmap");
        let map = self.world.store.get(&map)?;
        let repository: Value = serde_saphyr::from_str(text(&map, "/data/artifactRepository")).ok()?;
        let of = |pointer: &str| text(&repository, pointer).to_owned();
        let format = match (of("/s3/keyFormat"), of("/s3/keyPrefix").trim_end_matches('/')) {
            (format, _) if !format.is_empty() => format,
            (_, "") => DEFAULT.to_owned(),
            (_, prefix) => format!("{prefix}/{DEFAULT}"),
        };
        (repository["archiveLogs"] == json!(true)).then(|| (of("/s3/endpoint"), of("/s3/bucket"), format))
    }
}
