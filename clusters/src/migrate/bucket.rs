//! What a MinIO in a pod holds: buckets, objects, bytes. Looked up as files of its volume, which needs no credentials and
//! no way through the mesh.
//!
//! A server of one drive keeps an object as a file below the bucket's folder, or since 2022 as a folder with `xl.meta` in it
//! (minio/minio `docs/minio-limits.md`, `cmd/xl-storage.go`); its own state is in `.minio.sys`.

use std::collections::{BTreeMap, BTreeSet};

use kube::Client;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::database::is_image;
use super::exec::{self, Container};
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
    /// Their bytes on the volume.
    pub bytes: u64,
    /// SHA-256 over the keys and sizes, in the order of the keys.
    pub digest: String,
}

/// A server and where its volume is.
pub(super) struct Store {
    pub at: Container,
    folder: String,
}

/// Images of servers, by the last part of the repository.
const SERVERS: &[&str] = &["minio"];
/// The server's own folder.
const OWN: &str = ".minio.sys";
/// What an object's folder holds, where objects are folders.
const META: &str = "/xl.meta";

/// The servers of some namespaces.
pub(super) fn stores<'a>(survey: &'a Survey, namespaces: &[String]) -> Vec<(&'a Object, Store)> {
    let pods = survey.of("Pod").filter(|pod| namespaces.iter().any(|namespace| namespace == pod.namespace()));
    let servers = pods.filter_map(|pod| {
        let server = pod.containers().find(|container| is_image(container, SERVERS))?;
        let claims = pod.items("/spec/volumes").iter().filter(|volume| volume["persistentVolumeClaim"].is_object());
        let claims: Vec<&Value> = claims.map(|volume| &volume["name"]).collect();
        let mut mounts = server["volumeMounts"].as_array().into_iter().flatten();
        let mount = mounts.find(|mount| claims.contains(&&mount["name"]))?;
        let folder = mount["mountPath"].as_str()?.trim_end_matches('/').to_owned();
        let (namespace, name) = (pod.namespace().to_owned(), pod.name().to_owned());
        let container = server["name"].as_str().unwrap_or_default().to_owned();
        Some((pod, Store { at: Container { namespace, pod: name, container }, folder }))
    });
    servers.collect()
}

/// The buckets of a server.
pub(super) async fn buckets(client: &Client, store: &Store) -> Result<Vec<Bucket>, String> {
    let command = ["find", &store.folder, "-type", "f", "-exec", "stat", "-c", "%s %n", "{}", "+"];
    let listed = exec::run(client, &store.at, &command).await?;
    Ok(counted(&store.at.to_string(), &store.folder, &listed))
}

/// A line a file: its size and path.
fn counted(server: &str, folder: &str, listed: &str) -> Vec<Bucket> {
    let files = listed.lines().filter_map(|line| {
        let (size, path) = line.split_once(' ')?;
        let path = path.strip_prefix(folder).unwrap_or(path).trim_start_matches('/');
        let (bucket, key) = path.split_once('/').filter(|(bucket, _)| *bucket != OWN)?;
        Some((size.parse::<u64>().ok()?, bucket, key))
    });
    let files: Vec<(u64, &str, &str)> = files.collect();
    let folders: BTreeSet<(&str, &str)> =
        files.iter().filter_map(|(_, bucket, key)| Some((*bucket, key.strip_suffix(META)?))).collect();
    let mut buckets: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    for (size, bucket, key) in &files {
        let object =
            key.strip_suffix(META).or_else(|| part_of(key).filter(|object| folders.contains(&(bucket, object))));
        *buckets.entry(bucket).or_default().entry(object.unwrap_or(key)).or_default() += size;
    }
    let bucket = |(name, objects): (&str, BTreeMap<&str, u64>)| {
        let mut digest = Sha256::new();
        objects.iter().for_each(|(key, size)| digest.update(format!("{size} {key}\n")));
        Bucket {
            server: server.to_owned(),
            name: name.to_owned(),
            objects: objects.len() as u64,
            bytes: objects.values().sum(),
            digest: crate::manifests::hex(&digest.finalize()),
        }
    };
    buckets.into_iter().map(bucket).collect()
}

/// The object whose part a file `KEY/UUID/part.N` may be.
fn part_of(key: &str) -> Option<&str> {
    let (rest, part) = key.rsplit_once('/')?;
    rest.rsplit_once('/').filter(|_| part.starts_with("part.")).map(|(object, _)| object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_objects_and_so_are_folders_with_their_parts() {
        let listed = "5 /data/mlpipeline/v2/a\n7 /data/mlpipeline/pipelines/b\n3 /data/.minio.sys/format.json\n\
                      10 /data/other/c/xl.meta\n90 /data/other/c/0b1c/part.1\nnonsense\nx /data/other/d\n";
        let found = counted("pod k/m", "/data", listed);
        let told: Vec<_> = found.iter().map(|one| (one.name.as_str(), one.objects, one.bytes)).collect();
        assert_eq!(told, [("mlpipeline", 2, 12), ("other", 1, 100)]);
        let more = counted("pod k/m", "/data", &listed.replace("7 /data", "8 /data"));
        assert_ne!(found[0].digest, more[0].digest);
    }
}
