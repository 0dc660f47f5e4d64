//! Users that make no sense, and tenants that never begin or never end. Each platform is broken through its objects.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod};
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use reports::model::{Check, Outcome, Skip};
use serde_json::json;

use crate::own_platform::Platform;
use crate::program::{Program, Ran};

impl Platform {
    /// Lets Dex know users whose password is that of the platform's own.
    async fn knows(&self, emails: &[&str]) {
        let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), "auth");
        let config = maps.get("dex").await.unwrap().data.unwrap()["config.yaml"].clone();
        let hash = config.lines().find_map(|line| line.trim().strip_prefix("hash: ")).unwrap();
        let entry = |(at, email): (usize, &&str)| {
            format!("      - {{email: {}, hash: {hash}, username: u{at}, userID: \"77{at}\"}}\n", json!(email))
        };
        let entries: String = emails.iter().enumerate().map(entry).collect();
        let (head, tail) = config.split_once("staticPasswords:\n").unwrap();
        let indent = tail.len() - tail.trim_start().len();
        let entries = entries.replace("      - ", &format!("{}- ", " ".repeat(indent)));
        let config = format!("{head}staticPasswords:\n{entries}{tail}");
        let patch = Patch::Merge(json!({"data": {"config.yaml": config}}));
        maps.patch("dex", &PatchParams::default(), &patch).await.unwrap();
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), "auth");
        let dex = ListParams::default().labels("app=dex");
        let old = pods.list(&dex).await.unwrap().items;
        pods.delete_collection(&DeleteParams::default(), &dex).await.unwrap();
        loop {
            let is_ready = |pod: &Pod| {
                let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
                let new = old.iter().all(|one| one.metadata.uid != pod.metadata.uid);
                new && conditions.into_iter().any(|one| one.type_ == "Ready" && one.status == "True")
            };
            if pods.list(&dex).await.unwrap().items.iter().any(is_ready) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn loses_the_rights_of_profiles(&self) {
        let bindings: Api<ClusterRoleBinding> = Api::all(self.client.clone());
        bindings.delete("profiles-cluster-rolebinding", &DeleteParams::default()).await.unwrap();
    }
}

fn check(ran: &Ran, id: &str) -> Check {
    ran.results().checks.into_iter().find(|check| check.id == id).unwrap()
}

fn failed(check: &Check) -> String {
    match &check.outcome {
        Outcome::Failed(failure) => format!("{failure:?}"),
        other => panic!("{} is {other:?}, not failed", check.id),
    }
}

#[test]
fn users_that_cannot_be_kept_apart() {
    for (users, words) in [
        ("a@example.com s3cret-one\na@example.com s3cret-two\n", ["line 2", "names a@example.com again"]),
        ("a@example.com s3cret-one\nA@Example.com s3cret-two\n", ["line 2", "in case only"]),
        ("user@example.com s3cret-one\n", ["line 1", "again"]),
        ("USER@example.com s3cret-one\n", ["line 1", "in case only"]),
        ("nobody s3cret-one\n", ["line 1", "no e-mail address"]),
        ("a@example.com\n", ["line 1", "no password"]),
    ] {
        let program = Program::new(&["run", "--users-file", "users", "isolation::ISO-040"]);
        program.file("users", users);
        let ran = program.ends().refused(2, &words);
        assert!(!ran.stderr.contains("s3cret"), "{ran:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_whom_nobody_knows_is_no_fault_of_the_platform() {
    let ran = Platform::start().await.judged("nobody@example.com s3cret-word\n", "isolation::ISO-040");
    let check = check(&ran, "ISO-040");
    let Outcome::Errored(problem) = &check.outcome else { panic!("{:?}", check.outcome) };
    assert!(problem.message.contains("nobody@example.com cannot log in"), "{problem:?}");
    assert!(problem.next.as_ref().is_some_and(|next| next.contains("--users-file")), "{problem:?}");
    assert!(!ran.stdout.contains("s3cret") && !ran.stderr.contains("s3cret"), "{ran:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_make_no_name_of_a_namespace_are_users_like_others() {
    let users = ["first.last+tag@example.com", "o'neil@example.com"];
    let platform = Platform::start().await;
    platform.knows(&users).await;
    let lines: String = users.iter().map(|user| format!("{user} 12341234\n")).collect();
    let ran = platform.judged(&lines, "isolation::ISO-040");
    let check = check(&ran, "ISO-040");
    assert_eq!(check.outcome, Outcome::Passed, "{ran:#?}");
    assert_eq!(check.matrices[0].who, ["user@example.com", users[0], users[1]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_the_login_writes_otherwise_is_no_fault_of_the_platform() {
    let platform = Platform::start().await;
    platform.knows(&["O'Neil@example.com"]).await;
    let ran = platform.judged("O'Neil@example.com 12341234\n", "isolation::ISO-040");
    let check = check(&ran, "ISO-040");
    let Outcome::Errored(problem) = &check.outcome else { panic!("{:?}", check.outcome) };
    assert!(problem.message.contains("O'Neil@example.com is logged in as o'neil@example.com"), "{problem:?}");
    assert!(problem.next.as_ref().is_some_and(|next| next.contains("--users-file")), "{problem:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_that_never_gets_ready_fails_one_check_and_blocks_the_others() {
    let platform = Platform::start().await;
    platform.loses_the_rights_of_profiles().await;
    let ran = platform.judged("", "profiles::PRF-02");
    assert_eq!(ran.code, 101, "{ran:#?}");
    assert!(failed(&check(&ran, "PRF-020")).contains("profiles-cluster-rolebinding"), "{ran:#?}");
    for check in ran.results().checks.iter().filter(|check| check.after.iter().any(|id| id == "PRF-020")) {
        let blocked = Outcome::Skipped(Skip::BlockedBy { id: "PRF-020".to_owned() });
        assert!([blocked, Outcome::Skipped(Skip::NotSelected)].contains(&check.outcome), "{check:?}");
    }
    let spaces: Api<Namespace> = Api::all(platform.client.clone());
    let left = spaces.list(&ListParams::default()).await.unwrap().items;
    assert!(left.iter().all(|space| !space.metadata.name.as_deref().unwrap().starts_with("conf-")), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_stays_terminating_is_named_with_what_holds_it() {
    let platform = Platform::start().await;
    let client = platform.client.clone();
    // Whatever namespace the run makes gets something in it that does not go.
    let clinging = tokio::spawn(async move {
        let spaces: Api<Namespace> = Api::all(client.clone());
        let map: ConfigMap =
            serde_json::from_value(json!({"metadata": {"name": "clings", "finalizers": ["example.org/clings"]}}))
                .unwrap();
        loop {
            for space in spaces.list_metadata(&ListParams::default()).await.unwrap().items {
                let name = space.metadata.name.unwrap();
                if name.starts_with("conf-") && space.metadata.deletion_timestamp.is_none() {
                    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &name);
                    _ = maps.create(&PostParams::default(), &map).await;
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let ran = platform.judged("", "profiles::PRF-033");
    clinging.abort();
    let notes = ran.results().notes;
    let left = notes.iter().find(|note| note.topic == "leftover" && note.text.contains("Terminating"));
    let left = left.unwrap_or_else(|| panic!("{notes:#?}"));
    for words in ["Namespace conf-", "example.org/clings", "left behind by PRF-033", "kubectl describe namespace"] {
        assert!(left.text.contains(words), "{words}: {left:?}");
    }
    assert!(!check(&ran, "PRF-033").leaked.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kfam_that_answers_with_errors_fails_what_needs_it_with_the_cause() {
    let platform = Platform::start().await;
    platform.loses_the_rights_of_profiles().await;
    let ran = platform.judged("", "dashboard::DSH-01");
    assert_eq!(ran.code, 101, "{ran:#?}");
    for id in ["DSH-010", "DSH-011"] {
        let told = failed(&check(&ran, id));
        assert!(told.contains("is forbidden") && told.contains("profiles-cluster-rolebinding"), "{told}");
    }
    assert!(ran.results().checks.iter().all(|check| !matches!(check.outcome, Outcome::Errored(_))), "{ran:#?}");
}
