//! What runs leave in the object store, byte by byte; by signed requests, and as the UI shows it.

use harness::check::{Seconds, source};
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Severity, Stop, check};
use url::form_urlencoded;

use super::DATA;
use super::records::{place, result_uri};
use super::store::{self, get, keys};
use crate::faults::data as faults;
use crate::gateway::diagnose::{blame, pods_behind};
use crate::objects;
use crate::pipelines::own::{RUN_BOUND, Ran};
use crate::tenants;

const UI: &str = "frontend/server/handlers/artifacts.ts";
const ISOLATION: &[Profile] = &[Profile::Core, Profile::Pipelines, Profile::Tenancy, Profile::Security];

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "DAT-022",
        "The object of a run's result holds what the run has written, byte by byte",
        Level::Must,
        source("kubeflow/pipelines", "backend/src/v2/component/launcher_v2.go: uploadOutputArtifacts"),
        |cx| Box::pin(exact_bytes(cx)),
    )
    .explain(Explain {
        what: "The object that ML Metadata names, read from the store by a signed request with the keys of the tenant's \
               Secret, is exactly the word that the run was told to write.",
        why: "A run that lost its result ends as SUCCEEDED all the same: a missing output file is only a warning. Only \
              the bytes tell.",
        fix: "kubectl -n NAMESPACE logs of the run's pod, container main; look at Secret mlpipeline-minio-artifact.",
        reproduce: "kubectl -n kubeflow port-forward service/minio-service 9000; then any S3 client, path style.",
    })
    .profiles(DATA)
    .after(&["KFP-040", "DAT-021"])
    .writes()
    .within(Seconds(RUN_BOUND))
    .breaks_on(&[&faults::STORE_CORRUPTS]),
    check(
        "DAT-023",
        "The UI shows a run's result to its owner, byte by byte",
        Level::Must,
        source("kubeflow/pipelines", UI),
        |cx| Box::pin(shown(cx)),
    )
    .explain(Explain {
        what: "/pipeline/artifacts/get with the bucket, key and namespace of the run's result answers 200 with exactly the \
               word that the run was told to write; a key that is not there is refused.",
        why: "It is how people see what came of their runs; it goes through the artifact server of their namespace.",
        fix: "kubectl -n NAMESPACE get deployment,service ml-pipeline-ui-artifact; kubectl -n kubeflow logs \
              deployment/ml-pipeline-ui.",
        reproduce: "curl -s -b cookies.txt \
                    \"$GATEWAY/pipeline/artifacts/get?source=minio&bucket=mlpipeline&key=KEY&namespace=NAMESPACE\"",
    })
    .profiles(DATA)
    .after(&["KFP-040", "DAT-021"])
    .writes()
    .within(Seconds(RUN_BOUND))
    .breaks_on(&[&faults::STORE_CORRUPTS, &faults::ARTIFACT_KEYS_CHANGED]),
    check(
        "DAT-026",
        "A stranger's artifact server refuses a user",
        Level::Must,
        source("kubeflow/kubeflow", "components/profile-controller: AuthorizationPolicy ns-owner-access-istio"),
        |cx| Box::pin(stranger(cx)),
    )
    .explain(Explain {
        what: "/pipeline/artifacts/get with a stranger's namespace is refused by the policy of that namespace (403, RBAC: \
               access denied), while the same request for the user's own namespace is answered. That any user reads any \
               object when no namespace is named, and that all tenants have the same keys, are known weaknesses up to \
               v1.10: findings.",
        why: "Results are data of the tenant; the policy of the namespace is all that keeps others out.",
        fix: "kubectl -n NAMESPACE get authorizationpolicy ns-owner-access-istio -o yaml; the profile controller makes it.",
        reproduce: "curl -s -b cookies.txt \
                    \"$GATEWAY/pipeline/artifacts/get?source=minio&bucket=mlpipeline&key=KEY&namespace=STRANGER\"",
    })
    .profiles(ISOLATION)
    .after(&["KFP-040", "DAT-021"])
    .writes()
    .within(Seconds(RUN_BOUND))
    .breaks_on(&[&faults::NAMESPACES_OPEN]),
];

/// The word that the shared run was told to write.
pub(super) fn word(cx: &Ctx) -> &str {
    &cx.environment().run_id
}

async fn exact_bytes(cx: &Ctx) -> Checked {
    let ran = cx.fixture::<Ran>().await?;
    let uri = result_uri(cx, &ran).await?;
    let (bucket, key) = place(&uri).ok_or_else(|| Stop::failed("minio://BUCKET/KEY", uri.as_str()))?;
    let keys = keys(cx, &ran.namespace).await?;
    let found = get(cx, Some(&keys), bucket, key).await?;
    if found.status == 200 && found.body == word(cx).as_bytes() {
        return Ok(());
    }
    let told = if found.status == 200 { String::from_utf8_lossy(&found.body).into_owned() } else { found.told() };
    let stop = Stop::failed(format!("200 and exactly {:?}", word(cx)), told).at(uri);
    Err(blame(stop, pods_behind(cx, ("kubeflow", store::STORE), ("kubeflow", "minio")).await))
}

/// The path of an artifact in the UI.
fn artifact(bucket: &str, key: &str, namespace: Option<&str>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("source", "minio").append_pair("bucket", bucket).append_pair("key", key);
    if let Some(namespace) = namespace {
        query.append_pair("namespace", namespace);
    }
    format!("/pipeline/artifacts/get?{}", query.finish())
}

/// The artifact server of a namespace, if something is wrong with it.
async fn server(cx: &Ctx, namespace: &str, stop: Stop) -> Stop {
    if let Ok(Some(secret)) = objects::get(cx, objects::SECRET, namespace, store::KEYS).await
        && let Ok(Some(of_store)) = objects::get(cx, objects::SECRET, "kubeflow", store::KEYS).await
        && secret.data.get("data") != of_store.data.get("data")
    {
        return stop
            .because(format!("Secret {namespace}/{} has other keys than Secret kubeflow/{}", store::KEYS, store::KEYS))
            .fix(format!(
                "kubectl -n {namespace} delete secret {}; it is made again; restart what reads it",
                store::KEYS
            ));
    }
    let place = (namespace, "ml-pipeline-ui-artifact");
    let deployment = objects::get(cx, objects::DEPLOYMENT, place.0, place.1).await;
    if let Ok(Some(deployment)) = &deployment
        && objects::variable(deployment, "MINIO_SECRET_KEY").is_some()
    {
        return stop
            .because(format!("Deployment {namespace}/ml-pipeline-ui-artifact sets MINIO_SECRET_KEY itself"))
            .fix(format!("kubectl -n {namespace} delete deployment ml-pipeline-ui-artifact: it is made again"));
    }
    blame(stop, pods_behind(cx, place, place).await)
}

async fn shown(cx: &Ctx) -> Checked {
    let ran = cx.fixture::<Ran>().await?;
    let uri = result_uri(cx, &ran).await?;
    let (bucket, key) = place(&uri).ok_or_else(|| Stop::failed("minio://BUCKET/KEY", uri.as_str()))?;
    let session = cx.user_session().await?;
    let answer = session.get(&artifact(bucket, key, Some(&ran.namespace))).await?;
    if answer.status.as_u16() != 200 || answer.body != word(cx) {
        let stop = Stop::failed(format!("200 and exactly {:?}", word(cx)), answer.summary()).at(answer.at());
        return Err(server(cx, &ran.namespace, stop).await);
    }
    let absent = session.get(&artifact(bucket, &format!("{key}-absent"), Some(&ran.namespace))).await?;
    if absent.status.as_u16() == 500 && absent.body.contains("does not exist") {
        return Ok(());
    }
    Err(Stop::failed("500, saying that the key does not exist", absent.summary()).at(absent.at()))
}

async fn stranger(cx: &Ctx) -> Checked {
    let ran = cx.fixture::<Ran>().await?;
    let other = tenants::of_other(cx).await?;
    let uri = result_uri(cx, &ran).await?;
    let (bucket, key) = place(&uri).ok_or_else(|| Stop::failed("minio://BUCKET/KEY", uri.as_str()))?;
    let session = cx.user_session().await?;
    let own = session.get(&artifact(bucket, key, Some(&ran.namespace))).await?;
    if own.status.as_u16() != 200 {
        let stop = Stop::failed("200 for the user's own namespace", own.summary()).at(own.at());
        return Err(server(cx, &ran.namespace, stop).await);
    }
    // The stranger's server is asked only once it is there: until then nobody is refused by its policy.
    let place = (other.name.as_str(), "ml-pipeline-ui-artifact");
    wait_for(cx, place.0).await?;
    let refused = session.get(&artifact(bucket, key, Some(&other.name))).await?;
    if refused.status.as_u16() != 403 || !refused.body.contains("RBAC: access denied") {
        return Err(Stop::failed("403, RBAC: access denied", refused.summary())
            .at(refused.at())
            .because(format!("AuthorizationPolicies of namespace {} let others than its owner in", other.name))
            .fix(format!("kubectl -n {} get authorizationpolicies -o yaml", other.name)));
    }
    let unnamed = session.get(&artifact(bucket, key, None)).await?;
    if unnamed.status.as_u16() == 200 {
        cx.finding(
            Severity::High,
            "Any user reads any tenant's artifacts when no namespace is named",
            "/pipeline/artifacts/get without a namespace reads with the platform's own keys; fixed in Kubeflow Pipelines 2.17",
        );
    }
    Ok(())
}

/// Waits until the artifact server of a namespace is ready.
async fn wait_for(cx: &Ctx, namespace: &str) -> Checked {
    use futures::future::BoxFuture;
    use harness::context::Seen;
    cx.eventually("the stranger's artifact server is ready", tenants::COMPLETE_WITHIN, tenants::EVERY, || {
        let (cx, namespace) = (cx.clone(), namespace.to_owned());
        Box::pin(async move {
            let found = objects::get(&cx, objects::DEPLOYMENT, &namespace, "ml-pipeline-ui-artifact").await?;
            let ready =
                found.is_some_and(|found| objects::number(&found.data, "/status/readyReplicas").unwrap_or(0) > 0);
            Ok(if ready { Seen::Yes(()) } else { Seen::NotYet("not ready".to_owned()) })
        }) as BoxFuture<'_, Checked<Seen<()>>>
    })
    .await
}
