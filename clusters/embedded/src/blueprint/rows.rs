//! The rows of a release's data file: compact facts, one row an object.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// Labels, environment variables, headers.
pub type Map = BTreeMap<String, String>;

/// One release, or what stands in a cluster before one. `at` is always `namespace/name`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Release {
    /// Namespaces with their labels.
    pub namespaces: Vec<Named>,
    /// Deployments, StatefulSets and DaemonSets.
    pub workloads: Vec<Workload>,
    /// Services.
    pub services: Vec<Service>,
    /// PersistentVolumeClaims.
    pub claims: Vec<Claim>,
    /// CustomResourceDefinitions.
    pub crds: Vec<Crd>,
    /// Webhook configurations.
    pub webhooks: Vec<WebhookConfiguration>,
    /// VirtualServices of the applications (the login's own are in the contract's file).
    pub routes: Vec<Route>,
    /// ALLOW AuthorizationPolicies.
    pub policies: Vec<Policy>,
    /// Istio Gateways.
    pub gateways: Vec<Gateway>,
    /// DestinationRules that demand mutual TLS.
    pub mutual_tls: Vec<MutualTls>,
    /// Certificates of cert-manager.
    pub certificates: Vec<Certificate>,
    /// NetworkPolicies.
    pub network_policies: Vec<NetworkPolicy>,
    /// ClusterRoles that users and the dashboard get.
    pub cluster_roles: Vec<ClusterRole>,
    /// ConfigMaps.
    pub config_maps: Vec<ConfigMap>,
}

/// A ConfigMap.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigMap {
    pub at: String,
    pub data: Map,
}

/// A namespace.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    pub name: String,
    #[serde(default)]
    pub labels: Map,
}

/// A workload and its ServiceAccount.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    pub at: String,
    #[serde(default = "deployment")]
    pub kind: String,
    #[serde(default = "one")]
    pub replicas: u32,
    pub account: Option<String>,
    pub labels: Map,
    #[serde(default)]
    pub more_labels: Map,
    pub inject: Option<String>,
    pub containers: Vec<Container>,
    /// Claims by name, and where the first container finds each.
    #[serde(default)]
    pub claims: Map,
}

/// A container.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Container {
    pub name: String,
    pub image: String,
    #[serde(default)]
    pub args: Vec<String>,
    #[serde(default)]
    pub ports: Vec<ContainerPort>,
    #[serde(default)]
    pub env: Map,
    /// The ConfigMap that its environment comes from.
    pub env_from: Option<String>,
    /// ConfigMaps that are mounted as folders: path and name.
    #[serde(default)]
    pub folders: Map,
    /// Tokens of its account: a file, whose name is the volume's, too, and whom it is for.
    #[serde(default)]
    pub tokens: Map,
    /// Variables from elsewhere: `secrets/name/key` or `configmaps/name/key`.
    #[serde(default)]
    pub refer: Map,
}

/// A container port.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContainerPort {
    pub name: Option<String>,
    pub port: u16,
}

/// A Service.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    pub at: String,
    pub select: Map,
    /// As in the Service's `spec.ports`.
    pub ports: Vec<Value>,
}

/// A claim.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    pub at: String,
    pub size: String,
}

/// A CRD; its schema takes anything.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crd {
    pub group: String,
    pub kind: String,
    pub plural: String,
    #[serde(default)]
    pub cluster: bool,
    pub versions: Vec<String>,
    pub storage: String,
    #[serde(default)]
    pub short: Vec<String>,
}

/// A webhook configuration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfiguration {
    pub name: String,
    /// `Mutating` or `Validating`.
    pub kind: String,
    pub ca_from: Option<String>,
    pub ca_from_secret: Option<String>,
    pub hooks: Vec<Webhook>,
}

/// A webhook.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    pub name: String,
    pub service: String,
    pub port: Option<u16>,
    pub path: Option<String>,
    pub policy: Option<String>,
    /// Selector of namespaces.
    pub namespaces: Option<Value>,
    /// Selector of objects.
    pub objects: Option<Value>,
    #[serde(default)]
    pub rules: Vec<WebhookRule>,
}

/// A rule of a webhook.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookRule {
    pub groups: Vec<String>,
    pub versions: Vec<String>,
    pub operations: Vec<String>,
    pub resources: Vec<String>,
}

/// A VirtualService with one prefix.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    pub at: String,
    pub gateway: String,
    pub prefix: String,
    pub rewrite: Option<String>,
    /// `service.namespace:port`.
    pub to: String,
    #[serde(default)]
    pub add: Map,
    pub timeout: Option<String>,
}

/// An ALLOW policy: who may reach the selected pods.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    pub at: String,
    pub select: Option<Map>,
    #[serde(default)]
    pub anyone: bool,
    /// `namespace/serviceaccount`.
    #[serde(default)]
    pub accounts: Vec<String>,
    #[serde(default)]
    pub namespaces: Vec<String>,
    pub with_header: Option<String>,
    pub without_header: Option<String>,
}

/// An Istio Gateway with one HTTP server for all hosts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    pub at: String,
    pub select: Map,
    pub port: u16,
}

/// A DestinationRule.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MutualTls {
    pub at: String,
    pub host: String,
}

/// A Certificate.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    pub at: String,
    pub secret: String,
    pub issuer: String,
    pub names: Vec<String>,
}

/// An ingress NetworkPolicy: each entry of a label map lists the values it takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkPolicy {
    pub at: String,
    #[serde(default)]
    pub select: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub same_namespace: bool,
    #[serde(default)]
    pub namespaces: Vec<BTreeMap<String, Vec<String>>>,
    #[serde(default)]
    pub ports: Vec<u16>,
}

/// A ClusterRole; `into` and `gathers` name aggregation labels.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterRole {
    pub name: String,
    #[serde(default)]
    pub into: Vec<String>,
    #[serde(default)]
    pub gathers: Vec<String>,
    #[serde(default)]
    pub rules: Vec<Rule>,
}

/// A rule of a ClusterRole.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub groups: Vec<String>,
    pub resources: Vec<String>,
    pub verbs: Vec<String>,
}

fn deployment() -> String {
    "Deployment".into()
}

fn one() -> u32 {
    1
}
