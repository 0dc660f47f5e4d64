//! Pages of lists: a token tells where the next page begins, and gives no rights.

use harness::check::{Seconds, source};
use harness::{Check, Checked, Ctx, Explain, Level, Stop, check};
use http::Method;
use serde_json::Value;

use super::TENANCY;
use super::access::let_in;
use super::api::{API, Refused, call, get};
use super::members::ask;
use super::own::{experiment, home, named};
use crate::accounts::EDITOR;
use crate::accounts::token::for_pipelines;
use crate::faults::pipelines as faults;
use crate::objects::{items, text};
use crate::tenants;

/// The checks.
pub static CHECKS: &[Check] = &[check(
    "KFP-017",
    "A page token opens no namespace to a stranger",
    Level::Must,
    source("kubeflow/pipelines", "backend/src/apiserver/list/list.go: NewOptionsFromToken; server/experiment_server.go"),
    |cx| Box::pin(tokens(cx)),
)
.explain(Explain {
    what: "The token that a list of one experiment ends with leads its owner to the next page. With it the user is refused \
           somebody else's namespace (403, code 7) and a list without a namespace (400, code 3); a program of somebody \
           else's namespace, which is given the token, is refused the user's (403, code 7), and is shown nothing of it in \
           its own.",
    why: "The token is neither signed nor bound to a user, and ends up in logs and bookmarks: rights must not come from it.",
    fix: "Look for RoleBindings and ClusterRoleBindings that give this user rights on pipelines.kubeflow.org, and at \
          MULTIUSER of Deployment ml-pipeline.",
    reproduce: "curl -s -b cookies.txt \"$GATEWAY/pipeline/apis/v2beta1/experiments?namespace=$FOREIGN&page_token=TOKEN\"",
})
.profiles(TENANCY)
.after(&["KFP-020"])
.writes()
.within(Seconds(120))
.breaks_on(&[&faults::EVERYBODY_EDITS, &faults::SINGLE_USER])];

/// The query of the page that a token leads to.
fn page(namespace: &str, token: &str) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    if !namespace.is_empty() {
        query.append_pair("namespace", namespace);
    }
    format!("/experiments?{}", query.append_pair("page_token", token).finish())
}

/// Fails if a page shows anything of another namespace.
fn only(page: &Value, namespace: &str) -> Checked {
    let foreign = items(page, "/experiments").iter().find(|one| text(one, "/namespace") != namespace);
    match foreign {
        None => Ok(()),
        Some(one) => Err(Stop::failed(
            format!("experiments of {namespace} alone"),
            format!("{} of namespace {}", text(one, "/display_name"), text(one, "/namespace")),
        )),
    }
}

async fn tokens(cx: &Ctx) -> Checked {
    let (own, other) = (home(cx).await?, tenants::of_other(cx).await?);
    for which in ["first", "second"] {
        experiment(cx, &own, &named(cx, which)).await?;
    }
    let first = get(cx, &format!("/experiments?namespace={own}&page_size=1")).await?;
    let token = text(&first, "/next_page_token").to_owned();
    if token.is_empty() {
        return Err(Stop::failed("a token of the next page, for there are two experiments", first.to_string()));
    }
    let next = get(cx, &page(&own, &token)).await?;
    only(&next, &own)?;
    let begun = text(&first, "/experiments/0/experiment_id");
    let seen = items(&next, "/experiments");
    if seen.is_empty() || seen.iter().any(|one| text(one, "/experiment_id") == begun) {
        return Err(Stop::failed("the next page goes on behind the first", next.to_string()));
    }
    let refusals = [
        (other.name.as_str(), Refused { status: 403, code: 7, detail: "is not authorized" }),
        ("", Refused { status: 400, code: 3, detail: "empty namespace" }),
    ];
    for (namespace, refusal) in refusals {
        let asked = call(cx, Method::GET, &format!("{API}{}", page(namespace, &token)), None).await?;
        if let Err(stop) = asked.refused(cx, refusal).await {
            return Err(let_in(cx, stop).await);
        }
    }
    let stranger = for_pipelines(cx, &other.name, EDITOR).await?;
    let (answer, body) = ask(cx, &page(&other.name, &token), Some(&stranger)).await?;
    if answer.status != 200 || !body.is_object() {
        let stop =
            Stop::failed("200 and JSON for a program in its own namespace", format!("{}: {body}", answer.status));
        return Err(crate::gateway::diagnose::blame(stop, super::api::trouble(cx).await));
    }
    only(&body, &other.name)?;
    let (answer, body) = ask(cx, &page(&own, &token), Some(&stranger)).await?;
    if (answer.status, body["code"].as_i64()) != (403, Some(7)) {
        let stop = Stop::failed("403, code 7 for a program of another namespace", format!("{}: {body}", answer.status));
        return Err(let_in(cx, stop).await);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_written_as_a_query_has_it() {
        assert_eq!(page("a", "x+/="), "/experiments?namespace=a&page_token=x%2B%2F%3D");
        assert_eq!(page("", "x"), "/experiments?page_token=x");
    }
}
