//! What the real profile controller (kubeflow v1.9.2) made of Profiles, beside what the played one makes of the same.

use std::collections::BTreeMap;

use embedded::store::Key;
use embedded::{Platform, blueprint, object};
use serde_json::{Value, json};

use super::{eventually, object_differs, start};
use crate::fidelity::{self, Found};
use crate::recordings;

/// The kinds that were looked at, as the observation calls them.
const KINDS: [(&str, &str, &str); 9] = [
    ("ServiceAccounts", "", "serviceaccounts"),
    ("RoleBindings", "rbac.authorization.k8s.io", "rolebindings"),
    ("Roles", "rbac.authorization.k8s.io", "roles"),
    ("AuthorizationPolicies", "security.istio.io", "authorizationpolicies"),
    ("ResourceQuotas", "", "resourcequotas"),
    ("Secrets", "", "secrets"),
    ("NetworkPolicies", "networking.k8s.io", "networkpolicies"),
    ("VirtualServices", "networking.istio.io", "virtualservices"),
    ("LimitRanges", "", "limitranges"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn profiles_are_filled_as_observed() {
    let Some(file) = recordings::observation("profile-controller.json") else { return };
    let seen: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let platform = start().await;
    let mut found = Found::default();
    for (name, owner) in [("clash1", None), ("clash2", Some("carol@example.com")), ("clash3", Some("x@example.com"))] {
        let mut namespace = json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}}});
        if let Some(owner) = owner {
            namespace["metadata"]["annotations"] = json!({"owner": owner});
        }
        blueprint::put(platform.world(), [namespace]).unwrap();
    }
    for (profile, names) in [
        (&seen["alice_profile"], None),
        (&seen["bob_profile"], Some(&seen["bob_names"])),
        (&seen["clash_no_annotation"]["profile"], Some(&seen["clash_no_annotation"]["names"])),
        (&seen["clash_right_annotation"]["profile"], Some(&seen["clash_right_annotation"]["names"])),
        (&seen["clash_other_annotation"]["profile"], Some(&seen["clash_other_annotation"]["names"])),
        (&seen["invalid_owner"]["inv-nospec"]["profile"], Some(&seen["invalid_owner"]["inv-nospec"]["names"])),
        (&seen["invalid_owner"]["inv-empty"]["profile"], Some(&seen["invalid_owner"]["inv-empty"]["names"])),
        (&seen["plugins"]["plug-aws"]["profile"], Some(&seen["plugins"]["plug-aws"]["names"])),
    ] {
        let name = object::name(profile).to_owned();
        let names = names.map_or_else(|| names_of(&seen["alice_objects"]), names_of);
        make(&platform, profile);
        found.note(&format!("{name}: names"), eventually(|| names_differ(&platform, &name, &names)).await);
        let key = Key::new("kubeflow.org", "profiles", "", &name);
        found.note(&format!("{name}: Profile"), eventually(|| object_differs(&platform, &key, profile, &[])).await);
    }
    for (kind, group, plural) in KINDS {
        for one in seen["alice_objects"][kind].as_array().into_iter().flatten() {
            let key = Key::new(group, plural, "alice", object::name(one));
            found.note(
                &format!("alice: {kind}/{}", key.name),
                eventually(|| object_differs(&platform, &key, one, &[])).await,
            );
        }
    }
    for (name, one) in [
        ("alice: Namespace", &seen["alice_objects"]["Namespace"]),
        ("clash1: Namespace", &seen["clash_no_annotation"]["ns"]),
        ("clash2: Namespace", &seen["clash_right_annotation"]["ns"]),
    ] {
        let key = Key::new("", "namespaces", "", object::name(one));
        found.note(name, eventually(|| object_differs(&platform, &key, one, &[])).await);
    }
    let account = &seen["plugins"]["plug-aws"]["SA"];
    let key = Key::new("", "serviceaccounts", "plug-aws", "default-editor");
    found.note(
        "plug-aws: ServiceAccounts/default-editor",
        eventually(|| object_differs(&platform, &key, account, &[])).await,
    );
    fidelity::judge("profile-controller", "v1.9.1", &found);
}

/// Makes the Profile as somebody applied it: without what the controller and the API added.
fn make(platform: &Platform, profile: &Value) {
    let mut profile = profile.clone();
    profile["metadata"] = json!({"name": object::name(&profile)});
    profile.as_object_mut().unwrap().remove("status");
    blueprint::put(platform.world(), [profile]).unwrap();
}

/// The names by kind; of objects or of names.
fn names_of(seen: &Value) -> BTreeMap<&'static str, Vec<String>> {
    let name = |one: &Value| one.as_str().unwrap_or_else(|| object::name(one)).to_owned();
    KINDS.iter().map(|(kind, ..)| (*kind, seen[*kind].as_array().into_iter().flatten().map(name).collect())).collect()
}

fn names_differ(platform: &Platform, namespace: &str, seen: &BTreeMap<&str, Vec<String>>) -> Vec<String> {
    let mut differences = Vec::new();
    for (kind, group, plural) in KINDS {
        let mut now: Vec<String> = platform
            .world()
            .store
            .list(group, plural, Some(namespace))
            .iter()
            .map(|one| object::name(one).to_owned())
            .collect();
        now.sort();
        if now != seen[kind] {
            differences.push(format!("{kind}: observed {:?}, now {now:?}", seen[kind]));
        }
    }
    differences
}
