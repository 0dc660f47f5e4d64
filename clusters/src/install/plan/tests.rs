use proptest::prelude::*;

use super::*;
use crate::manifests;

const PLATFORM: &str = r#"
{apiVersion: v1, kind: Namespace, metadata: {name: plain}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: app, namespace: meshed}, spec: {template: {metadata: {labels: {app: app}}}}}
---
{apiVersion: example.org/v1, kind: Thing, metadata: {name: thing, namespace: meshed}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: meshed, labels: {istio-injection: enabled}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: issuer, namespace: plain}, spec: {template: {metadata: {labels: {app: issuer}}}}}
---
{apiVersion: v1, kind: Service, metadata: {name: issuer, namespace: plain}, spec: {selector: {app: issuer}}}
---
{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingWebhookConfiguration, metadata: {name: issuer}, webhooks: [
  {name: issuer, rules: [{apiGroups: [cert-manager.io], resources: ['*/*'], operations: [CREATE]}],
   clientConfig: {service: {name: issuer, namespace: plain}}}]}
---
{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: things, namespace: meshed}, spec: {secretName: things-tls}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: injector, namespace: plain}, spec: {template: {metadata: {labels: {app: injector}}}}}
---
{apiVersion: v1, kind: Service, metadata: {name: injector, namespace: plain}, spec: {selector: {app: injector}}}
---
{apiVersion: admissionregistration.k8s.io/v1, kind: MutatingWebhookConfiguration, metadata: {name: injector}, webhooks: [
  {name: injector, rules: [{apiGroups: [''], resources: [pods], operations: [CREATE]}],
   namespaceSelector: {matchLabels: {istio-injection: enabled}},
   clientConfig: {service: {name: injector, namespace: plain}}}]}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: things, namespace: meshed}, spec: {template: {
  metadata: {labels: {app: things}}, spec: {volumes: [{name: tls, secret: {secretName: things-tls}}]}}}}
---
{apiVersion: v1, kind: Service, metadata: {name: things, namespace: meshed}, spec: {selector: {app: things}}}
---
{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingWebhookConfiguration, metadata: {name: things}, webhooks: [
  {name: things, rules: [{apiGroups: [example.org], resources: [things], operations: ['*']}],
   clientConfig: {service: {name: things, namespace: meshed}}}]}
---
{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: things.example.org}, spec: {
  group: example.org, scope: Namespaced, names: {kind: Thing, plural: things}, versions: [{name: v1, served: true}]}}
---
{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: certificates.cert-manager.io}, spec: {
  group: cert-manager.io, scope: Namespaced, names: {kind: Certificate, plural: certificates}, versions: [{name: v1, served: true}]}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: meshed}}
"#;

const BUILT_IN: &[(&str, &str, &str)] = &[
    ("", "Namespace", "namespaces"),
    ("", "Service", "services"),
    ("", "ConfigMap", "configmaps"),
    ("apps", "Deployment", "deployments"),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations"),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations"),
    ("apiextensions.k8s.io", "CustomResourceDefinition", "customresourcedefinitions"),
];

fn plan(text: &str) -> (Vec<Manifest>, Vec<Wave>) {
    let objects = manifests::parse("some.yaml", text.as_bytes()).expect("readable").objects;
    let kinds = Kinds::defined(&objects).with_built_in(BUILT_IN);
    let waves = waves(&objects, &kinds);
    (objects, waves)
}

fn named(objects: &[Manifest], wave: &Wave) -> Vec<String> {
    wave.objects.iter().map(|index| objects[*index].id.to_string()).collect()
}

#[test]
fn a_platform_comes_in_the_order_of_its_dependencies() {
    let (objects, waves) = plan(PLATFORM);
    let order: Vec<_> = waves.iter().map(|wave| (wave.name, named(&objects, wave))).collect();
    let expected = [
        ("namespaces", vec!["Namespace plain", "Namespace meshed"]),
        (
            "definitions",
            vec![
                "CustomResourceDefinition things.example.org",
                "CustomResourceDefinition certificates.cert-manager.io",
            ],
        ),
        (
            "configuration",
            vec![
                "Service plain/issuer",
                "Service plain/injector",
                "Service meshed/things",
                "ConfigMap meshed/settings",
            ],
        ),
        (
            "workloads and webhooks",
            vec![
                "Deployment plain/issuer",
                "ValidatingWebhookConfiguration issuer",
                "Deployment plain/injector",
                "MutatingWebhookConfiguration injector",
                "ValidatingWebhookConfiguration things",
            ],
        ),
        (
            "workloads and custom resources",
            vec!["Deployment meshed/app", "Certificate meshed/things", "Deployment meshed/things"],
        ),
        ("custom resources", vec!["Thing meshed/thing"]),
    ];
    let expected = expected.map(|(name, of)| (name, of.into_iter().map(str::to_owned).collect::<Vec<_>>()));
    assert_eq!(order, expected);
    let waits =
        |wave: usize| waves[wave].ready.keys().map(|index| objects[*index].id.name.as_str()).collect::<Vec<_>>();
    assert_eq!((waits(3), waits(4), waits(5)), (vec![], vec!["issuer", "injector"], vec!["things"]));
    let established: Vec<_> = waves.iter().map(|wave| wave.established.len()).collect();
    assert_eq!(established, [0, 0, 0, 0, 1, 1]);
}

/// Two webhooks whose backends are admitted by each other: no order satisfies both.
#[test]
fn a_circle_is_broken_and_nothing_waits_in_it() {
    let side = |one: &str, other: &str| {
        format!(
            "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: {one}, namespace: x, labels: {{is: {one}}}}}, \
             spec: {{template: {{metadata: {{labels: {{app: {one}}}}}}}}}}}\n---\n\
             {{apiVersion: v1, kind: Service, metadata: {{name: {one}, namespace: x}}, spec: {{selector: {{app: {one}}}}}}}\n---\n\
             {{apiVersion: admissionregistration.k8s.io/v1, kind: MutatingWebhookConfiguration, metadata: {{name: {one}}}, \
             webhooks: [{{name: w, rules: [{{apiGroups: [''], resources: [pods], operations: [CREATE]}}], \
             objectSelector: {{matchLabels: {{app: {other}}}}}, clientConfig: {{service: {{name: {one}, namespace: x}}}}}}]}}\n---\n"
        )
    };
    let (objects, waves) = plan(&(side("a", "b") + &side("b", "a")));
    assert_eq!(waves.iter().map(|wave| wave.objects.len()).sum::<usize>(), objects.len());
    assert!(waves.iter().all(|wave| wave.ready.is_empty()), "{waves:?}");
    assert_eq!(named(&objects, waves.last().expect("a wave")), ["Deployment x/a", "Deployment x/b"]);
}

proptest! {
    /// However the documents are shuffled: each object once, and after everything that it waits for.
    #[test]
    fn the_order_of_the_source_does_not_matter(order in Just(PLATFORM.split("---\n").collect::<Vec<_>>()).prop_shuffle()) {
        let (objects, waves) = plan(&order.join("---\n"));
        let mut written = BTreeSet::new();
        for wave in &waves {
            prop_assert!(wave.established.is_subset(&written));
            prop_assert!(wave.ready.keys().all(|workload| written.contains(workload)));
            for index in &wave.objects {
                prop_assert!(written.insert(*index));
            }
        }
        prop_assert_eq!(written.len(), objects.len());
        prop_assert_eq!(waves.len(), 6);
    }
}
