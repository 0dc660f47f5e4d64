//! By the API of Kubeflow Pipelines, past the gateway: a pod of the account's namespace sends its token. Every refusal has
//! its control: the same pod, with the account's own token, is shown its own namespace.

use clusters::versions::tenancy::USERID_HEADER;
use futures::future::BoxFuture;
use harness::check::source;
use harness::context::Seen;
use harness::http::Answer;
use harness::{Check, Checked, Ctx, Explain, Level, Seconds, Stop, check};
use serde_json::json;
use std::time::Duration;

use super::token::{self, Wanted};
use super::{EDITOR, NOBODY, SECURITY};
use crate::faults::{accounts as faults, mesh, pipelines as kfp};
use crate::gateway::diagnose::{Cause, blame};
use crate::mesh::target::{Met, Target};
use crate::mesh::{BOUND, probes};
use crate::objects::{self, DEPLOYMENT, SECRET, text, variable};
use crate::pipelines::api::trouble;
use crate::probe::{self, Probe, request::Reply};
use crate::recognise::who;
use crate::stand_in::not_installed;
use crate::tenants;

const AUTH: &str = "backend/src/apiserver/auth";
/// How long Kubernetes may remember that a token was good: ten seconds, and the time of a request.
const FORGOTTEN_WITHIN: Duration = Duration::from_secs(40);
const EVERY: Duration = Duration::from_millis(500);
/// The lists of a namespace.
const LISTS: [&str; 3] = ["experiments", "runs", "recurringruns"];

/// The checks.
pub static CHECKS: &[Check] = &[
    row(
        "SVA-010",
        "Kubeflow Pipelines knows a notebook's account by its token",
        |cx| Box::pin(own_namespace(cx)),
    )
    .explain(Explain {
        what: "A pod with the token of default-editor for the audience pipelines.kubeflow.org is shown the experiments, \
               runs and recurring runs of its namespace by Service kubeflow/ml-pipeline.",
        why: "The SDK in a notebook comes in so (PodDefault access-ml-pipeline). If the token is not known, no notebook \
              starts a run.",
        fix: "Take TOKEN_REVIEW_AUDIENCE out of Deployment kubeflow/ml-pipeline; restore ClusterRole ml-pipeline, which may \
              make tokenreviews.",
        reproduce: REPRODUCE,
    })
    .breaks_on(&[&faults::AUDIENCE_CHANGED, &kfp::API_RIGHTS_LOST]),
    row(
        "SVA-011",
        "A notebook's account is refused another namespace by Kubeflow Pipelines",
        |cx| Box::pin(foreign_namespace(cx)),
    )
    .explain(Explain {
        what: "With the same token the lists of another Profile's namespace are refused with 403, code 7, naming the \
               account.",
        why: "The token of one team's notebook shall not show another team's runs.",
        fix: "Set MULTIUSER of Deployment kubeflow/ml-pipeline to true; look for RoleBindings and ClusterRoleBindings of \
              the account.",
        reproduce: REPRODUCE,
    })
    .breaks_on(&[&kfp::SINGLE_USER]),
    row(
        "SVA-012",
        "An account without a role is known to Kubeflow Pipelines, and shown nothing",
        |cx| Box::pin(without_a_role(cx)),
    )
    .explain(Explain {
        what: "With a token of the account default, the lists of its own namespace are refused with 403, code 7, naming the \
               account.",
        why: "Pods that name no account run as this one; what they carry shall not start runs.",
        fix: "Delete the RoleBindings that give the account default a role.",
        reproduce: REPRODUCE,
    })
    .breaks_on(&[&kfp::SINGLE_USER]),
    row(
        "SVA-013",
        "A token for somebody else is none for Kubeflow Pipelines",
        |cx| Box::pin(other_audience(cx)),
    )
    .explain(Explain {
        what: "Tokens of default-editor for the Kubernetes API and for an audience that nobody has are refused with 401, code \
               16; the one for pipelines.kubeflow.org is taken.",
        why: "A token that an account hands to one program must not be worth anything at another.",
        fix: "Take TOKEN_REVIEW_AUDIENCE out of Deployment kubeflow/ml-pipeline.",
        reproduce: REPRODUCE,
    })
    .breaks_on(&[&faults::AUDIENCE_CHANGED, &kfp::SINGLE_USER]),
    row(
        "SVA-014",
        "A forged token, and none at all, are refused by Kubeflow Pipelines",
        |cx| Box::pin(forged(cx)),
    )
    .explain(Explain {
        what: "A good token whose signature is changed, one without a signature, half of one, a word, and no token are \
               refused with 401, code 16; the good one is taken.",
        why: "Past the gateway the token is all that the API server goes by.",
        fix: "Set MULTIUSER of Deployment kubeflow/ml-pipeline to true; run the API server as it was released.",
        reproduce: REPRODUCE,
    })
    .breaks_on(&[&kfp::SINGLE_USER]),
    row(
        "SVA-015",
        "A token that has ended is refused by Kubeflow Pipelines",
        |cx| Box::pin(ended(cx)),
    )
    .explain(Explain {
        what: "A token that is bound to a Secret of the run's own is taken while the Secret is there, and refused with 401, \
               code 16, within 40 s after it is deleted. (The shortest token lasts ten minutes: too long to wait for.)",
        why: "Tokens die with the pod that they were made for. Whoever keeps one must not come in any longer.",
        fix: "Set MULTIUSER of Deployment kubeflow/ml-pipeline to true; run the API server as it was released: it asks \
              Kubernetes about each token.",
        reproduce: "kubectl -n NAMESPACE create token default-editor --audience pipelines.kubeflow.org --bound-object-kind \
                    Secret --bound-object-name NAME",
    })
    .breaks_on(&[&kfp::SINGLE_USER]),
    row(
        "SVA-016",
        "A name beside a good token makes nobody somebody else",
        |cx| Box::pin(name_beside(cx)),
    )
    .explain(Explain {
        what: "A pod with a good token of default-editor adds the run's user in the header kubeflow-userid and asks for that \
               user's experiments, with a sidecar and without, by Service name and by pod address. The mesh refuses.",
        why: "The API server believes the header before the token (kubeflow/pipelines backend/src/apiserver/auth), so the \
              mesh must not let the header through.",
        fix: "Apply AuthorizationPolicy kubeflow/ml-pipeline of kubeflow/manifests again.",
        reproduce: "kubectl -n NAMESPACE exec POD -- curl -si -H 'kubeflow-userid: user@example.com' -H \"authorization: Bearer \
                    $TOKEN\" http://ml-pipeline.kubeflow:8888/apis/v2beta1/experiments?namespace=VICTIM",
    })
    .breaks_on(&[&mesh::PIPELINES_OPENED]),
];

const REPRODUCE: &str = "TOKEN=$(kubectl -n NAMESPACE create token default-editor --audience pipelines.kubeflow.org); kubectl -n \
                         NAMESPACE exec POD -- curl -si -H \"authorization: Bearer $TOKEN\" \
                         http://ml-pipeline.kubeflow:8888/apis/v2beta1/runs?namespace=NAMESPACE";

const fn row(id: &'static str, title: &'static str, run: harness::check::Run) -> Check {
    check(id, title, Level::Must, source("kubeflow/pipelines", AUTH), run)
        .profiles(SECURITY)
        .after(&["PRF-020", "KFP-001", "MSH-001"])
        .writes()
        .within(Seconds(BOUND))
}

/// The API, and a pod in the account's namespace that asks it.
struct Caller {
    probe: Probe,
    target: Target,
    home: String,
}

/// How a list was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Told {
    Shown,
    /// 403, code 7: known, and not allowed. With the text that says who and what.
    Forbidden(String),
    /// 401, code 16: not known.
    Unknown,
    Other(String),
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Shown => f.write_str("the list is shown"),
            Self::Forbidden(detail) => write!(f, "it is refused to somebody who is known: {detail}"),
            Self::Unknown => f.write_str("it is refused to somebody who is not known"),
            Self::Other(summary) => f.write_str(summary),
        }
    }
}

impl Caller {
    async fn of(cx: &Ctx) -> Checked<Self> {
        if let Some(absent) = not_installed(cx, "kubeflow", "ml-pipeline").await? {
            return Err(absent);
        }
        let target = Target::of(cx, "kubeflow", "ml-pipeline", 8888).await?;
        let home = tenants::of_other(cx).await?.name.clone();
        Ok(Self { probe: probe::in_mesh(cx).await?, target, home })
    }

    /// Asks for a list of a namespace with a token.
    async fn ask(&self, cx: &Ctx, list: &str, namespace: &str, token: Option<&str>) -> Checked<(Told, String)> {
        let [url, _] = self.target.urls(&path(list, namespace));
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<(&str, &str)> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
        match self.probe.get(cx, &url, &headers).await? {
            Reply::Answer(answer) => Ok((told(&answer), format!("{}, GET {url}", self.probe))),
            unanswered => {
                Err(Stop::errored("precondition", format!("{} got no answer from {url}: {unanswered}", self.probe)))
            }
        }
    }

    /// The control: a good token of the account is shown its own namespace. Yields the token.
    async fn is_known(&self, cx: &Ctx) -> Checked<String> {
        let good = token::for_pipelines(cx, &self.home, EDITOR).await?;
        let (seen, at) = self.ask(cx, "runs", &self.home, Some(&good)).await?;
        match seen {
            Told::Shown => Ok(good),
            seen => Err(differs(cx, &Told::Shown, &seen, &at).await),
        }
    }

    async fn expect(&self, cx: &Ctx, namespace: &str, token: Option<&str>, what: &str, wanted: &Told) -> Checked {
        let (seen, at) = self.ask(cx, "runs", namespace, token).await?;
        if fits(&seen, wanted) {
            return Ok(());
        }
        Err(differs(cx, wanted, &seen, &format!("{at}, with {what}")).await)
    }
}

/// Whether an answer is the wanted one; of a refusal, the wanted text is a part.
fn fits(seen: &Told, wanted: &Told) -> bool {
    match (seen, wanted) {
        (Told::Forbidden(detail), Told::Forbidden(part)) => detail.contains(part),
        (seen, wanted) => seen == wanted,
    }
}

fn path(list: &str, namespace: &str) -> String {
    format!("/apis/v2beta1/{list}?namespace={namespace}&page_size=1")
}

fn told(answer: &Answer) -> Told {
    let body = answer.json().unwrap_or_default();
    let detail = text(&body, "/details/0/message").to_owned();
    match (answer.status.as_u16(), body["code"].as_i64()) {
        (200, None) if body.is_object() => Told::Shown,
        (403, Some(7)) => Told::Forbidden(detail),
        (401, Some(16)) => Told::Unknown,
        _ => Told::Other(format!("{} ({})", who(answer), answer.summary())),
    }
}

async fn differs(cx: &Ctx, wanted: &Told, seen: &Told, at: &str) -> Stop {
    let stop = Stop::failed(wanted.to_string(), seen.to_string()).at(at);
    let settings = settings(cx).await;
    if matches!(settings, Ok(Some(_))) { blame(stop, settings) } else { blame(stop, trouble(cx).await) }
}

/// A setting of the API server that makes it take other tokens, or ask nobody.
pub(crate) async fn settings(cx: &Ctx) -> Checked<Option<Cause>> {
    let Some(server) = objects::get(cx, DEPLOYMENT, "kubeflow", "ml-pipeline").await? else { return Ok(None) };
    let audience = variable(&server, "TOKEN_REVIEW_AUDIENCE").filter(|audience| *audience != token::PIPELINES);
    if let Some(audience) = audience {
        return Ok(Some(Cause::new(
            format!("TOKEN_REVIEW_AUDIENCE of Deployment kubeflow/ml-pipeline is {audience:?}"),
            "kubectl -n kubeflow set env deployment/ml-pipeline TOKEN_REVIEW_AUDIENCE-",
        )));
    }
    let alone = variable(&server, "MULTIUSER").filter(|value| *value != "true");
    Ok(alone.map(|value| {
        Cause::new(
            format!("MULTIUSER of Deployment kubeflow/ml-pipeline is {value:?}: it asks nobody who they are"),
            "kubectl -n kubeflow set env deployment/ml-pipeline MULTIUSER=true",
        )
    }))
}

async fn own_namespace(cx: &Ctx) -> Checked {
    let caller = Caller::of(cx).await?;
    let good = token::for_pipelines(cx, &caller.home, EDITOR).await?;
    for list in LISTS {
        let (seen, at) = caller.ask(cx, list, &caller.home, Some(&good)).await?;
        if seen != Told::Shown {
            return Err(differs(cx, &Told::Shown, &seen, &at).await);
        }
    }
    Ok(())
}

fn user(namespace: &str, account: &str) -> Told {
    Told::Forbidden(format!("User 'system:serviceaccount:{namespace}:{account}' is not authorized"))
}

async fn foreign_namespace(cx: &Ctx) -> Checked {
    let caller = Caller::of(cx).await?;
    let good = caller.is_known(cx).await?;
    let neighbour = tenants::of_user(cx).await?;
    let wanted = user(&caller.home, EDITOR);
    for list in LISTS {
        let (seen, at) = caller.ask(cx, list, &neighbour, Some(&good)).await?;
        if !fits(&seen, &wanted) {
            return Err(differs(cx, &wanted, &seen, &at).await);
        }
    }
    Ok(())
}

async fn without_a_role(cx: &Ctx) -> Checked {
    let caller = Caller::of(cx).await?;
    caller.is_known(cx).await?;
    let token = token::for_pipelines(cx, &caller.home, NOBODY).await?;
    let wanted = user(&caller.home, NOBODY);
    caller.expect(cx, &caller.home, Some(&token), "a token of the account default", &wanted).await
}

async fn other_audience(cx: &Ctx) -> Checked {
    let caller = Caller::of(cx).await?;
    caller.is_known(cx).await?;
    let home = caller.home.as_str();
    for (what, audience) in
        [("a token for the Kubernetes API", None), ("a token for another program", Some("conformance.example.com"))]
    {
        let token = token::ask(cx, Wanted { namespace: home, account: EDITOR, audience, secret: None }).await?;
        caller.expect(cx, home, Some(&token), what, &Told::Unknown).await?;
    }
    Ok(())
}

async fn forged(cx: &Ctx) -> Checked {
    let caller = Caller::of(cx).await?;
    let good = caller.is_known(cx).await?;
    let signed = good.rsplit_once('.').map_or((good.as_str(), ""), |parts| parts);
    // The first letter of the signature: the last one may hold bits that do not count.
    let other = if signed.1.starts_with('A') { 'B' } else { 'A' };
    let changed = format!("{}.{other}{}", signed.0, signed.1.get(1..).unwrap_or_default());
    let half = good.get(..good.len() / 2).unwrap_or_default();
    // Whoever finds these in a report needs little to make the good one of them.
    for derived in [changed.as_str(), signed.0, half] {
        cx.secret(derived);
    }
    for (what, token) in [
        ("a token whose signature is changed", Some(changed.as_str())),
        ("a token without its signature", Some(format!("{}.", signed.0).as_str())),
        ("half a token", Some(half)),
        ("a word for a token", Some("abc")),
        ("no token", None),
    ] {
        caller.expect(cx, &caller.home, token, what, &Told::Unknown).await?;
    }
    Ok(())
}

async fn ended(cx: &Ctx) -> Checked {
    let caller = Caller::of(cx).await?;
    let home = caller.home.as_str();
    let secret = tenants::name(cx, "token");
    tenants::own(cx, json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret, "namespace": home}}))
        .await?;
    let audience = Some(token::PIPELINES);
    let token = token::ask(cx, Wanted { namespace: home, account: EDITOR, audience, secret: Some(&secret) }).await?;
    caller.expect(cx, home, Some(&token), "a token that is bound to a Secret", &Told::Shown).await?;
    objects::delete(cx, SECRET, home, &secret).await?;
    cx.eventually("a token is refused after its Secret is deleted", FORGOTTEN_WITHIN, EVERY, || {
        Box::pin(async {
            let (seen, _) = caller.ask(cx, "runs", home, Some(&token)).await?;
            if seen == Told::Unknown {
                return Ok(Seen::Yes(()));
            }
            // Who asks nobody will not ask later.
            match settings(cx).await? {
                Some(cause) => {
                    let stop = Stop::failed("a token is refused after its Secret is deleted", seen.to_string());
                    Err(stop.because(cause.what).fix(cause.fix))
                }
                None => Ok(Seen::NotYet(seen.to_string())),
            }
        }) as BoxFuture<'_, Checked<Seen<()>>>
    })
    .await
}

async fn name_beside(cx: &Ctx) -> Checked {
    let caller = Caller::of(cx).await?;
    let good = caller.is_known(cx).await?;
    let victim = tenants::of_user(cx).await?;
    let bearer = format!("Bearer {good}");
    let headers = [("authorization", bearer.as_str()), (USERID_HEADER, cx.user().email.as_str())];
    for probe in probes(cx).await? {
        for url in caller.target.urls(&path("experiments", &victim)) {
            let reply = probe.get(cx, &url, &headers).await?;
            if let Met::Arrived(answer) = caller.target.met(cx, &probe, &url, &reply).await? {
                let stop = Stop::failed("the mesh refuses a name beside a token", format!("it arrived: {answer}"));
                return Err(blame(stop.at(format!("{probe}, GET {url}")), caller.target.opened_by(cx).await));
            }
        }
    }
    Ok(())
}
