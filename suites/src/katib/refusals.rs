//! Bad experiments are refused, with a reason that leads to the field. All are sent as server-side dry runs or refused
//! before anything is made.

use harness::check::{Seconds, source};
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Stop, check};
use http::Method;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::experiments::{SQUARE, counts, experiment, home, installed, named, shared};
use super::health::tried;
use super::{server, trouble};
use crate::faults::katib as faults;
use crate::objects::{self, EXPERIMENT};

const KATIB: &[Profile] = &[Profile::Katib];
const VALIDATOR: &str = "pkg/webhook/v1beta1/experiment/validator/validator.go";
/// How the API server names who refused.
const BY: &str = "admission webhook \"validator.experiment.katib.kubeflow.org\" denied the request";

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "KAT-040",
        "An experiment with an unknown algorithm is refused",
        Level::Must,
        source("kubeflow/katib", VALIDATOR),
        |cx| Box::pin(algorithm(cx)),
    )
    .explain(Explain {
        what: "A dry run of an experiment with an algorithm that katib-config does not name is refused by Katib's validator, \
               which names the algorithm.",
        why: "Without the validator the experiment is taken and waits for ever.",
        fix: "Restore ValidatingWebhookConfiguration katib.kubeflow.org.",
        reproduce: "kubectl create --dry-run=server -f experiment.yaml",
    })
    .profiles(KATIB)
    .after(&["KAT-004"])
    .within(Seconds(60))
    .writes()
    .breaks_on(&[&faults::VALIDATOR_REMOVED]),
    check(
        "KAT-041",
        "Experiments that make no sense are refused with a reason",
        Level::Must,
        source("kubeflow/katib", VALIDATOR),
        |cx| Box::pin(senseless(cx)),
    )
    .explain(Explain {
        what: "Dry runs of experiments without objective, with more trials at once than in all, with a parameter without \
               limits, with a template whose parameter does not exist, and with an unknown resume policy are refused by \
               Katib's validator, each naming what is wrong.",
        why: "The reason is all that a user gets who mistyped.",
        fix: "Restore ValidatingWebhookConfiguration katib.kubeflow.org.",
        reproduce: "kubectl create --dry-run=server -f experiment.yaml",
    })
    .profiles(KATIB)
    .after(&["KAT-004"])
    .within(Seconds(60))
    .writes()
    .breaks_on(&[&faults::VALIDATOR_REMOVED]),
    check(
        "KAT-042",
        "An experiment in a namespace without Katib's label is refused",
        Level::Must,
        source("kubeflow/katib", "pkg/webhook/v1beta1/experiment/validation_webhook.go"),
        |cx| Box::pin(unlabelled(cx)),
    )
    .explain(Explain {
        what: "A dry run of a good experiment in the namespace default, which has no label for metrics collection, is refused \
               by Katib's validator, which names the label.",
        why: "There, trials would never report anything.",
        fix: "Restore ValidatingWebhookConfiguration katib.kubeflow.org.",
        reproduce: "kubectl -n default create --dry-run=server -f experiment.yaml",
    })
    .profiles(&[Profile::Katib, Profile::Migration])
    .after(&["KAT-004"])
    .within(Seconds(60))
    .writes()
    .breaks_on(&[&faults::VALIDATOR_REMOVED]),
    check(
        "KAT-043",
        "The UI server hands a refusal on",
        Level::Must,
        source("kubeflow/katib", "pkg/ui/v1beta1/backend.go: CreateExperiment"),
        |cx| Box::pin(handed_on(cx)),
    )
    .explain(Explain {
        what: "create_experiment with an unknown algorithm answers 500 with the validator's reason in one line, and makes \
               nothing.",
        why: "The page shows this line.",
        fix: "Restore ValidatingWebhookConfiguration katib.kubeflow.org.",
        reproduce: "curl -s -b cookies.txt -d '{\"postData\": …}' \"$GATEWAY/katib/create_experiment/\"",
    })
    .profiles(KATIB)
    .after(&["KAT-040"])
    .within(Seconds(60))
    .writes()
    .breaks_on(&[&faults::VALIDATOR_REMOVED]),
    check(
        "KAT-044",
        "Of an experiment that has ended nothing may be changed",
        Level::Must,
        source("kubeflow/katib", VALIDATOR),
        |cx| Box::pin(unchangeable(cx)),
    )
    .explain(Explain {
        what: "Dry runs that change the objective or raise the number of trials of the shared experiment, which has ended and \
               is never resumed, are refused by Katib's validator.",
        why: "What was measured must not be attributed to another question afterwards.",
        fix: "Restore ValidatingWebhookConfiguration katib.kubeflow.org with the operation UPDATE.",
        reproduce: "kubectl -n NAMESPACE patch experiment NAME --dry-run=server --type merge -p \
                    '{\"spec\":{\"maxTrialCount\":9}}'",
    })
    .profiles(KATIB)
    .after(&["KAT-010"])
    .within(Seconds(700))
    .writes()
    .breaks_on(&[&faults::VALIDATOR_REMOVED]),
];

/// Whether a dry run was refused by the validator, for these words' reason.
async fn refused(cx: &Ctx, what: &str, answer: Result<(), String>, words: &str) -> Checked {
    match answer {
        Err(why) if why.contains(BY) && why.contains(words) => Ok(()),
        Err(why) => {
            let stop = Stop::failed(format!("{what} is refused by the validator, naming {words:?}"), why);
            Err(trouble::blamed(cx, stop).await)
        }
        Ok(()) => {
            let stop = Stop::failed(format!("{what} is refused"), "it is taken");
            Err(trouble::blamed(cx, stop).await)
        }
    }
}

async fn dry(cx: &Ctx, what: &str, experiment: Value, words: &str) -> Checked {
    let answer = tried(cx, experiment).await?.map(drop);
    refused(cx, what, answer, words).await
}

async fn good(cx: &Ctx) -> Checked<Value> {
    Ok(experiment(&home(cx).await?, &named(cx, "bad"), "random", 3, SQUARE))
}

async fn algorithm(cx: &Ctx) -> Checked {
    let mut bad = good(cx).await?;
    bad["spec"]["algorithm"]["algorithmName"] = json!("conformance-no-such");
    dry(cx, "an unknown algorithm", bad, "conformance-no-such").await
}

async fn senseless(cx: &Ctx) -> Checked {
    let good = good(cx).await?;
    let mut objectiveless = good.clone();
    if let Some(specification) = objectiveless["spec"].as_object_mut() {
        specification.remove("objective");
    }
    let mut limitless = good.clone();
    limitless["spec"]["parameters"][0]["feasibleSpace"] = json!({});
    let mut astray = good.clone();
    astray["spec"]["trialTemplate"]["trialParameters"][0]["reference"] = json!("nowhere");
    let mut policy = good.clone();
    policy["spec"]["resumePolicy"] = json!("Sometimes");
    for (what, bad, words) in [
        ("no objective", objectiveless, "spec.objective"),
        ("more trials at once than in all", counts(good.clone(), 3, 2, 1), "less than or equal to spec.maxTrialCount"),
        ("a parameter without limits", limitless, "feasibleSpace"),
        ("a template of a parameter that does not exist", astray, "nowhere"),
        ("an unknown resume policy", policy, "ResumePolicyType"),
    ] {
        dry(cx, what, bad, words).await?;
    }
    Ok(())
}

async fn unlabelled(cx: &Ctx) -> Checked {
    installed(cx)?;
    if trouble::labelled(cx, "default").await? {
        return Err(Stop::absent("a namespace default without Katib's label"));
    }
    let words = "katib.kubeflow.org/metrics-collector-injection";
    dry(
        cx,
        "an experiment in the namespace default",
        experiment("default", &named(cx, "bad"), "random", 3, SQUARE),
        words,
    )
    .await
}

async fn handed_on(cx: &Ctx) -> Checked {
    let mut bad = good(cx).await?;
    bad["spec"]["algorithm"]["algorithmName"] = json!("conformance-no-such");
    let (namespace, called) = (home(cx).await?, named(cx, "bad"));
    let (owner, at) = (cx.clone(), (namespace.clone(), called.clone()));
    cx.afterwards(
        format!("Experiment {namespace}/{called}"),
        Box::pin(async move { objects::delete(&owner, EXPERIMENT, &at.0, &at.1).await }),
    )?;
    let answer = server::call(cx, Method::POST, "create_experiment/", Some(&server::posted(cx, &bad))).await?;
    let said = server::said(&answer).unwrap_or_default();
    let made = objects::get(cx, EXPERIMENT, &namespace, &called).await?.is_some();
    if answer.status.as_u16() == 500 && said.contains(BY) && said.contains("conformance-no-such") && !made {
        return Ok(());
    }
    let found = format!("{}{}", server::told(&answer), if made { "; it is made" } else { "" });
    let stop = Stop::failed("500 with the validator's reason, and nothing made", found).at(answer.at());
    Err(trouble::blamed(cx, stop).await)
}

async fn unchangeable(cx: &Ctx) -> Checked {
    let ended = shared(cx).await?;
    let api = cx.objects("kubeflow.org/v1beta1", "Experiment", &ended.namespace).await?;
    let dry = PatchParams { dry_run: true, ..PatchParams::default() };
    for (what, change, words) in [
        ("more trials for an experiment that is never resumed", json!({"spec": {"maxTrialCount": 9}}), "resumePolicy"),
        ("another objective", json!({"spec": {"objective": {"type": "maximize"}}}), "resumePolicy"),
    ] {
        let answer = match api.patch(&ended.name, &dry, &Patch::Merge(&change)).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) => Err(status.message.clone()),
            Err(error) => return Err(error.into()),
        };
        refused(cx, what, answer, words).await?;
    }
    Ok(())
}
