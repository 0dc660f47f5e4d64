//! What object stores hold: buckets, objects, bytes, and a digest that another content changes.

use std::collections::BTreeSet;
use std::time::Duration;

use kube::Client;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::database::is_image;
use super::exec::Container;
use super::object_store::{Connection, Listed, Store};
use super::survey::{Object, Survey};

/// One bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// The pod that serves it.
    pub server: String,
    /// The bucket.
    pub name: String,
    /// Its objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// SHA-256 over the keys, sizes and entity tags, in the order of the keys.
    pub digest: String,
}

/// Images of servers, by the last part of the repository.
const SERVERS: &[&str] = &["minio"];
/// How long all buckets of a server may take to count: a million objects are a thousand pages.
const WITHIN: Duration = Duration::from_secs(10 * 60);

/// The servers of some namespaces: of a workload's pods, which serve the same, one.
pub(super) fn stores<'a>(survey: &'a Survey, namespaces: &[String]) -> Vec<(&'a Object, Store)> {
    let pods = survey.of("Pod").filter(|pod| namespaces.iter().any(|namespace| namespace == pod.namespace()));
    let (ready, others): (Vec<&Object>, Vec<&Object>) = pods.partition(|pod| super::data::is_ready(pod));
    let (mut seen, mut stores) = (BTreeSet::new(), Vec::new());
    for pod in ready.into_iter().chain(others) {
        let Some(server) = pod.containers().find(|container| is_image(container, SERVERS)) else { continue };
        let owner = pod.text("/metadata/ownerReferences/0/uid");
        if !seen.insert(if owner.is_empty() { pod.uid() } else { owner }) {
            continue;
        }
        let container = server["name"].as_str().unwrap_or_default().to_owned();
        let at = Container { namespace: pod.namespace().to_owned(), pod: pod.name().to_owned(), container };
        stores.push((pod, Store::of(&pod.body, server, at)));
    }
    stores
}

/// The buckets of a server.
pub(super) async fn buckets(client: &Client, store: &Store) -> Result<Vec<Bucket>, String> {
    let counted = tokio::time::timeout(WITHIN, count(client, store)).await;
    counted.unwrap_or_else(|_| Err(format!("{}: not counted within {} s", store.at, WITHIN.as_secs())))
}

async fn count(client: &Client, store: &Store) -> Result<Vec<Bucket>, String> {
    let mut connection = Connection::open(client, store).await?;
    let mut buckets = Vec::new();
    for name in connection.buckets().await? {
        let mut sum = Sum::default();
        connection.objects(&name, |object| sum.add(&object)).await?;
        buckets.push(sum.of(store.at.to_string(), name));
    }
    Ok(buckets)
}

/// What is kept of the objects of a bucket, however many there are.
#[derive(Default)]
struct Sum {
    objects: u64,
    bytes: u64,
    digest: Sha256,
}

impl Sum {
    fn add(&mut self, object: &Listed) {
        self.objects += 1;
        self.bytes = self.bytes.saturating_add(object.bytes);
        self.digest.update(format!("{} {} {}\n", object.bytes, object.tag, object.key));
    }

    fn of(self, server: String, name: String) -> Bucket {
        let digest = crate::manifests::hex(&self.digest.finalize());
        Bucket { server, name, objects: self.objects, bytes: self.bytes, digest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_content_of_the_same_size_is_another_digest() {
        let of = |objects: &[(&str, u64, &str)]| {
            let mut sum = Sum::default();
            for (key, bytes, tag) in objects {
                sum.add(&Listed { key: (*key).to_owned(), bytes: *bytes, tag: (*tag).to_owned() });
            }
            sum.of("pod k/m".to_owned(), "b".to_owned())
        };
        let first = of(&[("v2/a", 5, "t"), ("v2/b", 7, "u")]);
        assert_eq!((first.objects, first.bytes), (2, 12));
        assert_ne!(first.digest, of(&[("v2/a", 5, "t"), ("v2/b", 7, "x")]).digest);
        assert_ne!(first.digest, of(&[("v2/a", 5, "t"), ("v2/c", 7, "u")]).digest);
    }
}
