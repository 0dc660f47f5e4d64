//! The platform's web applications: the path that opens each, and the objects that it takes besides its route.
//!
//! Source: the Deployments and AuthorizationPolicies of the rendered `example` of kubeflow/manifests v1.8.1, v1.9.1 and
//! v1.10.2, which agree in all of these names. The routes are in the catalogue: [`Entry::route`].

use clusters::versions::Version;
use clusters::versions::parts::{self, Part};
use clusters::versions::routes::Route;

/// One application, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum App {
    /// Central Dashboard: the page around all others, and the owner of every path that nobody else owns.
    Dashboard,
    /// Kubeflow Pipelines.
    Pipelines,
    /// Katib.
    Katib,
    /// Notebooks: the Jupyter web app.
    Jupyter,
    /// The volumes web app.
    Volumes,
    /// The TensorBoards web app.
    Tensorboards,
    /// The KServe models web app.
    Models,
    /// ML Metadata, gRPC-web behind an Envoy of its own.
    Metadata,
    /// Dex, who knows the users.
    Dex,
}

/// Where an application is, and what it takes to reach it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Which.
    pub app: App,
    /// The path that opens it.
    pub page: &'static str,
    /// Its namespace: Deployment and policy live there.
    pub namespace: &'static str,
    /// Its Deployment.
    pub deployment: &'static str,
    /// The AuthorizationPolicy that lets the gateway in; empty where no sidecar asks.
    pub policy: &'static str,
}

const KUBEFLOW: &str = "kubeflow";

/// All applications that the gateway offers.
pub static ENTRIES: &[Entry] = &[
    Entry {
        app: App::Dashboard,
        page: "/",
        namespace: KUBEFLOW,
        deployment: "centraldashboard",
        policy: "central-dashboard",
    },
    Entry {
        app: App::Pipelines,
        page: "/pipeline/",
        namespace: KUBEFLOW,
        deployment: "ml-pipeline-ui",
        policy: "ml-pipeline-ui",
    },
    Entry { app: App::Katib, page: "/katib/", namespace: KUBEFLOW, deployment: "katib-ui", policy: "katib-ui" },
    Entry {
        app: App::Jupyter,
        page: "/jupyter/",
        namespace: KUBEFLOW,
        deployment: "jupyter-web-app-deployment",
        policy: "jupyter-web-app",
    },
    Entry {
        app: App::Volumes,
        page: "/volumes/",
        namespace: KUBEFLOW,
        deployment: "volumes-web-app-deployment",
        policy: "volumes-web-app",
    },
    Entry {
        app: App::Tensorboards,
        page: "/tensorboards/",
        namespace: KUBEFLOW,
        deployment: "tensorboards-web-app-deployment",
        policy: "tensorboards-web-app",
    },
    Entry {
        app: App::Models,
        page: "/kserve-endpoints/",
        namespace: KUBEFLOW,
        deployment: "kserve-models-web-app",
        policy: "kserve-models-web-app",
    },
    Entry {
        app: App::Metadata,
        page: "/ml_metadata.MetadataStoreService/GetArtifactTypes",
        namespace: KUBEFLOW,
        deployment: "metadata-envoy-deployment",
        policy: "",
    },
    Entry {
        app: App::Dex,
        page: "/dex/.well-known/openid-configuration",
        namespace: "auth",
        deployment: "dex",
        policy: "",
    },
];

impl App {
    /// Where it is.
    #[must_use]
    pub fn entry(self) -> &'static Entry {
        // The table has a row for every variant (tested below), so the fallback is never taken.
        ENTRIES.iter().find(|entry| entry.app == self).unwrap_or(&ENTRIES[0])
    }

    /// What a person calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dashboard => "Central Dashboard",
            Self::Pipelines => "Kubeflow Pipelines",
            Self::Katib => "Katib",
            Self::Jupyter => "Jupyter web app",
            Self::Volumes => "volumes web app",
            Self::Tensorboards => "TensorBoards web app",
            Self::Models => "KServe models web app",
            Self::Metadata => "ML Metadata",
            Self::Dex => "Dex",
        }
    }
}

impl Entry {
    /// The part of the platform that it belongs to; nothing for Dex, which every platform has.
    #[must_use]
    pub fn part(&self) -> Option<&'static Part> {
        parts::of_object(self.namespace, self.deployment)
    }

    /// The gateway's route to it.
    #[must_use]
    pub fn route(&self, version: &Version) -> &'static Route {
        version.route_of(self.page)
    }
}

/// The application behind a path, if it is one of ours: as the catalogue's routes lead.
#[must_use]
pub fn owner(version: &Version, path: &str) -> Option<&'static Entry> {
    let route = version.route_of(path);
    ENTRIES.iter().find(|entry| entry.route(version) == route)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_application_has_a_row_and_a_route_of_its_own() {
        for version in clusters::versions::VERSIONS {
            for entry in ENTRIES {
                assert_eq!(entry.app.entry(), entry);
                assert_eq!(owner(version, entry.page), Some(entry));
            }
        }
        assert_eq!(ENTRIES.len(), 9);
        assert!(ENTRIES.iter().all(|entry| entry.part().is_none() == (entry.app == App::Dex)));
    }

    #[test]
    fn paths_belong_to_the_longest_prefix() {
        let version = clusters::versions::named("1.9").unwrap();
        let app = |path| owner(version, path).map(|entry| entry.app);
        assert_eq!(app("/jupyter/api/config"), Some(App::Jupyter));
        assert_eq!(app("/jupyter"), Some(App::Dashboard));
        assert_eq!(app("/pipelinefoo"), Some(App::Pipelines));
        assert_eq!(app("/api/workgroup/exists"), Some(App::Dashboard));
        assert_eq!(app("/kfam/v1/bindings"), None);
    }
}
