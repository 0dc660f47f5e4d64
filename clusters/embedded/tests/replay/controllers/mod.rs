//! What the real controllers of Kubeflow made of custom resources, beside what the played ones make of the same.

mod profiles;
mod workspaces;

use std::time::Duration;

use embedded::store::Key;
use embedded::{Options, Platform, Release, blueprint};
use serde_json::Value;

use crate::applications::object_differences;

/// How long a controller may take.
const MADE_WITHIN: Duration = Duration::from_secs(5);

/// A platform of the release whose controllers were observed.
async fn start() -> Platform {
    let platform = Platform::start(Options::default()).await.unwrap();
    let mut objects = blueprint::objects(Release::V1_9_1).unwrap();
    // It was not there: it adds to what these controllers make.
    objects.retain(|object| object["metadata"]["name"] != "metacontroller");
    blueprint::put(platform.world(), objects).unwrap();
    platform
}

/// In what an object differs from the observed one; without `status` if that is left out.
fn object_differs(platform: &Platform, key: &Key, seen: &Value, left_out: &[&str]) -> Vec<String> {
    let Some(now) = platform.world().store.get(key) else { return vec!["there is none".to_owned()] };
    let (mut now, mut seen) = (Value::clone(&now), seen.clone());
    // Items of a list come without them.
    for name in ["apiVersion", "kind"] {
        if seen.get(name).is_none() {
            now.as_object_mut().unwrap().remove(name);
        }
    }
    for object in [&mut now, &mut seen] {
        for path in left_out {
            let (parent, name) = path.rsplit_once('/').unwrap();
            if let Some(parent) = object.pointer_mut(parent).and_then(Value::as_object_mut) {
                parent.remove(name);
            }
        }
    }
    object_differences(&seen, &now)
}

/// The differences, once there are none or the controller has had its time.
async fn eventually(differences: impl Fn() -> Vec<String>) -> Vec<String> {
    let until = tokio::time::Instant::now() + MADE_WITHIN;
    loop {
        let found = differences();
        if found.is_empty() || tokio::time::Instant::now() > until {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
