//! What would be lost: volumes, databases and buckets of standalone installations and charts.

use std::collections::BTreeSet;

use kube::Client;
use serde::{Deserialize, Serialize};

use super::bucket::{self, Bucket};
use super::database::{self, Database};
use super::remnants::Remnant;
use super::survey::{Object, Survey};

/// A claim, or a volume that a claim of former times has left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// The claim, `namespace/name`.
    pub claim: String,
    /// Its size as Kubernetes writes it.
    pub size: String,
    /// Its PersistentVolume; empty if it has none.
    pub volume: String,
    /// `Delete` or `Retain`; empty if it has no volume.
    pub reclaim_policy: String,
    /// The pods that use it.
    pub used_by: Vec<String>,
    /// What becomes of its data when the claim is deleted.
    pub fate: Fate,
}

/// What becomes of a volume's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It is deleted along with the claim.
    Lost,
    /// The volume stays, Released: an administrator can bind it again.
    Kept,
    /// The volume of a claim that is gone already.
    LeftOver,
    /// There is no volume.
    NoVolume,
}

/// Everything that holds data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Data {
    /// Claims and their volumes.
    pub volumes: Vec<Volume>,
    /// Databases.
    pub databases: Vec<Database>,
    /// Buckets of object stores.
    pub buckets: Vec<Bucket>,
    /// What could not be told: what it holds may be lost unseen.
    pub unknown: Vec<String>,
}

impl Data {
    /// Looks at the data of some namespaces, and of charts' remnants.
    pub(super) async fn look(client: &Client, survey: &Survey, homes: &[String], remnants: &[Remnant]) -> Self {
        let going: BTreeSet<&str> = remnants.iter().map(|remnant| remnant.uid.as_str()).collect();
        let concerned =
            |object: &Object| homes.iter().any(|home| home == object.namespace()) || going.contains(object.uid());
        let claims: Vec<&Object> = survey.of("PersistentVolumeClaim").filter(|claim| concerned(claim)).collect();
        let mut data = Self { volumes: volumes(survey, &claims, homes), ..Self::default() };
        let mut namespaces: Vec<String> = homes.to_vec();
        namespaces.extend(claims.iter().map(|claim| claim.namespace().to_owned()));
        namespaces.sort();
        namespaces.dedup();
        for (pod, at, password) in database::servers(survey, &namespaces) {
            match is_ready(pod) {
                true => match database::databases(client, &at, password).await {
                    Ok(found) => data.databases.extend(found),
                    Err(reason) => data.unknown.push(format!("the databases of {reason}")),
                },
                false => data.unknown.push(format!("the databases of {at}: it is not ready")),
            }
        }
        for (pod, store) in bucket::stores(survey, &namespaces) {
            match is_ready(pod) {
                true => match bucket::buckets(client, &store).await {
                    Ok(found) => data.buckets.extend(found),
                    Err(reason) => data.unknown.push(format!("the buckets of {reason}")),
                },
                false => data.unknown.push(format!("the buckets of {}: it is not ready", store.at)),
            }
        }
        // A claim that nobody serves from holds what it holds.
        for volume in data.volumes.iter().filter(|volume| volume.used_by.is_empty() && volume.fate != Fate::NoVolume) {
            data.unknown.push(format!("what volume {} of claim {} holds: no pod uses it", volume.volume, volume.claim));
        }
        data
    }

    /// Rows in all databases.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.databases.iter().flat_map(|database| database.rows.values()).sum()
    }

    /// Objects in all buckets.
    #[must_use]
    pub fn objects(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.objects).sum()
    }

    /// Whether there may be something to lose.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows() == 0 && self.objects() == 0 && self.unknown.is_empty() && self.volumes.is_empty()
    }
}

pub(super) fn is_ready(pod: &Object) -> bool {
    pod.items("/status/conditions").iter().any(|one| one["type"] == "Ready" && one["status"] == "True")
}

fn volumes(survey: &Survey, claims: &[&Object], homes: &[String]) -> Vec<Volume> {
    let mut volumes = Vec::new();
    for claim in claims {
        let name = claim.text("/spec/volumeName");
        let volume = survey.find("PersistentVolume", "", name).filter(|_| !name.is_empty());
        let policy = volume.map_or("", |volume| volume.text("/spec/persistentVolumeReclaimPolicy"));
        let size = [claim.text("/status/capacity/storage"), claim.text("/spec/resources/requests/storage")];
        volumes.push(Volume {
            claim: format!("{}/{}", claim.namespace(), claim.name()),
            size: size.into_iter().find(|size| !size.is_empty()).unwrap_or_default().to_owned(),
            volume: volume.map_or("", Object::name).to_owned(),
            reclaim_policy: policy.to_owned(),
            used_by: users(survey, claim),
            fate: match (volume, policy) {
                (None, _) => Fate::NoVolume,
                (_, "Retain") => Fate::Kept,
                _ => Fate::Lost,
            },
        });
    }
    let claimed = |volume: &&Object| {
        let of = |field: &str| volume.text(&format!("/spec/claimRef/{field}")).to_owned();
        let there = survey.find("PersistentVolumeClaim", &of("namespace"), &of("name")).is_some();
        homes.contains(&of("namespace")) && !there
    };
    volumes.extend(survey.of("PersistentVolume").filter(claimed).map(|volume| Volume {
        claim: format!("{}/{}", volume.text("/spec/claimRef/namespace"), volume.text("/spec/claimRef/name")),
        size: volume.text("/spec/capacity/storage").to_owned(),
        volume: volume.name().to_owned(),
        reclaim_policy: volume.text("/spec/persistentVolumeReclaimPolicy").to_owned(),
        used_by: Vec::new(),
        fate: Fate::LeftOver,
    }));
    volumes
}

fn users(survey: &Survey, claim: &Object) -> Vec<String> {
    let uses = |pod: &&Object| {
        let mounted = pod.items("/spec/volumes").iter();
        let mounted = mounted.filter_map(|volume| volume.pointer("/persistentVolumeClaim/claimName"));
        pod.namespace() == claim.namespace() && mounted.into_iter().any(|name| name == claim.name())
    };
    survey.of("Pod").filter(uses).map(|pod| pod.name().to_owned()).collect()
}
