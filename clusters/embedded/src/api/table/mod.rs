//! Tables for people: what `kubectl get` prints (`as=Table`).
//!
//! Columns and cells follow `pkg/printers/internalversion/printers.go` of Kubernetes 1.34, and those of custom resources
//! `additionalPrinterColumns`.

mod access;
mod age;
mod cluster;
mod column;
mod custom;
mod json_path;
mod network;
mod pods;
mod workloads;

use std::sync::Arc;

use serde_json::{Value, json};

use super::answer;
use super::kinds::Resource;
use column::Column;

/// Objects as a `Table`; `include` is the request's `includeObject`; `head` is whether columns are described.
#[must_use]
pub fn table(resource: &Resource, objects: &[Arc<Value>], metadata: Value, include: &str, head: bool) -> Value {
    let view = View::of(resource);
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let mut row = json!({ "cells": view.cells(object) });
            match include {
                "None" => row["object"] = Value::Null,
                "Object" => row["object"] = answer::in_version(resource, object),
                _ => row["object"] = answer::metadata(object),
            }
            row
        })
        .collect();
    // The default table of a real server has no rows where others have an empty list of them.
    let by_default = matches!(view, View::BuiltIn(columns) if columns.len() == 2 && columns[1].is_date());
    let rows = if rows.is_empty() && by_default { Value::Null } else { json!(rows) };
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
        "columnDefinitions": if head { view.definitions() } else { Vec::new() }, "rows": rows,
    })
}

/// The columns of a kind.
enum View {
    BuiltIn(&'static [Column]),
    Custom(Vec<custom::Column>),
}

impl View {
    fn of(resource: &Resource) -> Self {
        match &resource.definition {
            Some(definition) => {
                Self::Custom(custom::columns(definition.version(&resource.version).unwrap_or(&Value::Null)))
            }
            None => Self::BuiltIn(columns(&resource.group, &resource.plural)),
        }
    }

    fn definitions(&self) -> Vec<Value> {
        match self {
            Self::BuiltIn(columns) => columns.iter().map(Column::definition).collect(),
            Self::Custom(columns) => columns.iter().map(custom::Column::definition).collect(),
        }
    }

    fn cells(&self, object: &Value) -> Vec<Value> {
        match self {
            Self::BuiltIn(columns) => columns.iter().map(|column| (column.cell)(object)).collect(),
            Self::Custom(columns) => columns.iter().map(|column| column.cell(object)).collect(),
        }
    }
}

/// The columns of a built-in kind.
fn columns(group: &str, plural: &str) -> &'static [Column] {
    match (group, plural) {
        ("", "pods") => pods::PODS,
        ("", "podtemplates") => workloads::POD_TEMPLATES,
        ("", "replicationcontrollers") => workloads::REPLICATION_CONTROLLERS,
        ("apps", "deployments") => workloads::DEPLOYMENTS,
        ("apps", "replicasets") => workloads::REPLICA_SETS,
        ("apps", "statefulsets") => workloads::STATEFUL_SETS,
        ("apps", "daemonsets") => workloads::DAEMON_SETS,
        ("apps", "controllerrevisions") => workloads::CONTROLLER_REVISIONS,
        ("batch", "jobs") => workloads::JOBS,
        ("batch", "cronjobs") => workloads::CRON_JOBS,
        ("autoscaling", "horizontalpodautoscalers") => workloads::AUTOSCALERS,
        ("policy", "poddisruptionbudgets") => workloads::DISRUPTION_BUDGETS,
        ("", "services") => network::SERVICES,
        ("", "endpoints") => network::ENDPOINTS,
        ("discovery.k8s.io", "endpointslices") => network::ENDPOINT_SLICES,
        ("networking.k8s.io", "ingresses") => network::INGRESSES,
        ("networking.k8s.io", "ingressclasses") => network::INGRESS_CLASSES,
        ("networking.k8s.io", "networkpolicies") => network::NETWORK_POLICIES,
        ("", "namespaces") => cluster::NAMESPACES,
        ("", "nodes") => cluster::NODES,
        ("", "configmaps") => cluster::CONFIG_MAPS,
        ("", "secrets") => cluster::SECRETS,
        ("", "events") | ("events.k8s.io", "events") => cluster::EVENTS,
        ("", "persistentvolumeclaims") => cluster::CLAIMS,
        ("", "persistentvolumes") => cluster::VOLUMES,
        ("storage.k8s.io", "storageclasses") => cluster::STORAGE_CLASSES,
        ("scheduling.k8s.io", "priorityclasses") => cluster::PRIORITY_CLASSES,
        ("coordination.k8s.io", "leases") => cluster::LEASES,
        ("", "resourcequotas") => cluster::QUOTAS,
        ("", "limitranges") => cluster::NAME_AND_TIME,
        ("", "serviceaccounts") => access::SERVICE_ACCOUNTS,
        ("rbac.authorization.k8s.io", "roles" | "clusterroles") => cluster::NAME_AND_TIME,
        ("rbac.authorization.k8s.io", _) => access::BINDINGS,
        ("admissionregistration.k8s.io", "mutatingwebhookconfigurations" | "validatingwebhookconfigurations") => {
            access::WEBHOOKS
        }
        ("apiextensions.k8s.io", "customresourcedefinitions") => cluster::NAME_AND_TIME,
        ("apiregistration.k8s.io", "apiservices") => access::API_SERVICES,
        _ => cluster::NAME_AND_AGE,
    }
}
