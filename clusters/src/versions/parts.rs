//! The parts of the platform that a site may leave out, and which of a release's objects belong to each.
//!
//! The login and the mesh are no such parts: without them there is no platform to judge. Source: the folders that
//! `example/kustomization.yaml` of kubeflow/manifests v1.8.1, v1.9.1 and v1.10.2 lists, each of which a site may remove
//! from its own copy.

/// A part that a site may leave out.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Part {
    /// Its name on the command line.
    pub name: &'static str,
    /// What a person calls it.
    pub title: &'static str,
    /// Namespaces and the beginnings of names, of its workloads, Services and volume claims.
    objects: &'static [(&'static str, &'static str)],
    /// The owners of its CustomResourceDefinitions, as the catalogue of those names them.
    owners: &'static [&'static str],
}

const KUBEFLOW: &str = "kubeflow";

/// All of them.
pub static PARTS: &[Part] = &[
    Part { name: "dashboard", title: "Central Dashboard", objects: &[(KUBEFLOW, "centraldashboard")], owners: &[] },
    Part {
        name: "profiles",
        title: "Profiles and KFAM",
        objects: &[(KUBEFLOW, "profiles-")],
        owners: &["profile-controller"],
    },
    Part {
        name: "pod-defaults",
        title: "PodDefaults",
        objects: &[(KUBEFLOW, "admission-webhook-")],
        owners: &["admission-webhook"],
    },
    Part {
        name: "notebooks",
        title: "Notebooks",
        objects: &[(KUBEFLOW, "jupyter-web-app-"), (KUBEFLOW, "notebook-controller-")],
        owners: &["notebook-controller"],
    },
    Part {
        name: "volumes",
        title: "Volumes",
        objects: &[(KUBEFLOW, "volumes-web-app-"), (KUBEFLOW, "pvcviewer-")],
        owners: &["pvcviewer-controller"],
    },
    Part {
        name: "tensorboards",
        title: "TensorBoards",
        objects: &[(KUBEFLOW, "tensorboard-controller-"), (KUBEFLOW, "tensorboards-web-app-")],
        owners: &["tensorboard-controller"],
    },
    Part {
        name: "pipelines",
        title: "Kubeflow Pipelines",
        objects: &[
            (KUBEFLOW, "cache-server"),
            (KUBEFLOW, "kubeflow-pipelines-profile-controller"),
            (KUBEFLOW, "metadata-"),
            (KUBEFLOW, "minio"),
            (KUBEFLOW, "ml-pipeline"),
            (KUBEFLOW, "mysql"),
            (KUBEFLOW, "workflow-controller"),
        ],
        owners: &["Kubeflow Pipelines"],
    },
    Part { name: "katib", title: "Katib", objects: &[(KUBEFLOW, "katib-")], owners: &["Katib"] },
    Part { name: "kserve", title: "KServe", objects: &[(KUBEFLOW, "kserve-")], owners: &["KServe"] },
    Part {
        name: "knative",
        title: "Knative",
        objects: &[("knative-serving", ""), ("knative-eventing", "")],
        owners: &["Knative Serving", "Knative Eventing"],
    },
    Part {
        name: "training-operator",
        title: "Training operator",
        objects: &[(KUBEFLOW, "training-operator")],
        owners: &["Training operator"],
    },
    Part {
        name: "spark-operator",
        title: "Spark operator",
        objects: &[(KUBEFLOW, "spark-operator-")],
        owners: &["Spark operator"],
    },
    Part { name: "cert-manager", title: "cert-manager", objects: &[("cert-manager", "")], owners: &["cert-manager"] },
    Part { name: "metacontroller", title: "metacontroller", objects: &[(KUBEFLOW, "metacontroller")], owners: &[] },
];

/// The part of a name, if it is one that can be left out.
#[must_use]
pub fn named(name: &str) -> Option<&'static Part> {
    PARTS.iter().find(|part| part.name == name)
}

/// The part that a workload, a Service or a volume claim belongs to; nothing if it belongs to what every platform has.
#[must_use]
pub fn of_object(namespace: &str, name: &str) -> Option<&'static Part> {
    PARTS.iter().find(|part| part.objects.iter().any(|(home, begins)| *home == namespace && name.starts_with(begins)))
}

/// The part that a CustomResourceDefinition's owner belongs to.
#[must_use]
pub fn of_owner(owner: &str) -> Option<&'static Part> {
    PARTS.iter().find(|part| part.owners.contains(&owner))
}

#[cfg(test)]
mod tests {
    use super::super::VERSIONS;
    use super::*;

    /// What every platform has.
    fn is_base(namespace: &str) -> bool {
        ["auth", "istio-system", "kube-system", "oauth2-proxy"].contains(&namespace)
    }

    #[test]
    fn every_object_of_a_release_belongs_to_a_part_or_to_the_base() {
        for version in VERSIONS {
            let workloads = version.workloads().map(|row| (row.namespace, row.name));
            let services = version.services().map(|row| (row.namespace, row.name));
            let volumes = version.volumes().map(|row| (row.namespace, row.name));
            for (namespace, name) in workloads.chain(services).chain(volumes) {
                assert_eq!(of_object(namespace, name).is_none(), is_base(namespace), "{namespace}/{name}");
            }
            for crd in version.crds() {
                assert_eq!(of_owner(crd.owner).is_none(), ["Dex", "Istio"].contains(&crd.owner), "{}", crd.owner);
            }
        }
    }

    #[test]
    fn every_part_has_something_that_can_be_missing() {
        let workloads = || VERSIONS.iter().flat_map(super::super::Version::workloads);
        for part in PARTS {
            assert_eq!(named(part.name), Some(part));
            assert!(workloads().any(|row| of_object(row.namespace, row.name) == Some(part)), "{}", part.name);
        }
        assert_eq!(named("istio"), None);
    }

    #[test]
    fn names_are_compared_from_their_beginning() {
        let name = |namespace, object| of_object(namespace, object).map(|part| part.name);
        assert_eq!(name("kubeflow", "metadata-grpc-service"), Some("pipelines"));
        assert_eq!(name("kubeflow", "katib-mysql"), Some("katib"));
        assert_eq!(name("kubeflow", "mysql-pv-claim"), Some("pipelines"));
        assert_eq!(name("somewhere", "mysql"), None);
    }
}
