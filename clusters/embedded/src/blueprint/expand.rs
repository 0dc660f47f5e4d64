//! From rows to Kubernetes objects.

use serde_json::{Value, json};

use crate::object;

use super::rows::{
    ClusterRole, Container, Crd, Map, NetworkPolicy, Policy, Release, Route, Service, WebhookConfiguration, Workload,
};

/// All objects of a release, in an order in which they could be applied.
pub fn objects(release: &Release) -> Vec<Value> {
    let mut objects = Vec::new();
    objects.extend(release.namespaces.iter().map(|row| {
        let mut labels = json!(row.labels);
        labels["kubernetes.io/metadata.name"] = json!(row.name);
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": row.name, "labels": labels},
               "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}})
    }));
    objects.extend(release.crds.iter().map(crd));
    objects.extend(release.cluster_roles.iter().map(cluster_role));
    objects.push(dashboard_binding());
    objects.extend(accounts(&release.workloads));
    objects.extend(release.config_maps.iter().map(|row| {
        let mut object = at("v1", "ConfigMap", &row.at, Value::Null);
        if let Some(object) = object.as_object_mut() {
            object.shift_remove("spec");
        }
        object["data"] = json!(row.data);
        object
    }));
    objects.extend(release.services.iter().map(service));
    objects.extend(release.claims.iter().map(|row| {
        at(
            "v1",
            "PersistentVolumeClaim",
            &row.at,
            json!({
                "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": row.size}}
            }),
        )
    }));
    objects.extend(release.workloads.iter().map(workload));
    objects.extend(release.certificates.iter().flat_map(|row| {
        let namespace = row.at.split('/').next().unwrap_or_default();
        let issuer = format!("{namespace}/{}", row.issuer);
        [
            at("cert-manager.io/v1", "Issuer", &issuer, json!({"selfSigned": {}})),
            at(
                "cert-manager.io/v1",
                "Certificate",
                &row.at,
                json!({
                    "secretName": row.secret, "dnsNames": row.names, "isCA": true,
                    "issuerRef": {"kind": "Issuer", "name": row.issuer},
                }),
            ),
        ]
    }));
    objects.extend(release.webhooks.iter().map(webhook_configuration));
    objects.extend(release.gateways.iter().map(|row| {
        at(
            "networking.istio.io/v1beta1",
            "Gateway",
            &row.at,
            json!({
                "selector": row.select,
                "servers": [{"hosts": ["*"], "port": {"name": "http", "number": row.port, "protocol": "HTTP"}}],
            }),
        )
    }));
    objects.extend(release.routes.iter().map(route));
    objects.extend(release.mutual_tls.iter().map(|row| {
        at(
            "networking.istio.io/v1alpha3",
            "DestinationRule",
            &row.at,
            json!({
                "host": row.host, "trafficPolicy": {"tls": {"mode": "ISTIO_MUTUAL"}},
            }),
        )
    }));
    objects.extend(release.policies.iter().map(policy));
    objects.extend(release.network_policies.iter().map(network_policy));
    objects
}

fn at(api_version: &str, kind: &str, place: &str, spec: Value) -> Value {
    let (namespace, name) = place.split_once('/').unwrap_or(("", place));
    let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": spec});
    if !namespace.is_empty() {
        object["metadata"]["namespace"] = json!(namespace);
    }
    object
}

fn crd(row: &Crd) -> Value {
    let open = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    let versions: Vec<Value> = row
        .versions
        .iter()
        .map(|version| {
            json!({"name": version, "served": true, "storage": *version == row.storage, "schema": open,
                   "subresources": {"status": {}}})
        })
        .collect();
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{}.{}", row.plural, row.group)},
        "spec": {
            "group": row.group,
            "names": {"kind": row.kind, "listKind": format!("{}List", row.kind), "plural": row.plural,
                      "singular": row.kind.to_lowercase(), "shortNames": row.short},
            "scope": if row.cluster { "Cluster" } else { "Namespaced" },
            "versions": versions,
        },
    })
}

/// A workload without an account of its own runs as `default`; several workloads may share one account.
fn accounts(workloads: &[Workload]) -> Vec<Value> {
    let mut places: Vec<String> = workloads
        .iter()
        .filter_map(|row| {
            let namespace = row.at.split('/').next()?;
            row.account.as_ref().map(|account| format!("{namespace}/{account}"))
        })
        .collect();
    places.sort();
    places.dedup();
    places
        .iter()
        .filter_map(|place| place.split_once('/'))
        .map(|(namespace, name)| {
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}})
        })
        .collect()
}

fn service(row: &Service) -> Value {
    let mut spec = json!({"ports": row.ports, "type": "ClusterIP"});
    if !row.select.is_empty() {
        spec["selector"] = json!(row.select);
    }
    at("v1", "Service", &row.at, spec)
}

fn workload(row: &Workload) -> Value {
    let mut labels = row.labels.clone();
    labels.extend(row.more_labels.clone());
    let mut metadata = json!({"labels": labels});
    if let Some(inject) = &row.inject {
        metadata["annotations"] = json!({"sidecar.istio.io/inject": inject});
    }
    let mut volumes: Vec<Value> =
        row.claims.keys().map(|claim| json!({"name": claim, "persistentVolumeClaim": {"claimName": claim}})).collect();
    let folders = row.containers.iter().flat_map(|container| container.folders.values());
    volumes.extend(folders.map(|map| json!({"name": map, "configMap": {"name": map}})));
    volumes.extend(row.containers.iter().flat_map(|container| &container.tokens).map(token));
    let mut pod = json!({"containers": row.containers.iter().map(container).collect::<Vec<_>>(), "volumes": volumes});
    if !row.claims.is_empty() {
        let mounts = row.claims.iter().map(|(claim, place)| json!({"name": claim, "mountPath": place}));
        let folders = object::list(&pod, "/containers/0/volumeMounts").to_vec();
        pod["containers"][0]["volumeMounts"] = mounts.chain(folders).collect();
    }
    if let Some(account) = &row.account {
        pod["serviceAccountName"] = json!(account);
    }
    let mut spec = json!({"selector": {"matchLabels": row.labels}, "template": {"metadata": metadata, "spec": pod}});
    match row.kind.as_str() {
        "DaemonSet" => {}
        "StatefulSet" => {
            spec["replicas"] = json!(row.replicas);
            spec["serviceName"] = json!("");
        }
        _ => spec["replicas"] = json!(row.replicas),
    }
    at("apps/v1", &row.kind, &row.at, spec)
}

fn container(row: &Container) -> Value {
    let ports: Vec<Value> = row
        .ports
        .iter()
        .map(|port| {
            let mut value = json!({"containerPort": port.port, "protocol": "TCP"});
            if let Some(name) = &port.name {
                value["name"] = json!(name);
            }
            value
        })
        .collect();
    let plain = row.env.iter().map(|(name, value)| json!({"name": name, "value": value}));
    let env: Vec<Value> = plain.chain(row.refer.iter().map(referring)).collect();
    let mut container = json!({"name": row.name, "image": row.image, "ports": ports, "env": env});
    if !row.args.is_empty() {
        container["args"] = json!(row.args);
    }
    if let Some(map) = &row.env_from {
        container["envFrom"] = json!([{"configMapRef": {"name": map}}]);
    }
    let folders = row.folders.iter().map(|(path, map)| json!({"name": map, "mountPath": path, "readOnly": true}));
    let tokens = row.tokens.keys().filter_map(|file| file.rsplit_once('/'));
    let tokens = tokens.map(|(folder, name)| json!({"name": name, "mountPath": folder}));
    let mounts = folders.chain(tokens).collect::<Vec<_>>();
    if !mounts.is_empty() {
        container["volumeMounts"] = mounts.into();
    }
    container
}

/// The volume of a token.
fn token((file, audience): (&String, &String)) -> Value {
    let name = file.rsplit('/').next().unwrap_or_default();
    json!({"name": name, "projected": {"sources": [{
        "serviceAccountToken": {"path": name, "audience": audience, "expirationSeconds": 3600}}]}})
}

/// A variable whose value a Secret or ConfigMap holds.
fn referring((name, place): (&String, &String)) -> Value {
    let mut parts = place.splitn(3, '/');
    let source = if parts.next() == Some("secrets") { "secretKeyRef" } else { "configMapKeyRef" };
    let (object, key) = (parts.next(), parts.next());
    json!({"name": name, "valueFrom": {source: {"name": object, "key": key}}})
}

fn webhook_configuration(row: &WebhookConfiguration) -> Value {
    let hooks: Vec<Value> = row
        .hooks
        .iter()
        .map(|hook| {
            let (namespace, name) = hook.service.split_once('/').unwrap_or_default();
            let mut service = json!({"namespace": namespace, "name": name, "port": hook.port.unwrap_or(443)});
            if let Some(path) = &hook.path {
                service["path"] = json!(path);
            }
            let rules: Vec<Value> = hook
                .rules
                .iter()
                .map(|rule| {
                    json!({"apiGroups": rule.groups, "apiVersions": rule.versions, "operations": rule.operations,
                           "resources": rule.resources})
                })
                .collect();
            let mut webhook = json!({
                "name": hook.name, "clientConfig": {"service": service}, "rules": rules, "sideEffects": "None",
                "failurePolicy": hook.policy.as_deref().unwrap_or("Fail"), "admissionReviewVersions": ["v1"],
            });
            for (field, selector) in [("namespaceSelector", &hook.namespaces), ("objectSelector", &hook.objects)] {
                if let Some(selector) = selector {
                    webhook[field] = selector.clone();
                }
            }
            webhook
        })
        .collect();
    let mut metadata = json!({"name": row.name});
    if let Some(certificate) = &row.ca_from {
        metadata["annotations"] = json!({"cert-manager.io/inject-ca-from": certificate});
    }
    if let Some(secret) = &row.ca_from_secret {
        metadata["annotations"] = json!({"cert-manager.io/inject-ca-from-secret": secret});
    }
    json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": format!("{}WebhookConfiguration", row.kind),
           "metadata": metadata, "webhooks": hooks})
}

fn route(row: &Route) -> Value {
    let (service, port) = row.to.rsplit_once(':').unwrap_or((&row.to, "80"));
    let mut http = json!({
        "match": [{"uri": {"prefix": row.prefix}}],
        "route": [{"destination": {
            "host": format!("{service}.svc.cluster.local"), "port": {"number": port.parse::<u16>().unwrap_or(80)},
        }}],
    });
    if let Some(rewrite) = &row.rewrite {
        http["rewrite"] = json!({"uri": rewrite});
    }
    if !row.add.is_empty() {
        http["headers"] = json!({"request": {"add": row.add}});
    }
    if let Some(timeout) = &row.timeout {
        http["timeout"] = json!(timeout);
    }
    at(
        "networking.istio.io/v1beta1",
        "VirtualService",
        &row.at,
        json!({
            "gateways": [row.gateway], "hosts": ["*"], "http": [http],
        }),
    )
}

fn policy(row: &Policy) -> Value {
    let mut rules: Vec<Value> = Vec::new();
    if !row.accounts.is_empty() {
        let principals: Vec<String> = row
            .accounts
            .iter()
            .filter_map(|account| account.split_once('/'))
            .map(|(namespace, name)| format!("cluster.local/ns/{namespace}/sa/{name}"))
            .collect();
        rules.push(json!({"from": [{"source": {"principals": principals}}]}));
    }
    if !row.namespaces.is_empty() {
        rules.push(json!({"from": [{"source": {"namespaces": row.namespaces}}]}));
    }
    let mut when: Vec<Value> = Vec::new();
    if let Some(header) = &row.with_header {
        when.push(json!({"key": format!("request.headers[{header}]"), "values": ["*"]}));
    }
    if let Some(header) = &row.without_header {
        when.push(json!({"key": format!("request.headers[{header}]"), "notValues": ["*"]}));
    }
    if !when.is_empty() {
        rules.push(json!({"when": when}));
    }
    if row.anyone {
        rules.push(json!({}));
    }
    let mut spec = json!({});
    if let Some(select) = &row.select {
        spec["selector"] = json!({"matchLabels": select});
    }
    if !rules.is_empty() {
        spec["action"] = json!("ALLOW");
        spec["rules"] = json!(rules);
    }
    at("security.istio.io/v1beta1", "AuthorizationPolicy", &row.at, spec)
}

fn network_policy(row: &NetworkPolicy) -> Value {
    let one_of = |labels: &std::collections::BTreeMap<String, Vec<String>>| -> Value {
        let expressions: Vec<Value> =
            labels.iter().map(|(key, values)| json!({"key": key, "operator": "In", "values": values})).collect();
        json!({"matchExpressions": expressions})
    };
    let mut from: Vec<Value> =
        row.namespaces.iter().map(|labels| json!({"namespaceSelector": one_of(labels)})).collect();
    if row.same_namespace {
        from.push(json!({"podSelector": {}}));
    }
    let mut ingress = json!({});
    if !from.is_empty() {
        ingress["from"] = json!(from);
    }
    if !row.ports.is_empty() {
        ingress["ports"] =
            row.ports.iter().map(|port| json!({"port": port, "protocol": "TCP"})).collect::<Vec<_>>().into();
    }
    let selector = if row.select.is_empty() { json!({}) } else { one_of(&row.select) };
    at(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        &row.at,
        json!({
            "podSelector": selector, "policyTypes": ["Ingress"], "ingress": [ingress],
        }),
    )
}

fn cluster_role(row: &ClusterRole) -> Value {
    let label = |name: &String| format!("rbac.authorization.kubeflow.org/aggregate-to-{name}");
    let labels: Map = row.into.iter().map(|name| (label(name), "true".to_owned())).collect();
    let rules: Vec<Value> = row
        .rules
        .iter()
        .map(|rule| json!({"apiGroups": rule.groups, "resources": rule.resources, "verbs": rule.verbs}))
        .collect();
    let mut role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
                          "metadata": {"name": row.name, "labels": labels}, "rules": rules});
    if !row.gathers.is_empty() {
        let selectors: Vec<Value> =
            row.gathers.iter().map(|name| json!({"matchLabels": {label(name): "true"}})).collect();
        role["aggregationRule"] = json!({"clusterRoleSelectors": selectors});
    }
    role
}

/// The dashboard lists namespaces, nodes and events as its own account.
fn dashboard_binding() -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "centraldashboard"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "centraldashboard"},
        "subjects": [{"kind": "ServiceAccount", "name": "centraldashboard", "namespace": "kubeflow"}],
    })
}
