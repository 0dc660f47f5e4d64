//! Webhooks and the certificates that they are called with.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clusters::versions::inventory::WebhookKind;
use clusters::versions::parts;
use harness::check::source;
use harness::{Check, Checked, Ctx, Explain, Level, check};
use kube::api::DynamicObject;
use serde_json::Value;

use super::Differences;
use crate::faults::install as faults;
use crate::gateway::diagnose::is_live;
use crate::objects::{self, CERTIFICATE, ENDPOINT_SLICE, MUTATING, SECRET, VALIDATING, items, text};

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "INS-040",
        "Every webhook configuration of the release exists",
        Level::Must,
        source("kubeflow/manifests", "example: MutatingWebhookConfigurations, ValidatingWebhookConfigurations"),
        |cx| Box::pin(configurations(cx)),
    )
    .explain(Explain {
        what: "The webhook configurations that the release creates exist, and call the Service that the release names.",
        why: "Without them nothing fails at once: pods in tenants get no sidecar, no PodDefaults and no metrics \
              collector, and wrong objects are accepted.",
        fix: "Apply the release's webhook configurations again.",
        reproduce: "kubectl get mutatingwebhookconfigurations,validatingwebhookconfigurations",
    })
    .breaks_on(&[&faults::WEBHOOK_REMOVED]),
    check(
        "INS-041",
        "Every webhook of the cluster leads to a Service that answers",
        Level::Must,
        source("kubernetes/website", "Dynamic Admission Control: service reference, failurePolicy"),
        |cx| Box::pin(backends(cx)),
    )
    .explain(Explain {
        what: "Each webhook, the release's or not, that calls a Service: that Service has a ready endpoint.",
        why: "A webhook without a backend refuses everything that it matches, when its failurePolicy is Fail: no pod \
              starts in any tenant, and namespaces cannot be deleted. Uninstalled components leave such webhooks.",
        fix: "Start the Service's workload, or delete the webhook configuration if its component is gone.",
        reproduce: "kubectl get mutatingwebhookconfigurations,validatingwebhookconfigurations -o custom-columns='NAME:\
                    .metadata.name,SERVICE:.webhooks[*].clientConfig.service.name,POLICY:.webhooks[*].failurePolicy'",
    })
    .profiles(&[harness::Profile::Core, harness::Profile::Migration])
    .breaks_on(&[&faults::WEBHOOK_STOPPED, &faults::LEFTOVER_WEBHOOK]),
    check(
        "INS-042",
        "Every webhook is given the authority of its server's certificate",
        Level::Must,
        source("cert-manager/cert-manager", "CA Injector: cert-manager.io/inject-ca-from"),
        |cx| Box::pin(authorities(cx)),
    )
    .explain(Explain {
        what: "Each webhook that calls a Service has a CA bundle; where cert-manager is to inject it from a \
               Certificate, the bundle is the one in that Certificate's Secret.",
        why: "A missing or outdated bundle ends every matching request in: x509: certificate signed by unknown \
              authority. Pods and custom resources can then neither be created nor changed.",
        fix: "Restart Deployment cert-manager/cert-manager-cainjector, and look at its log.",
        reproduce: "kubectl get mutatingwebhookconfigurations,validatingwebhookconfigurations -o custom-columns='NAME:\
                    .metadata.name,CA:.webhooks[*].clientConfig.caBundle'",
    })
    .after(&["INS-041"])
    .breaks_on(&[&faults::AUTHORITY_REMOVED, &faults::AUTHORITY_OUTDATED]),
    check(
        "INS-043",
        "Every certificate in the platform's namespaces is issued and valid",
        Level::Must,
        source("cert-manager/cert-manager", "Certificate condition Ready"),
        |cx| Box::pin(certificates(cx)),
    )
    .explain(Explain {
        what: "Each Certificate in the release's namespaces has the condition Ready=True.",
        why: "They are the certificates of the admission webhooks. cert-manager renews them; if it cannot, all pod \
              creation in tenants stops on the day that they end.",
        fix: "kubectl -n NAMESPACE describe certificate NAME; follow its CertificateRequest and Issuer.",
        reproduce: "kubectl get certificates -A",
    })
    .after(&["INS-002"])
    .breaks_on(&[&faults::CERTIFICATE_NOT_ISSUED]),
];

/// A webhook configuration of the cluster, with what it is called.
struct Configuration {
    kind: WebhookKind,
    object: DynamicObject,
}

impl Configuration {
    fn place(&self) -> String {
        format!("{} {}", self.kind.name(), objects::name(&self.object))
    }

    fn webhooks(&self) -> &[Value] {
        items(&self.object.data, "/webhooks")
    }
}

/// Namespace and name of the Service that a webhook calls; nothing if it calls a URL.
fn service(webhook: &Value) -> Option<(&str, &str)> {
    let of = webhook.pointer("/clientConfig/service")?;
    Some((text(of, "/namespace"), text(of, "/name")))
}

async fn all(cx: &Ctx) -> Checked<Vec<Configuration>> {
    let mut found = Vec::new();
    for (kind, of) in [(WebhookKind::Mutating, MUTATING), (WebhookKind::Validating, VALIDATING)] {
        found.extend(objects::all(cx, of).await?.into_iter().map(|object| Configuration { kind, object }));
    }
    Ok(found)
}

async fn configurations(cx: &Ctx) -> Checked {
    let found = all(cx).await?;
    let mut differences = Differences::default();
    for wanted in cx.version().webhooks() {
        let object = format!("{} {}", wanted.kind.name(), wanted.name);
        let configuration =
            found.iter().find(|found| found.kind == wanted.kind && objects::name(&found.object) == wanted.name);
        match configuration {
            None => {
                let (namespace, name) = wanted.service;
                differences.add_missing(cx, parts::of_object(namespace, name), object, "is absent");
            }
            Some(found) => {
                let (namespace, name) = wanted.service;
                if let Some(other) = found.webhooks().iter().find(|hook| service(hook) != Some(wanted.service)) {
                    let called = service(other).map_or("a URL".to_owned(), |(ns, name)| format!("Service {ns}/{name}"));
                    differences.add(object, format!("calls {called}, not Service {namespace}/{name}"));
                }
            }
        }
    }
    differences.judge(
        "all webhook configurations of the release exist and call the release's Services",
        "apply the release's webhook configurations again",
    )
}

async fn backends(cx: &Ctx) -> Checked {
    let slices = objects::all(cx, ENDPOINT_SLICE).await?;
    let mut differences = Differences::default();
    for configuration in all(cx).await? {
        let dead = configuration.webhooks().iter().find_map(|webhook| {
            let (namespace, name) = service(webhook)?;
            let live = slices.iter().any(|slice| objects::namespace(slice) == namespace && is_live(slice, name));
            (!live).then(|| {
                let policy = Some(text(webhook, "/failurePolicy")).filter(|policy| !policy.is_empty());
                let policy = policy.unwrap_or("Fail");
                format!("calls Service {namespace}/{name}, which has no ready endpoint (failurePolicy {policy})")
            })
        });
        if let Some(how) = dead {
            differences.add(configuration.place(), how);
        }
    }
    differences.judge(
        "all webhooks of the cluster lead to Services with a ready endpoint",
        "start the Service's workload, or delete the webhook configuration if its component is gone",
    )
}

async fn authorities(cx: &Ctx) -> Checked {
    let mut differences = Differences::default();
    for configuration in all(cx).await? {
        let injected = objects::annotation(&configuration.object, "cert-manager.io/inject-ca-from");
        let wanted = match injected.split_once('/') {
            Some((namespace, name)) => authority(cx, namespace, name).await?,
            None => None,
        };
        let wrong = configuration.webhooks().iter().filter(|webhook| service(webhook).is_some()).find_map(|webhook| {
            let bundle = BASE64_STANDARD.decode(text(webhook, "/clientConfig/caBundle")).unwrap_or_default();
            let how = if bundle.is_empty() {
                "has no CA bundle"
            } else if !bundle.windows(MARK.len()).any(|window| window == MARK) {
                "has a CA bundle that holds no certificate"
            } else if wanted.as_ref().is_some_and(|wanted| wanted.trim_ascii() != bundle.trim_ascii()) {
                "has another CA bundle than its Certificate's Secret"
            } else {
                return None;
            };
            Some(format!("{how} (webhook {})", text(webhook, "/name")))
        });
        if let Some(how) = wrong {
            differences.add(configuration.place(), how);
        }
    }
    differences.judge(
        "all webhooks have the CA bundle of their server's certificate",
        "kubectl -n cert-manager rollout restart deployment cert-manager-cainjector, and look at its log",
    )
}

const MARK: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// The authority in a Certificate's Secret, as cert-manager injects it; nothing if there is none yet.
async fn authority(cx: &Ctx, namespace: &str, name: &str) -> Checked<Option<Vec<u8>>> {
    let Some(certificate) = objects::get(cx, CERTIFICATE, namespace, name).await? else { return Ok(None) };
    let secret = objects::get(cx, SECRET, namespace, text(&certificate.data, "/spec/secretName")).await?;
    Ok(secret.and_then(|secret| objects::secret_value(&secret, "ca.crt")).map(String::into_bytes))
}

async fn certificates(cx: &Ctx) -> Checked {
    let mut differences = Differences::default();
    for certificate in objects::all(cx, CERTIFICATE).await? {
        let ours = cx.version().namespaces().any(|namespace| namespace.name == objects::namespace(&certificate));
        if !ours || objects::condition(&certificate, "Ready") == "True" {
            continue;
        }
        let why = items(&certificate.data, "/status/conditions")
            .iter()
            .find(|condition| condition["type"] == "Ready")
            .map_or("cert-manager has not looked at it", |condition| text(condition, "/message"));
        let object = format!("Certificate {}", objects::place(&certificate));
        differences.add(object, format!("is not ready: {why}"));
    }
    differences.judge(
        "all Certificates in the release's namespaces are ready",
        "kubectl -n NAMESPACE describe certificate NAME, and follow its CertificateRequest and Issuer",
    )
}
