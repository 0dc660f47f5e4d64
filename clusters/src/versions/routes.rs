//! The routes of the gateway: which path belongs to which application.
//!
//! All VirtualServices bind to `kubeflow/kubeflow-gateway` for every host and match by Istio's string prefix. Envoy gets
//! them sorted so that the catch-all `/` comes last (istio/istio `pilot/pkg/networking/core/route/route.go`,
//! `SortVHostRoutes`). No VirtualService of any supported release removes a header.

use std::fmt;

use super::Releases;

/// One route of the ingress gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The path prefix. Some lack the final slash on purpose: `/pipeline` also takes `/pipelinefoo`.
    pub prefix: &'static str,
    /// Namespace and name of the VirtualService.
    pub virtual_service: (&'static str, &'static str),
    /// Where requests go.
    pub service: Backend,
    /// What the prefix is rewritten to.
    pub rewrite: Option<&'static str>,
    /// The value that the route adds as `x-forwarded-prefix`.
    pub forwarded_prefix: Option<&'static str>,
    /// The route's own timeout in seconds, instead of none.
    pub timeout: Option<u32>,
    /// Who may come in by it.
    pub access: Access,
    /// The releases that have it.
    pub releases: Releases,
}

/// A Service's port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backend {
    /// The Service's namespace.
    pub namespace: &'static str,
    /// The Service's name.
    pub name: &'static str,
    /// The Service's port.
    pub port: u16,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}:{}", self.name, self.namespace, self.port)
    }
}

/// Who may come in by a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everyone: the login itself.
    Open,
    /// Whoever is logged in.
    LoggedIn,
    /// Nobody who comes through the gateway, the administrator included: the backend's own AuthorizationPolicy allows the
    /// dashboard's service account alone, so the answer is 403 `RBAC: access denied`.
    Nobody,
}

const fn route(
    prefix: &'static str,
    virtual_service: (&'static str, &'static str),
    service: (&'static str, &'static str, u16),
) -> Route {
    let service = Backend { namespace: service.0, name: service.1, port: service.2 };
    Route {
        prefix,
        virtual_service,
        service,
        rewrite: None,
        forwarded_prefix: None,
        timeout: None,
        access: Access::LoggedIn,
        releases: Releases::ALL,
    }
}

impl Route {
    const fn rewritten(self, to: &'static str) -> Self {
        Self { rewrite: Some(to), ..self }
    }

    const fn behind(self, forwarded_prefix: &'static str) -> Self {
        Self { forwarded_prefix: Some(forwarded_prefix), ..self }
    }

    const fn within(self, seconds: u32) -> Self {
        Self { timeout: Some(seconds), ..self }
    }

    const fn access(self, access: Access) -> Self {
        Self { access, ..self }
    }

    const fn since_1_9(self) -> Self {
        Self { releases: Releases::SINCE_1_9, ..self }
    }
}

/// The catch-all: the dashboard answers every path that nobody else owns, with 200 and its page.
pub static DASHBOARD: Route =
    route("/", ("kubeflow", "centraldashboard"), ("kubeflow", "centraldashboard", 80)).rewritten("/");

/// All routes, longest prefix first.
pub(super) static ROUTES: &[Route] = &[
    route("/kserve-endpoints/", ("kubeflow", "kserve-models-web-app"), ("kubeflow", "kserve-models-web-app", 80))
        .rewritten("/"),
    route(
        "/tensorboards/",
        ("kubeflow", "tensorboards-web-app-tensorboards-web-app"),
        ("kubeflow", "tensorboards-web-app-service", 80),
    )
    .rewritten("/")
    .behind("/tensorboards"),
    route("/ml_metadata", ("kubeflow", "metadata-grpc"), ("kubeflow", "metadata-envoy-service", 9090))
        .rewritten("/ml_metadata"),
    route("/jupyter/", ("kubeflow", "jupyter-web-app-jupyter-web-app"), ("kubeflow", "jupyter-web-app-service", 80))
        .rewritten("/")
        .behind("/jupyter"),
    route("/pipeline", ("kubeflow", "ml-pipeline-ui"), ("kubeflow", "ml-pipeline-ui", 80))
        .rewritten("/pipeline")
        .within(300),
    route("/volumes/", ("kubeflow", "volumes-web-app-volumes-web-app"), ("kubeflow", "volumes-web-app-service", 80))
        .rewritten("/")
        .behind("/volumes"),
    route("/oauth2/", ("oauth2-proxy", "oauth2-proxy"), ("oauth2-proxy", "oauth2-proxy", 80))
        .access(Access::Open)
        .since_1_9(),
    route("/katib/", ("kubeflow", "katib-ui"), ("kubeflow", "katib-ui", 80)).rewritten("/katib/"),
    route("/kfam/", ("kubeflow", "profiles-kfam"), ("kubeflow", "profiles-kfam", 8081))
        .rewritten("/kfam/")
        .behind("/kfam")
        .access(Access::Nobody),
    route("/dex/", ("auth", "dex"), ("auth", "dex", 5556)).access(Access::Open),
    route("/", ("kubeflow", "centraldashboard"), ("kubeflow", "centraldashboard", 80)).rewritten("/"),
];

#[cfg(test)]
mod tests {
    use super::super::named;
    use super::*;

    #[test]
    fn the_longest_prefix_comes_first_and_the_catch_all_last() {
        assert!(ROUTES.windows(2).all(|pair| pair[0].prefix.len() >= pair[1].prefix.len()));
        assert_eq!(ROUTES.last(), Some(&DASHBOARD));
    }

    #[test]
    fn a_path_goes_where_its_prefix_says_and_else_to_the_dashboard() {
        let version = named("1.8.1").expect("supported");
        for (path, service) in [
            ("/", "centraldashboard"),
            ("/katib", "centraldashboard"),
            ("/katib/", "katib-ui"),
            ("/pipelinefoo", "ml-pipeline-ui"),
            ("/oauth2/start", "centraldashboard"),
            ("/dex/auth", "dex"),
        ] {
            assert_eq!(version.route_of(path).service.name, service, "{path}");
        }
        assert_eq!(named("1.9.1").expect("supported").route_of("/oauth2/start").service.name, "oauth2-proxy");
    }
}
