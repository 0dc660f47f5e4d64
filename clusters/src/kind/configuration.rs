//! What kind is told: the user's configuration, or its defaults, with the mark on every node.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::KindError;

/// The mark: every node of a cluster that this program makes has a folder mounted here, so that a cluster without it is
/// never deleted. It is there from a node's first moment, also when the cluster is only half made.
pub(super) const MARK: &str = "/kubeflow-conformance";

/// The largest file that is read, in bytes.
const LARGEST: u64 = 1 << 20;

/// The configuration to make a cluster from, as JSON, which is YAML. `mark` is an empty folder.
pub(super) fn marked(own: Option<&Path>, mark: &Path) -> Result<Value, KindError> {
    let mut configuration = own.map_or_else(|| Ok(json!({})), read)?;
    let bad = |reason: &str| KindError::Configuration {
        path: own.map(|path| path.display().to_string()).unwrap_or_default(),
        reason: reason.to_owned(),
    };
    let Value::Object(map) = &mut configuration else { return Err(bad("it is not a mapping")) };
    fixed(map, "kind", "Cluster").map_err(|reason| bad(&reason))?;
    fixed(map, "apiVersion", "kind.x-k8s.io/v1alpha4").map_err(|reason| bad(&reason))?;
    let nodes = map.entry("nodes").or_insert_with(|| json!([{ "role": "control-plane" }]));
    let nodes =
        nodes.as_array_mut().filter(|nodes| !nodes.is_empty()).ok_or_else(|| bad("nodes is not a list of nodes"))?;
    for node in nodes {
        let node = node.as_object_mut().ok_or_else(|| bad("a node is not a mapping"))?;
        let mounts = node.entry("extraMounts").or_insert_with(|| json!([]));
        let mounts = mounts.as_array_mut().ok_or_else(|| bad("extraMounts is not a list"))?;
        mounts.push(json!({ "hostPath": mark, "containerPath": MARK, "readOnly": true }));
    }
    Ok(configuration)
}

fn fixed(map: &mut Map<String, Value>, key: &str, wanted: &str) -> Result<(), String> {
    match map.get(key) {
        Some(found) if found != wanted => Err(format!("its {key} is not {wanted}")),
        _ => {
            map.insert(key.to_owned(), wanted.into());
            Ok(())
        }
    }
}

fn read(path: &Path) -> Result<Value, KindError> {
    let bad = |reason: String| KindError::Configuration { path: path.display().to_string(), reason };
    let length = std::fs::metadata(path).map_err(|error| bad(error.to_string()))?.len();
    if length > LARGEST {
        return Err(bad(format!("it has {length} bytes, which is no configuration")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: 20, flow_nesting_limit: 20, max_nodes: 20_000, max_aliases: 100 },
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(&text, options).map_err(|error: serde_saphyr::Error| {
        let line = error.location().map_or(1, |location| location.line());
        bad(format!("line {line} is not usable YAML"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Value, String> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("kind.yaml");
        std::fs::write(&path, text).expect("written");
        marked(Some(&path), Path::new("/m")).map_err(|error| error.to_string())
    }

    #[test]
    fn every_node_is_marked_and_the_users_wishes_stay() {
        let mark = json!({ "hostPath": "/m", "containerPath": MARK, "readOnly": true });
        let plain = marked(None, Path::new("/m")).expect("usable");
        assert_eq!(plain["nodes"], json!([{ "role": "control-plane", "extraMounts": [mark] }]));
        let own = "kind: Cluster\nnetworking: {ipFamily: ipv4}\nnodes:\n- role: control-plane\n  extraMounts:\n  - {hostPath: /a, containerPath: /b}\n- role: worker\n";
        let own = of(own).expect("usable");
        assert_eq!(own["networking"]["ipFamily"], "ipv4");
        assert_eq!(own["nodes"][0]["extraMounts"][0]["hostPath"], "/a");
        for node in own["nodes"].as_array().expect("nodes") {
            assert!(node["extraMounts"].as_array().is_some_and(|mounts| mounts.contains(&mark)), "{node}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_said_in_one_sentence() {
        for (text, words) in [
            ("- a", "it is not a mapping"),
            ("a: [b", "line 1 is not usable YAML"),
            ("kind: Pod", "its kind is not Cluster"),
            ("apiVersion: kind.x-k8s.io/v1alpha3", "its apiVersion is not kind.x-k8s.io/v1alpha4"),
            ("nodes: []", "nodes is not a list of nodes"),
            ("nodes: [a]", "a node is not a mapping"),
            ("nodes: [{extraMounts: a}]", "extraMounts is not a list"),
            (&format!("a: {}", "[".repeat(50_000)), "not usable YAML"),
            ("a: &a [x]\nb: &b [*a, *a, *a, *a, *a, *a]\nc: [*b, *b, *b, *b, *b, *b, *z]", "not usable YAML"),
            (&" ".repeat(2 << 20), "which is no configuration"),
        ] {
            let error = of(text).expect_err(words);
            assert!(error.contains(words) && error.lines().count() == 1, "{error}\nshould contain\n{words}");
        }
    }
}
