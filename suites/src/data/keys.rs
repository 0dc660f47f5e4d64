//! Who opens the object store: the keys of a tenant's Secret, and nobody without keys.

use harness::check::{Seconds, source};
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Severity, Stop, check};

use super::DATA;
use super::store::{self, Answer, Keys, bucket, get, keys, put, remove_afterwards};
use crate::faults::data as faults;
use crate::objects::{self, SECRET};
use crate::pipelines::own::home;
use crate::tenants;

const SYNC: &str = "manifests/kustomize/base/installs/multi-user/pipelines-profile-controller/sync.py";

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "DAT-005",
        "A tenant's namespace has keys that open the object store",
        Level::Must,
        source("kubeflow/pipelines", SYNC),
        |cx| Box::pin(opens(cx)),
    )
    .explain(Explain {
        what: "Secret mlpipeline-minio-artifact of a namespace that the user owns has an access key and a secret key, and a \
               signed request with them is answered by the store as one with the platform's own keys is.",
        why: "Each step of a run reads the keys from the Secret of its own namespace; other keys make every run fail.",
        fix: "kubectl -n NAMESPACE delete secret mlpipeline-minio-artifact: it is made again, with the platform's keys.",
        reproduce: "kubectl -n NAMESPACE get secret mlpipeline-minio-artifact -o yaml",
    })
    .profiles(DATA)
    .writes()
    .within(Seconds(60))
    .breaks_on(&[&faults::TENANT_KEYS_WRONG, &faults::PLATFORM_KEYS_CHANGED, &faults::HOOK_STOPPED]),
    check(
        "DAT-006",
        "The object store refuses whoever has no keys, or wrong ones",
        Level::Must,
        source("Amazon S3 API", "SignatureDoesNotMatch, AccessDenied"),
        |cx| Box::pin(refuses(cx)),
    )
    .explain(Explain {
        what: "An object of the check's own is read with the platform's keys; without a signature, and with another secret \
               key, the same request is refused with 403.",
        why: "Up to v1.10 these keys are all that stands between a pod in the cluster and every tenant's data.",
        fix: "Look for a bucket policy that lets anybody in (mc policy list), and at the store's environment.",
        reproduce: "kubectl -n kubeflow port-forward service/minio-service 9000; curl -i localhost:9000/mlpipeline/",
    })
    .profiles(&[Profile::Core, Profile::Pipelines, Profile::Tenancy, Profile::Security])
    .writes()
    .breaks_on(&[&faults::STORE_OPEN]),
    check(
        "DAT-007",
        "A new tenant gets keys to the object store",
        Level::Must,
        source("kubeflow/pipelines", SYNC),
        |cx| Box::pin(provided(cx)),
    )
    .explain(Explain {
        what: "A Profile of the run's own has Secret mlpipeline-minio-artifact within a minute. Whether its keys are those \
               of another tenant, and open another tenant's objects, is a finding: so it is up to v1.10.",
        why: "When this stops, nothing logs an error, old tenants go on, and each new one cannot run anything.",
        fix: "kubectl -n kubeflow logs deployment/kubeflow-pipelines-profile-controller, statefulset/metacontroller.",
        reproduce: "Create a Profile; kubectl -n PROFILE get secret mlpipeline-minio-artifact",
    })
    .profiles(&[Profile::Core, Profile::Pipelines, Profile::Tenancy, Profile::Security])
    .writes()
    .within(Seconds(120))
    .breaks_on(&[&faults::HOOK_STOPPED]),
];

/// Whether the store has looked for the object, rather than refused the keys.
fn let_in(answer: &Answer) -> bool {
    answer.status == 200 || answer.code() == "NoSuchKey"
}

async fn opens(cx: &Ctx) -> Checked {
    let (bucket, namespace) = (bucket(cx).await?, home(cx).await?);
    let absent = format!("conformance/{}", tenants::name(cx, "absent"));
    let platform = get(cx, Some(&keys(cx, "kubeflow").await?), &bucket, &absent).await?;
    if !let_in(&platform) {
        return Err(Stop::failed("the platform's own keys open the store", platform.told())
            .because(format!("Secret kubeflow/{}: its keys are not those of the object store", store::KEYS))
            .fix("kubectl -n kubeflow rollout restart deployment minio ml-pipeline: both read the Secret when they start"));
    }
    until_there(cx, &namespace).await?;
    let found = get(cx, Some(&keys(cx, &namespace).await?), &bucket, &absent).await?;
    if let_in(&found) {
        return Ok(());
    }
    Err(Stop::failed("the tenant's keys open the store, as the platform's do", found.told())
        .because(format!("Secret {namespace}/{} has other keys than Secret kubeflow/{}", store::KEYS, store::KEYS))
        .fix(format!("kubectl -n {namespace} delete secret {}: it is made again", store::KEYS)))
}

/// Waits until a namespace has keys.
async fn until_there(cx: &Ctx, namespace: &str) -> Checked {
    use futures::future::BoxFuture;
    use harness::context::Seen;
    cx.eventually("the namespace has keys", tenants::COMPLETE_WITHIN, tenants::EVERY, || {
        let (cx, namespace) = (cx.clone(), namespace.to_owned());
        Box::pin(async move {
            if objects::get(&cx, SECRET, &namespace, store::KEYS).await?.is_some() {
                return Ok(Seen::Yes(()));
            }
            match maker(&cx).await? {
                Some(stop) => Err(stop),
                None => Ok(Seen::NotYet(format!("no Secret {namespace}/{}", store::KEYS))),
            }
        }) as BoxFuture<'_, Checked<Seen<()>>>
    })
    .await
}

/// A failure if nobody is there who could make the keys.
async fn maker(cx: &Ctx) -> Checked<Option<Stop>> {
    let ready = |found: &Option<kube::api::DynamicObject>| {
        found.as_ref().is_some_and(|one| objects::number(&one.data, "/status/readyReplicas").unwrap_or(0) > 0)
    };
    let hook = "kubeflow-pipelines-profile-controller";
    let program = objects::get(cx, objects::DEPLOYMENT, "kubeflow", hook).await?;
    let asks = objects::get(cx, objects::STATEFUL_SET, "kubeflow", "metacontroller").await?;
    for (is_ready, what) in [
        (ready(&program), format!("Deployment kubeflow/{hook}")),
        (ready(&asks), "StatefulSet kubeflow/metacontroller".to_owned()),
    ] {
        if !is_ready {
            return Ok(Some(
                Stop::failed("the namespace gets keys to the object store", "nobody is there who could make them")
                    .because(format!("{what} has no ready pod"))
                    .fix(format!("kubectl -n kubeflow describe {what}")),
            ));
        }
    }
    Ok(None)
}

async fn refuses(cx: &Ctx) -> Checked {
    let (bucket, good) = (bucket(cx).await?, keys(cx, "kubeflow").await?);
    let key = format!("conformance/{}", tenants::name(cx, "closed"));
    remove_afterwards(cx, &good, &bucket, &key)?;
    let written = put(cx, &good, &bucket, &key, b"for nobody else").await?;
    let read = get(cx, Some(&good), &bucket, &key).await?;
    if (written.status, read.status) != (200, 200) {
        let told = format!("{}, then {}", written.told(), read.told());
        return Err(Stop::failed("the platform's keys write and read an object", told)
            .because(format!("Deployment kubeflow/minio, or Secret kubeflow/{}", store::KEYS)));
    }
    let wrong = Keys { secret: format!("{}-not", good.secret), ..good };
    for (who, what) in [(None, "without a signature"), (Some(&wrong), "with another secret key")] {
        let refused = get(cx, who, &bucket, &key).await?;
        if refused.status != 403 || refused.code().is_empty() {
            return Err(Stop::failed(format!("403 and an error of S3 {what}"), refused.told())
                .at(format!("s3://{bucket}/{key}"))
                .because("Deployment kubeflow/minio lets in who has no keys")
                .fix("look for a bucket policy that lets anybody in"));
        }
    }
    Ok(())
}

async fn provided(cx: &Ctx) -> Checked {
    let other = tenants::of_other(cx).await?;
    until_there(cx, &other.name).await?;
    let theirs = keys(cx, &other.name).await?;
    if theirs.access.is_empty() || theirs.secret.is_empty() {
        return Err(Stop::failed("an access key and a secret key", "one of them is empty").at(format!(
            "Secret {}/{}",
            other.name,
            store::KEYS
        )));
    }
    let bucket = bucket(cx).await?;
    let own = keys(cx, "kubeflow").await?;
    let key = format!("conformance/{}", tenants::name(cx, "of-another"));
    remove_afterwards(cx, &own, &bucket, &key)?;
    put(cx, &own, &bucket, &key, b"somebody else's").await?;
    let found = get(cx, Some(&theirs), &bucket, &key).await?;
    if found.status == 200 {
        let same =
            if theirs.access == own.access { "the platform's own" } else { "keys of its own that open everything" };
        cx.finding(
            Severity::High,
            "A tenant's keys open every tenant's objects",
            format!(
                "the Secret of a new tenant holds {same}: an object that is not the tenant's was read. So it is up to v1.10 \
                 (kubeflow/pipelines issues 4649, 8406); v1.11 gives each tenant keys of its own"
            ),
        );
    }
    Ok(())
}
