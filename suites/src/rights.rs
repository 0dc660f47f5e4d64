//! What a subject may do, asked of the API server by SubjectAccessReview: nothing is created.
//!
//! Users are asked about without groups, as the platform's applications ask (kubeflow/kubeflow
//! `components/crud-web-apps/common/backend`, kubeflow/pipelines `backend/src/apiserver`): a right that comes by a group is
//! none to them. Service accounts have the groups that Kubernetes puts them in, because they ask the API server themselves.

use std::collections::HashMap;

use futures::StreamExt as _;
use harness::{Checked, Ctx, Stop};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::Api;
use kube::api::PostParams;
use reports::matrix::{Cell, Matrix};

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
    differing(questions, answers(cx, questions).await)
}

/// As [`differences`], and records the answers for the picture in the report: users by namespaces and resources, a layer a
/// verb.
pub async fn differences_shown(cx: &Ctx, title: &str, questions: &[Expected<'_>]) -> Checked<Vec<String>> {
    let answers = answers(cx, questions).await;
    cx.matrix(shown(title, questions, &answers));
    differing(questions, answers)
}

async fn answers(cx: &Ctx, questions: &[Expected<'_>]) -> Vec<Checked<bool>> {
    let asked: Vec<_> = questions.iter().map(|question| allowed(cx, question.user, &question.ask)).collect();
    futures::stream::iter(asked).buffered(AT_ONCE).collect().await
}

fn shown(title: &str, questions: &[Expected<'_>], answers: &[Checked<bool>]) -> Matrix {
    let in_one = questions.iter().all(|one| one.ask.namespace == questions[0].ask.namespace);
    let place = |ask: &Ask<'_>| {
        let Ask { group, resource, subresource, namespace, .. } = ask;
        let mut resource =
            if subresource.is_empty() { (*resource).to_owned() } else { format!("{resource}/{subresource}") };
        // Two groups have experiments; the first part of a group's name tells them apart.
        if let Some(group) = group.split('.').next().filter(|group| !group.is_empty()) {
            resource = format!("{resource}.{group}");
        }
        if namespace.is_empty() || in_one { resource } else { format!("{namespace} {resource}") }
    };
    let distinct = |name: &dyn Fn(&Expected<'_>) -> String| {
        let mut names: Vec<String> = Vec::new();
        for question in questions {
            let name = name(question);
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    };
    let users = distinct(&|question| question.user.to_owned());
    let places = distinct(&|question| place(&question.ask));
    let verbs = distinct(&|question| question.ask.verb.to_owned());
    let cells: HashMap<(&str, &str, String), Cell> = questions
        .iter()
        .zip(answers)
        .map(|(question, answer)| {
            let cell = Cell::Tried { expected: question.allowed, seen: answer.as_ref().ok().copied() };
            ((question.ask.verb, question.user, place(&question.ask)), cell)
        })
        .collect();
    let cell = |layer: usize, row: usize, column: usize| {
        let key = (verbs[layer].as_str(), users[row].as_str(), places[column].clone());
        cells.get(&key).copied().unwrap_or(Cell::Untried)
    };
    Matrix::of(title, users.clone(), places.clone(), verbs.clone(), cell)
}

fn differing(questions: &[Expected<'_>], answers: Vec<Checked<bool>>) -> Checked<Vec<String>> {
    let mut differences = Vec::new();
    for (question, answer) in questions.iter().zip(answers) {
        if answer? != question.allowed {
            let may = if question.allowed { "may not" } else { "may" };
            differences.push(format!("{} {may} {}", question.user, question.ask));
        }
    }
    Ok(differences)
}
