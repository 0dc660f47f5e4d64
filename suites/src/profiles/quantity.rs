//! Kubernetes' quantities: the same amount may be written in several ways, and what a Profile says is written anew in its
//! quota (`2000m` becomes `2`).
//!
//! Source: Kubernetes `apimachinery/pkg/api/resource/quantity.go`: a decimal number, and a suffix of decimal (`m`, `k`,
//! `M`), binary (`Ki`, `Mi`) or exponential (`e3`) form.

use serde_json::Value;

/// Whether two quantities, as JSON has them, are the same amount. What is no quantity is the same as itself alone.
#[must_use]
pub fn same(one: &Value, other: &Value) -> bool {
    match (amount(one), amount(other)) {
        // Doubles hold more digits than anybody writes into a quota.
        (Some(one), Some(other)) => (one - other).abs() <= 1e-12 * one.abs().max(other.abs()),
        _ => one == other,
    }
}

fn amount(value: &Value) -> Option<f64> {
    let text = match value {
        Value::Number(number) => return number.as_f64(),
        Value::String(text) => text.as_str(),
        _ => return None,
    };
    let suffix = text.find(|c: char| !matches!(c, '0'..='9' | '.' | '+' | '-')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(suffix);
    let number: f64 = number.parse().ok()?;
    Some(number * factor(suffix)?).filter(|amount| amount.is_finite())
}

fn factor(suffix: &str) -> Option<f64> {
    if let Some(exponent) = suffix.strip_prefix(['e', 'E']).and_then(|exponent| exponent.parse().ok()) {
        return Some(10_f64.powi(exponent));
    }
    Some(match suffix {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1024_f64.powi(2),
        "Gi" => 1024_f64.powi(3),
        "Ti" => 1024_f64.powi(4),
        "Pi" => 1024_f64.powi(5),
        "Ei" => 1024_f64.powi(6),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_amount_is_written_in_several_ways() {
        for (one, other) in [
            (json!("2"), json!("2000m")),
            (json!(4), json!("4")),
            (json!("2Gi"), json!("2048Mi")),
            (json!("1.5Gi"), json!("1536Mi")),
            (json!("1e3"), json!("1k")),
            (json!("1E"), json!("1000P")),
            (json!("0.5"), json!("500m")),
            (json!("0"), json!(0)),
            (json!("none"), json!("none")),
        ] {
            assert!(same(&one, &other), "{one} {other}");
        }
    }

    #[test]
    fn other_amounts_and_what_is_none_differ() {
        for (one, other) in [
            (json!("2"), json!("2001m")),
            (json!("1G"), json!("1Gi")),
            (json!("2"), json!("two")),
            (json!(""), json!("0")),
            (json!("1e"), json!("1")),
            (json!("1ee3"), json!("1000")),
            (json!("--1"), json!("1")),
            (json!(null), json!("0")),
            (json!("1e99999"), json!("1")),
            (json!("1Zi"), json!("1")),
            (json!({"a": 1}), json!(1)),
        ] {
            assert!(!same(&one, &other), "{one} {other}");
        }
    }
}
