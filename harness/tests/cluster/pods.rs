//! A check's own pod runs, and commands run in it.

use std::time::Duration;

use futures::FutureExt;
use harness::context::Seen;
use harness::{Checked, Ctx};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, AttachParams, AttachedProcess};
use reports::model::Outcome;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::place::{Place, entry, everywhere, object, results, suite};

#[tokio::test(flavor = "multi_thread")]
async fn commands_run_in_a_pod_of_a_check() {
    everywhere(|place| commands(place).boxed()).await;
}

async fn commands(place: &Place) {
    let environment = place.environment();
    let run_id = environment.run_id.clone();
    let ran = results(suite(&[("TST-001", |cx| Box::pin(in_a_pod(cx)))]), environment).await;
    let check = entry(&ran, "TST-001");
    assert_eq!(check.outcome, Outcome::Passed);
    assert_eq!((&check.leaked, place.objects_of(&run_id).await), (&Vec::new(), Vec::new()));
}

async fn in_a_pod(cx: &Ctx) -> Checked {
    let name = format!("conformance-pod-{}", &cx.environment().run_id[..8]);
    cx.own(object(json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "namespace": "default" },
        "spec": { "terminationGracePeriodSeconds": 0, "containers": [{ "name": "main", "image": Place::image(),
            "imagePullPolicy": "IfNotPresent", "command": ["sleep", "3600"] }] } })))
        .await?;
    let pods: Api<Pod> = Api::namespaced(cx.kube(), "default");
    let look = || {
        async {
            let phase = pods.get(&name).await?.status.and_then(|status| status.phase).unwrap_or_default();
            Ok(if phase == "Running" { Seen::Yes(()) } else { Seen::NotYet(phase) })
        }
        .boxed()
    };
    cx.eventually("the pod runs", Duration::from_secs(60), Duration::from_millis(200), look).await?;

    let run = |command: &'static [&'static str], stdin: bool| {
        let parameters = AttachParams::default().stdin(stdin).stdout(true).stderr(true);
        let (pods, name) = (pods.clone(), name.clone());
        async move { pods.exec(&name, command.iter().copied(), &parameters).await }
    };
    let said = finish(run(&["echo", "hello"], false).await?).await;
    assert_eq!(said, ("hello\n".to_owned(), String::new(), true));
    let said = finish(run(&["sh", "-c", "echo out; exit 3"], false).await?).await;
    assert_eq!(said, ("out\n".to_owned(), String::new(), false));
    let mut fed = run(&["cat"], true).await?;
    let mut stdin = fed.stdin().unwrap();
    stdin.write_all(b"from outside").await.unwrap();
    stdin.shutdown().await.unwrap();
    drop(stdin);
    // Channels of a WebSocket cannot be half closed before v5 of the protocol: what comes back is read, not its end.
    let mut back = vec![0; "from outside".len()];
    fed.stdout().unwrap().read_exact(&mut back).await.unwrap();
    assert_eq!(back, b"from outside");
    Ok(())
}

/// Standard output, standard error, and whether it ended well.
async fn finish(mut process: AttachedProcess) -> (String, String, bool) {
    let (mut out, mut err) = (String::new(), String::new());
    let (mut stdout, mut stderr) = (process.stdout().unwrap(), process.stderr().unwrap());
    let status = process.take_status().unwrap();
    tokio::try_join!(stdout.read_to_string(&mut out), stderr.read_to_string(&mut err)).unwrap();
    let status = status.await.unwrap();
    (out, err, status.status.as_deref() == Some("Success"))
}
