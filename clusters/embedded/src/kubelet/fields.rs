//! The downward API: fields of a pod and resources of a container as text.
//!
//! Supported fields as `pkg/fieldpath` of Kubernetes; resources as `pkg/api/v1/resource` (`ExtractContainerResourceValue`).

use serde_json::{Map, Value};

use crate::object::text;

/// The text of a `fieldRef` path, or `None` for a path that Kubernetes does not offer.
#[must_use]
pub fn field(pod: &Value, path: &str) -> Option<String> {
    if let Some((map, key)) = path.strip_suffix("']").and_then(|path| path.split_once("['")) {
        let map = pod.pointer(&format!("/{}", map.replace('.', "/"))).filter(|_| is_metadata_map(map));
        return Some(map.and_then(|map| map.get(key)).and_then(Value::as_str).unwrap_or_default().to_owned());
    }
    match path {
        "metadata.labels" | "metadata.annotations" => {
            let map = pod.pointer(&format!("/{}", path.replace('.', "/"))).and_then(Value::as_object);
            Some(map.map(lines).unwrap_or_default())
        }
        "metadata.name"
        | "metadata.namespace"
        | "metadata.uid"
        | "spec.nodeName"
        | "spec.serviceAccountName"
        | "status.hostIP"
        | "status.podIP" => Some(text(pod, &format!("/{}", path.replace('.', "/"))).to_owned()),
        "status.podIPs" => Some(text(pod, "/status/podIP").to_owned()),
        "status.hostIPs" => Some(text(pod, "/status/hostIP").to_owned()),
        _ => None,
    }
}

fn is_metadata_map(map: &str) -> bool {
    matches!(map, "metadata.labels" | "metadata.annotations")
}

/// One `key="value"` a line, sorted: how a downward API file holds labels and annotations.
fn lines(map: &Map<String, Value>) -> String {
    let mut lines: Vec<String> =
        map.iter().map(|(key, value)| format!("{key}={:?}", value.as_str().unwrap_or_default())).collect();
    lines.sort();
    lines.join("\n")
}

/// The text of a `resourceFieldRef` of a container: the limit or request in units of the divisor, rounded up. Without a
/// limit the node's capacity counts.
#[must_use]
pub fn resource(container: &Value, reference: &Value) -> Option<String> {
    let (list, name) = text(reference, "/resource").split_once('.')?;
    let resources = container.get("resources");
    let of = |list: &str| resources.and_then(|all| all.get(list)).and_then(|all| all.get(name)).and_then(quantity);
    let amount = match list {
        "limits" => of("limits").or_else(|| capacity(name)),
        "requests" => of("requests").or(Some(0)),
        _ => None,
    }?;
    let divisor = reference.get("divisor").and_then(quantity).filter(|divisor| *divisor > 0).unwrap_or(1000);
    Some(((amount + divisor - 1) / divisor).to_string())
}

/// What the embedded node has, in thousandths of the base unit.
fn capacity(name: &str) -> Option<i128> {
    crate::controllers::bootstrap::NODE_CAPACITY
        .iter()
        .find(|(resource, _)| *resource == name)
        .and_then(|(_, amount)| quantity(&Value::from(*amount)))
}

/// A Kubernetes quantity (`250m`, `1Gi`, `2`) in thousandths of its base unit, rounded up.
#[must_use]
pub fn quantity(value: &Value) -> Option<i128> {
    let written = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let end = written.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '-' | '+')).unwrap_or(written.len());
    let (digits, suffix) = written.split_at(end);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let scale = match suffix {
        "n" => return scaled(whole, fraction, 1).map(|thousandths| round_up(thousandths, 1_000_000_000)),
        "u" => return scaled(whole, fraction, 1).map(|thousandths| round_up(thousandths, 1_000_000)),
        "m" => return scaled(whole, fraction, 1).map(|thousandths| round_up(thousandths, 1000)),
        "" => 1,
        "k" => 1000,
        "M" => 1000_i128.pow(2),
        "G" => 1000_i128.pow(3),
        "T" => 1000_i128.pow(4),
        "P" => 1000_i128.pow(5),
        "E" => 1000_i128.pow(6),
        "Ki" => 1024,
        "Mi" => 1024_i128.pow(2),
        "Gi" => 1024_i128.pow(3),
        "Ti" => 1024_i128.pow(4),
        "Pi" => 1024_i128.pow(5),
        "Ei" => 1024_i128.pow(6),
        exponent => 10_i128.checked_pow(exponent.strip_prefix(['e', 'E'])?.parse().ok()?)?,
    };
    scaled(whole, fraction, scale)
}

fn round_up(amount: i128, by: i128) -> i128 {
    amount.div_euclid(by) + i128::from(amount.rem_euclid(by) != 0)
}

/// Thousandths of `whole.fraction` × `scale`.
fn scaled(whole: &str, fraction: &str, scale: i128) -> Option<i128> {
    let places = u32::try_from(fraction.len()).ok().filter(|places| *places <= 18)?;
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    Some(round_up(digits.checked_mul(scale)?.checked_mul(1000)?, 10_i128.pow(places)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn quantities_are_read_in_thousandths() {
        for (written, thousandths) in [
            ("1", 1000),
            ("250m", 250),
            ("0.5", 500),
            ("1.5Gi", 1_610_612_736_000),
            ("2k", 2_000_000),
            ("1e3", 1_000_000),
            ("1500u", 2),
            ("-1", -1000),
        ] {
            assert_eq!(quantity(&json!(written)), Some(thousandths), "{written}");
        }
        for nonsense in ["", "x", "1Zi", "1.2.3", "e"] {
            assert_eq!(quantity(&json!(nonsense)), None, "{nonsense}");
        }
        assert_eq!(quantity(&json!(2)), Some(2000));
    }

    #[test]
    fn fields_are_those_of_the_downward_api() {
        let pod = json!({
            "metadata": {"name": "p", "labels": {"b": "2", "a": "1"}, "annotations": {"x.y/z": "v"}},
            "status": {"podIP": "10.244.0.7"},
        });
        assert_eq!(field(&pod, "metadata.name").as_deref(), Some("p"));
        assert_eq!(field(&pod, "metadata.annotations['x.y/z']").as_deref(), Some("v"));
        assert_eq!(field(&pod, "metadata.labels['none']").as_deref(), Some(""));
        assert_eq!(field(&pod, "metadata.labels").as_deref(), Some("a=\"1\"\nb=\"2\""));
        assert_eq!(field(&pod, "status.podIP").as_deref(), Some("10.244.0.7"));
        assert_eq!(field(&pod, "spec.containers"), None);
    }

    #[test]
    fn resources_are_divided_and_rounded_up() {
        let container = json!({"resources": {"limits": {"memory": "100Mi", "cpu": "250m"}}});
        let of = |resource: &str, divisor: &str| {
            super::resource(&container, &json!({"resource": resource, "divisor": divisor}))
        };
        assert_eq!(of("limits.memory", "1Mi").as_deref(), Some("100"));
        assert_eq!(of("limits.cpu", "0").as_deref(), Some("1"));
        assert_eq!(of("limits.cpu", "1m").as_deref(), Some("250"));
        assert_eq!(of("requests.cpu", "1").as_deref(), Some("0"));
    }

    proptest! {
        #[test]
        fn any_text_is_a_quantity_or_none(text in ".{0,40}") {
            let _ = quantity(&json!(text));
        }
    }
}
