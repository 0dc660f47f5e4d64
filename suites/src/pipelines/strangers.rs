//! A run, and somebody who knows its id: ids stand in addresses, logs and labels, and must open nothing.

use harness::check::{Seconds, source};
use harness::{Check, Checked, Ctx, Explain, Level, Stop, check};
use http::Method;

use super::TENANCY;
use super::access::let_in;
use super::api::get;
use super::members::{AUDIENCE, issued, send};
use super::own::{experiment, home, named, run, smallest};
use crate::faults::pipelines as faults;
use crate::tenants;

/// The checks.
pub static CHECKS: &[Check] = &[check(
    "KFP-019",
    "Who knows the id of a stranger's run can neither see, stop, archive nor delete it",
    Level::Must,
    source("kubeflow/pipelines", "backend/src/apiserver/server/run_server.go: canAccessRun"),
    |cx| Box::pin(by_id(cx)),
)
.explain(Explain {
    what: "A program of somebody else's namespace, with the token of its service account, is refused the user's run by its id \
           (403, code 7): to get it, to terminate, archive and delete it. The user is shown the run afterwards.",
    why: "Lists are refused by their namespace; whoever names an id names none. Each of these calls has to look up whose the \
          run is.",
    fix: "Look at MULTIUSER of Deployment ml-pipeline, and for RoleBindings and ClusterRoleBindings on pipelines.kubeflow.org.",
    reproduce: "kubectl -n FOREIGN create token default-editor --audience pipelines.kubeflow.org; kubectl -n kubeflow \
                port-forward service/ml-pipeline 8888; curl -H \"Authorization: Bearer TOKEN\" \
                localhost:8888/apis/v2beta1/runs/RUN",
})
.profiles(TENANCY)
.after(&["KFP-020"])
.writes()
.within(Seconds(120))
.breaks_on(&[&faults::SINGLE_USER])];

async fn by_id(cx: &Ctx) -> Checked {
    let (own, other) = (home(cx).await?, tenants::of_other(cx).await?);
    let id = run(cx, &experiment(cx, &own, &named(cx, "exp")).await?, &smallest(cx)).await?;
    let stranger = issued(cx, &other.name, AUDIENCE).await?;
    for (method, path) in [
        (Method::GET, format!("/runs/{id}")),
        (Method::POST, format!("/runs/{id}:terminate")),
        (Method::POST, format!("/runs/{id}:archive")),
        (Method::DELETE, format!("/runs/{id}")),
    ] {
        let (answer, body) = send(cx, method.clone(), &path, Some(&stranger)).await?;
        if (answer.status, body["code"].as_i64()) != (403, Some(7)) {
            let told = format!("{}: {body}", answer.status);
            let stop = Stop::failed(format!("403, code 7 for {method} of another namespace's run"), told).at(path);
            return Err(let_in(cx, stop).await);
        }
    }
    get(cx, &format!("/runs/{id}")).await.map(drop)
}
