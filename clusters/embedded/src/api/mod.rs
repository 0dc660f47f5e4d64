//! The Kubernetes API over HTTPS.
//!
//! A request goes through [`server`] (connections), [`handler`] (who asks, may they), [`verbs`] (what is done) and
//! [`answer`] (the form that the client wants). [`kinds`] knows which resources there are, [`crd`] those that
//! CustomResourceDefinitions add, [`schema`] their types.

pub mod admission;
pub mod answer;
pub mod apply;
pub mod call;
pub mod crd;
pub mod decode;
pub mod defaults;
pub mod deprecation;
pub mod discovery;
pub mod handler;
pub mod kinds;
pub mod openapi;
pub mod options;
pub mod patch;
pub mod query;
pub mod route;
pub mod schema;
pub mod selector;
pub mod server;
pub mod status;
pub mod storage_version;
pub mod table;
mod trouble;
pub mod validate;
pub mod verbs;
pub mod wire;

pub use server::serve;
pub use status::Status;
