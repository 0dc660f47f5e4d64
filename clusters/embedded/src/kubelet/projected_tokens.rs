//! The tokens that projected volumes put into a container (`pkg/volume/projected/projected.go` and
//! `pkg/kubelet/token/token_manager.go` of Kubernetes 1.34): of the pod's account, for the volume's audience, bound to the
//! pod, so that they end with it.
//!
//! Unlike a kubelet, which keeps a token until it has grown old, each read gets a new one.

use serde_json::{Value, json};

use super::volumes::mount_of;
use crate::access::tokens;
use crate::object::{list, name, namespace, text, uid};
use crate::platform::World;

/// The token in a container's file, by absolute path; nothing if no mounted volume has a token there, or the account is
/// gone.
pub(crate) fn file(world: &World, pod: &Value, container: &str, path: &str) -> Option<String> {
    let source = source_at(pod, super::container(pod, container)?, path)?;
    let audience = Some(text(source, "/audience")).filter(|audience| !audience.is_empty());
    let asked = json!({"spec": {
        "audiences": audience.into_iter().collect::<Vec<_>>(),
        "expirationSeconds": source.get("expirationSeconds").and_then(Value::as_i64).unwrap_or(3600),
        "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": name(pod), "uid": uid(pod)},
    }});
    let account = Some(text(pod, "/spec/serviceAccountName")).filter(|account| !account.is_empty());
    let answer = tokens::request(world, namespace(pod), account.unwrap_or("default"), asked).ok()?;
    Some(text(&answer, "/status/token").to_owned())
}

/// What a projected volume says of the token at a path.
fn source_at<'a>(pod: &'a Value, container: &Value, path: &str) -> Option<&'a Value> {
    let (mount, rest) = mount_of(container, path)?;
    let volume = list(pod, "/spec/volumes").iter().find(|volume| text(volume, "/name") == text(mount, "/name"))?;
    let inside = [text(mount, "/subPath").trim_matches('/'), rest].into_iter().filter(|part| !part.is_empty());
    let inside = inside.collect::<Vec<_>>().join("/");
    let mut sources = list(volume, "/projected/sources").iter().filter_map(|source| source.get("serviceAccountToken"));
    sources.rfind(|token| text(token, "/path").trim_matches('/') == inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(mounts: Value) -> Value {
        json!({"spec": {
            "volumes": [
                {"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "token", "audience": "a"}}]}},
                {"name": "c", "configMap": {"name": "c"}},
            ],
            "containers": [{"name": "main", "volumeMounts": mounts}],
        }})
    }

    fn audience(mounts: Value, path: &str) -> Option<String> {
        let pod = pod(mounts);
        source_at(&pod, &pod["spec"]["containers"][0], path).map(|source| text(source, "/audience").to_owned())
    }

    #[test]
    fn a_token_is_where_its_volume_is_mounted_and_nowhere_else() {
        let mounted = || json!([{"name": "t", "mountPath": "/run/t"}, {"name": "c", "mountPath": "/run/c"}]);
        assert_eq!(audience(mounted(), "/run/t/token").as_deref(), Some("a"));
        for path in ["/run/t", "/run/t/", "/run/t/token/x", "/run/c/token", "/token", "token", ""] {
            assert_eq!(audience(mounted(), path), None, "{path:?}");
        }
        assert_eq!(audience(json!([]), "/run/t/token"), None);
        assert_eq!(audience(json!([{"name": "gone", "mountPath": "/run/t"}]), "/run/t/token"), None);
        let one = json!([{"name": "t", "mountPath": "/run/one", "subPath": "token"}]);
        assert_eq!(audience(one, "/run/one").as_deref(), Some("a"));
    }
}
