//! Contributors: a RoleBinding and an AuthorizationPolicy of one name (`kfam/bindings.go`).

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::Refusal;
use super::caller::Settings;
use crate::actors::kubernetes::Client;
use crate::api::Status;
use crate::api::call::type_name;
use crate::object::{list as items, name, text};
use crate::store::Key;

const RBAC: &str = "rbac.authorization.k8s.io";
const ISTIO: &str = "security.istio.io";

/// Short names of roles and the ClusterRoles that they stand for; looked up both ways.
const ROLES: &[(&str, &str)] = &[("admin", "kubeflow-admin"), ("edit", "kubeflow-edit"), ("view", "kubeflow-view")];

fn other_name(role: &str) -> &'static str {
    let pair = ROLES.iter().find(|(short, long)| *short == role || *long == role);
    pair.map_or("", |(short, long)| if *short == role { long } else { short })
}

/// One contributor, as requests name them.
pub(super) struct Binding {
    user: Value,
    namespace: String,
    role_kind: String,
    role: String,
}

impl Binding {
    /// Reads the fields, whose names Go compares without regard to case.
    pub(super) fn read(document: &Value) -> Result<Self, Refusal> {
        let user = field(document, "user").filter(|user| user.is_object()).ok_or(Refusal::Dropped)?;
        let role = field(document, "RoleRef").filter(|role| role.is_object()).ok_or(Refusal::Dropped)?;
        let string = |of: &Value, key: &str, path: &str| match field(of, key) {
            None | Some(Value::Null) => Ok(String::new()),
            Some(Value::String(value)) => Ok(value.clone()),
            Some(other) => Err(Refusal::Failed(
                StatusCode::FORBIDDEN,
                format!("json: cannot unmarshal {} into Go struct field {path} of type string", type_name(other)),
            )),
        };
        let mut subject = json!({});
        for key in ["kind", "apiGroup", "name", "namespace"] {
            let value = string(user, key, &format!("Subject.user.{key}"))?;
            if !value.is_empty() {
                subject[key] = json!(value);
            }
        }
        Ok(Self {
            user: subject,
            namespace: namespace(document).to_owned(),
            role_kind: string(role, "kind", "RoleRef.RoleRef.kind")?,
            role: string(role, "name", "RoleRef.RoleRef.name")?,
        })
    }

    /// The name of both objects: lower case, everything else that is no letter or digit becomes one hyphen.
    fn object_name(&self) -> String {
        let parts = [text(&self.user, "/kind"), text(&self.user, "/name"), &self.role_kind, &self.role];
        let mut name = String::new();
        for letter in parts.join("-").to_lowercase().chars() {
            match letter {
                'a'..='z' | '0'..='9' => name.push(letter),
                _ if name.ends_with('-') => {}
                _ => name.push('-'),
            }
        }
        name
    }

    /// Grants access: first the RoleBinding, then the policy. What the second refuses does not take the first back.
    pub(super) async fn create(&self, client: &Client<'_>, settings: &Settings) -> Result<(), Refusal> {
        let (home, user) = (&self.namespace, text(&self.user, "/name"));
        let metadata = json!({"name": self.object_name(), "namespace": home,
            "annotations": {"user": user, "role": self.role}});
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": metadata,
            "roleRef": {"apiGroup": RBAC, "kind": self.role_kind, "name": other_name(&self.role)},
            "subjects": [self.user],
        });
        let path = format!("/apis/{RBAC}/v1/namespaces/{home}/rolebindings");
        client.send(Method::POST, &path, Some(&binding)).await.map_err(refused)?;
        let policy = json!({
            "apiVersion": "security.istio.io/v1beta1", "kind": "AuthorizationPolicy", "metadata": metadata,
            "spec": {"rules": [{
                "from": [{"source": {"principals": settings.principals}}],
                "when": [{
                    "key": format!("request.headers[{}]", settings.header),
                    "values": [format!("{}{user}", settings.prefix)],
                }],
            }]},
        });
        let path = format!("/apis/{ISTIO}/v1beta1/namespaces/{home}/authorizationpolicies");
        client.send(Method::POST, &path, Some(&policy)).await.map_err(refused)
    }

    /// Revokes access; both objects must be there, or neither goes.
    pub(super) async fn delete(&self, client: &Client<'_>) -> Result<(), Refusal> {
        let (home, name) = (&self.namespace, self.object_name());
        if client.get(&Key::new(RBAC, "rolebindings", home, &name)).is_err() {
            // The cache that is asked names the resource in the singular.
            let why = format!("rolebinding.{RBAC} \"{name}\" not found");
            return Err(Refusal::Failed(StatusCode::FORBIDDEN, why));
        }
        client.get(&Key::new(ISTIO, "authorizationpolicies", home, &name)).map_err(refused)?;
        for path in [
            format!("/apis/{RBAC}/v1/namespaces/{home}/rolebindings/{name}"),
            format!("/apis/{ISTIO}/v1beta1/namespaces/{home}/authorizationpolicies/{name}"),
        ] {
            client.send(Method::DELETE, &path, None).await.map_err(refused)?;
        }
        Ok(())
    }
}

/// The namespace that a request is about.
pub(super) fn namespace(document: &Value) -> &str {
    field(document, "referredNamespace").and_then(Value::as_str).unwrap_or_default()
}

fn refused(status: Status) -> Refusal {
    Refusal::Failed(StatusCode::FORBIDDEN, status.message)
}

fn field<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    object.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// The bindings of all profiles, or of one namespace. A RoleBinding counts when it carries the annotations `user` and
/// `role`; one among them that does not have exactly one subject fails the whole list.
pub(super) fn list(
    client: &Client<'_>,
    user: Option<String>,
    namespace: Option<String>,
    role: Option<String>,
) -> Result<Value, Refusal> {
    let denied = |status: Status| Refusal::Failed(StatusCode::UNAUTHORIZED, status.message);
    let homes = match namespace {
        Some(namespace) => vec![namespace],
        None => {
            let profiles = client.list("kubeflow.org", "profiles", None).map_err(denied)?;
            profiles.iter().map(|profile| name(profile).to_owned()).collect()
        }
    };
    let mut found = Vec::new();
    for home in &homes {
        for binding in client.list(RBAC, "rolebindings", Some(home)).map_err(denied)? {
            let annotation = |key: &str| binding.pointer("/metadata/annotations")?.get(key)?.as_str();
            let (Some(of), Some(with)) = (annotation("user"), annotation("role")) else { continue };
            if user.as_deref().is_some_and(|user| user != of) || role.as_deref().is_some_and(|role| role != with) {
                continue;
            }
            let [subject] = items(&binding, "/subjects") else {
                let count = items(&binding, "/subjects").len();
                let why = format!("binding subject length not equal to 1, actual length: {count}");
                return Err(Refusal::Failed(StatusCode::UNAUTHORIZED, why));
            };
            found.push(json!({
                "user": {"kind": subject["kind"], "name": subject["name"]},
                "referredNamespace": home,
                "RoleRef": {
                    "apiGroup": "", "kind": text(&binding, "/roleRef/kind"),
                    "name": other_name(text(&binding, "/roleRef/name")),
                },
            }));
        }
    }
    Ok(if found.is_empty() { json!({}) } else { json!({"bindings": found}) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(document: Value) -> Option<Binding> {
        Binding::read(&document).ok()
    }

    #[test]
    fn names_are_made_of_kind_user_and_role() {
        for (user, role, expected) in [
            ("c@example.com", "edit", "user-c-example-com-clusterrole-edit"),
            ("a.b@x.io", "edit", "user-a-b-x-io-clusterrole-edit"),
            ("jürgen@example.com", "view", "user-j-rgen-example-com-clusterrole-view"),
            ("UPPER@Example.com", "edit", "user-upper-example-com-clusterrole-edit"),
            ("zed.", "", "user-zed-clusterrole-"),
        ] {
            let binding = binding(json!({"user": {"kind": "User", "name": user}, "referredNamespace": "a",
                "roleref": {"kind": "ClusterRole", "name": role}}));
            assert_eq!(binding.map(|binding| binding.object_name()).as_deref(), Some(expected));
        }
    }

    #[test]
    fn bodies_that_the_program_does_not_survive_are_dropped() {
        for document in
            [json!({}), json!(null), json!({"user": {}}), json!({"RoleRef": {}}), json!({"user": 5, "RoleRef": {}})]
        {
            assert!(matches!(Binding::read(&document), Err(Refusal::Dropped)), "{document}");
        }
        let list = json!({"user": {"name": ["a"]}, "RoleRef": {}});
        assert!(matches!(Binding::read(&list), Err(Refusal::Failed(StatusCode::FORBIDDEN, _))));
    }
}
