//! Whether the machine is big enough, before minutes are spent on finding out. What cannot be found out is no objection:
//! a container runtime in a virtual machine or on another host tells only some of it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tokio::time::timeout;

use super::runtime::Offer;
use super::{KindError, Surroundings};
use crate::program;

/// How long `df` may take: a network share that is gone makes it wait.
const PATIENCE: Duration = Duration::from_secs(5);

const GIB: u64 = 1 << 30;

/// What a cluster needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Needs {
    who: &'static str,
    processors: u64,
    memory: u64,
    disk: u64,
    /// `max_user_instances` and `max_user_watches` of inotify(7).
    inotify: (u64, u64),
}

/// A cluster without anything in it.
pub(super) const CLUSTER: Needs =
    Needs { who: "a kind cluster", processors: 1, memory: 2 * GIB, disk: 5 * GIB, inotify: (0, 0) };

/// A platform: the README of kubeflow/manifests v1.10.2 adds the requests of its pods up to 4.4 processors and 11.9 GiB;
/// its images take some 20 GB, unpacked twice that. Below kind's own limits on inotify (its page "Known Issues", "Pod
/// errors due to too many open files") pods die of too many open files.
pub(super) const PLATFORM: Needs =
    Needs { who: "the platform", processors: 5, memory: 12 * GIB, disk: 40 * GIB, inotify: (512, 524_288) };

/// Compares what is needed with what there is.
pub(super) async fn check(needs: Needs, offer: &Offer, surroundings: &Surroundings) -> Result<(), KindError> {
    let Needs { who, processors, memory, disk, inotify } = needs;
    let short = |needed: String, found: String, remedy: &str| {
        Err(KindError::Short { what: who, needed, found, remedy: remedy.to_owned() })
    };
    if let Some(found) = offer.memory.filter(|found| *found < memory) {
        let remedy = "give the container runtime more, or stop what else runs";
        return short(format!("{} of memory", gibibytes(memory)), gibibytes(found), remedy);
    }
    if let Some(found) = offer.processors.filter(|found| *found < processors) {
        let remedy = "give the container runtime more, for pods that ask for more than there is never start";
        return short(format!("{processors} processors"), found.to_string(), remedy);
    }
    if let Some(folder) = &offer.folder
        && let Some(found) = free(folder, surroundings).await.filter(|found| *found < disk)
    {
        let remedy = format!("make room in {folder}");
        return short(format!("{} of disk", gibibytes(disk)), gibibytes(found), &remedy);
    }
    for (name, wanted) in [("max_user_instances", inotify.0), ("max_user_watches", inotify.1)] {
        if let Some(found) = limit(&surroundings.limits, name).filter(|found| *found < wanted) {
            let remedy = "sudo sysctl fs.inotify.max_user_instances=2280 fs.inotify.max_user_watches=1255360";
            return short(format!("fs.inotify.{name} of {wanted}"), found.to_string(), remedy);
        }
    }
    Ok(())
}

/// Kubernetes 1.35 and later does not start with control groups of version 1, unless told to (kubelet's
/// `failCgroupV1`). The version is told by the tag of a node image.
pub(super) fn check_image(image: Option<&str>, offer: &Offer) -> Result<(), KindError> {
    let minor = image.and_then(|image| image.rsplit_once(":v1.")?.1.split(['.', '@']).next()?.parse::<u32>().ok());
    match (minor, offer.cgroup.as_deref()) {
        (Some(minor), Some("1")) if minor >= 35 => Err(KindError::Short {
            what: "the node image",
            needed: "control groups of version 2".to_owned(),
            found: "version 1".to_owned(),
            remedy: "give one of Kubernetes 1.34 or older: --node-image IMAGE".to_owned(),
        }),
        _ => Ok(()),
    }
}

fn limit(folder: &Path, name: &str) -> Option<u64> {
    fs::read_to_string(folder.join(name)).ok()?.trim().parse().ok()
}

/// Free bytes where a folder lies, by `df` as POSIX has it.
async fn free(folder: &str, surroundings: &Surroundings) -> Option<u64> {
    let mut command = surroundings.program("df");
    command.args(["-Pk", folder]).env("LC_ALL", "C");
    let ended = timeout(PATIENCE, program::run(command)).await.ok()?.ok()?;
    free_of(&String::from_utf8_lossy(&ended.stdout))
}

fn free_of(table: &str) -> Option<u64> {
    let kibibytes: u64 = table.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

fn gibibytes(bytes: u64) -> String {
    format!("{} GiB", bytes / GIB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_space_is_read_as_posix_writes_it() {
        let table = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/vda 100 60 40 60% /\n";
        assert_eq!(free_of(table), Some(40 * 1024));
        for nonsense in ["", "a\nb", "a\n1 2 3 x", "a\n/dev/x 1 2 18446744073709551615 1% /"] {
            assert_eq!(free_of(nonsense), None, "{nonsense:?}");
        }
    }

    #[test]
    fn a_new_kubernetes_is_not_tried_with_old_control_groups() {
        let old = Offer { cgroup: Some("1".to_owned()), ..Offer::default() };
        for (image, fits) in [
            (Some("kindest/node:v1.35.0"), false),
            (Some("kindest/node:v1.36.1@sha256:34"), false),
            (Some("kindest/node:v1.34.1"), true),
            (Some("registry:5000/node:mine"), true),
            (None, true),
        ] {
            assert_eq!(check_image(image, &old).is_ok(), fits, "{image:?}");
            assert!(check_image(image, &Offer::default()).is_ok());
        }
    }
}
