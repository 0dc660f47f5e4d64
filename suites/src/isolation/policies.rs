//! The mesh's policies in Profiles' namespaces: none lets everybody in. Nothing is created.

use harness::check::source;
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Severity, check};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::faults::{isolation as faults, profiles::POLICY_OPENED};
use crate::objects::{self, AUTHORIZATION_POLICY, POD, PROFILE, items, label, name, namespace, selects, text};
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
           condition, except for the probes' paths of the controller's own policy. One that selects pods which are no \
           notebooks is a finding.",
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
    profiles.retain(tenants::stays);
    let homes: Vec<&str> = profiles.iter().map(name).collect();
    let policies = objects::all(cx, AUTHORIZATION_POLICY).await?;
    let open = |policy: &&DynamicObject| {
        homes.contains(&namespace(policy))
            && matches!(text(&policy.data, "/spec/action"), "" | "ALLOW")
            && items(&policy.data, "/spec/rules").iter().any(lets_everybody_in)
    };
    let told =
        |policy: &DynamicObject| format!("AuthorizationPolicy {} has a rule for every sender", objects::place(policy));
    let mut differences = Vec::new();
    for policy in policies.iter().filter(open) {
        if opens_notebooks(cx, policy).await? {
            differences.push(told(policy));
            continue;
        }
        cx.finding(
            Severity::Low,
            format!("AuthorizationPolicy {} opens some pods to everybody", objects::place(policy)),
            "It has a rule for every sender and selects pods that are no notebooks, as is done for served models: whoever \
             reaches them by the network is let in.",
        );
    }
    none("no policy that lets everybody in", differences, "kubectl -n NAMESPACE delete authorizationpolicy NAME")
}

/// Whether a policy is for notebooks, or for all pods.
async fn opens_notebooks(cx: &Ctx, policy: &DynamicObject) -> Checked<bool> {
    let wanted = policy.data.pointer("/spec/selector/matchLabels").filter(|wanted| **wanted != json!({}));
    let Some(wanted) = wanted else { return Ok(true) };
    let pods = objects::within(cx, POD, namespace(policy)).await?;
    let is_notebook = |pod: &&DynamicObject| !label(pod, "notebook-name").is_empty();
    Ok(selects_some_notebook(wanted)
        || pods.iter().filter(is_notebook).any(|pod| selects(wanted, &json!(pod.metadata.labels))))
}

/// Whether a selector names a label that the notebook controller gives its pods.
fn selects_some_notebook(wanted: &Value) -> bool {
    ["notebook-name", "statefulset"].iter().any(|label| wanted.get(label).is_some())
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
