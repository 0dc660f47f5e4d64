//! What a subject may do, asked of the API server by SubjectAccessReview: nothing is created.
//!
//! Users are asked about without groups, as the platform's applications ask (kubeflow/kubeflow
//! `components/crud-web-apps/common/backend`, kubeflow/pipelines `backend/src/apiserver`): a right that comes by a group is
//! none to them. Service accounts have the groups that Kubernetes puts them in, because they ask the API server themselves.

use futures::StreamExt as _;
use harness::{Checked, Ctx, Stop};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::Api;
use kube::api::PostParams;

/// How many questions are asked at once.
const AT_ONCE: usize = 16;

/// One question.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ask<'a> {
    /// Verb.
    pub verb: &'a str,
    /// API group, empty for the core.
    pub group: &'a str,
    /// Resource.
    pub resource: &'a str,
    /// Subresource, or empty.
    pub subresource: &'a str,
    /// Namespace; empty for the whole cluster.
    pub namespace: &'a str,
}

impl std::fmt::Display for Ask<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        for (before, part) in [("/", self.subresource), (".", self.group)] {
            if !part.is_empty() {
                write!(f, "{before}{part}")?;
            }
        }
        match self.namespace {
            "" => write!(f, " in the whole cluster"),
            namespace => write!(f, " in namespace {namespace}"),
        }
    }
}

/// Whether a user may do it. What the server does not tell is [`Stop::Errored`], never a denial.
pub async fn allowed(cx: &Ctx, user: &str, ask: &Ask<'_>) -> Checked<bool> {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(user.to_owned()),
            groups: groups(user),
            resource_attributes: Some(ResourceAttributes {
                verb: some(ask.verb),
                group: some(ask.group),
                resource: some(ask.resource),
                subresource: some(ask.subresource),
                namespace: some(ask.namespace),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let api: Api<SubjectAccessReview> = Api::all(cx.kube());
    let answer = api.create(&PostParams::default(), &review).await?;
    match answer.status {
        Some(status) => match status.evaluation_error {
            Some(error) if !status.allowed => {
                Err(Stop::errored("kubernetes", format!("could not tell whether {user} may {ask}: {error}")))
            }
            _ => Ok(status.allowed),
        },
        None => Err(Stop::errored("kubernetes", format!("no answer whether {user} may {ask}"))),
    }
}

/// The groups of a service account (Kubernetes `pkg/serviceaccount/util.go`).
fn groups(user: &str) -> Option<Vec<String>> {
    let (namespace, _) = user.strip_prefix("system:serviceaccount:")?.split_once(':')?;
    Some(vec![
        "system:serviceaccounts".to_owned(),
        format!("system:serviceaccounts:{namespace}"),
        "system:authenticated".to_owned(),
    ])
}

/// A question with the expected answer.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// Who.
    pub user: &'a str,
    /// What.
    pub ask: Ask<'a>,
    /// Whether they may.
    pub allowed: bool,
}

/// Asks all, a few at once, and yields what differs, in the order of the questions.
pub async fn differences(cx: &Ctx, questions: &[Expected<'_>]) -> Checked<Vec<String>> {
    let asked: Vec<_> = questions.iter().map(|question| allowed(cx, question.user, &question.ask)).collect();
    let answers: Vec<Checked<bool>> = futures::stream::iter(asked).buffered(AT_ONCE).collect().await;
    let mut differences = Vec::new();
    for (question, answer) in questions.iter().zip(answers) {
        if answer? != question.allowed {
            let may = if question.allowed { "may not" } else { "may" };
            differences.push(format!("{} {may} {}", question.user, question.ask));
        }
    }
    Ok(differences)
}
