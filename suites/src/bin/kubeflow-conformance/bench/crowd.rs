//! `bench --users`: the check of many users on platforms of so many users and Profiles, and where the time goes. What
//! counts are the costs of one login, one Profile and one cell, which must not grow with the number of users.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use clusters::versions::Version;
use clusters::versions::credentials::DEFAULT_PASSWORD;
use clusters::{Embedded, Provided};
use futures::StreamExt as _;
use harness::cli;
use harness::config::InstallationOptions;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use reports::model::Results;
use serde_json::json;

use super::{provide, row, run};

/// How many cells are asked at most: beyond it a shard stands for the whole.
const CELLS: usize = 20_000;
/// What each user tries in each namespace.
const TRIES: usize = 7;
/// How many Profiles are made at once.
const AT_ONCE: usize = 16;
/// How long a platform may take for one of its steps.
const PATIENCE: Duration = Duration::from_secs(300);
const GLANCE: Duration = Duration::from_millis(20);

pub(super) fn measured(installation: &InstallationOptions, users: &[u16]) -> Result<u8, String> {
    harness::init();
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    let version = cli::release_or_default(installation.kubeflow)?;
    row("users", "one Profile    one login    one cell    whole matrix    peak memory");
    for count in users {
        one(&runtime, version, usize::from(*count))?;
    }
    Ok(harness::exit::CONFORMANT)
}

fn one(runtime: &tokio::runtime::Runtime, version: &'static Version, count: usize) -> Result<(), String> {
    let provided = provide(runtime, &Embedded::new(version))?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let emails: Vec<String> = (1..count).map(|number| format!("person-{number:04}@example.com")).collect();
    let profile = runtime.block_on(async {
        let client = kube::Client::try_from(provided.target.kube.clone()).map_err(|error| error.to_string())?;
        known(&client, &emails).await?;
        profiles(&client, &emails).await
    })?;
    let shards = (TRIES * count * count).div_ceil(CELLS);
    let options = options(&provided, folder.path(), &emails, count, shards)?;
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let (results, ran) = run(&program, &folder.path().join("reports"), &options)?;
    let Some([people, homes, cells, logins, housing, asking]) = told(&results) else {
        return Err(format!("the check of {count} users did not end: {:?}", outcome(&results)));
    };
    let per = |all: u64, of: u64| all as f64 / of.max(1) as f64;
    let whole = per(asking, cells) * (TRIES * count * count) as f64 / 1000.0;
    row(
        &count.to_string(),
        &format!(
            "{:>8.1} ms  {:>8.1} ms  {:>7.2} ms  {whole:>10.0} s  {:>11}",
            profile.as_secs_f64() * 1000.0 / count.max(1) as f64,
            per(logins, people),
            per(asking, cells),
            super::mebibytes(ran.peak),
        ),
    );
    row("", &format!("asked {cells} cells of {shards} shards, {homes} namespaces more in {housing} ms"));
    Ok(())
}

/// Lets Dex know users, all with the password that the platform's own have, by its configuration.
async fn known(client: &kube::Client, emails: &[String]) -> Result<(), String> {
    let failed = |error: kube::Error| format!("Dex cannot be told of users: {error}");
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "auth");
    let data = maps.get("dex").await.map_err(failed)?.data.unwrap_or_default();
    let config = data.get("config.yaml").ok_or("ConfigMap auth/dex has no config.yaml")?;
    let hash = config.lines().find_map(|line| line.trim().strip_prefix("hash: ")).ok_or("no hash in Dex' file")?;
    let (head, tail) = config.split_once("staticPasswords:\n").ok_or("no users in Dex' file")?;
    let indent: String = tail.chars().take_while(|c| *c == ' ').collect();
    let entry = |(at, email): (usize, &String)| {
        format!("{indent}- {{email: {email}, hash: {hash}, username: p{at}, userID: \"9{at:07}\"}}\n")
    };
    let entries: String = emails.iter().enumerate().map(entry).collect();
    let patch = json!({"data": {"config.yaml": format!("{head}staticPasswords:\n{entries}{tail}")}});
    maps.patch("dex", &PatchParams::default(), &Patch::Merge(patch)).await.map_err(failed)?;
    // It reads its file once.
    let pods: Api<Pod> = Api::namespaced(client.clone(), "auth");
    let dex = ListParams::default().labels("app=dex");
    let old: Vec<String> =
        pods.list(&dex).await.map_err(failed)?.items.into_iter().filter_map(|pod| pod.metadata.uid).collect();
    pods.delete_collection(&DeleteParams::default(), &dex).await.map_err(failed)?;
    let started = Instant::now();
    loop {
        let now = pods.list(&dex).await.map_err(failed)?.items;
        let is_new = |pod: &&Pod| pod.metadata.uid.as_ref().is_some_and(|uid| !old.contains(uid));
        let conditions = now.iter().filter(is_new).filter_map(|pod| pod.status.as_ref()?.conditions.as_ref()).flatten();
        if conditions.into_iter().any(|one| one.type_ == "Ready" && one.status == "True") {
            return Ok(());
        }
        if started.elapsed() > PATIENCE {
            return Err("Dex does not start again".to_owned());
        }
        tokio::time::sleep(GLANCE).await;
    }
}

/// Makes a Profile for each user, and waits until all are complete; how long that took.
async fn profiles(client: &kube::Client, emails: &[String]) -> Result<Duration, String> {
    let failed = |error: kube::Error| format!("a Profile cannot be made: {error}");
    let resource =
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("kubeflow.org", "v1", "Profile"), "profiles");
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let started = Instant::now();
    let making = emails.iter().enumerate().map(|(at, email)| {
        let (api, resource) = (api.clone(), &resource);
        let data = json!({"spec": {"owner": {"kind": "User", "name": email}}});
        let profile = DynamicObject::new(&format!("crowd-{at:04}"), resource).data(data);
        async move { api.create(&PostParams::default(), &profile).await }
    });
    let made: Vec<_> = futures::stream::iter(making).buffer_unordered(AT_ONCE).collect().await;
    made.into_iter().collect::<Result<Vec<_>, _>>().map_err(failed)?;
    loop {
        let listed = api.list_metadata(&ListParams::default()).await.map_err(failed)?.items;
        let complete = |name: &str| name.starts_with("crowd-");
        let done = listed.iter().filter(|one| one.metadata.name.as_deref().is_some_and(complete));
        let done = done.filter(|one| one.metadata.finalizers.as_ref().is_some_and(|all| !all.is_empty())).count();
        if done == emails.len() {
            return Ok(started.elapsed());
        }
        if started.elapsed() > PATIENCE {
            return Err(format!("{done} of {} Profiles are complete after {PATIENCE:?}", emails.len()));
        }
        tokio::time::sleep(GLANCE).await;
    }
}

fn options(
    provided: &Provided,
    folder: &Path,
    emails: &[String],
    count: usize,
    shards: usize,
) -> Result<Vec<String>, String> {
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|error| error.to_string())?;
        Ok::<_, String>(path.display().to_string())
    };
    let kubeconfig = write("kubeconfig", provided.kubeconfig.as_deref().unwrap_or_default())?;
    let lines: String = emails.iter().map(|email| format!("{email} {DEFAULT_PASSWORD}\n")).collect();
    let users = write("users", &lines)?;
    let gateway = provided.target.gateway.as_ref().map(ToString::to_string).unwrap_or_default();
    let options = [
        "--cluster=existing".to_owned(),
        format!("--kubeconfig={kubeconfig}"),
        format!("--gateway-url={gateway}"),
        format!("--users-file={users}"),
        format!("--users={count}"),
        format!("--shard=0/{shards}"),
        "--shard-of=bench".to_owned(),
        "isolation::ISO-040".to_owned(),
    ];
    Ok(options.to_vec())
}

/// The numbers of the check's note: people, namespaces, cells, and milliseconds for logins, namespaces and cells.
fn told(results: &Results) -> Option<[u64; 6]> {
    let note = results.notes.iter().find(|note| note.topic == "matrix")?;
    let numbers = note.text.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok());
    numbers.collect::<Vec<u64>>().try_into().ok()
}

fn outcome(results: &Results) -> Option<&reports::model::Outcome> {
    results.checks.iter().find(|check| check.id == "ISO-040").map(|check| &check.outcome)
}
