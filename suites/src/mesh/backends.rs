//! What has no page of its own: the APIs behind the applications, and the notebooks of others.

use harness::check::source;
use harness::http::Answer;
use harness::{Check, Checked, Ctx, Explain, Level, Seconds, Stop, check};

use super::target::{Met, Target};
use super::{BOUND, SECURITY, SPOOFED, none_arrived, probes, tried};
use crate::faults::mesh as faults;
use crate::gateway::diagnose::kfam as kfam_cause;
use crate::notebooks::server;
use crate::probe::{self, request::Reply};
use crate::stand_in::not_installed;

/// A path of the API that names nobody's data.
const HEALTH: &str = "/apis/v2beta1/healthz";

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "MSH-001",
        "A tenant's pod reaches the API of Kubeflow Pipelines",
        Level::Must,
        source("kubeflow/manifests", "AuthorizationPolicy kubeflow/ml-pipeline: whoever sends no kubeflow-userid"),
        |cx| Box::pin(pipelines_reached(cx)),
    )
    .explain(Explain {
        what: "A pod of a Profile, with a sidecar or without, asks Service kubeflow/ml-pipeline whether it is well, without \
               an identity header. It is answered by the API server.",
        why: "Notebooks and pipeline steps use the API so, with a token of their service account. A policy that is too \
              narrow breaks every notebook that starts runs.",
        fix: "Apply AuthorizationPolicy and NetworkPolicy kubeflow/ml-pipeline of kubeflow/manifests again.",
        reproduce: "kubectl -n NAMESPACE exec POD -- curl -si http://ml-pipeline.kubeflow:8888/apis/v2beta1/healthz",
    })
    .profiles(&[harness::Profile::Tenancy, harness::Profile::Pipelines])
    .after(&["PRF-020", "KFP-001"])
    .writes()
    .within(Seconds(BOUND))
    .breaks_on(&[&faults::PIPELINES_CLOSED]),
    check(
        "MSH-002",
        "A tenant's pod that claims to be somebody is refused by the API of Kubeflow Pipelines",
        Level::Must,
        source("kubeflow/manifests", "AuthorizationPolicy kubeflow/ml-pipeline"),
        |cx| Box::pin(pipelines_spoofed(cx)),
    )
    .explain(Explain {
        what: "A pod of a Profile, with a sidecar and without, asks for the run's user's experiments with their name in the \
               header kubeflow-userid, by Service name and by pod address. The mesh refuses. The same pods are answered \
               when they claim nothing.",
        why: "The API server believes this header before any token: whoever gets it through is that user.",
        fix: "Apply AuthorizationPolicy kubeflow/ml-pipeline of kubeflow/manifests again.",
        reproduce: "kubectl -n NAMESPACE exec POD -- curl -si -H 'kubeflow-userid: user@example.com' \
                    http://ml-pipeline.kubeflow:8888/apis/v2beta1/experiments?namespace=VICTIM",
    })
    .profiles(SECURITY)
    .after(&["PRF-020", "KFP-001"])
    .writes()
    .within(Seconds(BOUND))
    .breaks_on(&[&faults::PIPELINES_OPENED, &faults::EVERYBODY_ALLOWED_A, &faults::EVERYBODY_ALLOWED_B]),
    check(
        "MSH-003",
        "A tenant's pod does not reach KFAM",
        Level::Must,
        source("kubeflow/manifests", "AuthorizationPolicy kubeflow/profiles-kfam: the dashboard's account alone"),
        |cx| Box::pin(kfam(cx)),
    )
    .explain(Explain {
        why: "KFAM takes whoever sends no name for its administrator and asks nobody else (kubeflow/kubeflow \
              components/access-management, up to v1.10): who reaches it lets themselves into every namespace.",
        fix: "Apply AuthorizationPolicy kubeflow/profiles-kfam of kubeflow/manifests again; keep the sidecar of \
              Deployment profiles-deployment.",
        reproduce: "kubectl -n NAMESPACE exec POD -- curl -si http://profiles-kfam.kubeflow:8081/kfam/v1/bindings",
        ..SPOOFED
    })
    .profiles(SECURITY)
    .after(&["PRF-020"])
    .writes()
    .within(Seconds(BOUND))
    .breaks_on(&[&faults::KFAM_OPENED_A, &faults::KFAM_OPENED_B]),
    check(
        "MSH-004",
        "A pod of one Profile does not reach another's notebook, whomever it claims to be",
        Level::Must,
        source("kubeflow/kubeflow", "components/profile-controller/controllers/profile_controller.go: getAuthorizationPolicy"),
        |cx| Box::pin(notebook(cx)),
    )
    .explain(Explain {
        what: "A notebook of the run's user answers its owner through the gateway. A pod of another Profile, with a sidecar \
               and without, asks the same of it by Service name and by pod address, as nobody and as the owner: the mesh \
               refuses. The same pods are not refused at /healthz, which the policy opens to all probes.",
        why: "A notebook server has no password. The header of its owner is no secret, so only the sender's identity in \
              the mesh tells the gateway from a neighbour.",
        fix: "Remove policies that let everybody in, above all in istio-system; restore ns-owner-access-istio (delete it, \
              and the profile controller makes it again).",
        reproduce: "kubectl -n OTHER exec POD -- curl -si -H 'kubeflow-userid: OWNER' http://NOTEBOOK.NAMESPACE/notebook/NAMESPACE/NOTEBOOK/api",
    })
    .profiles(SECURITY)
    .after(&["PRF-020", "NBK-010"])
    .writes()
    .within(Seconds(BOUND + server::BOUND))
    .breaks_on(&[&faults::EVERYBODY_ALLOWED_A, &faults::EVERYBODY_ALLOWED_B]),
];

fn is_pipelines(answer: &Answer) -> bool {
    answer.status.is_success()
        && answer.json().is_some_and(|json| {
            json.get("commit_sha").is_some() || json.get("tag_name").is_some() || json.get("multi_user").is_some()
        })
}

async fn pipelines_target(cx: &Ctx) -> Checked<Target> {
    if let Some(absent) = not_installed(cx, "kubeflow", "ml-pipeline").await? {
        return Err(absent);
    }
    Target::of(cx, "kubeflow", "ml-pipeline", 8888).await
}

/// Asks the API as nobody; what else came than its answer.
async fn differs(cx: &Ctx, probe: &probe::Probe, target: &Target) -> Checked<Option<(String, String)>> {
    let [url, _] = target.urls(HEALTH);
    let instead = match probe.get(cx, &url, &[]).await? {
        Reply::Answer(answer) if is_pipelines(&answer) => return Ok(None),
        instead => instead.to_string(),
    };
    Ok(Some((instead, format!("{probe}, GET {url}"))))
}

async fn pipelines_reached(cx: &Ctx) -> Checked {
    let target = pipelines_target(cx).await?;
    for probe in probes(cx).await? {
        if let Some((instead, at)) = differs(cx, &probe, &target).await? {
            let stop = Stop::failed("the API server of Kubeflow Pipelines answers", instead).at(at);
            return Err(stop
                .because("AuthorizationPolicy kubeflow/ml-pipeline or NetworkPolicy kubeflow/ml-pipeline lets Profiles' pods in no more")
                .fix("apply both of kubeflow/manifests again"));
        }
    }
    Ok(())
}

async fn pipelines_spoofed(cx: &Ctx) -> Checked {
    let target = pipelines_target(cx).await?;
    let probes = probes(cx).await?;
    for probe in &probes {
        if let Some((instead, at)) = differs(cx, probe, &target).await? {
            return Err(Stop::errored(
                "precondition",
                format!("without a claim it is not answered, either: {instead} ({at})"),
            ));
        }
    }
    let home = crate::tenants::of_user(cx).await?;
    let path = format!("/apis/v2beta1/experiments?namespace={home}");
    let user = cx.user().email.as_str();
    let found = tried(cx, &probes, &target, &path, &[Some(user)]).await?;
    none_arrived(cx, &target, "the API of Kubeflow Pipelines", &found).await
}

async fn kfam(cx: &Ctx) -> Checked {
    let target = match Target::of(cx, "kubeflow", "profiles-kfam", 8081).await {
        Err(stop) => match kfam_cause(cx).await? {
            Some(cause) => return Err(stop.fix(cause.fix)),
            None => return Err(stop),
        },
        Ok(target) => target,
    };
    let probes = probes(cx).await?;
    let user = cx.user().email.as_str();
    let found = tried(cx, &probes, &target, "/kfam/v1/bindings", &[None, Some(user)]).await?;
    none_arrived(cx, &target, "KFAM", &found).await
}

async fn notebook(cx: &Ctx) -> Checked {
    let notebook = server::shared(cx).await?;
    notebook.answers(cx).await?;
    // The controller names a notebook's Service after it.
    let target = Target::of(cx, &notebook.namespace, &notebook.name, 80).await?;
    let probes = probes(cx).await?;
    for probe in &probes {
        let [url, _] = target.urls("/healthz");
        let reply = probe.get(cx, &url, &[]).await?;
        if target.met(cx, probe, &url, &reply).await? == Met::Refused {
            return Err(Stop::errored(
                "precondition",
                format!("{probe} is refused at {url}, too, which the policy opens to all"),
            ));
        }
    }
    let found = tried(cx, &probes, &target, &notebook.url("api"), &[None, Some(cx.user().email.as_str())]).await?;
    none_arrived(cx, &target, "the notebook of somebody else", &found).await
}
