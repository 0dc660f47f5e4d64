//! The object store itself: the bundled one, with the bucket of the pipelines.

use harness::check::source;
use harness::{Check, Checked, Ctx, Explain, Level, Stop, check};

use super::DATA;
use super::archive::{self, Repository};
use super::store::{self, bucket, get, keys, put, remove_afterwards};
use crate::faults::data as faults;
use crate::objects::{self, SERVICE, text};
use crate::tenants;

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "DAT-003",
        "Kubeflow Pipelines uses the bundled object store",
        Level::Should,
        source("kubeflow/manifests", "ConfigMap workflow-controller-configmap, Service minio-service"),
        |cx| Box::pin(bundled(cx)),
    )
    .explain(Explain {
        what: "The artifact repository of ConfigMap workflow-controller-configmap names minio-service.kubeflow, and that \
               Service selects the pods of the bundled store (MinIO, or SeaweedFS since v1.11).",
        why: "A store of former times that is still named works until somebody removes it, and takes every artifact \
              along. A store of the site's own choice is allowed: waive this check then.",
        fix: "Apply ConfigMap workflow-controller-configmap and Service minio-service of kubeflow/manifests again; move \
              the objects first.",
        reproduce: "kubectl -n kubeflow get configmap workflow-controller-configmap -o yaml",
    })
    .profiles(DATA)
    .breaks_on(&[&faults::STORE_ELSEWHERE, &faults::ARCHIVE_ELSEWHERE]),
    check(
        "DAT-004",
        "What is written to the bucket is read again, byte by byte",
        Level::Must,
        source("minio/minio", "cmd/api-router.go at RELEASE.2019-08-14T20-37-41Z"),
        |cx| Box::pin(round_trip(cx)),
    )
    .explain(Explain {
        what: "An object of the check's own is written to the pipelines' bucket by a signed request with the platform's \
               keys, and read again; then it is removed.",
        why: "Everything that runs leave goes this way; the health page of the store says nothing about its disk.",
        fix: "kubectl -n kubeflow logs deployment/minio; look at claim minio-pvc and its free space.",
        reproduce: "kubectl -n kubeflow port-forward service/minio-service 9000; then any S3 client, path style.",
    })
    .profiles(DATA)
    .writes()
    .breaks_on(&[&faults::STORE_STOPPED, &faults::STORE_FULL, &faults::STORE_CORRUPTS]),
];

async fn bundled(cx: &Ctx) -> Checked {
    let endpoint = Repository::of(cx).await?.s3.endpoint;
    let host = endpoint.split(':').next().unwrap_or_default();
    let mut parts = host.split('.');
    if (parts.next(), parts.next()) != (Some(store::STORE), Some("kubeflow")) {
        return Err(Stop::failed("the endpoint minio-service.kubeflow:9000", format!("{endpoint:?}"))
            .at(archive::PLACE)
            .because("ConfigMap kubeflow/workflow-controller-configmap names another object store")
            .fix(
                "set s3.endpoint to minio-service.kubeflow:9000, or waive this check if the store is the site's own",
            ));
    }
    let service = objects::get(cx, SERVICE, "kubeflow", store::STORE).await?;
    let selected = service.as_ref().map(|service| text(&service.data, "/spec/selector/app")).unwrap_or_default();
    if ["minio", "seaweedfs"].contains(&selected) {
        return Ok(());
    }
    Err(Stop::failed("Service kubeflow/minio-service selects app=minio", format!("it selects app={selected:?}"))
        .because("Service kubeflow/minio-service")
        .fix("apply Service minio-service of kubeflow/manifests again"))
}

async fn round_trip(cx: &Ctx) -> Checked {
    let (bucket, keys) = (bucket(cx).await?, keys(cx, "kubeflow").await?);
    let key = format!("conformance/{}", tenants::name(cx, "round-trip"));
    let content = format!("{}\u{0}\r\n\u{7f}é", cx.environment().run_id);
    remove_afterwards(cx, &keys, &bucket, &key)?;
    let written = put(cx, &keys, &bucket, &key, content.as_bytes()).await?;
    if written.status != 200 {
        return Err(Stop::failed("200 for the write", written.told())
            .at(format!("PUT s3://{bucket}/{key}"))
            .because("Deployment kubeflow/minio: its volume, or Secret kubeflow/mlpipeline-minio-artifact")
            .fix("kubectl -n kubeflow logs deployment/minio; make room on claim minio-pvc"));
    }
    let read = get(cx, Some(&keys), &bucket, &key).await?;
    if read.status == 200 && read.body == content.as_bytes() {
        return Ok(());
    }
    Err(Stop::failed(format!("200 and the {} bytes that were written", content.len()), read.told())
        .at(format!("GET s3://{bucket}/{key}"))
        .because("Deployment kubeflow/minio: its volume")
        .fix("kubectl -n kubeflow logs deployment/minio; look at the node's disk"))
}
