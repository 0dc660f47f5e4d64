//! What is installed: which manifests the options mean, and what the report says of them.

use std::path::{Path, PathBuf};

use clusters::install::Installed;
use clusters::manifests::Source;
use clusters::versions::Version;
use reports::model;

/// What a folder needs to be a kustomization (kustomize knows these three names), or a checkout of kubeflow/manifests.
const KUSTOMIZATIONS: &[&str] =
    &["kustomization.yaml", "kustomization.yml", "Kustomization", "example/kustomization.yaml"];

/// The manifests that a path means: a file, a kustomization, a checkout, or the file of a release in a folder of several.
///
/// # Errors
/// A folder that is neither, in one sentence.
pub fn manifests(path: &Path, version: &Version) -> Result<Source, String> {
    if !path.is_dir() || KUSTOMIZATIONS.iter().any(|name| path.join(name).is_file()) {
        return Ok(path.to_str().map_or_else(|| Source::Path(path.to_owned()), Source::from));
    }
    let name = format!("example-v{}.yaml", version.kubeflow);
    let candidates = ["", ".xz", ".gz"].map(|ending| path.join(format!("{name}{ending}")));
    let found: Option<PathBuf> = candidates.into_iter().find(|file| file.is_file());
    found.map(Source::Path).ok_or_else(|| {
        format!(
            "{} holds neither a kustomization.yaml, nor a folder `example` with one, nor {name} (or .xz, .gz); name a checkout or archive of kubeflow/manifests, or a file of rendered manifests: --manifests PATH",
            path.display()
        )
    })
}

/// The manifests, for the report.
pub(super) fn described(installed: &Installed) -> model::Manifests {
    let name = Path::new(&installed.source).file_name().and_then(|name| name.to_str());
    model::Manifests { name: name.unwrap_or(&installed.source).to_owned(), sha256: installed.sha256.clone() }
}

/// The installation, for the report.
pub(super) fn account(installed: &Installed) -> model::Install {
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let workloads = installed.workloads.iter().map(|workload| model::Workload {
        kind: workload.kind.clone(),
        namespace: workload.namespace.clone(),
        name: workload.name.clone(),
        ready: workload.ready,
        wanted: workload.wanted,
        reason: workload.reason.clone(),
    });
    model::Install {
        objects: number(installed.objects),
        duration_ms: u64::try_from(installed.duration.as_millis()).unwrap_or(u64::MAX),
        requests: number(installed.requests),
        retries: number(installed.retries),
        workloads: workloads.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release() -> &'static Version {
        clusters::versions::named("1.9.1").unwrap()
    }

    #[test]
    fn a_folder_means_its_kustomization_or_the_file_of_the_release() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let refused = manifests(path, release()).unwrap_err();
        assert!(refused.contains("example-v1.9.1.yaml"), "{refused}");
        let file = path.join("example-v1.9.1.yaml.xz");
        std::fs::write(&file, "").unwrap();
        std::fs::write(path.join("example-v1.8.1.yaml"), "").unwrap();
        assert_eq!(manifests(path, release()), Ok(Source::Path(file)));
        std::fs::write(path.join("kustomization.yaml"), "").unwrap();
        assert_eq!(manifests(path, release()), Ok(Source::Path(path.to_owned())));
        assert_eq!(manifests(Path::new("-"), release()), Ok(Source::Stdin));
    }
}
