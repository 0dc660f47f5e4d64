//! One call of the API: the request, who asks, and the rows.

use std::sync::Arc;

use http::request::Parts;
use serde_json::Value;

use super::identity::{self, GROUP, Wish};
use super::refusal::{Answered, Refusal};
use super::rows::Rows;
use super::settings::Settings;
use crate::access::{Attributes, UserInfo, authorize, forbidden};
use crate::actors::{Visit, query};

/// A call.
pub struct Call {
    /// Where it arrived.
    pub visit: Visit,
    /// The API server's configuration.
    pub settings: Arc<Settings>,
    /// Method, URL and headers.
    pub head: Parts,
    /// The body.
    pub body: Vec<u8>,
    /// The database.
    pub rows: Rows,
    /// Whether it is one of v1beta1, which does the same and names it otherwise.
    pub first: bool,
}

impl Call {
    /// A value of the query, empty if there is none.
    pub fn asked(&self, name: &str) -> String {
        query(&self.head.uri, name).unwrap_or_default()
    }

    /// What stands before a noun in the errors of v1beta1.
    pub fn old(&self) -> &'static str {
        if self.first { "v1beta1 " } else { "" }
    }

    /// What stands behind a noun in the errors of v1beta1 about pipelines.
    pub fn aside(&self) -> &'static str {
        if self.first { " (v1beta1)" } else { "" }
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// 400, as Go's decoder says it where that is known.
    pub fn json(&self) -> Answered<Value> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let text =
                if error.is_eof() && !self.body.is_empty() { "unexpected EOF".to_owned() } else { error.to_string() };
            Refusal::malformed(text)
        })
    }

    /// Refuses whoever may not, on a resource of Kubeflow Pipelines.
    ///
    /// # Errors
    /// See [`identity::check`].
    pub fn may(&self, verb: &str, resource: &str, namespace: &str, name: &str) -> Answered<()> {
        let wish = Wish { group: GROUP, resource, verb, namespace, name };
        identity::check(&self.visit, &self.settings, &self.head.headers, &wish)
    }

    /// What the program's own account may do to Kubernetes objects.
    ///
    /// # Errors
    /// 500, with the API's refusal.
    pub fn own_right(&self, verb: &str, group: &str, resource: &str, namespace: &str) -> Answered<()> {
        let caller = self.visit.as_caller();
        let own = UserInfo::service_account(&caller.namespace, &caller.service_account, "");
        let wish = Attributes::resource(verb, group, resource, namespace, "");
        if authorize(&self.visit.world, &own, &wish) {
            return Ok(());
        }
        Err(Refusal::internal(forbidden(&own, &wish).message))
    }
}

/// Seconds since 1970.
pub fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// A time as the API shows it.
pub fn time(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).unwrap_or_default().to_string()
}

/// A text of a JSON body, empty where there is none.
pub fn field<'a>(body: &'a Value, pointer: &str) -> &'a str {
    crate::object::text(body, pointer)
}

/// An answer without what is empty: texts, lists and nulls.
pub fn shown(mut answer: Value) -> Value {
    if let Some(members) = answer.as_object_mut() {
        members.retain(|_, value| match value {
            Value::Null => false,
            Value::String(text) => !text.is_empty(),
            Value::Array(items) => !items.is_empty(),
            Value::Number(number) => number.as_i64() != Some(0),
            _ => true,
        });
    }
    answer
}

/// A new id.
pub fn id() -> String {
    uuid::Uuid::new_v4().to_string()
}
