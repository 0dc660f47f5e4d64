//! Who may see and make what: each namespace is its owner's.
//!
//! Every refusal has its control: the same call in the user's own namespace is answered.

use clusters::versions::Contract;
use harness::check::source;
use harness::{Check, Checked, Ctx, Explain, Level, Stop, check};
use http::Method;
use serde_json::json;

use super::api::{API, OLD_API, Refused, call, reply};
use super::own::{form, home, named, remove_afterwards, smallest};
use super::{PIPELINES, TENANCY};
use crate::faults::pipelines as faults;
use crate::objects::{CLUSTER_ROLE_BINDING, all, name, text};
use crate::recognise::who;
use crate::tenants;

const SERVER: &str = "backend/src/apiserver/server";
/// The lists, and the resources by which rights to them are given.
const LISTS: [(&str, &str); 4] =
    [("experiments", "experiments"), ("runs", "runs"), ("recurringruns", "jobs"), ("pipelines", "pipelines")];

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "KFP-010",
        "An owner may list what is in their namespace",
        Level::Must,
        source("kubeflow/pipelines", SERVER),
        |cx| Box::pin(own_lists(cx)),
    )
    .explain(Explain {
        what: "The lists of experiments, runs, recurring runs and pipelines of a namespace that the user owns are \
               answered in JSON.",
        why: "These four lists are what every page of the UI begins with. Each is read from MySQL, after a question to \
              the Kubernetes API: both must work.",
        fix: "Look at Deployments ml-pipeline and mysql, Secret mysql-secret, and ClusterRoleBinding ml-pipeline.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/pipeline/apis/v2beta1/experiments?namespace=$NAMESPACE\"",
    })
    .profiles(PIPELINES)
    .after(&["KFP-001"])
    .breaks_on(&[&faults::DATABASE_STOPPED, &faults::DATABASE_CLOSED, &faults::API_RIGHTS_LOST]),
    check(
        "KFP-011",
        "A stranger may not list what is in a namespace",
        Level::Must,
        source("kubeflow/pipelines", SERVER),
        |cx| Box::pin(foreign_lists(cx)),
    )
    .explain(Explain {
        what: "The four lists of somebody else's namespace are refused with 403, code 7, naming user and verb; in the \
               user's own namespace they are answered.",
        why: "Names of experiments and parameters of runs tell a stranger what a team works on.",
        fix: "Look for RoleBindings and ClusterRoleBindings that give this user rights on pipelines.kubeflow.org.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/pipeline/apis/v2beta1/runs?namespace=$FOREIGN\"",
    })
    .profiles(TENANCY)
    .after(&["KFP-010"])
    .writes()
    .breaks_on(&[&faults::EVERYBODY_EDITS, &faults::SINGLE_USER]),
    check(
        "KFP-012",
        "A list without a namespace is refused",
        Level::Must,
        source("kubeflow/pipelines", SERVER),
        |cx| Box::pin(no_namespace(cx)),
    )
    .explain(Explain {
        what: "Lists of experiments, runs and recurring runs without a namespace are refused with 400, code 3.",
        why: "A list over all namespaces would show everybody everything.",
        fix: "Set MULTIUSER to true in ConfigMap kubeflow/pipeline-api-server-config, and restart ml-pipeline.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/pipeline/apis/v2beta1/runs\"",
    })
    .profiles(TENANCY)
    .after(&["KFP-010"])
    .breaks_on(&[&faults::SINGLE_USER]),
    check(
        "KFP-013",
        "Without a session nobody sees a namespace's runs",
        Level::Must,
        source("kubeflow/pipelines", "backend/src/apiserver/auth/http_header_authenticator.go"),
        |cx| Box::pin(no_identity(cx)),
    )
    .explain(Explain {
        what: "The list of runs, asked for without a session, is refused: by the gateway, or by the API server with \
               401, code 16.",
        why: "Guard and API server each keep strangers out. Only if both fail do they get in; then everything is open.",
        fix: "See AUT-001 for the guard, KFP-002 for the API server.",
        reproduce: "curl -s -i \"$GATEWAY/pipeline/apis/v2beta1/runs?namespace=$NAMESPACE\"",
    })
    .profiles(TENANCY)
    .after(&["KFP-001"])
    .breaks_on(&[&faults::OPEN_A, &faults::OPEN_B]),
    check(
        "KFP-014",
        "A stranger may not make an experiment in a namespace",
        Level::Must,
        source("kubeflow/pipelines", "backend/src/apiserver/server/experiment_server.go"),
        |cx| Box::pin(foreign_experiment(cx)),
    )
    .explain(Explain {
        what: "Creating an experiment in somebody else's namespace is refused with 403, code 7.",
        why: "Runs are started in the namespace of their experiment, with the rights of its service account.",
        fix: "Look for RoleBindings and ClusterRoleBindings that give this user rights on pipelines.kubeflow.org.",
        reproduce: "curl -s -b cookies.txt -H 'content-type: application/json' -d '{\"display_name\":\"x\", \
                    \"namespace\":\"FOREIGN\"}' \"$GATEWAY/pipeline/apis/v2beta1/experiments\"",
    })
    .profiles(TENANCY)
    .after(&["KFP-010"])
    .writes()
    .breaks_on(&[&faults::EVERYBODY_EDITS]),
    check(
        "KFP-015",
        "A stranger may not upload into a namespace",
        Level::Must,
        source("kubeflow/pipelines", "backend/src/apiserver/server/pipeline_upload_server.go"),
        |cx| Box::pin(foreign_upload(cx)),
    )
    .explain(Explain {
        what: "Uploading a pipeline into somebody else's namespace is refused with 400 (so this route answers) and \
               names the missing authorization.",
        why: "An upload is no gRPC call: it is authorised in a place of its own.",
        fix: "Look for RoleBindings and ClusterRoleBindings that give this user rights on pipelines.kubeflow.org.",
        reproduce: "curl -s -b cookies.txt -F uploadfile=@p.yaml \
                    \"$GATEWAY/pipeline/apis/v2beta1/pipelines/upload?name=x&namespace=$FOREIGN\"",
    })
    .profiles(TENANCY)
    .after(&["KFP-010"])
    .writes()
    .within(harness::check::Seconds(90))
    .breaks_on(&[&faults::EVERYBODY_EDITS]),
    check(
        "KFP-016",
        "The API tells applications who may use viewers",
        Level::Must,
        source("kubeflow/pipelines", "backend/src/apiserver/server/auth_server.go"),
        |cx| Box::pin(auth(cx)),
    )
    .explain(Explain {
        what: "/apis/v1beta1/auth says yes for the user's own namespace, 403 for somebody else's, and 400 when it is \
               not told which.",
        why: "The UI server asks it before it shows or starts TensorBoards.",
        fix: "Look at ClusterRole aggregate-to-kubeflow-pipelines-view, and at ClusterRoleBindings of this user.",
        reproduce: "curl -s -b cookies.txt \
                    \"$GATEWAY/pipeline/apis/v1beta1/auth?namespace=$NAMESPACE&resources=VIEWERS&verb=GET\"",
    })
    .profiles(TENANCY)
    .after(&["KFP-010"])
    .writes()
    .breaks_on(&[&faults::EVERYBODY_EDITS, &faults::SINGLE_USER]),
];

fn list(kind: &str, namespace: &str) -> String {
    format!("{API}/{kind}?namespace={namespace}&page_size=1")
}

async fn own_lists(cx: &Ctx) -> Checked {
    let namespace = home(cx).await?;
    for (kind, _) in LISTS {
        call(cx, Method::GET, &list(kind, &namespace), None).await?.ok(cx).await?;
    }
    Ok(())
}

/// Fails with the binding that lets the user in, where one is found.
pub(super) async fn let_in(cx: &Ctx, stop: Stop) -> Stop {
    if let Stop::Failed(failure) = &stop
        && failure.cause.is_some()
    {
        return stop;
    }
    let Ok(bindings) = all(cx, CLUSTER_ROLE_BINDING).await else { return stop };
    let names_user = bindings.iter().find(|binding| {
        let subjects = crate::objects::items(&binding.data, "/subjects");
        subjects.iter().any(|subject| text(subject, "/kind") == "User" && text(subject, "/name") == cx.user().email)
    });
    match names_user {
        Some(binding) => stop
            .because(format!("ClusterRoleBinding {} gives this user rights in every namespace", name(binding)))
            .fix(format!("kubectl delete clusterrolebinding {}", name(binding))),
        None => stop
            .because("MULTIUSER of Deployment kubeflow/ml-pipeline is not true, or a RoleBinding names this user")
            .fix("see KFP-002; kubectl get rolebindings -A"),
    }
}

async fn foreign_lists(cx: &Ctx) -> Checked {
    let (own, other) = (home(cx).await?, tenants::of_other(cx).await?);
    for (kind, resource) in LISTS {
        call(cx, Method::GET, &list(kind, &own), None).await?.ok(cx).await?;
        let refused = call(cx, Method::GET, &list(kind, &other.name), None).await?;
        let request = format!(
            "Namespace:{},Verb:list,Group:pipelines.kubeflow.org,Version:v1beta1,Resource:{resource}",
            other.name
        );
        let detail = format!("User '{}' is not authorized", cx.user().email);
        for detail in [detail, request] {
            if let Err(stop) = refused.refused(cx, Refused { status: 403, code: 7, detail: &detail }).await {
                return Err(let_in(cx, stop).await);
            }
        }
    }
    Ok(())
}

async fn no_namespace(cx: &Ctx) -> Checked {
    for (kind, detail) in [
        ("experiments", "An experiment cannot have an empty namespace"),
        ("runs", "A run cannot have an empty namespace"),
        ("recurringruns", "a recurring run cannot have an empty namespace"),
    ] {
        let refused = call(cx, Method::GET, &format!("{API}/{kind}"), None).await?;
        if let Err(stop) = refused.refused(cx, Refused { status: 400, code: 3, detail }).await {
            return Err(let_in(cx, stop).await);
        }
    }
    Ok(())
}

async fn no_identity(cx: &Ctx) -> Checked {
    let namespace = home(cx).await?;
    let refused = reply(cx.browser().get(&list("runs", &namespace)).await?)?;
    let by_gateway = who(&refused.answer).is_refusal();
    if by_gateway || (refused.answer.status.as_u16() == 401 && refused.body["code"] == 16) {
        return Ok(());
    }
    let guard = match cx.contract() {
        Contract::A => "EnvoyFilter istio-system/authn-filter",
        Contract::B => "AuthorizationPolicy istio-system/istio-ingressgateway-oauth2-proxy",
    };
    Err(Stop::failed("a refusal by the gateway, or 401 with code 16", refused.told())
        .at(refused.answer.at())
        .because(format!("{guard} lets everybody in, and Deployment kubeflow/ml-pipeline asks nobody who they are"))
        .fix("restore the guard (see AUT-001), and MULTIUSER of Deployment kubeflow/ml-pipeline (see KFP-002)"))
}

async fn foreign_experiment(cx: &Ctx) -> Checked {
    let other = tenants::of_other(cx).await?;
    let body = json!({"display_name": named(cx, "exp"), "namespace": other.name});
    let refused = call(cx, Method::POST, &format!("{API}/experiments"), Some(&body)).await?;
    let id = text(&refused.body, "/experiment_id");
    if !id.is_empty() {
        remove_afterwards(cx, &format!("/experiments/{id}")).await?;
    }
    let detail = format!("Namespace:{},Verb:create", other.name);
    match refused.refused(cx, Refused { status: 403, code: 7, detail: &detail }).await {
        Err(stop) => Err(let_in(cx, stop).await),
        Ok(()) => Ok(()),
    }
}

async fn foreign_upload(cx: &Ctx) -> Checked {
    let other = tenants::of_other(cx).await?;
    let form = form("smallest.json", &smallest(cx).to_string());
    let path = format!("{API}/pipelines/upload?name={}&namespace={}", named(cx, "pipe"), other.name);
    let session = cx.user_session().await?;
    let refused = reply(session.request(Method::POST, &path).body(&form.kind, form.body).send().await?)?;
    let id = text(&refused.body, "/pipeline_id");
    if !id.is_empty() {
        remove_afterwards(cx, &format!("/pipelines/{id}")).await?;
    }
    // A file that cannot be read is 400, too: only these words are a denial.
    let words = text(&refused.body, "/error_message");
    let denied = words.starts_with("Failed to create a pipeline due to authorization error")
        && words.contains("PermissionDenied: ");
    if refused.answer.status.as_u16() == 400 && denied && id.is_empty() {
        return Ok(());
    }
    let stop = Stop::failed("400 and an error_message that names the authorization", refused.told());
    Err(let_in(cx, stop.at(refused.answer.at())).await)
}

async fn auth(cx: &Ctx) -> Checked {
    let (own, other) = (home(cx).await?, tenants::of_other(cx).await?);
    let path = |namespace: &str| format!("{OLD_API}/auth?namespace={namespace}&resources=VIEWERS&verb=GET");
    call(cx, Method::GET, &path(&own), None).await?.ok(cx).await?;
    let detail = format!("Namespace:{},Verb:get,Group:kubeflow.org", other.name);
    let cases = [
        (path(&other.name), Refused { status: 403, code: 7, detail: &detail }),
        (format!("{OLD_API}/auth"), Refused { status: 400, code: 3, detail: "Namespace is empty" }),
    ];
    for (path, wanted) in cases {
        let refused = call(cx, Method::GET, &path, None).await?;
        if let Err(stop) = refused.refused(cx, wanted).await {
            return Err(let_in(cx, stop).await);
        }
    }
    Ok(())
}
