//! How long a container under a CPU limit waits for its next turn.
//!
//! The kernel gives a container its quota of each period of 100 ms, and lets it wait for the rest of the period once that
//! is used up. The smallest quota is 1 ms. Facts: Kubernetes `pkg/kubelet/cm/helpers_linux.go` (`MilliCPUToQuota`).

use std::time::Duration;

use serde_json::Value;

use super::fields::quantity;

const PERIOD: Duration = Duration::from_millis(100);
const LEAST: Duration = Duration::from_millis(1);

/// What a container waits while it does something that takes `effort` of a CPU; nothing without a limit.
#[must_use]
pub fn wait(container: &Value, effort: Duration) -> Duration {
    let limit = container.pointer("/resources/limits/cpu").and_then(quantity);
    let Some(thousandths) = limit.and_then(|limit| u32::try_from(limit).ok()) else { return Duration::ZERO };
    let quota = (PERIOD * thousandths / 1000).max(LEAST);
    let turns = effort.as_micros().div_ceil(quota.as_micros()).saturating_sub(1);
    PERIOD.saturating_sub(quota) * u32::try_from(turns).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn waits(limit: &str, effort: u64) -> u128 {
        let container = json!({"resources": {"limits": {"cpu": limit}}});
        wait(&container, Duration::from_millis(effort)).as_millis()
    }

    #[test]
    fn a_container_waits_for_the_rest_of_each_period_whose_quota_it_has_used_up() {
        assert_eq!(waits("100m", 10), 0, "one quota");
        assert_eq!(waits("100m", 11), 90);
        assert_eq!(waits("100m", 60), 5 * 90);
        assert_eq!(waits("500m", 60), 50);
        assert_eq!(waits("10m", 60), 59 * 99);
        assert_eq!(waits("1m", 60), 59 * 99, "the smallest quota");
        assert_eq!(waits("2", 60), 0);
    }

    #[test]
    fn without_a_limit_that_is_one_nothing_waits() {
        for limit in ["", "none", "-1", "1e40"] {
            assert_eq!(waits(limit, 60), 0, "{limit}");
        }
        assert_eq!(wait(&json!({}), Duration::from_secs(1)), Duration::ZERO);
    }
}
