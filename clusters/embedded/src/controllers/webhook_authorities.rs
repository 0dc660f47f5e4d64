//! Who tells the API server which CA signs a webhook's certificate: cert-manager's cainjector where an annotation says
//! so, else the program behind the webhook's Service itself (istiod, Knative's webhooks, the training operator).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::certificates::{GROUP, pem, put_secret};
use super::endpoints::is_served;
use super::managers;
use super::operators;
use super::reconciler::{Controller, Next};
use crate::object::text;
use crate::platform::World;
use crate::store::{Change, Key};

pub(super) const CONTROLLER: Controller = Controller { name: "webhook-authorities", concerns, reconcile };

const ADMISSION: &str = "admissionregistration.k8s.io";
const EXTENSIONS: &str = "apiextensions.k8s.io";
const INJECTOR: &[&str] = &["cert-manager-cainjector"];
const KINDS: &[(&str, &str)] = &[
    (ADMISSION, "mutatingwebhookconfigurations"),
    (ADMISSION, "validatingwebhookconfigurations"),
    (EXTENSIONS, "customresourcedefinitions"),
];

fn concerns(world: &World, change: &Change) -> Vec<Key> {
    let key = &change.key;
    if KINDS.contains(&(key.group.as_str(), key.plural.as_str())) {
        return vec![key.clone()];
    }
    let begins = operators::begins(change, INJECTOR);
    let of_interest: Box<dyn Fn(&Value) -> bool> = match (key.group.as_str(), key.plural.as_str()) {
        ("", "endpoints") => {
            let service = |config: &Value, field: &str| text(config, &format!("/service/{field}")).to_owned();
            Box::new(move |object| {
                clients(object)
                    .iter()
                    .any(|client| service(client, "namespace") == key.namespace && service(client, "name") == key.name)
            })
        }
        ("", "secrets") | (GROUP, "certificates") => Box::new(|object| source(object).is_some()),
        _ if begins => Box::new(|object| source(object).is_some()),
        _ => return Vec::new(),
    };
    KINDS
        .iter()
        .flat_map(|(group, plural)| {
            let all = world.store.list(group, plural, None);
            let wanted = all.iter().filter(|object| of_interest(object));
            wanted.map(|object| super::owned::key_of(group, plural, object)).collect::<Vec<_>>()
        })
        .collect()
}

/// Where cainjector is told to take a CA from.
enum Source {
    Certificate(String),
    Secret(String),
}

fn source(object: &Value) -> Option<Source> {
    let annotations = object.pointer("/metadata/annotations")?;
    let named = |annotation: &str| annotations.get(annotation).and_then(Value::as_str).map(str::to_owned);
    named("cert-manager.io/inject-ca-from")
        .map(Source::Certificate)
        .or_else(|| named("cert-manager.io/inject-ca-from-secret").map(Source::Secret))
}

/// How webhooks are called: every `clientConfig` of an object that names a Service.
fn clients(object: &Value) -> Vec<&Value> {
    let hooks = crate::object::list(object, "/webhooks").iter().filter_map(|hook| hook.get("clientConfig"));
    let conversion = object.pointer("/spec/conversion/webhook/clientConfig");
    hooks.chain(conversion).filter(|client| client.get("service").is_some()).collect()
}

fn reconcile(world: &World, key: &Key) -> Next {
    let Some(object) = world.store.get(key) else { return Next::Wait };
    // Found before the store is locked for the write.
    let bundles: Vec<Option<String>> = match source(&object) {
        Some(source) => {
            let bundle = injected(world, &object, &source);
            clients(&object).iter().map(|_| bundle.clone()).collect()
        }
        None => clients(&object).iter().map(|client| own(world, client)).collect(),
    };
    if bundles.iter().any(Option::is_some) {
        let program = clients(&object).first().map_or("", |client| text(client, "/service/name"));
        let manager = if source(&object).is_some() { "cainjector" } else { program };
        write(world, key, manager, bundles);
    }
    Next::Wait
}

/// The CA bundle (base64) that cainjector finds.
fn injected(world: &World, object: &Value, source: &Source) -> Option<String> {
    operators::running(world, INJECTOR)?;
    let secret = match source {
        Source::Certificate(place) => {
            let (namespace, name) = place.split_once('/')?;
            let certificate = world.store.get(&Key::new(GROUP, "certificates", namespace, name))?;
            Key::new("", "secrets", namespace, text(&certificate, "/spec/secretName"))
        }
        Source::Secret(place) => {
            let (namespace, name) = place.split_once('/')?;
            let key = Key::new("", "secrets", namespace, name);
            own_secret(world, object, &key);
            key
        }
    };
    let secret = world.store.get(&secret)?;
    Some(text(&secret, "/data/ca.crt").to_owned()).filter(|bundle| !bundle.is_empty())
}

/// cert-manager's webhook keeps its CA in a Secret of its own.
fn own_secret(world: &World, object: &Value, key: &Key) {
    let served = clients(object).iter().any(|client| serves(world, client));
    if world.store.get(key).is_some() || !served {
        return;
    }
    match pem("cert-manager-webhook-ca", Vec::new(), true) {
        Ok((certificate, private)) => {
            let data = json!({
                "ca.crt": BASE64.encode(&certificate), "tls.crt": BASE64.encode(&certificate),
                "tls.key": BASE64.encode(private),
            });
            put_secret(world, key, &data, &json!({"cert-manager.io/allow-direct-injection": "true"}));
        }
        Err(error) => tracing::error!(%error, "no certificate made"),
    }
}

fn serves(world: &World, client: &Value) -> bool {
    is_served(&world.store, text(client, "/service/namespace"), text(client, "/service/name"))
}

/// The CA that a program puts into its own webhook once it serves; the same for all webhooks of one Service.
fn own(world: &World, client: &Value) -> Option<String> {
    #[derive(Default)]
    struct Authority(std::sync::OnceLock<Option<String>>);
    if !text(client, "/caBundle").is_empty() || !serves(world, client) {
        return None;
    }
    let (namespace, name) = (text(client, "/service/namespace"), text(client, "/service/name"));
    let owner = format!("webhook {namespace}/{name}");
    let authority = world.memory.of::<Authority>(&owner);
    let made = authority.0.get_or_init(|| {
        let made = pem(&format!("{name}.{namespace}.svc"), Vec::new(), true);
        made.map(|(certificate, _)| BASE64.encode(certificate)).ok()
    });
    made.clone()
}

/// Sets the bundles of an object's webhooks, in the order of [`clients`].
fn write(world: &World, key: &Key, manager: &str, bundles: Vec<Option<String>>) {
    let written = managers::update(world, key, manager, |object| {
        let mut bundles = bundles.into_iter();
        let hooks = object.get_mut("webhooks").and_then(Value::as_array_mut).into_iter().flatten();
        for client in hooks.filter_map(|hook| hook.get_mut("clientConfig")) {
            set(client, &mut bundles);
        }
        if let Some(client) = object.pointer_mut("/spec/conversion/webhook/clientConfig") {
            set(client, &mut bundles);
        }
    });
    if let Err(error) = written {
        tracing::debug!(%error, "gone meanwhile");
    }
}

fn set(client: &mut Value, bundles: &mut impl Iterator<Item = Option<String>>) {
    if client.get("service").is_some()
        && let Some(Some(bundle)) = bundles.next()
    {
        client["caBundle"] = json!(bundle);
    }
}
