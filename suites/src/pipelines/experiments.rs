//! Experiments: made, found, listed, put away, removed.

use std::collections::BTreeSet;

use harness::check::source;
use harness::{Check, Checked, Ctx, Explain, Level, Stop, check};
use http::Method;
use serde_json::json;

use super::PIPELINES;
use super::api::{API, Refused, call, delete, get, post};
use super::own::{experiment, home, named};
use crate::faults::{data, pipelines as faults};
use crate::objects::{items, text};

const SERVER: &str = "backend/src/apiserver/server/experiment_server.go";
/// An id that nothing has.
const NOTHING: &str = "00000000-0000-4000-8000-000000000000";

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "KFP-020",
        "An owner makes an experiment, finds it and removes it",
        Level::Must,
        source("kubeflow/pipelines", SERVER),
        |cx| Box::pin(life(cx)),
    )
    .explain(Explain {
        what: "An experiment is created in the user's namespace, read back by its id with the same name and namespace, \
               found in the list, deleted, and then unknown (404, code 5).",
        why: "Runs need an experiment. Everything that Kubeflow Pipelines keeps goes the same way into MySQL.",
        fix: "Look at Deployments ml-pipeline and mysql; kubectl -n kubeflow logs deployment/ml-pipeline.",
        reproduce: "curl -s -b cookies.txt -H 'content-type: application/json' -d '{\"display_name\":\"x\", \
                    \"namespace\":\"NAMESPACE\"}' \"$GATEWAY/pipeline/apis/v2beta1/experiments\"",
    })
    .profiles(PIPELINES)
    .after(&["KFP-010"])
    .writes()
    .breaks_on(&[
        &faults::DATABASE_STOPPED,
        &faults::EDITING_LOST,
        &faults::DATABASE_EMPTIED,
        &data::DATABASE_READ_ONLY,
        &data::DATABASE_FULL,
    ]),
    check(
        "KFP-021",
        "A second experiment of the same name is refused",
        Level::Must,
        source("kubeflow/pipelines", SERVER),
        |cx| Box::pin(doubled(cx)),
    )
    .explain(Explain {
        what: "Creating an experiment whose name is taken in the namespace is refused with 409, code 6.",
        why: "Clients create their experiment at every start and go on when it is there already.",
        fix: "Look at the unique index of table mlpipeline.experiments; kubectl -n kubeflow logs deployment/ml-pipeline.",
        reproduce: "Create the same experiment twice (see KFP-020).",
    })
    .profiles(PIPELINES)
    .after(&["KFP-010"])
    .writes()
    .breaks_on(&[&faults::EDITING_LOST, &faults::DATABASE_STOPPED]),
    check(
        "KFP-022",
        "What is not there is answered with 404",
        Level::Must,
        source("kubeflow/pipelines", "backend/src/common/util/error.go"),
        |cx| Box::pin(unknown(cx)),
    )
    .explain(Explain {
        what: "Unknown ids of an experiment, a run, a recurring run and a pipeline are answered with 404, code 5; an \
               unknown path with 404 in plain text.",
        why: "Clients tell a thing that is gone from a platform that is broken by this status.",
        fix: "kubectl -n kubeflow logs deployment/ml-pipeline.",
        reproduce: "curl -s -b cookies.txt \
                    \"$GATEWAY/pipeline/apis/v2beta1/runs/00000000-0000-4000-8000-000000000000\"",
    })
    .profiles(PIPELINES)
    .after(&["KFP-010"])
    .breaks_on(&[&faults::DATABASE_STOPPED]),
    check(
        "KFP-023",
        "An experiment is archived and brought back",
        Level::Must,
        source("kubeflow/pipelines", SERVER),
        |cx| Box::pin(archived(cx)),
    )
    .explain(Explain {
        what: "After :archive the experiment's storage_state is ARCHIVED, after :unarchive AVAILABLE.",
        why: "Archiving is a right of its own (verbs archive and unarchive), which a role may lack.",
        fix: "Compare ClusterRole aggregate-to-kubeflow-pipelines-edit with that of kubeflow/manifests.",
        reproduce: "curl -s -b cookies.txt -X POST \"$GATEWAY/pipeline/apis/v2beta1/experiments/ID:archive\"",
    })
    .profiles(PIPELINES)
    .after(&["KFP-020"])
    .writes()
    .breaks_on(&[&faults::EDITING_LOST]),
    check(
        "KFP-024",
        "A list comes page by page, sorted and filtered",
        Level::Must,
        source("kubeflow/pipelines", "backend/src/apiserver/list/list.go"),
        |cx| Box::pin(pages(cx)),
    )
    .explain(Explain {
        what: "Of three experiments, filtered by name and sorted, each is on exactly one page of one, and each page \
               says how many there are in all. A filter that is no JSON, an unknown field to sort by and a token that \
               nobody gave are refused with 400, code 3.",
        why: "The UI and the SDK read every list this way. A page that repeats or leaves out entries hides runs.",
        fix: "kubectl -n kubeflow logs deployment/ml-pipeline.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/pipeline/apis/v2beta1/experiments?namespace=$NAMESPACE&page_size=1\"",
    })
    .profiles(PIPELINES)
    .after(&["KFP-020"])
    .writes()
    .breaks_on(&[&faults::EDITING_LOST, &faults::DATABASE_STOPPED]),
];

async fn life(cx: &Ctx) -> Checked {
    let (namespace, name) = (home(cx).await?, named(cx, "exp"));
    let id = experiment(cx, &namespace, &name).await?;
    let path = format!("/experiments/{id}");
    let found = get(cx, &path).await?;
    let wanted =
        json!({"experiment_id": id, "display_name": name, "namespace": namespace, "storage_state": "AVAILABLE"});
    for (field, value) in wanted.as_object().into_iter().flatten() {
        if found.get(field) != Some(value) {
            return Err(Stop::failed(format!("{field} {value}"), format!("{field} {:?}", found.get(field))).at(path));
        }
    }
    let listed =
        get(cx, &format!("/experiments?namespace={namespace}&page_size=200&sort_by=created_at%20desc")).await?;
    if !items(&listed, "/experiments").iter().any(|one| text(one, "/experiment_id") == id) {
        return Err(Stop::failed(format!("experiment {id} in the list"), format!("{} others", listed["total_size"])));
    }
    delete(cx, &path).await?;
    let gone = call(cx, Method::GET, &format!("{API}{path}"), None).await?;
    gone.refused(cx, Refused { status: 404, code: 5, detail: "not found" }).await
}

async fn doubled(cx: &Ctx) -> Checked {
    let (namespace, name) = (home(cx).await?, named(cx, "exp"));
    experiment(cx, &namespace, &name).await?;
    let body = json!({"display_name": name, "namespace": namespace});
    let second = call(cx, Method::POST, &format!("{API}/experiments"), Some(&body)).await?;
    second.refused(cx, Refused { status: 409, code: 6, detail: "already exist" }).await
}

async fn unknown(cx: &Ctx) -> Checked {
    for kind in ["experiments", "runs", "recurringruns", "pipelines"] {
        let absent = call(cx, Method::GET, &format!("{API}/{kind}/{NOTHING}"), None).await?;
        absent.refused(cx, Refused { status: 404, code: 5, detail: "not found" }).await?;
    }
    let path = format!("{API}/no-such-kind");
    let answer = cx.user_session().await?.get(&path).await?;
    if answer.status.as_u16() == 404 && answer.body.trim() == "Not Found" {
        return Ok(());
    }
    Err(Stop::failed("404 of the API, in plain text", answer.summary()).at(answer.at()))
}

async fn archived(cx: &Ctx) -> Checked {
    let id = experiment(cx, &home(cx).await?, &named(cx, "exp")).await?;
    for (verb, state) in [("archive", "ARCHIVED"), ("unarchive", "AVAILABLE")] {
        post(cx, &format!("/experiments/{id}:{verb}"), &json!({})).await?;
        let found = get(cx, &format!("/experiments/{id}")).await?;
        if text(&found, "/storage_state") != state {
            let actual = format!("storage_state {}", text(&found, "/storage_state"));
            return Err(Stop::failed(format!("storage_state {state} after :{verb}"), actual));
        }
    }
    Ok(())
}

async fn pages(cx: &Ctx) -> Checked {
    let (namespace, name) = (home(cx).await?, named(cx, "page"));
    let mut made = BTreeSet::new();
    for number in 1..=3 {
        made.insert(experiment(cx, &namespace, &format!("{name}-{number}")).await?);
    }
    let filter =
        json!({"predicates": [{"operation": "IS_SUBSTRING", "key": "name", "string_value": name}]}).to_string();
    let filter: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
    let list = format!("/experiments?namespace={namespace}");
    let first = format!("{list}&page_size=1&sort_by=name%20desc&filter={filter}");
    let (mut seen, mut path) = (Vec::new(), first.clone());
    loop {
        let page = get(cx, &path).await?;
        let entries = items(&page, "/experiments");
        if entries.len() != 1 || page["total_size"] != 3 {
            let actual = format!("{} entries of {}", entries.len(), page["total_size"]);
            return Err(Stop::failed("a page of one entry of three", actual).at(path));
        }
        seen.push((text(&entries[0], "/display_name").to_owned(), text(&entries[0], "/experiment_id").to_owned()));
        let next: String = url::form_urlencoded::byte_serialize(text(&page, "/next_page_token").as_bytes()).collect();
        if next.is_empty() || seen.len() > 3 {
            break;
        }
        path = format!("{list}&page_size=1&page_token={next}");
    }
    let ids: BTreeSet<String> = seen.iter().map(|(_, id)| id.clone()).collect();
    let sorted = seen.is_sorted_by(|one, next| one.0 > next.0);
    if ids != made || seen.len() != 3 || !sorted {
        let names: Vec<&str> = seen.iter().map(|(name, _)| name.as_str()).collect();
        return Err(Stop::failed("each of the three once, the last name first", names.join(", ")).at(first));
    }
    for (query, detail) in [
        ("filter=zzz", "failed to parse valid filter"),
        ("sort_by=zzz", "Invalid sorting field"),
        ("page_token=zzz", "Invalid package token"),
    ] {
        let refused = call(cx, Method::GET, &format!("{API}{list}&{query}"), None).await?;
        refused.refused(cx, Refused { status: 400, code: 3, detail }).await?;
    }
    Ok(())
}
