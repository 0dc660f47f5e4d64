//! What a real kube-apiserver 1.34 answered to SubjectAccessReviews about a Profile's people, with upstream's roles and
//! the objects that the real profile controller and KFAM bind them by: rows of subject, resource and allowed verbs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use embedded::access::{Attributes, UserInfo, authorize};
use embedded::{Options, Platform, Release, blueprint};
use serde_json::Value;

use crate::applications::people;
use crate::fidelity::{self, Found};
use crate::recordings;

/// The verbs that were asked about for every resource.
const VERBS: [&str; 8] = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];

/// A row: who, on what, and the verbs that were allowed.
struct Row {
    subject: String,
    /// `wanda` for the Profile's, empty for the whole cluster.
    namespace: &'static str,
    group: String,
    resource: String,
    subresource: String,
    allowed: BTreeSet<String>,
}

#[tokio::test]
async fn rights_of_v1_9_1_are_as_recorded() {
    compare("v1.9.1", Release::V1_9_1).await;
}

#[tokio::test]
async fn rights_of_v1_10_2_are_as_recorded() {
    compare("v1.10.2", Release::V1_10_2).await;
}

async fn compare(version: &str, release: Release) {
    let Some(file) = recordings::observation(&format!("sar-matrix-{version}.csv")) else { return };
    let rows = rows(&std::fs::read_to_string(file).unwrap());
    let platform = start(release).await;
    let mut asked: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for row in &rows {
        let verbs = asked.entry((&row.group, &row.resource)).or_insert_with(|| BTreeSet::from(VERBS));
        verbs.extend(row.allowed.iter().map(String::as_str));
    }
    let mut found = Found::default();
    for row in &rows {
        let user = user(&row.subject);
        let mut differences = Vec::new();
        for verb in &asked[&(row.group.as_str(), row.resource.as_str())] {
            let mut wanted = Attributes::resource(verb, &row.group, &row.resource, row.namespace, "");
            wanted.subresource.clone_from(&row.subresource);
            let (before, now) = (row.allowed.contains(*verb), authorize(platform.world(), &user, &wanted));
            if before != now {
                let word = |allowed| if allowed { "allowed" } else { "denied" };
                differences.push(format!("{verb}: recorded {}, now {}", word(before), word(now)));
            }
        }
        let slash = if row.subresource.is_empty() { "" } else { "/" };
        found.note(
            &format!("{}: {}{slash}{} of {:?}", row.subject, row.resource, row.subresource, row.group),
            differences,
        );
    }
    fidelity::judge("rights", version, &found);
}

/// The rows of a file whose columns are version, subject, ClusterRole, namespace, group, resource, subresource, verbs.
fn rows(text: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    for line in text.lines().skip(1) {
        let columns: Vec<_> = line.trim_end().split(',').collect();
        let [_, subject, _, namespace, group, resource, subresource, verbs] = columns[..] else {
            panic!("a row is {line:?}")
        };
        rows.push(Row {
            subject: subject.to_owned(),
            namespace: if namespace == "alice" { "wanda" } else { "" },
            group: group.to_owned(),
            resource: resource.to_owned(),
            subresource: subresource.to_owned(),
            allowed: verbs.split(' ').filter(|verb| !verb.is_empty()).map(str::to_owned).collect(),
        });
    }
    rows
}

/// The person of the stage that a subject is.
fn user(subject: &str) -> UserInfo {
    let person = |name: &str| UserInfo { name: format!("{name}@example.com"), ..UserInfo::default() };
    match subject {
        "owner" => person("wanda"),
        "contributor-edit" => person("edna"),
        "contributor-view" => person("vera"),
        "stranger" => person("otto"),
        account => UserInfo::service_account("wanda", account.strip_prefix("SA ").unwrap(), ""),
    }
}

async fn start(release: Release) -> Platform {
    let mut objects = blueprint::objects(release).unwrap();
    objects.retain(|object| object["kind"] != "Profile");
    objects.extend(people());
    let platform = Platform::start(Options::default()).await.unwrap();
    blueprint::put(platform.world(), objects).unwrap();
    let settled = async {
        while !is_settled(&platform) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), settled).await.unwrap();
    platform
}

/// Whether the Profile is made and the ClusterRoles that gather others hold what those hold.
fn is_settled(platform: &Platform) -> bool {
    let store = &platform.world().store;
    let bound = store.list("rbac.authorization.k8s.io", "rolebindings", Some("wanda"));
    let gathered = store.list("rbac.authorization.k8s.io", "clusterroles", None);
    let holds_nothing =
        |role: &Value| role.get("aggregationRule").is_some() && role["rules"].as_array().is_none_or(Vec::is_empty);
    bound.iter().any(|binding| binding["metadata"]["name"] == "namespaceAdmin")
        && gathered.iter().filter(|role| holds_nothing(role)).count() == 0
}
