//! Who asks KFAM, and what they may change.

use http::HeaderMap;

use crate::actors::Visit;
use crate::actors::kubernetes::Client;
use crate::kubelet::environment;
use crate::object::text;
use crate::store::Key;

/// How KFAM is configured: its flags are filled from the environment.
pub(super) struct Settings {
    /// Name of the identity header.
    pub(super) header: String,
    /// What stands before the user in it.
    pub(super) prefix: String,
    /// Who may send requests to the workloads of a profile.
    pub(super) principals: [String; 2],
    admin: String,
}

impl Settings {
    pub(super) fn of(visit: &Visit) -> Self {
        let mut variables = environment::variables(&visit.world.store, &visit.pod, &visit.container);
        let mut variable = |name: &str| variables.remove(name).unwrap_or_default();
        let header = Some(variable("USERID_HEADER")).filter(|name| !name.is_empty());
        Self {
            header: header.unwrap_or_else(|| "kubeflow-userid".to_owned()),
            prefix: variable("USERID_PREFIX"),
            principals: [variable("ISTIO_INGRESS_GATEWAY_PRINCIPAL"), variable("KFP_UI_PRINCIPAL")],
            admin: variable("ADMIN"),
        }
    }

    /// Whether a user is the one administrator. An empty `ADMIN` makes everyone without a name the administrator.
    pub(super) fn is_admin(&self, user: &str) -> bool {
        user == self.admin
    }
}

/// The user that a request names.
pub(super) struct Caller<'a> {
    settings: &'a Settings,
    name: String,
}

impl<'a> Caller<'a> {
    /// `None`: the header is shorter than the prefix, which the program does not survive unhurt.
    pub(super) fn of(settings: &'a Settings, headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(settings.header.to_ascii_lowercase()).map(|value| value.as_bytes()).unwrap_or_default();
        // The prefix is cut by its length, whatever stands there.
        let name = value.get(settings.prefix.len()..)?;
        Some(Self { settings, name: String::from_utf8_lossy(name).into_owned() })
    }

    /// Whether the caller owns a profile, or is the administrator and the profile is there.
    pub(super) fn may_manage(&self, client: &Client<'_>, profile: &str) -> bool {
        let Ok(found) = client.get(&Key::new("kubeflow.org", "profiles", "", profile)) else { return false };
        self.settings.is_admin(&self.name) || text(&found, "/spec/owner/name") == self.name
    }
}
