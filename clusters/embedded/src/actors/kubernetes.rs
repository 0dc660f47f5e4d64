//! The Kubernetes API as a played program uses it: with the rights of its pod's service account, and with every check
//! that a request over the wire would meet.

use std::sync::Arc;

use axum::body::Body;
use http::header::CONTENT_TYPE;
use http::{Method, Request};
use http_body_util::BodyExt as _;
use serde_json::Value;

use super::Visit;
use super::net_http::path::escape_path;
use crate::access::{Attributes, UserInfo, authorize};
use crate::api::{Status, handler};
use crate::platform::World;
use crate::store::Key;

/// A program's client.
pub struct Client<'a> {
    world: &'a Arc<World>,
    account: UserInfo,
}

impl<'a> Client<'a> {
    /// The client of the program that is visited.
    #[must_use]
    pub fn of(visit: &'a Visit) -> Self {
        let caller = visit.as_caller();
        Self { world: &visit.world, account: UserInfo::service_account(&caller.namespace, &caller.service_account, "") }
    }

    /// One object.
    ///
    /// # Errors
    /// 403, 404.
    pub fn get(&self, key: &Key) -> Result<Arc<Value>, Status> {
        self.may("get", &key.group, &key.plural, &key.namespace, &key.name)?;
        self.world.store.get(key).ok_or_else(|| Status::not_found(&key.group, &key.plural, &key.name))
    }

    /// The objects of a resource, in a namespace or (`None`) everywhere.
    ///
    /// # Errors
    /// 403.
    pub fn list(&self, group: &str, plural: &str, namespace: Option<&str>) -> Result<Vec<Arc<Value>>, Status> {
        self.may("list", group, plural, namespace.unwrap_or_default(), "")?;
        Ok(self.world.store.list(group, plural, namespace))
    }

    /// Sends a request that writes, for example `POST /apis/kubeflow.org/v1/profiles`.
    ///
    /// # Errors
    /// The refusal.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(), Status> {
        self.ask(method, path, body).await.map(drop)
    }

    /// What is read at a path, in the version that the path names.
    ///
    /// # Errors
    /// The refusal.
    pub async fn read(&self, path: &str) -> Result<Value, Status> {
        parsed(&self.ask(Method::GET, path, None).await?)
    }

    /// The items of the list at a path.
    ///
    /// # Errors
    /// The refusal.
    pub async fn items(&self, path: &str) -> Result<Vec<Value>, Status> {
        match self.read(path).await?.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => Ok(items),
            _ => Ok(Vec::new()),
        }
    }

    /// As [`Client::send`], with what was written.
    ///
    /// # Errors
    /// The refusal.
    pub async fn write(&self, method: Method, path: &str, body: &Value) -> Result<Value, Status> {
        parsed(&self.ask(method, path, Some(body)).await?)
    }

    /// The body of the answer to a request.
    ///
    /// # Errors
    /// The refusal.
    pub async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<String, Status> {
        let content_type = if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(CONTENT_TYPE, content_type)
            .body(body)
            .map_err(|error| Status::bad_request(error.to_string()))?;
        let answer = handler::answer_as(self.world.clone(), self.account.clone(), request).await?;
        let body = answer.into_body().collect().await.map_err(Status::internal)?.to_bytes();
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    fn may(&self, verb: &str, group: &str, plural: &str, namespace: &str, name: &str) -> Result<(), Status> {
        let wanted = Attributes::resource(verb, group, plural, namespace, name);
        if authorize(self.world, &self.account, &wanted) {
            return Ok(());
        }
        Err(handler::denied(&self.account, &wanted))
    }
}

fn parsed(body: &str) -> Result<Value, Status> {
    serde_json::from_str(body).map_err(Status::internal)
}

/// A text as a part of a path or a query.
#[must_use]
pub fn part(text: &str) -> String {
    escape_path(text).replace('/', "%2F").replace('&', "%26").replace('+', "%2B")
}
