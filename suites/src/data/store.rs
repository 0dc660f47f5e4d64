//! Objects of the bundled store, reached as an administrator reaches them: through a forwarded port of its pod, by signed
//! requests (AWS Signature Version 4), with the keys of a namespace's Secret.

use std::time::Duration;

use harness::{Checked, Ctx, Stop};
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::api::Api;
use rusty_s3::{Bucket, Credentials, S3Action as _, UrlStyle};
use url::Url;

use super::archive::Repository;
use crate::gateway::diagnose::{Cause, blame, pods_behind};
use crate::mysql::is_another;
use crate::objects::{self, CONFIG_MAP, POD, SECRET, SERVICE, config_value, items, ready_pod, secret_value};
use crate::stand_in::not_installed;

/// The Secret with the store's keys, of the same name in each namespace that runs pipelines.
pub const KEYS: &str = "mlpipeline-minio-artifact";
/// The store's Service. Since v1.11 another program answers behind the same name.
pub const STORE: &str = "minio-service";
/// How much of an object is read.
const LIMIT: usize = 1 << 20;
/// How long a signature is good: as far as S3 lets the clocks of both sides be apart.
const GOOD_FOR: Duration = Duration::from_secs(900);
/// How long the store may take for one object.
const WITHIN: Duration = Duration::from_secs(20);

/// Who asks.
#[derive(Clone)]
pub struct Keys {
    /// The access key.
    pub access: String,
    /// The secret key.
    pub secret: String,
}

/// The keys that a namespace has.
pub async fn keys(cx: &Ctx, namespace: &str) -> Checked<Keys> {
    let place = format!("Secret {namespace}/{KEYS}");
    let Some(secret) = objects::get(cx, SECRET, namespace, KEYS).await? else {
        let stop = Stop::failed(format!("{place}, with the object store's keys"), "it is absent");
        return Err(stop.because(place).fix(
            "kubectl -n kubeflow logs deployment/kubeflow-pipelines-profile-controller; it makes the Secret in each \
             namespace that is labelled pipelines.kubeflow.org/enabled=true",
        ));
    };
    let value = |key| secret_value(&secret, key).unwrap_or_default();
    let keys = Keys { access: value("accesskey"), secret: value("secretkey") };
    cx.secret(&keys.secret);
    Ok(keys)
}

/// The bucket of the pipelines.
pub async fn bucket(cx: &Ctx) -> Checked<String> {
    let config = objects::get(cx, CONFIG_MAP, "kubeflow", "pipeline-install-config").await?;
    let config = config.ok_or_else(|| Stop::absent("ConfigMap kubeflow/pipeline-install-config"))?;
    Ok(config_value(&config, "bucketName").unwrap_or("mlpipeline").to_owned())
}

/// What keeps results of runs in a namespace from being stored: their bucket is none of the bundled store's.
pub async fn no_bucket(cx: &Ctx, namespace: &str) -> Checked<Option<Cause>> {
    let launcher = objects::get(cx, CONFIG_MAP, namespace, "kfp-launcher").await?;
    let root = launcher.as_ref().and_then(|map| config_value(map, "defaultPipelineRoot")).unwrap_or_default();
    let (bucket, named) = match root.strip_prefix("minio://") {
        Some(rest) => {
            let bucket = rest.split('/').next().unwrap_or_default().to_owned();
            (bucket, format!("defaultPipelineRoot of ConfigMap {namespace}/kfp-launcher"))
        }
        // Another kind of store is none of ours.
        None if !root.is_empty() => return Ok(None),
        None => (bucket(cx).await?, "bucketName of ConfigMap kubeflow/pipeline-install-config".to_owned()),
    };
    let answer = get(cx, Some(&keys(cx, namespace).await?), &bucket, "none").await?;
    Ok((answer.code() == "NoSuchBucket").then(|| {
        Cause::new(
            format!("{named} names bucket {bucket}, which the object store does not have"),
            format!("make bucket {bucket}, or name one that is there"),
        )
    }))
}

/// What the store answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body: the object, or an error in XML.
    pub body: Vec<u8>,
}

impl Answer {
    /// Its error code, or an empty string.
    #[must_use]
    pub fn code(&self) -> String {
        let body = String::from_utf8_lossy(&self.body);
        let code = body.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
        code.map(|(code, _)| code.to_owned()).unwrap_or_default()
    }

    /// In a few words.
    #[must_use]
    pub fn told(&self) -> String {
        if self.status == 200 {
            return format!("200, {} bytes", self.body.len());
        }
        format!("{} {}", self.status, self.code()).trim_end().to_owned()
    }
}

/// Reads an object.
pub async fn get(cx: &Ctx, who: Option<&Keys>, bucket: &str, key: &str) -> Checked<Answer> {
    send(cx, who, Method::GET, bucket, key, Vec::new()).await
}

/// Writes an object.
pub async fn put(cx: &Ctx, who: &Keys, bucket: &str, key: &str, content: &[u8]) -> Checked<Answer> {
    send(cx, Some(who), Method::PUT, bucket, key, content.to_vec()).await
}

/// Removes an object after the check.
pub fn remove_afterwards(cx: &Ctx, who: &Keys, bucket: &str, key: &str) -> Checked {
    let what = format!("object {key}");
    let (context, who, bucket, key) = (cx.clone(), who.clone(), bucket.to_owned(), key.to_owned());
    let removal = async move {
        let gone = send(&context, Some(&who), Method::DELETE, &bucket, &key, Vec::new()).await?;
        if (200..300).contains(&gone.status) || gone.code() == "NoSuchKey" {
            return Ok(());
        }
        Err(Stop::errored("cleanup", format!("DELETE s3://{bucket}/{key}: {}", gone.told())))
    };
    cx.afterwards(what, Box::pin(removal))
}

async fn send(
    cx: &Ctx,
    who: Option<&Keys>,
    method: Method,
    bucket: &str,
    key: &str,
    content: Vec<u8>,
) -> Checked<Answer> {
    let unsound = |error: String| Stop::errored("precondition", format!("bucket {bucket}: {error}"));
    let host = format!("http://{STORE}.kubeflow:9000");
    let endpoint = Url::parse(&host).map_err(|error| unsound(error.to_string()))?;
    let place = Bucket::new(endpoint, UrlStyle::Path, bucket.to_owned(), "us-east-1".to_owned());
    let place = place.map_err(|error| unsound(error.to_string()))?;
    let credentials = who.map(|keys| Credentials::new(&keys.access, &keys.secret));
    let url = match method {
        Method::PUT => place.put_object(credentials.as_ref(), key).sign(GOOD_FOR),
        Method::DELETE => place.delete_object(credentials.as_ref(), key).sign(GOOD_FOR),
        _ => place.get_object(credentials.as_ref(), key).sign(GOOD_FOR),
    };
    let target = &url[url::Position::BeforePath..];
    let request = Request::builder()
        .method(method.clone())
        .uri(target)
        .header(header::HOST, format!("{STORE}.kubeflow:9000"))
        .header(header::CONTENT_LENGTH, content.len())
        .body(Full::new(Bytes::from(content)))
        .map_err(|error| unsound(error.to_string()))?;
    let answer = forwarded(cx, (STORE, 9000), "minio", request).await?;
    cx.remark(format!("{method} s3://{bucket}/{key}: {}", answer.told()));
    Ok(answer)
}

/// Sends a request to a ready pod behind a Service of the namespace kubeflow, past its sidecar.
pub async fn forwarded(cx: &Ctx, to: (&str, u64), deployment: &str, request: Request<Full<Bytes>>) -> Checked<Answer> {
    match tokio::time::timeout(WITHIN, exchange(cx, to, deployment, request)).await {
        Ok(answer) => answer,
        Err(_) => Err(Stop::errored("timeout", format!("Service {} gave no answer within {WITHIN:?}", to.0))),
    }
}

async fn exchange(cx: &Ctx, to: (&str, u64), deployment: &str, request: Request<Full<Bytes>>) -> Checked<Answer> {
    let (pod, port) = pod(cx, to, deployment).await?;
    let pods: Api<Pod> = Api::namespaced(cx.kube(), "kubeflow");
    let unreached = |error: String| Stop::errored("kubernetes", format!("port {port} of pod kubeflow/{pod}: {error}"));
    let mut forward = pods.portforward(&pod, &[port]).await?;
    let stream = forward.take_stream(port).ok_or_else(|| unreached("no stream".to_owned()))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| unreached(error.to_string()))?;
    let connection = tokio::spawn(connection);
    let answered = sender.send_request(request).await.map_err(|error| unreached(error.to_string()))?;
    let status = answered.status().as_u16();
    let body = Limited::new(answered.into_body(), LIMIT).collect().await;
    let body = body.map_err(|error| unreached(error.to_string()))?.to_bytes().to_vec();
    drop(sender);
    connection.abort();
    forward.abort();
    Ok(Answer { status, body })
}

/// The store of the site's own that Argo is told to use, if it is not the bundled one.
async fn instead(cx: &Ctx) -> Checked<Option<String>> {
    let endpoint = Repository::of(cx).await?.s3.endpoint;
    let host = endpoint.split(':').next().unwrap_or_default();
    Ok(is_another(host, STORE).then(|| host.to_owned()))
}

/// A ready pod behind a Service, and the port of it that one of the Service's leads to.
async fn pod(cx: &Ctx, (name, port): (&str, u64), deployment: &str) -> Checked<(String, u16)> {
    let service = objects::get(cx, SERVICE, "kubeflow", name).await?;
    let Some(service) = service else {
        if name == STORE
            && let Ok(Some(host)) = instead(cx).await
        {
            return Err(Stop::absent(format!("the bundled object store, in whose place the site uses {host},")));
        }
        let stop = Stop::failed(format!("Service kubeflow/{name}"), "it is absent");
        return Err(stop.because(format!("Service kubeflow/{name}")));
    };
    let selector = service.data.pointer("/spec/selector").and_then(serde_json::Value::as_object);
    let labels: Vec<String> = selector
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    let found = items(&service.data, "/spec/ports").iter().find(|one| one["port"] == port);
    let target = found.and_then(|found| found.get("targetPort").or_else(|| found.get("port")));
    let Some(pod) = ready_pod(cx, "kubeflow", &labels.join(",")).await? else {
        if let Some(absent) = not_installed(cx, "kubeflow", deployment).await? {
            return Err(absent);
        }
        let stop = Stop::failed(format!("a ready pod behind Service kubeflow/{name}"), "there is none");
        return Err(blame(stop, pods_behind(cx, ("kubeflow", name), ("kubeflow", deployment)).await));
    };
    let target = match target.and_then(serde_json::Value::as_str) {
        Some(named) => objects::get(cx, POD, "kubeflow", &pod).await?.and_then(|pod| port_named(&pod.data, named)),
        None => target.and_then(serde_json::Value::as_u64),
    };
    Ok((pod, u16::try_from(target.unwrap_or(port)).unwrap_or_default()))
}

/// The port that a pod's containers call so.
fn port_named(pod: &serde_json::Value, wanted: &str) -> Option<u64> {
    let containers = items(pod, "/spec/containers").iter();
    let mut ports = containers.flat_map(|container| items(container, "/ports"));
    ports.find(|port| port["name"] == wanted)?["containerPort"].as_u64()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_service_may_name_the_port_of_its_pods() {
        let pod = json!({"spec": {"containers": [{"name": "sidecar"}, {"ports": [
            {"containerPort": 9001, "name": "console"}, {"containerPort": 9000, "name": "s3"}]}]}});
        assert_eq!(port_named(&pod, "s3"), Some(9000));
        assert_eq!(port_named(&pod, "absent"), None);
        assert_eq!(port_named(&json!({}), "s3"), None);
    }
}
