//! The mesh's policies in Profiles' namespaces: none lets everybody in. Nothing is created.

use harness::check::source;
use harness::{Check, Checked, Ctx, Explain, Level, Profile, check};
use kube::api::DynamicObject;
use serde_json::Value;

use crate::faults::{isolation as faults, profiles::POLICY_OPENED};
use crate::objects::{self, AUTHORIZATION_POLICY, PROFILE, items, name, namespace, text};
use crate::profiles::none;
use crate::tenants;

/// The checks.
pub static CHECKS: &[Check] = &[check(
    "ISO-020",
    "No policy in a Profile's namespace lets everybody in",
    Level::Must,
    source("istio/istio", "AuthorizationPolicy: a rule without from and when matches every sender"),
    |cx| Box::pin(open_policies(cx)),
)
.explain(Explain {
    what: "No AuthorizationPolicy that allows, in the namespace of any Profile, has a rule without a sender and a \
           condition, except for the probes' paths of the controller's own policy.",
    why: "Allowing policies add up: one open policy beside the controller's opens every notebook of the namespace to \
          whoever reaches it, from any pod of the cluster.",
    fix: "kubectl -n NAMESPACE delete authorizationpolicy NAME, or give its rules a from.",
    reproduce: "kubectl get authorizationpolicies -A -o yaml",
})
.profiles(&[Profile::Core, Profile::Tenancy, Profile::Security])
.breaks_on(&[&faults::NAMESPACE_OPENED, &POLICY_OPENED])];

/// The paths that the controller opens to everybody, for probes.
const PROBES: [&str; 3] = ["/healthz", "/metrics", "/wait-for-drain"];

async fn open_policies(cx: &Ctx) -> Checked {
    let mut profiles = objects::all(cx, PROFILE).await?;
    profiles.retain(|profile| !tenants::of_a_run(cx, profile));
    let homes: Vec<&str> = profiles.iter().map(name).collect();
    let policies = objects::all(cx, AUTHORIZATION_POLICY).await?;
    let open = |policy: &&DynamicObject| {
        homes.contains(&namespace(policy))
            && matches!(text(&policy.data, "/spec/action"), "" | "ALLOW")
            && items(&policy.data, "/spec/rules").iter().any(lets_everybody_in)
    };
    let told =
        |policy: &DynamicObject| format!("AuthorizationPolicy {} has a rule for every sender", objects::place(policy));
    let differences = policies.iter().filter(open).map(told).collect();
    none("no policy that lets everybody in", differences, "kubectl -n NAMESPACE delete authorizationpolicy NAME")
}

fn lets_everybody_in(rule: &Value) -> bool {
    if !items(rule, "/from").is_empty() || !items(rule, "/when").is_empty() {
        return false;
    }
    let targets = items(rule, "/to");
    let probes = |to: &Value| {
        let paths = items(to, "/operation/paths");
        !paths.is_empty() && paths.iter().all(|path| path.as_str().is_some_and(|path| PROBES.contains(&path)))
    };
    targets.is_empty() || !targets.iter().all(probes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rule_without_a_sender_is_open_unless_it_is_for_probes() {
        assert!(lets_everybody_in(&json!({})));
        assert!(lets_everybody_in(&json!({"to": [{"operation": {"methods": ["GET"]}}]})));
        assert!(lets_everybody_in(&json!({"to": [{"operation": {"paths": ["/healthz", "/notebook/*"]}}]})));
        assert!(!lets_everybody_in(&json!({"to": [{"operation": {"paths": ["/healthz", "/metrics"]}}]})));
        assert!(!lets_everybody_in(&json!({"when": [{"key": "source.namespace", "values": ["a"]}]})));
        assert!(!lets_everybody_in(&json!({"from": [{"source": {"principals": ["a"]}}]})));
    }
}
