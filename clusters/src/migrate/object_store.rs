//! A MinIO in a pod, asked by its own protocol: through a forwarded port, which needs no way through the mesh, with the keys
//! that its container was given.
//!
//! The files of its volume would need neither, but a program to look at them, which images made from ubi-minimal or ubi-micro
//! need not have (minio/minio `Dockerfile.release`). Bitnami's chart may hand the keys over as files (bitnami/charts
//! `bitnami/minio` `auth.usePasswordFiles`).

use std::time::Duration;

use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use instant_xml::FromXml;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::{Api, Client};
use rusty_s3::actions::ListObjectsV2;
use rusty_s3::{Bucket, Credentials, Method, S3Action as _, UrlStyle};
use serde_json::Value;
use tokio::task::AbortHandle;
use url::Url;

use super::exec::Container;
use crate::install::words;

/// How long a signature is good.
const GOOD_FOR: Duration = Duration::from_secs(60);
/// How long one answer may take.
const WITHIN: Duration = Duration::from_secs(60);
/// The most that is taken of one answer: a page has 1000 keys of at most 1024 bytes, each byte as three.
const MOST: usize = 16 << 20;
/// The port, where the container tells none.
const PORT: u16 = 9000;
/// The region that MinIO has unless it is told another (`cmd/globals.go` `globalMinioDefaultRegion` is empty: any is taken).
const REGION: &str = "us-east-1";
/// Where a container has its keys, newer names first: who, and the secret.
const VARIABLES: [[&str; 2]; 2] =
    [["MINIO_ROOT_USER", "MINIO_ACCESS_KEY"], ["MINIO_ROOT_PASSWORD", "MINIO_SECRET_KEY"]];

/// A server.
#[derive(Debug)]
pub(super) struct Store {
    /// Where it runs.
    pub at: Container,
    port: u16,
    keys: [Option<Given>; 2],
}

/// How a container is given a value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Given {
    Plainly(String),
    BySecret { name: String, key: String },
}

/// An object as a bucket lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub key: String,
    pub bytes: u64,
    /// What tells its content from others'.
    pub tag: String,
}

impl Store {
    /// The server in a container of a pod.
    pub fn of(pod: &Value, container: &Value, at: Container) -> Self {
        let ports =
            || container["ports"].as_array().into_iter().flatten().filter_map(|one| one["containerPort"].as_u64());
        let port = ports().find(|port| *port == u64::from(PORT)).or_else(|| ports().next());
        let port = port.and_then(|port| u16::try_from(port).ok()).unwrap_or(PORT);
        let keys = VARIABLES.map(|names| names.iter().find_map(|name| given(pod, container, name)));
        Self { at, port, keys }
    }
}

/// The value of a variable, or of the file that `NAME_FILE` names.
fn given(pod: &Value, container: &Value, name: &str) -> Option<Given> {
    let variable = |name: &str| container["env"].as_array().into_iter().flatten().find(|one| one["name"] == *name);
    let text = |value: &Value| value.as_str().map(str::to_owned);
    if let Some(variable) = variable(name) {
        let secret = &variable["valueFrom"]["secretKeyRef"];
        return match text(&variable["value"]) {
            Some(value) => Some(Given::Plainly(value)),
            None => Some(Given::BySecret { name: text(&secret["name"])?, key: text(&secret["key"])? }),
        };
    }
    let path = variable(&format!("{name}_FILE"))?["value"].as_str()?;
    let below = |mount: &Value| {
        let folder = mount["mountPath"].as_str()?.trim_end_matches('/');
        Some((mount["name"].clone(), path.strip_prefix(folder)?.strip_prefix('/')?.to_owned()))
    };
    let (volume, file) = container["volumeMounts"].as_array()?.iter().find_map(below)?;
    let secret = &pod["spec"]["volumes"].as_array()?.iter().find(|one| one["name"] == volume)?["secret"];
    let item = secret["items"].as_array().into_iter().flatten().find(|item| item["path"] == file.as_str());
    let key = item.map_or(Some(file.clone()), |item| text(&item["key"]))?;
    Some(Given::BySecret { name: text(&secret["secretName"])?, key })
}

/// An open connection to a server, and who asks.
pub(super) struct Connection {
    store: String,
    credentials: Credentials,
    endpoint: Url,
    sender: SendRequest<Empty<Bytes>>,
    _forward: Forward,
}

/// Ends the forwarding and the connection over it when nobody asks any more.
struct Forward(kube::api::Portforwarder, AbortHandle);

impl Drop for Forward {
    fn drop(&mut self) {
        self.1.abort();
        self.0.abort();
    }
}

impl Connection {
    /// Opens one.
    ///
    /// # Errors
    /// The keys are not known, or the port is not forwarded, in words.
    pub async fn open(client: &Client, store: &Store) -> Result<Self, String> {
        let unreached = |reason: &str| format!("{}: port {}: {reason}", store.at, store.port);
        let mut keys = Vec::new();
        for (given, names) in store.keys.iter().zip(VARIABLES) {
            let given = given.as_ref().ok_or_else(|| {
                format!("{}: its container has neither {} nor the file of one", store.at, names.join(" nor "))
            })?;
            keys.push(value(client, &store.at, given).await?);
        }
        let [access, secret] = keys.as_slice() else { return Err(unreached("no keys")) };
        let endpoint = Url::parse(&format!("http://127.0.0.1:{}", store.port));
        let endpoint = endpoint.map_err(|error| unreached(&error.to_string()))?;
        let pods: Api<Pod> = Api::namespaced(client.clone(), &store.at.namespace);
        let forward = pods.portforward(&store.at.pod, &[store.port]).await;
        let mut forward = forward.map_err(|error| unreached(&words(&error)))?;
        let stream = forward.take_stream(store.port).ok_or_else(|| unreached("no stream"))?;
        let (sender, connection) =
            handshake(TokioIo::new(stream)).await.map_err(|error| unreached(&error.to_string()))?;
        let connection = tokio::spawn(connection).abort_handle();
        let credentials = Credentials::new(access, secret);
        let store = store.at.to_string();
        Ok(Self { store, credentials, endpoint, sender, _forward: Forward(forward, connection) })
    }

    /// The names of the buckets.
    ///
    /// # Errors
    /// The server refuses, or its answer is no list of buckets, in words.
    pub async fn buckets(&mut self) -> Result<Vec<String>, String> {
        let now = jiff::Timestamp::now();
        let (access, secret) = (self.credentials.key(), self.credentials.secret());
        let none: [(&str, &str); 0] = [];
        let url = rusty_s3::signing::sign(
            &now,
            Method::Get,
            self.endpoint.clone(),
            access,
            secret,
            None,
            REGION,
            GOOD_FOR.as_secs(),
            none.into_iter(),
            none.into_iter(),
        );
        let answer = self.get(&url).await?;
        names(&answer).map_err(|error| format!("{}: its list of buckets: {error}", self.store))
    }

    /// The objects of a bucket, page by page; `each` is told every one, in the order of their keys.
    ///
    /// # Errors
    /// The server refuses, or its answer is no list of objects, in words.
    pub async fn objects(&mut self, name: &str, mut each: impl FnMut(Listed)) -> Result<(), String> {
        let unsound = |store: &str, reason: String| format!("{store}: bucket {name}: {reason}");
        let bucket = Bucket::new(self.endpoint.clone(), UrlStyle::Path, name.to_owned(), REGION.to_owned());
        let bucket = bucket.map_err(|error| unsound(&self.store, error.to_string()))?;
        let mut last = None;
        loop {
            let url = {
                let mut list = bucket.list_objects_v2(Some(&self.credentials));
                if let Some(token) = &last {
                    list.with_continuation_token(String::clone(token));
                }
                list.sign(GOOD_FOR)
            };
            let answer = self.get(&url).await?;
            let page = whole(&answer, "ListBucketResult")
                .and_then(|answer| ListObjectsV2::parse_response(answer).map_err(|error| error.to_string()));
            let page = page.map_err(|error| unsound(&self.store, error))?;
            for one in page.contents {
                let tag = one.etag.unwrap_or_default().trim_matches('"').to_owned();
                each(Listed { key: one.key, bytes: one.size.unwrap_or_default(), tag });
            }
            match page.next_continuation_token {
                None => return Ok(()),
                Some(token) if last.as_ref() == Some(&token) => {
                    return Err(unsound(&self.store, "its list goes round in circles".to_owned()));
                }
                token => last = token,
            }
        }
    }

    async fn get(&mut self, url: &Url) -> Result<String, String> {
        let told = tokio::time::timeout(WITHIN, self.exchange(url)).await;
        let told = told.unwrap_or_else(|_| Err(format!("no answer within {} s", WITHIN.as_secs())));
        told.map_err(|reason| format!("{}: {reason}", self.store))
    }

    async fn exchange(&mut self, url: &Url) -> Result<String, String> {
        let host = format!("{}:{}", url.host_str().unwrap_or_default(), url.port().unwrap_or(80));
        let request = Request::get(&url[url::Position::BeforePath..]).header(header::HOST, host).body(Empty::new());
        let request = request.map_err(|error| error.to_string())?;
        self.sender.ready().await.map_err(|error| error.to_string())?;
        let answer = self.sender.send_request(request).await.map_err(|error| error.to_string())?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MOST).collect().await.map_err(|error| error.to_string())?;
        let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        if status == StatusCode::OK {
            return Ok(body);
        }
        let code = body.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
        Err(format!("status {} {}", status.as_u16(), code.map_or("", |(code, _)| code)).trim_end().to_owned())
    }
}

async fn value(client: &Client, at: &Container, given: &Given) -> Result<String, String> {
    let (name, key) = match given {
        Given::Plainly(value) => return Ok(value.clone()),
        Given::BySecret { name, key } => (name, key),
    };
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &at.namespace);
    let place = format!("Secret {}/{name}", at.namespace);
    let secret = secrets.get(name).await.map_err(|error| format!("{at}: {place}: {}", words(&error)))?;
    let value = secret.data.and_then(|mut data| data.remove(key));
    let value = value.ok_or_else(|| format!("{at}: {place} has no {key}"))?;
    String::from_utf8(value.0).map_err(|_| format!("{at}: {key} of {place} is no text"))
}

/// The names in a list of buckets (`ListBuckets` of the Amazon S3 API reference).
fn names(answer: &str) -> Result<Vec<String>, String> {
    let all: AllBuckets =
        instant_xml::from_str(whole(answer, "ListAllMyBucketsResult")?).map_err(|error| error.to_string())?;
    Ok(all.buckets.bucket.into_iter().map(|one| one.name).collect())
}

/// An answer that was not cut off: the reader of XML takes elements that never end.
fn whole<'a>(answer: &'a str, root: &str) -> Result<&'a str, String> {
    let ends = answer
        .trim_end()
        .strip_suffix('>')
        .and_then(|rest| rest.strip_suffix(root))
        .is_some_and(|rest| rest.ends_with("</"));
    if ends { Ok(answer) } else { Err(format!("its answer is no whole {root}")) }
}

#[derive(Debug, FromXml)]
#[xml(rename = "ListAllMyBucketsResult", ns("http://s3.amazonaws.com/doc/2006-03-01/"))]
struct AllBuckets {
    buckets: Buckets,
}

#[derive(Debug, FromXml)]
#[xml(rename = "Buckets", ns("http://s3.amazonaws.com/doc/2006-03-01/"))]
struct Buckets {
    bucket: Vec<OneBucket>,
}

#[derive(Debug, FromXml)]
#[xml(rename = "Bucket", ns("http://s3.amazonaws.com/doc/2006-03-01/"))]
struct OneBucket {
    #[xml(rename = "Name")]
    name: String,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn by_secret(name: &str, key: &str) -> Option<Given> {
        Some(Given::BySecret { name: name.to_owned(), key: key.to_owned() })
    }

    #[test]
    fn keys_are_found_however_they_are_given() {
        let refer = |variable: &str, key: &str| json!({ "name": variable, "valueFrom": { "secretKeyRef": { "name": "s", "key": key } } });
        let of = |pod: Value| {
            let at = Container { namespace: "k".to_owned(), pod: "m".to_owned(), container: "minio".to_owned() };
            let store = Store::of(&pod, &pod["spec"]["containers"][0], at);
            (store.port, store.keys)
        };
        // Kubeflow Pipelines' own, with the variables' old names.
        let env = json!([refer("MINIO_ACCESS_KEY", "accesskey"), refer("MINIO_SECRET_KEY", "secretkey")]);
        let bundled = json!({ "spec": { "containers": [{ "env": env, "ports": [{ "containerPort": 9000 }] }] } });
        assert_eq!(of(bundled), (9000, [by_secret("s", "accesskey"), by_secret("s", "secretkey")]));
        // A chart that hands files over, one of them under another name than its key.
        let env = json!([
            { "name": "MINIO_ROOT_USER_FILE", "value": "/opt/secrets/root-user" },
            { "name": "MINIO_ROOT_PASSWORD_FILE", "value": "/opt/secrets/word" },
        ]);
        let files = json!({ "spec": {
            "volumes": [{ "name": "v", "secret": { "secretName": "f", "items": [{ "key": "root-password", "path": "word" }] } }],
            "containers": [{ "env": env, "volumeMounts": [{ "name": "v", "mountPath": "/opt/secrets/" }], "ports": [{ "containerPort": 9001 }, { "containerPort": 9000 }] }],
        } });
        assert_eq!(of(files), (9000, [by_secret("f", "root-user"), by_secret("f", "root-password")]));
        let plain = json!({ "spec": { "containers": [{ "env": [{ "name": "MINIO_ROOT_USER", "value": "me" }] }] } });
        assert_eq!(of(plain), (9000, [Some(Given::Plainly("me".to_owned())), None]));
    }

    #[test]
    fn a_list_of_buckets_is_read_and_nothing_else_is() {
        let list = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListAllMyBucketsResult \
            xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Owner><ID>x</ID><DisplayName></DisplayName></Owner><Buckets>\
            <Bucket><Name>mlpipeline</Name><CreationDate>2024-05-01T10:00:00.000Z</CreationDate></Bucket>\
            <Bucket><Name>a&amp;b</Name></Bucket></Buckets></ListAllMyBucketsResult>";
        assert_eq!(names(list).ok(), Some(vec!["mlpipeline".to_owned(), "a&b".to_owned()]));
        let (begin, end) = (list.find("<Bucket>").unwrap_or(0), list.find("</Buckets>").unwrap_or(0));
        let none = list.replace(&list[begin..end], "");
        assert_eq!(names(&none).ok(), Some(Vec::new()));
        for length in 0..list.len() {
            assert!(names(&list[..length]).is_err(), "{length}");
        }
        for hostile in
            ["", "{}", "<html/>", "<Error><Code>AccessDenied</Code></Error>", "<!DOCTYPE x [<!ENTITY a \"b\">]>"]
        {
            assert!(names(hostile).is_err(), "{hostile}");
        }
    }
}
