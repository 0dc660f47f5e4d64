//! A tiny browser: keeps cookies, sends paths to the pods that the gateway would route them to, follows nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use http::{Request, header};
use serde_json::Value;

use super::stage::{Answer, PASSWORD, Stage, USER};

/// A browser in front of Dex and a login proxy.
pub struct Browser<'a> {
    /// The platform.
    pub stage: &'a Stage,
    /// Answers `/dex/*`.
    pub dex: Arc<Value>,
    /// Answers everything else.
    pub proxy: Arc<Value>,
    /// Cookies by name.
    pub jar: BTreeMap<String, String>,
}

impl Browser<'_> {
    /// The `Cookie` header.
    pub fn cookies(&self) -> String {
        self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    /// Sends a request with the jar's cookies and takes the answer's.
    pub async fn send(&mut self, mut request: http::request::Builder, body: String) -> Answer {
        if !self.jar.is_empty() {
            request = request.header(header::COOKIE, self.cookies());
        }
        let request = request.body(Body::from(body)).unwrap();
        let pod = if request.uri().path().starts_with("/dex/") { &self.dex } else { &self.proxy };
        let answer = self.stage.send(pod, request).await;
        for line in answer.set_cookies() {
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            if value.is_empty() {
                self.jar.remove(name);
            } else {
                self.jar.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// GETs a path.
    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(Request::get(path), String::new()).await
    }

    /// From the redirect to Dex through the form to the callback's address.
    pub async fn give_password(&mut self, asked: &Answer) -> String {
        let connector = self.get(asked.location()).await.location().to_owned();
        let form = self.get(&connector).await.location().to_owned();
        let body = format!("login={USER}&password={PASSWORD}");
        let post = Request::post(&form).header("content-type", "application/x-www-form-urlencoded");
        self.send(post, body).await.location().to_owned()
    }
}
