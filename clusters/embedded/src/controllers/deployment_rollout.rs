//! How a rollout moves: the sizes that a Deployment's ReplicaSets get next. Numbers only.
//!
//! As `pkg/controller/deployment/rolling.go` and `recreate.go` of Kubernetes 1.34.

use serde_json::Value;

use super::owned::number;
use crate::object::text;

/// One ReplicaSet's size: wanted, and how many of its pods are available.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) wanted: i64,
    pub(super) existing: i64,
    pub(super) available: i64,
}

/// How many pods a rollout may have too many, and too few.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slack {
    surge: i64,
    unavailable: i64,
}

impl Slack {
    /// How many pods there may be too many.
    pub(super) fn surge(self) -> i64 {
        self.surge
    }

    /// How many pods may be missing.
    pub(super) fn unavailable(self) -> i64 {
        self.unavailable
    }
}

/// The slack of a Deployment: `maxSurge` (rounded up) and `maxUnavailable` (rounded down), 25 % each by default. Both may
/// not be zero.
pub(super) fn slack(deployment: &Value, replicas: i64) -> Slack {
    let of = |field: &str, up: bool| {
        let share = deployment.pointer(&format!("/spec/strategy/rollingUpdate/{field}"));
        if let Some(count) = share.and_then(Value::as_i64) {
            return count;
        }
        let percent = share.and_then(Value::as_str).and_then(|share| share.trim_end_matches('%').parse().ok());
        let scaled = replicas * percent.unwrap_or(25_i64);
        if up { (scaled + 99) / 100 } else { scaled / 100 }
    };
    let (surge, unavailable) = (of("maxSurge", true), of("maxUnavailable", false));
    Slack { surge, unavailable: if surge == 0 && unavailable == 0 { 1 } else { unavailable } }
}

/// The next sizes of the new ReplicaSet and the old ones.
pub(super) fn next(deployment: &Value, replicas: i64, new: Size, old: &[Size]) -> (i64, Vec<i64>) {
    if text(deployment, "/spec/strategy/type") == "Recreate" {
        let gone = old.iter().all(|size| size.existing == 0);
        return (if gone { replicas } else { new.wanted }, vec![0; old.len()]);
    }
    rolling(slack(deployment, replicas), replicas, new, old)
}

fn rolling(slack: Slack, replicas: i64, new: Size, old: &[Size]) -> (i64, Vec<i64>) {
    let total: i64 = new.wanted + old.iter().map(|size| size.wanted).sum::<i64>();
    let room = (replicas + slack.surge - total).max(0);
    let grown = if new.wanted > replicas { replicas } else { (new.wanted + room).min(replicas) };
    let mut sizes: Vec<i64> = old.iter().map(|size| size.wanted).collect();
    let minimum = replicas - slack.unavailable;
    let mut removable = (total - minimum - (new.wanted - new.available).max(0)).max(0);
    // Pods that serve nobody go first: removing them costs nothing.
    for (size, old) in sizes.iter_mut().zip(old) {
        let cut = (old.wanted - old.available).clamp(0, removable);
        *size -= cut;
        removable -= cut;
    }
    let available: i64 = new.available + old.iter().map(|size| size.available).sum::<i64>();
    let mut spare = (available - minimum).max(0);
    for size in &mut sizes {
        let cut = (*size).min(spare);
        *size -= cut;
        spare -= cut;
    }
    (grown, sizes)
}

/// The replicas a Deployment asks for.
pub(super) fn replicas(deployment: &Value) -> i64 {
    number(deployment, "/spec/replicas", 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn size(wanted: i64, available: i64) -> Size {
        Size { wanted, existing: wanted, available }
    }

    #[test]
    fn one_replica_rolls_by_adding_first() {
        let deployment = json!({"spec": {}});
        assert_eq!(next(&deployment, 1, size(0, 0), &[size(1, 1)]), (1, vec![1]));
        assert_eq!(next(&deployment, 1, size(1, 0), &[size(1, 1)]), (1, vec![1]));
        assert_eq!(next(&deployment, 1, size(1, 1), &[size(1, 1)]), (1, vec![0]));
    }

    #[test]
    fn a_broken_new_template_leaves_enough_old_pods() {
        let deployment = json!({"spec": {}});
        // 4 replicas: one may be too many, one missing.
        assert_eq!(next(&deployment, 4, size(0, 0), &[size(4, 4)]), (1, vec![3]));
        assert_eq!(next(&deployment, 4, size(1, 0), &[size(3, 3)]), (2, vec![3]));
        assert_eq!(next(&deployment, 4, size(2, 0), &[size(3, 3)]), (2, vec![3]));
    }

    #[test]
    fn recreate_waits_until_the_old_pods_are_gone() {
        let deployment = json!({"spec": {"strategy": {"type": "Recreate"}}});
        assert_eq!(next(&deployment, 2, size(0, 0), &[size(2, 2)]), (0, vec![0]));
        let leaving = Size { wanted: 0, existing: 1, available: 0 };
        assert_eq!(next(&deployment, 2, size(0, 0), &[leaving]), (0, vec![0]));
        assert_eq!(next(&deployment, 2, size(0, 0), &[size(0, 0)]), (2, vec![0]));
    }

    #[test]
    fn a_share_may_be_a_number_or_a_percentage() {
        let of = |surge: Value, unavailable: Value| {
            let deployment =
                json!({"spec": {"strategy": {"rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}}});
            slack(&deployment, 10)
        };
        assert_eq!(of(json!("25%"), json!("25%")), Slack { surge: 3, unavailable: 2 });
        assert_eq!(of(json!(0), json!(0)), Slack { surge: 0, unavailable: 1 });
        assert_eq!(of(json!(2), json!("0%")), Slack { surge: 2, unavailable: 0 });
    }

    proptest! {
        #[test]
        fn a_rollout_ends_with_the_new_pods_only_and_never_falls_short(
            replicas in 0..20_i64, old in prop::collection::vec(0..10_i64, 0..4), surge in 0..5_i64, missing in 0..5_i64,
        ) {
            let deployment = json!({"spec": {"strategy": {"rollingUpdate": {"maxSurge": surge, "maxUnavailable": missing}}}});
            let mut new = size(0, 0);
            let mut olds: Vec<Size> = old.iter().map(|count| size(*count, *count)).collect();
            let mut least = olds.iter().map(|size| size.available).sum::<i64>().min(replicas - missing.max(i64::from(surge == 0)));
            for _ in 0..200 {
                let (grown, sizes) = next(&deployment, replicas, new, &olds);
                new = size(grown, grown);
                olds = sizes.iter().map(|count| size(*count, *count)).collect();
                let serving = new.available + olds.iter().map(|size| size.available).sum::<i64>();
                prop_assert!(serving >= least.min(replicas - missing - 1).max(0) || serving >= least);
                least = least.max(serving.min(replicas - missing.max(i64::from(surge == 0))));
            }
            prop_assert_eq!(new.wanted, replicas);
            prop_assert!(olds.iter().all(|size| size.wanted == 0));
        }
    }
}
