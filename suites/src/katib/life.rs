//! An experiment's way from creation to its optimum.

use std::collections::BTreeSet;

use harness::check::{Seconds, source};
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Stop, check};
use serde_json::{Value, json};

use super::experiments::{
    ENDS_WITHIN, SQUARE, condition, counts, create, ends, experiment, given, home, named, shared, trials, until,
};
use super::rows::computed;
use super::trouble;
use crate::faults::katib as faults;
use crate::objects::{self, DEPLOYMENT, EXPERIMENT, POD, SUGGESTION, items, label, name, number, text};

const KATIB: &[Profile] = &[Profile::Core, Profile::Katib];

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "KAT-010",
        "An experiment that is made through the UI server finds its optimum",
        Level::Must,
        source("kubeflow/katib", "pkg/controller.v1beta1/experiment/util/status_util.go"),
        |cx| Box::pin(optimum(cx)),
    )
    .explain(Explain {
        what: "An experiment over three whole numbers, two trials at once, ends Succeeded with three trials. Its optimum is \
               the trial with x=2, whose loss is 0.",
        why: "It takes everything: the UI server, the webhooks, the controller, the suggestion's service, jobs, the metrics \
              collector, DBManager and its database.",
        fix: "kubectl -n NAMESPACE describe experiment,suggestion,trial; kubectl -n kubeflow logs \
              deployment/katib-controller",
        reproduce: "In $GATEWAY/katib/: New Experiment, algorithm grid, one parameter x of type int from 1 to 3.",
    })
    .profiles(KATIB)
    .after(&["GWY-013", "AUT-006"])
    .within(Seconds(700))
    .writes()
    .breaks_on(&[
        &faults::CONTROLLER_STOPPED,
        &faults::DB_MANAGER_STOPPED,
        &faults::CONTROLLER_MAKES_NO_JOBS,
        &faults::SUGGESTION_IMAGE_MALFORMED,
        &faults::UI_RIGHTS_LOST,
    ]),
    check(
        "KAT-011",
        "An experiment that is made through Kubernetes ends well, as the SDK makes it",
        Level::Must,
        source("kubeflow/katib", "sdk/python/v1beta1/kubeflow/katib/api/katib_client.py: create_experiment"),
        |cx| Box::pin(direct(cx)),
    )
    .explain(Explain {
        what: "An experiment with algorithm random and one trial, created through the Kubernetes API in the user's namespace, \
               ends Succeeded because its trials are used up, with one trial that succeeded.",
        why: "Notebooks and pipelines make experiments through the API, not through the page.",
        fix: "kubectl -n NAMESPACE describe experiment,suggestion,trial",
        reproduce: "kubectl -n NAMESPACE create -f experiment.yaml; kubectl -n NAMESPACE get experiments -w",
    })
    .profiles(KATIB)
    .after(&["KAT-004"])
    .within(Seconds(700))
    .writes()
    .breaks_on(&[&faults::CONTROLLER_MAKES_NO_JOBS, &faults::COLLECTOR_IMAGE_MALFORMED]),
    check(
        "KAT-012",
        "The suggestion proposes each point of a grid once",
        Level::Must,
        source("kubeflow/katib", "pkg/suggestion/v1beta1/optuna/service.py"),
        |cx| Box::pin(each_once(cx)),
    )
    .explain(Explain {
        what: "The suggestion of the shared experiment has three proposals, and its trials have tried 1, 2 and 3, each once.",
        why: "A search that repeats itself wastes the time of GPUs.",
        fix: "Look at the algorithm's image in ConfigMap kubeflow/katib-config.",
        reproduce: "kubectl -n NAMESPACE get suggestion NAME -o yaml",
    })
    .profiles(&[Profile::Katib])
    .after(&["KAT-010"])
    .within(Seconds(700))
    .writes()
    .breaks_on(&[&faults::GRID_SERVED_BY_ANOTHER]),
    check(
        "KAT-013",
        "Every trial has the metric that its program wrote",
        Level::Must,
        source("kubeflow/katib", "pkg/controller.v1beta1/trial/trial_controller_util.go: getMetrics"),
        |cx| Box::pin(observed(cx)),
    )
    .explain(Explain {
        what: "Each trial of the shared experiment is Succeeded and carries min, max and latest of its loss: the square that \
               its program computed from the value that it was given.",
        why: "The optimum is chosen by these numbers.",
        fix: "kubectl -n NAMESPACE logs POD -c metrics-logger-and-collector",
        reproduce: "kubectl -n NAMESPACE get trials -o yaml",
    })
    .profiles(KATIB)
    .after(&["KAT-010"])
    .within(Seconds(700))
    .writes()
    .breaks_on(&[&faults::COLLECTOR_IMAGE_MALFORMED]),
    check(
        "KAT-014",
        "The service of an ended experiment is removed",
        Level::Must,
        source("kubeflow/katib", "pkg/controller.v1beta1/suggestion/suggestion_controller.go"),
        |cx| Box::pin(service_removed(cx)),
    )
    .explain(Explain {
        what: "The suggestion of the shared experiment, whose resume policy is Never, is Succeeded, and its Deployment is \
               gone within two minutes.",
        why: "Each holds half a CPU of the tenant's quota.",
        fix: "kubectl -n kubeflow logs deployment/katib-controller; look at ClusterRole katib-controller.",
        reproduce: "kubectl -n NAMESPACE get deployments -l katib.kubeflow.org/experiment",
    })
    .profiles(&[Profile::Katib])
    .after(&["KAT-010"])
    .within(Seconds(820))
    .writes()
    .breaks_on(&[&faults::CONTROLLER_REMOVES_NOTHING]),
    check(
        "KAT-015",
        "The pods of a suggestion stay out of the mesh",
        Level::Must,
        source("kubeflow/katib", "pkg/controller.v1beta1/util/annotations.go: SuggestionAnnotations"),
        |cx| Box::pin(outside(cx)),
    )
    .explain(Explain {
        what: "The pod of an experiment's suggestion is told to stay out of the mesh, and has no container istio-proxy.",
        why: "katib-controller is not in the mesh: under strict mutual TLS it could not speak to the service, and the \
              experiment would wait for ever.",
        fix: "Look for PodDefaults and policies that label pods sidecar.istio.io/inject.",
        reproduce: "kubectl -n NAMESPACE get pods -l katib.kubeflow.org/suggestion -o yaml",
    })
    .profiles(&[Profile::Katib, Profile::Migration])
    .after(&["KAT-004"])
    .within(Seconds(700))
    .writes()
    .breaks_on(&[&faults::SUGGESTIONS_IN_THE_MESH]),
    check(
        "KAT-016",
        "An experiment that has ended can be given more trials",
        Level::Must,
        source("kubeflow/katib", "pkg/controller.v1beta1/experiment/util/status_util.go: IsCompletedExperimentRestartable"),
        |cx| Box::pin(resumed(cx)),
    )
    .explain(Explain {
        what: "An experiment with resume policy LongRunning ends after one trial. Given a second one, it restarts and ends \
               with two.",
        why: "Tuning goes on where it was left, without what was found being lost.",
        fix: "kubectl -n kubeflow logs deployment/katib-controller",
        reproduce: "kubectl -n NAMESPACE patch experiment NAME --type merge -p '{\"spec\":{\"maxTrialCount\":2}}'",
    })
    .profiles(&[Profile::Katib])
    .after(&["KAT-011"])
    .within(Seconds(900))
    .writes()
    .breaks_on(&[&faults::CONTROLLER_MAKES_NO_JOBS]),
];

async fn optimum(cx: &Ctx) -> Checked {
    let ended = shared(cx).await?;
    let status = &ended.experiment["status"];
    let best = items(status, "/currentOptimalTrial/parameterAssignments");
    let x = best.iter().find(|one| text(one, "/name") == "x").map_or("", |one| text(one, "/value"));
    let loss = text(status, "/currentOptimalTrial/observation/metrics/0/min");
    let succeeded = number(status, "/trialsSucceeded");
    if (x, loss, succeeded) == ("2", "0", Some(3)) {
        return Ok(());
    }
    let stop = Stop::failed(
        "three trials succeeded, the best has x=2 and loss 0",
        format!("{succeeded:?}, x={x}, loss {loss}"),
    );
    Err(trouble::blamed(cx, stop).await)
}

async fn direct(cx: &Ctx) -> Checked {
    let (namespace, called) = (home(cx).await?, named(cx, "one"));
    create(cx, experiment(&namespace, &called, "random", 3, SQUARE)).await?;
    let ended = ends(cx, (&namespace, &called), "Succeeded").await?;
    let reason = condition(&ended, "Succeeded").map_or("", |one| text(one, "/reason"));
    let succeeded = number(&ended, "/status/trialsSucceeded");
    if (reason, succeeded) == ("ExperimentMaxTrialsReached", Some(1)) {
        return Ok(());
    }
    Err(Stop::failed("one trial, reason ExperimentMaxTrialsReached", format!("{succeeded:?}, {reason}")))
}

async fn each_once(cx: &Ctx) -> Checked {
    let ended = shared(cx).await?;
    let suggestion = objects::get(cx, SUGGESTION, &ended.namespace, &ended.name).await?;
    let proposed = suggestion.map_or(0, |found| items(&found.data, "/status/suggestions").len());
    let tried = trials(cx, ended.at()).await?;
    let values: BTreeSet<&str> = tried.iter().map(|trial| given(trial, "x")).collect();
    if proposed == 3 && tried.len() == 3 && values == BTreeSet::from(["1", "2", "3"]) {
        return Ok(());
    }
    let found = format!("{proposed} proposals, {} trials of {values:?}", tried.len());
    Err(Stop::failed("three proposals, and a trial of each of 1, 2 and 3", found)
        .because("ConfigMap kubeflow/katib-config: the service of algorithm grid")
        .fix("compare it with the one of kubeflow/manifests"))
}

async fn observed(cx: &Ctx) -> Checked {
    let ended = shared(cx).await?;
    for trial in trials(cx, ended.at()).await? {
        let value = computed(&trial);
        let metric = items(&trial.data, "/status/observation/metrics").iter().find(|one| text(one, "/name") == "loss");
        let found = metric.map(|one| ["/min", "/max", "/latest"].map(|part| text(one, part)));
        if found != Some([value.as_str(); 3]) || condition(&trial.data, "Succeeded").is_none() {
            let stop =
                Stop::failed(format!("trial {} succeeded with loss {value}", name(&trial)), format!("{found:?}"));
            return Err(trouble::of_ended(cx, ended.at(), stop).await);
        }
    }
    Ok(())
}

async fn service_removed(cx: &Ctx) -> Checked {
    let ended = shared(cx).await?;
    let what = format!("Deployment {}/{}-grid is removed", ended.namespace, ended.name);
    let wanted = what.as_str();
    let deployment = format!("{}-grid", ended.name);
    let (at, deployment) = (ended.at(), deployment.as_str());
    let looked = cx
        .eventually(wanted, super::experiments::GONE_WITHIN, super::experiments::EVERY, || {
            Box::pin(async move {
                if objects::get(cx, DEPLOYMENT, at.0, deployment).await?.is_none() {
                    return Ok(harness::context::Seen::Yes(()));
                }
                match trouble::may_remove(cx).await? {
                    Some(cause) => Err(Stop::failed(wanted, "it is there").because(cause.what).fix(cause.fix)),
                    None => Ok(harness::context::Seen::NotYet("it is there".to_owned())),
                }
            })
        })
        .await;
    looked?;
    let suggestion = objects::get(cx, SUGGESTION, at.0, at.1).await?;
    if suggestion.is_some_and(|found| condition(&found.data, "Succeeded").is_some()) {
        return Ok(());
    }
    Err(Stop::failed("the suggestion is Succeeded", "it is not"))
}

/// One trial, whose service stays.
fn lasting(namespace: &str, called: &str) -> Value {
    let mut lasting = experiment(namespace, called, "random", 3, SQUARE);
    lasting["spec"]["resumePolicy"] = json!("LongRunning");
    lasting
}

async fn outside(cx: &Ctx) -> Checked {
    let (namespace, called) = (home(cx).await?, named(cx, "out"));
    create(cx, lasting(&namespace, &called)).await?;
    let at = (namespace.as_str(), called.as_str());
    // The service is there while the first trial runs, and stays.
    until(cx, "the experiment runs", at, ENDS_WITHIN, |experiment| {
        let runs = ["Running", "Succeeded"].iter().any(|kind| condition(experiment, kind).is_some());
        Ok(runs.then_some(()))
    })
    .await?;
    let pods = objects::within(cx, POD, &namespace).await?;
    let pod = pods.iter().find(|pod| label(pod, "katib.kubeflow.org/suggestion") == called);
    let Some(pod) = pod else { return Err(Stop::failed("a pod of the suggestion", "there is none")) };
    let containers = ["/spec/containers", "/spec/initContainers"].map(|place| items(&pod.data, place));
    let proxy = containers.iter().copied().flatten().any(|container| text(container, "/name") == "istio-proxy");
    if !proxy && trouble::keeps_out(pod) {
        return Ok(());
    }
    let found = if proxy { "it has a container istio-proxy" } else { "it is not told to" };
    let stop = Stop::failed(format!("Pod {namespace}/{} stays out of the mesh", name(pod)), found);
    Err(match trouble::pod_defaults(pod).first() {
        Some(default) => stop
            .because(format!("PodDefault {namespace}/{default} was applied to it"))
            .fix("let its selector leave out pods with the label katib.kubeflow.org/suggestion"),
        None => stop.because("a webhook or policy labels the pods of the namespace"),
    })
}

async fn resumed(cx: &Ctx) -> Checked {
    let (namespace, called) = (home(cx).await?, named(cx, "more"));
    create(cx, counts(lasting(&namespace, &called), 1, 1, 1)).await?;
    let at = (namespace.as_str(), called.as_str());
    ends(cx, at, "Succeeded").await?;
    let more = json!({"spec": {"maxTrialCount": 2}});
    objects::merge(cx, EXPERIMENT, &namespace, &called, &more).await?;
    until(cx, "the experiment ends again, with two trials", at, ENDS_WITHIN, |experiment| {
        let twice = number(experiment, "/status/trialsSucceeded") == Some(2);
        Ok((twice && condition(experiment, "Succeeded").is_some()).then_some(()))
    })
    .await
}
