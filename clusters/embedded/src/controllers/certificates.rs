//! cert-manager's controller: Issuers become ready, Certificates get their Secret (`pkg/controller/certificates`,
//! cert-manager 1.12 to 1.16).
//!
//! Only issuers of type `selfSigned` issue here; it is the only type that kubeflow/manifests has. No CertificateRequest is
//! kept, and nothing is renewed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};
use serde_json::{Value, json};

use super::operators;
use super::owned::set_condition;
use super::reconciler::{Controller, Next};
use crate::object::{list, name, namespace, text};
use crate::platform::World;
use crate::store::{Change, Key};

pub(super) const CONTROLLER: Controller = Controller { name: "cert-manager", concerns, reconcile };

/// API group of Issuers and Certificates.
pub(super) const GROUP: &str = "cert-manager.io";
const IMAGES: &[&str] = &["cert-manager-controller"];
const LIFETIME: jiff::SignedDuration = jiff::SignedDuration::from_hours(24 * 90);

fn concerns(world: &World, change: &Change) -> Vec<Key> {
    let certificates = || operators::all(world, GROUP, "certificates");
    if operators::begins(change, IMAGES) {
        let issuers = ["issuers", "clusterissuers"].map(|plural| operators::all(world, GROUP, plural));
        return [issuers.concat(), certificates()].concat();
    }
    match (change.key.group.as_str(), change.key.plural.as_str()) {
        (GROUP, "certificates") => vec![change.key.clone()],
        (GROUP, "issuers" | "clusterissuers") => {
            let mut keys = certificates();
            keys.insert(0, change.key.clone());
            keys
        }
        ("", "secrets") => {
            let annotations = change.object.pointer("/metadata/annotations");
            let named = annotations.and_then(|all| all.get("cert-manager.io/certificate-name")).and_then(Value::as_str);
            named.map(|named| Key::new(GROUP, "certificates", &change.key.namespace, named)).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

fn reconcile(world: &World, key: &Key) -> Next {
    let Some(object) = world.store.get(key) else { return Next::Wait };
    if operators::running(world, IMAGES).is_none() {
        return Next::Wait;
    }
    if key.plural != "certificates" {
        condition(world, key, "Ready", issuer_state(&object));
        return Next::Wait;
    }
    match issue(world, &object) {
        Ok(()) => condition(world, key, "Ready", ("True", "Ready", "Certificate is up to date and has not expired")),
        Err(why) => condition(world, key, "Ready", ("False", "DoesNotExist", &why)),
    }
    Next::Wait
}

fn issuer_state(issuer: &Value) -> (&'static str, &'static str, &'static str) {
    if issuer.pointer("/spec/selfSigned").is_some() {
        ("True", "IsReady", "")
    } else {
        ("False", "NotPlayed", "the embedded reference platform plays selfSigned issuers only")
    }
}

fn condition(world: &World, key: &Key, kind: &str, (status, reason, message): (&str, &str, &str)) {
    let written = world.store.update(key, None, |object| {
        let mut conditions = list(object, "/status/conditions").to_vec();
        let changed = set_condition(&mut conditions, kind, status, reason, message);
        if changed {
            let generation = object.pointer("/metadata/generation").cloned().unwrap_or_else(|| json!(1));
            if let Some(condition) = conditions.iter_mut().find(|condition| text(condition, "/type") == kind) {
                condition["observedGeneration"] = generation;
            }
            object["status"]["conditions"] = json!(conditions);
        }
        let secret = key.plural == "certificates" && status == "True";
        if secret && object.pointer("/status/notAfter").is_none() {
            let (now, end) = (jiff::Timestamp::now(), jiff::Timestamp::now() + LIFETIME);
            let shown = |at: jiff::Timestamp| json!(at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
            object["status"]["notBefore"] = shown(now);
            object["status"]["notAfter"] = shown(end);
            object["status"]["renewalTime"] = shown(now + LIFETIME * 2 / 3);
            object["status"]["revision"] = json!(1);
        }
        true
    });
    if let Err(error) = written {
        tracing::debug!(%error, "gone meanwhile");
    }
}

/// Puts the certificate into its Secret, unless it is there.
fn issue(world: &World, certificate: &Value) -> Result<(), String> {
    let secret = Key::new("", "secrets", namespace(certificate), text(certificate, "/spec/secretName"));
    let stored = world.store.get(&secret);
    let filled =
        |field: &str| stored.as_ref().is_some_and(|secret| !text(secret, &format!("/data/{field}")).is_empty());
    if ["ca.crt", "tls.crt", "tls.key"].into_iter().all(filled) {
        return Ok(());
    }
    let missing = "Issuing certificate as Secret does not exist".to_owned();
    let issuer = issuer(world, certificate).ok_or_else(|| missing.clone())?;
    if issuer.pointer("/spec/selfSigned").is_none() {
        return Err(missing);
    }
    let (certificate_pem, key_pem) = self_signed(certificate).map_err(|error| error.to_string())?;
    let data = json!({
        "ca.crt": BASE64.encode(&certificate_pem), "tls.crt": BASE64.encode(&certificate_pem),
        "tls.key": BASE64.encode(&key_pem),
    });
    let names: Vec<&str> = list(certificate, "/spec/dnsNames").iter().filter_map(Value::as_str).collect();
    let annotations = json!({
        "cert-manager.io/alt-names": names.join(","), "cert-manager.io/certificate-name": name(certificate),
        "cert-manager.io/common-name": text(certificate, "/spec/commonName"), "cert-manager.io/ip-sans": "",
        "cert-manager.io/issuer-group": "", "cert-manager.io/issuer-kind": kind_of(certificate),
        "cert-manager.io/issuer-name": text(certificate, "/spec/issuerRef/name"), "cert-manager.io/uri-sans": "",
    });
    put_secret(world, &secret, &data, &annotations);
    Ok(())
}

fn kind_of(certificate: &Value) -> &str {
    Some(text(certificate, "/spec/issuerRef/kind")).filter(|kind| !kind.is_empty()).unwrap_or("Issuer")
}

fn issuer(world: &World, certificate: &Value) -> Option<std::sync::Arc<Value>> {
    let named = text(certificate, "/spec/issuerRef/name");
    world.store.get(&match kind_of(certificate) {
        "ClusterIssuer" => Key::new(GROUP, "clusterissuers", "", named),
        _ => Key::new(GROUP, "issuers", namespace(certificate), named),
    })
}

/// Stores a TLS Secret, over one that is incomplete.
pub(super) fn put_secret(world: &World, key: &Key, data: &Value, annotations: &Value) {
    let fresh = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "data": data,
        "metadata": {"annotations": annotations, "labels": {"controller.cert-manager.io/fao": "true"}},
    });
    let updated = world.store.update(key, None, |secret| {
        secret["data"] = data.clone();
        for (annotation, value) in annotations.as_object().into_iter().flatten() {
            secret["metadata"]["annotations"][annotation] = value.clone();
        }
        true
    });
    if updated.is_err() {
        super::bootstrap::put(world, "", "secrets", &key.namespace, &key.name, fresh);
    }
}

fn self_signed(certificate: &Value) -> Result<(String, String), rcgen::Error> {
    let names: Vec<String> =
        list(certificate, "/spec/dnsNames").iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let authority = certificate.pointer("/spec/isCA") == Some(&json!(true));
    pem(text(certificate, "/spec/commonName"), names, authority)
}

/// A fresh self-signed certificate and its key (PEM).
pub(super) fn pem(common_name: &str, names: Vec<String>, authority: bool) -> Result<(String, String), rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    if !common_name.is_empty() {
        params.distinguished_name.push(DnType::CommonName, common_name);
    }
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    if authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages.push(KeyUsagePurpose::KeyCertSign);
    }
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}
