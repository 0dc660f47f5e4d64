//! By the Kubernetes API: requests with an account's own token, as a notebook sends them. What would create or delete
//! something is asked for as a dry run, which is authorised like any other request and changes nothing.

use harness::check::source;
use harness::{Check, Checked, Ctx, Explain, Level, Seconds, Stop, check};
use http::StatusCode;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::api::{Api, ApiResource, DynamicObject, ListParams, PostParams};
use kube::core::GroupVersionKind;
use serde_json::json;

use super::{EDITOR, NOBODY, SECURITY, VIEWER, token};
use crate::faults::contributors::{EDIT_EMPTIED, VIEW_EMPTIED};
use crate::faults::isolation;
use crate::gateway::diagnose::blame;
use crate::isolation::{bound_everywhere, widened_by};
use crate::reach::emptied;
use crate::rights::Ask;
use crate::tenants;

const ROLES: &str = "common/kubeflow-roles/base/cluster-roles.yaml";
const REPRODUCE: &str = "kubectl --token \"$(kubectl -n NAMESPACE create token default-editor)\" -n NAMESPACE get pods";

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "SVA-001",
        "A notebook's account works in its own namespace, and gives no rights away",
        Level::Must,
        source("kubeflow/manifests", ROLES),
        |cx| Box::pin(editor(cx)),
    )
    .explain(Explain {
        what: "With its token, default-editor of a Profile of the run's own lists pods, secrets and notebooks of its \
               namespace and may make ConfigMaps, claims and notebooks (dry runs). It may not make RoleBindings.",
        why: "Notebooks and pipeline steps run as this account. What they need must work, and none of them may widen \
              what they have.",
        fix: "Restore ClusterRole kubeflow-edit and the roles labelled into it, and RoleBinding default-editor.",
        reproduce: REPRODUCE,
    })
    .profiles(SECURITY)
    .after(&["PRF-020"])
    .writes()
    .within(Seconds(90))
    .breaks_on(&[&EDIT_EMPTIED, &isolation::EDIT_WIDENED]),
    check(
        "SVA-002",
        "A viewer's account looks at its own namespace, and changes nothing",
        Level::Must,
        source("kubeflow/manifests", ROLES),
        |cx| Box::pin(viewer(cx)),
    )
    .explain(Explain {
        what: "With its token, default-viewer lists pods and notebooks of its namespace. It may neither read secrets nor \
               make ConfigMaps, pods or notebooks.",
        why: "Who may only look is given this account, for reports and dashboards of their own.",
        fix: "Restore ClusterRole kubeflow-view, and take out of it what somebody has labelled into it.",
        reproduce: REPRODUCE,
    })
    .profiles(SECURITY)
    .after(&["PRF-020"])
    .writes()
    .within(Seconds(90))
    .breaks_on(&[&VIEW_EMPTIED, &isolation::VIEW_WIDENED]),
    check(
        "SVA-003",
        "A notebook's account may do nothing outside its namespace",
        Level::Must,
        source("kubeflow/manifests", "common/kubeflow-roles: roles are bound in namespaces alone"),
        |cx| Box::pin(elsewhere(cx)),
    )
    .explain(Explain {
        what: "With its token, default-editor of one Profile may list neither pods nor secrets of another Profile, of the \
               namespaces kubeflow and istio-system, and of the whole cluster, and make no ConfigMap there. That it may \
               in its own namespace is the control.",
        why: "A notebook whose token opens a neighbour's namespace is a way around every login.",
        fix: "Look for ClusterRoleBindings of the groups system:serviceaccounts and system:authenticated.",
        reproduce: "kubectl --token \"$(kubectl -n NAMESPACE create token default-editor)\" -n OTHER get secrets",
    })
    .profiles(SECURITY)
    .after(&["PRF-020"])
    .writes()
    .within(Seconds(90))
    .breaks_on(&[&isolation::ACCOUNTS_EVERYWHERE]),
    check(
        "SVA-004",
        "The account of pods that name none has no rights",
        Level::Must,
        source("kubeflow/kubeflow", "components/profile-controller: roles are bound to default-editor and default-viewer"),
        |cx| Box::pin(nobody(cx)),
    )
    .explain(Explain {
        what: "With its token, the account default of a Profile's namespace is known to the API server (it may ask what it \
               may), and may neither list pods, secrets and notebooks there nor make a ConfigMap.",
        why: "Every pod without an account of its own runs as this one, also those of images that nobody has looked at.",
        fix: "Delete the RoleBindings and ClusterRoleBindings that give it, or all service accounts, rights.",
        reproduce: "kubectl --token \"$(kubectl -n NAMESPACE create token default)\" -n NAMESPACE get pods",
    })
    .profiles(SECURITY)
    .after(&["PRF-020"])
    .writes()
    .within(Seconds(90))
    .breaks_on(&[&isolation::ACCOUNTS_EVERYWHERE]),
];

/// What is asked: group, version, kind and resource.
type Of = (&'static str, &'static str, &'static str, &'static str);

const PODS: Of = ("", "v1", "Pod", "pods");
const SECRETS: Of = ("", "v1", "Secret", "secrets");
const CONFIG_MAPS: Of = ("", "v1", "ConfigMap", "configmaps");
const CLAIMS: Of = ("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims");
const NOTEBOOKS: Of = ("kubeflow.org", "v1", "Notebook", "notebooks");
const BINDINGS: Of = ("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings");

/// Somebody with a token.
struct Holder {
    client: kube::Client,
    /// Its user name.
    name: String,
    namespace: String,
}

impl Holder {
    async fn of(cx: &Ctx, namespace: &str, account: &str) -> Checked<Self> {
        let token = token::for_the_api(cx, namespace, account).await?;
        let name = format!("system:serviceaccount:{namespace}:{account}");
        Ok(Self { client: cx.kube_with_token(&token)?, name, namespace: namespace.to_owned() })
    }

    fn api(&self, (group, version, kind, plural): Of, namespace: &str) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
        match namespace {
            "" => Api::all_with(self.client.clone(), &resource),
            namespace => Api::namespaced_with(self.client.clone(), namespace, &resource),
        }
    }

    async fn may_list(&self, of: Of, namespace: &str) -> Checked<bool> {
        told(self.api(of, namespace).list(&ListParams::default().limit(1)).await.map(drop))
    }

    /// Whether it may create an object like this; nothing is created.
    async fn may_create(&self, cx: &Ctx, of: Of, namespace: &str) -> Checked<bool> {
        let (group, version, kind, _) = of;
        let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        let mut object = json!({
            "apiVersion": api_version, "kind": kind,
            "metadata": {"name": tenants::name(cx, "dry-run"), "namespace": namespace},
        });
        match kind {
            "PersistentVolumeClaim" => {
                object["spec"] =
                    json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}});
            }
            "Notebook" => {
                let container = json!({"name": "n", "image": "n"});
                object["spec"] = json!({"template": {"spec": {"containers": [container], "volumes": []}}});
            }
            "RoleBinding" => {
                let role =
                    json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "kubeflow-view"});
                object["roleRef"] = role;
                object["subjects"] = json!([{"kind": "ServiceAccount", "name": NOBODY, "namespace": namespace}]);
            }
            _ => {}
        }
        let object =
            serde_json::from_value(object).map_err(|error| Stop::errored("precondition", error.to_string()))?;
        let dry = PostParams { dry_run: true, ..PostParams::default() };
        told(self.api(of, namespace).create(&dry, &object).await.map(drop))
    }

    /// Fails unless everything is as wanted.
    async fn is(&self, cx: &Ctx, role: &str, wanted: &[(bool, &'static str, Of, &str)]) -> Checked {
        for (allowed, verb, of, namespace) in wanted {
            let seen = match *verb {
                "list" => self.may_list(*of, namespace).await?,
                _ => self.may_create(cx, *of, namespace).await?,
            };
            if seen == *allowed {
                continue;
            }
            let may = |allowed: bool| if allowed { "may" } else { "may not" };
            let ask = Ask { verb, group: of.0, resource: of.3, subresource: "", namespace };
            let stop = Stop::failed(format!("{} {} {ask}", self.name, may(*allowed)), format!("it {}", may(seen)));
            return Err(if *allowed {
                blame(stop, emptied(cx, role).await)
                    .fix(format!("restore ClusterRole {role} and the RoleBinding of that name in {}", self.namespace))
            } else {
                match bound_everywhere(cx, &self.name).await? {
                    Some(cause) => stop.because(cause.what).fix(cause.fix),
                    None => blame(stop, widened_by(cx, role, &ask).await),
                }
            });
        }
        Ok(())
    }
}

/// Whether a request was allowed. Only the API server's own refusal is a denial.
fn told(answer: Result<(), kube::Error>) -> Checked<bool> {
    match answer {
        Ok(()) => Ok(true),
        Err(kube::Error::Api(status))
            if status.code == StatusCode::FORBIDDEN.as_u16() && is_denial(&status.message) =>
        {
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether RBAC refused: quotas and webhooks answer 403, too.
fn is_denial(message: &str) -> bool {
    message.contains("cannot ") && message.contains("User \"")
}

async fn editor(cx: &Ctx) -> Checked {
    let home = &tenants::of_other(cx).await?.name;
    let holder = Holder::of(cx, home, EDITOR).await?;
    holder
        .is(
            cx,
            "kubeflow-edit",
            &[
                (true, "list", PODS, home),
                (true, "list", SECRETS, home),
                (true, "list", NOTEBOOKS, home),
                (true, "create", CONFIG_MAPS, home),
                (true, "create", CLAIMS, home),
                (true, "create", NOTEBOOKS, home),
                (false, "create", BINDINGS, home),
            ],
        )
        .await
}

async fn viewer(cx: &Ctx) -> Checked {
    let home = &tenants::of_other(cx).await?.name;
    let holder = Holder::of(cx, home, VIEWER).await?;
    holder
        .is(
            cx,
            "kubeflow-view",
            &[
                (true, "list", PODS, home),
                (true, "list", NOTEBOOKS, home),
                (false, "list", SECRETS, home),
                (false, "create", CONFIG_MAPS, home),
                (false, "create", NOTEBOOKS, home),
            ],
        )
        .await
}

async fn elsewhere(cx: &Ctx) -> Checked {
    let home = &tenants::of_other(cx).await?.name;
    let neighbour = tenants::of_user(cx).await?;
    let holder = Holder::of(cx, home, EDITOR).await?;
    let mut wanted = vec![(true, "list", PODS, home.as_str())];
    for place in [neighbour.as_str(), "kubeflow", "istio-system", ""] {
        wanted.extend([(false, "list", PODS, place), (false, "list", SECRETS, place)]);
    }
    wanted.extend([neighbour.as_str(), "kubeflow"].map(|place| (false, "create", CONFIG_MAPS, place)));
    holder.is(cx, "kubeflow-edit", &wanted).await
}

async fn nobody(cx: &Ctx) -> Checked {
    let home = &tenants::of_other(cx).await?.name;
    let holder = Holder::of(cx, home, NOBODY).await?;
    // Every authenticated user may ask this: the token is good.
    let reviews: Api<SelfSubjectAccessReview> = Api::all(holder.client.clone());
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                verb: Some("list".to_owned()),
                resource: Some("pods".to_owned()),
                namespace: Some(home.clone()),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    reviews.create(&PostParams::default(), &review).await?;
    holder
        .is(
            cx,
            "kubeflow-edit",
            &[
                (false, "list", PODS, home),
                (false, "list", SECRETS, home),
                (false, "list", NOTEBOOKS, home),
                (false, "create", CONFIG_MAPS, home),
            ],
        )
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_by_rbac_is_a_denial() {
        let rbac = "pods is forbidden: User \"system:serviceaccount:a:b\" cannot list resource \"pods\" in API group \"\" in the namespace \"a\"";
        assert!(is_denial(rbac));
        assert!(!is_denial("pods \"x\" is forbidden: exceeded quota: kf-resource-quota"));
        assert!(!is_denial("admission webhook \"x\" denied the request: no"));
    }
}
