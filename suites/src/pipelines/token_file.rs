//! What a notebook was given for Kubeflow Pipelines, looked for as the SDK looks for it; and if something is missing, which
//! link of the way broke.
//!
//! Source: kubeflow/pipelines `sdk/python/kfp/client/client.py` and `set_volume_credentials.py`, 2.0.1 to 2.5.0.

use harness::{Checked, Ctx, Stop, exec};
use serde_json::Value;

use super::granted::{Notebook, VARIABLE};
use crate::accounts::token::PIPELINES as AUDIENCE;
use crate::gateway::diagnose::{Cause, blame, has_endpoint};
use crate::login::id_token::decoded;
use crate::objects::{self, MUTATING, annotation, items, text};
use crate::workspaces::programs::POD_DEFAULTS;

/// Where the SDK finds its namespace.
const NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
/// What the webhook notes on a pod, before the name of the PodDefault (kubeflow/kubeflow
/// `components/admission-webhook/main.go`).
const MARK: &str = "poddefault.admission.kubeflow.org/poddefault-";

impl Notebook {
    fn place(&self) -> String {
        format!("pod {}/{}, container {}", self.probe.namespace, self.probe.pod, self.probe.container)
    }

    /// The token, found as the SDK finds it: in the file that the environment names.
    ///
    /// # Errors
    /// [`Stop::Failed`] if there is no such variable or file, or no token for Kubeflow Pipelines in it.
    pub async fn token(&self, cx: &Ctx) -> Checked<String> {
        let named = exec::run(cx, self.probe.place(), &["printenv", VARIABLE]).await?;
        let path = named.stdout.trim();
        if path.is_empty() {
            let stop = Stop::failed(format!("the notebook's environment has {VARIABLE}"), "it has no such variable");
            return Err(blame(stop.at(self.place()), self.not_given(cx, "/env").await));
        }
        let token = self.file(cx, path).await?;
        let Some(token) = token else {
            let stop = Stop::failed(format!("the notebook finds a token in {path}"), "there is no such file");
            return Err(blame(stop.at(self.place()), self.not_given(cx, "/volumeMounts").await));
        };
        cx.secret(&token);
        let claims = decoded(&token).map(|(_, claims)| claims);
        let Some(claims) = claims else {
            let stop = Stop::failed(format!("{path} holds a token of a service account"), "it holds no signed token");
            return Err(stop.at(self.place()));
        };
        let is_for = match &claims["aud"] {
            Value::Array(all) => all.iter().any(|one| one == AUDIENCE),
            one => one == AUDIENCE,
        };
        let (whose, account) = (text(&claims, "/sub"), self.account());
        if is_for && whose == account {
            return Ok(token);
        }
        let expected = format!("the token in {path} is one of {account}, for {AUDIENCE}");
        let stop = Stop::failed(expected, format!("it is one of {whose}, for {}", claims["aud"]));
        Err(blame(stop.at(self.place()), self.not_given(cx, "/volumes").await))
    }

    /// The namespace that the SDK works in, where nobody names one.
    ///
    /// # Errors
    /// [`Stop::Failed`] if it finds none, or another.
    pub async fn knows_its_namespace(&self, cx: &Ctx) -> Checked {
        let found = self.file(cx, NAMESPACE).await?;
        if found.as_deref() == Some(&self.probe.namespace) {
            return Ok(());
        }
        let actual = found.map_or_else(|| "there is no such file".to_owned(), |found| format!("it says {found:?}"));
        let stop = Stop::failed(format!("{NAMESPACE} names the notebook's namespace"), actual).at(self.place());
        Err(stop
            .because(format!(
                "automountServiceAccountToken of ServiceAccount {}/default-editor is false, or a webhook sets it so",
                self.probe.namespace
            ))
            .fix("let pods of the account have its token: without it the SDK does not know that it is in a cluster"))
    }

    /// A file of the container; nothing if it is not there. It is read by a program that comes with every `sleep`.
    async fn file(&self, cx: &Ctx, path: &str) -> Checked<Option<String>> {
        let read = exec::run(cx, self.probe.place(), &["cat", path]).await?;
        match read.code {
            0 => Ok(Some(read.stdout.trim().to_owned())),
            _ if read.stderr.contains("No such file") => Ok(None),
            code => Err(Stop::failed(
                format!("the notebook may read {path}"),
                format!("cat ended with {code}: {}", read.stderr.trim()),
            )
            .at(self.place())),
        }
    }

    /// Why the notebook has not what a part of the PodDefault gives.
    async fn not_given(&self, cx: &Ctx, part: &str) -> Checked<Option<Cause>> {
        let (name, namespace) = (objects::name(&self.kept), &self.probe.namespace);
        let Some(configuration) = objects::get(cx, MUTATING, "", POD_DEFAULTS).await? else {
            return Ok(Some(Cause::new(
                format!(
                    "MutatingWebhookConfiguration {POD_DEFAULTS}, by which pods get what PodDefaults give, is absent"
                ),
                "apply admission-webhook of kubeflow/manifests again",
            )));
        };
        let part = format!("/spec{part}");
        let (asked, kept) = (self.asked.pointer(&part), self.kept.data.pointer(&part));
        if !asked.is_none_or(|asked| kept.is_some_and(|kept| holds(kept, asked))) {
            return Ok(Some(Cause::new(
                format!(
                    "CustomResourceDefinition poddefaults.kubeflow.org keeps not all of {part} of PodDefault \
                     {namespace}/{name}: it is {} there",
                    kept.map_or_else(|| "absent".to_owned(), Value::to_string)
                ),
                "apply the definitions of the release again: one of an older release may have stayed",
            )));
        }
        if !annotation(&self.pod, &format!("{MARK}{name}")).is_empty() {
            return Ok(Some(Cause::new(
                format!(
                    "the webhook has marked the pod for PodDefault {namespace}/{name}, and something took {part} away"
                ),
                "look for other webhooks that change pods: kubectl get mutatingwebhookconfigurations",
            )));
        }
        for webhook in items(&configuration.data, "/webhooks") {
            let service = |field: &str| text(webhook, &format!("/clientConfig/service/{field}"));
            if !has_endpoint(cx, service("namespace"), service("name")).await? {
                return Ok(Some(Cause::new(
                    format!(
                        "Service {}/{} has no ready endpoint, and failurePolicy {} of {POD_DEFAULTS} lets pods past it",
                        service("namespace"),
                        service("name"),
                        text(webhook, "/failurePolicy"),
                    ),
                    "kubectl -n kubeflow get pods; set failurePolicy to Fail, as the release has it",
                )));
            }
        }
        Ok(Some(Cause::new(
            format!(
                "MutatingWebhookConfiguration {POD_DEFAULTS} does not ask about this pod, or nobody answered in time"
            ),
            format!(
                "compare its selectors with the labels of namespace {namespace}; kubectl -n kubeflow logs deployment/admission-webhook-deployment"
            ),
        )))
    }
}

/// Whether everything of `asked` is in `kept`; there may be more.
fn holds(kept: &Value, asked: &Value) -> bool {
    match (kept, asked) {
        (Value::Object(kept), Value::Object(asked)) => {
            asked.iter().all(|(field, asked)| kept.get(field).is_some_and(|kept| holds(kept, asked)))
        }
        (Value::Array(kept), Value::Array(asked)) => {
            kept.len() == asked.len() && kept.iter().zip(asked).all(|(kept, asked)| holds(kept, asked))
        }
        (kept, asked) => kept == asked,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::holds;

    #[test]
    fn what_the_api_adds_is_no_loss() {
        let asked = json!({"a": [{"b": 1}], "c": "d"});
        assert!(holds(&json!({"a": [{"b": 1, "default": true}], "c": "d", "e": {}}), &asked));
        for lost in [json!({"a": [{}], "c": "d"}), json!({"a": [], "c": "d"}), json!({"c": "d"}), json!(null)] {
            assert!(!holds(&lost, &asked), "{lost}");
        }
    }
}
