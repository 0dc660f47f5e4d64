//! Katib's parts: its programs, its configuration, its webhooks and the label that namespaces need.

use clusters::versions::detect::shipped_tag;
use harness::check::{Seconds, source};
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Stop, check};
use kube::api::{DynamicObject, PostParams};
use serde_json::Value;

use super::experiments::{SQUARE, experiment, home, installed, named};
use super::{rows, server, trouble};
use crate::faults::katib as faults;
use crate::objects::{self, CONFIG_MAP, DEPLOYMENT, config_value, items, text};
use crate::tenants;

const KATIB: &[Profile] = &[Profile::Core, Profile::Katib];
const MANIFESTS: &str = "kubeflow/manifests";

/// The programs of Katib, and their containers.
const PROGRAMS: [&str; 4] = ["katib-controller", "katib-db-manager", "katib-mysql", "katib-ui"];
/// What every supported release tunes with and collects with.
const ALGORITHMS: [&str; 8] =
    ["random", "grid", "tpe", "multivariate-tpe", "bayesianoptimization", "cmaes", "sobol", "hyperband"];
const COLLECTORS: [&str; 3] = ["StdOut", "File", "TensorFlowEvent"];

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "KAT-001",
        "Katib's controller, DBManager, database and UI server are ready",
        Level::Must,
        source(MANIFESTS, "apps/katib/upstream/installs/katib-with-kubeflow"),
        |cx| Box::pin(ready(cx)),
    )
    .explain(Explain {
        what: "Deployments katib-controller, katib-db-manager, katib-mysql and katib-ui of namespace kubeflow have a ready \
               pod each.",
        why: "Without the controller no pod starts in any user's namespace: its webhook is asked about each. Without \
              DBManager no trial ends.",
        fix: "kubectl -n kubeflow describe pods -l katib.kubeflow.org/component",
        reproduce: "kubectl -n kubeflow get deployments -l katib.kubeflow.org/component",
    })
    .profiles(KATIB)
    .breaks_on(&[&faults::CONTROLLER_STOPPED, &faults::DB_MANAGER_STOPPED, &faults::DATABASE_STOPPED]),
    check(
        "KAT-002",
        "Katib's programs are of one release, the platform's",
        Level::Must,
        source("kubeflow/manifests", "README.md: Kubeflow components versions"),
        |cx| Box::pin(releases(cx)),
    )
    .explain(Explain {
        what: "The images of controller, DBManager and UI server, of the suggestion services and of the metrics collectors \
               in katib-config carry the same tag, that of the platform's release.",
        why: "A controller of the standalone install that was left, or a half upgrade, speaks another protocol than the \
              services that it starts.",
        fix: "Apply Katib of the platform's release as a whole; remove the standalone install first.",
        reproduce: "kubectl -n kubeflow get deployments -l katib.kubeflow.org/component -o wide",
    })
    .profiles(&[Profile::Core, Profile::Katib, Profile::Migration])
    .breaks_on(&[&faults::CONTROLLER_OF_ANOTHER_RELEASE, &faults::COLLECTOR_OF_ANOTHER_RELEASE]),
    check(
        "KAT-003",
        "katib-config names an image for every algorithm and collector",
        Level::Must,
        source("kubeflow/katib", "manifests/v1beta1/installs/katib-with-kubeflow/katib-config.yaml"),
        |cx| Box::pin(configuration(cx)),
    )
    .explain(Explain {
        what: "ConfigMap kubeflow/katib-config reads as YAML and names an image for the eight common algorithms and for the \
               collectors StdOut, File and TensorFlowEvent.",
        why: "An experiment with an algorithm that is missing is refused, or waits for ever.",
        fix: "Apply ConfigMap katib-config of kubeflow/manifests again, and mirror its images if need be.",
        reproduce: "kubectl -n kubeflow get configmap katib-config -o yaml",
    })
    .profiles(KATIB)
    .breaks_on(&[&faults::ALGORITHM_MISSING]),
    check(
        "KAT-004",
        "Katib's webhooks complete a good experiment and admit it",
        Level::Must,
        source("kubeflow/katib", "pkg/webhook/v1beta1/experiment"),
        |cx| Box::pin(admitted(cx)),
    )
    .explain(Explain {
        what: "A small experiment that is sent as a server-side dry run comes back with a strategy for its metric, a metrics \
               collector and conditions for its jobs: what the defaulter fills in.",
        why: "Without the strategy every trial ends without metrics, although its rows are in the database.",
        fix: "Restore MutatingWebhookConfiguration katib.kubeflow.org, its Service and its certificate.",
        reproduce: "kubectl create --dry-run=server -o yaml -f experiment.yaml",
    })
    .profiles(KATIB)
    .within(Seconds(60))
    .writes()
    .breaks_on(&[&faults::DEFAULTER_REMOVED, &faults::CONTROLLER_STOPPED]),
    check(
        "KAT-005",
        "The namespace of a new Profile is labelled for experiments",
        Level::Must,
        source(MANIFESTS, "apps/profiles/upstream: namespace-labels.yaml"),
        |cx| Box::pin(labelled(cx)),
    )
    .explain(Explain {
        what: "The namespace of a Profile of the run's own carries katib.kubeflow.org/metrics-collector-injection=enabled.",
        why: "Katib refuses experiments in a namespace without it. Namespaces that were made for the standalone install \
              often lack it.",
        fix: "Restore the label in ConfigMap kubeflow/namespace-labels-data-*, and restart profiles-deployment.",
        reproduce: "kubectl get namespaces -L katib.kubeflow.org/metrics-collector-injection",
    })
    .profiles(&[Profile::Katib, Profile::Migration])
    .within(Seconds(90))
    .writes()
    .breaks_on(&[&faults::LABEL_NOT_GIVEN]),
    check(
        "KAT-006",
        "The trial templates of Katib are offered to its users",
        Level::Must,
        source("kubeflow/katib", "pkg/ui/v1beta1/util.go: getTrialTemplatesViewList"),
        |cx| Box::pin(templates(cx)),
    )
    .explain(Explain {
        what: "/katib/fetch_trial_templates/ lists ConfigMap kubeflow/trial-templates with defaultTrialTemplate.yaml, which \
               is YAML of a job.",
        why: "The form for new experiments begins with these templates.",
        fix: "Apply ConfigMap trial-templates of kubeflow/manifests again, with its label.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/katib/fetch_trial_templates/\"",
    })
    .profiles(KATIB)
    .after(&["GWY-013"])
    .breaks_on(&[&faults::TEMPLATES_HIDDEN]),
    check(
        "KAT-007",
        "Katib's database has its table",
        Level::Must,
        source("kubeflow/katib", "pkg/db/v1beta1/mysql/init.go"),
        |cx| Box::pin(table(cx)),
    )
    .explain(Explain {
        what: "The database katib of the bundled MySQL answers its own client, with the password of Secret \
               katib-mysql-secrets, and has the table observation_logs.",
        why: "DBManager makes the table when it starts. A database that answers another password belongs to another Secret, \
              and DBManager will not come back after its next restart.",
        fix: "Compare Secret kubeflow/katib-mysql-secrets with the password that claim katib-mysql was made with.",
        reproduce: "kubectl -n kubeflow exec deploy/katib-mysql -- sh -c 'mysql -uroot -p\"$MYSQL_ROOT_PASSWORD\" -NBe \
                    \"SHOW TABLES\" katib'",
    })
    .profiles(&[Profile::Core, Profile::Katib, Profile::Durability])
    .writes()
    .breaks_on(&[&faults::DATABASE_STOPPED, &faults::PASSWORD_CHANGED]),
];

async fn ready(cx: &Ctx) -> Checked {
    installed(cx)?;
    for program in PROGRAMS {
        if let Some(cause) = trouble::ready(cx, program).await? {
            let stop = Stop::failed(format!("Deployment kubeflow/{program} has a ready pod"), "it has none");
            return Err(stop.because(cause.what).fix(cause.fix));
        }
    }
    Ok(())
}

/// The tag of an image, without a digest.
fn tag(image: &str) -> &str {
    let image = image.split_once('@').map_or(image, |(name, _)| name);
    image.rsplit_once(':').map_or("", |(_, tag)| tag)
}

async fn releases(cx: &Ctx) -> Checked {
    installed(cx)?;
    let wanted = shipped_tag(cx.version(), "kubeflow", "katib-controller").unwrap_or_default();
    let mut others = Vec::new();
    for program in ["katib-controller", "katib-db-manager", "katib-ui"] {
        let found = objects::get(cx, DEPLOYMENT, "kubeflow", program).await?;
        let image = found.as_ref().map(|found| text(&found.data, "/spec/template/spec/containers/0/image"));
        others.extend(image.filter(|image| tag(image) != wanted).map(|image| format!("Deployment {program}: {image}")));
    }
    let file = file(cx).await?;
    for section in ["suggestions", "metricsCollectors"] {
        for entry in items(&file, &format!("/runtime/{section}")) {
            let image = text(entry, "/image");
            if tag(image) != wanted {
                others.push(format!("ConfigMap katib-config: {image}"));
            }
        }
    }
    match others.as_slice() {
        [] => Ok(()),
        [first, ..] => Err(Stop::failed(format!("every image of Katib has the tag {wanted}"), others.join(", "))
            .because(format!("{first} is of another release"))
            .fix(format!("apply Katib {wanted} as a whole"))),
    }
}

/// The configuration as it is read.
async fn file(cx: &Ctx) -> Checked<Value> {
    let config = objects::get(cx, CONFIG_MAP, "kubeflow", "katib-config").await?;
    let fix = "apply ConfigMap katib-config of kubeflow/manifests again";
    let missing = |what: &str| {
        Stop::failed("ConfigMap kubeflow/katib-config with katib-config.yaml", what)
            .because("ConfigMap kubeflow/katib-config")
            .fix(fix)
    };
    let config = config.ok_or_else(|| missing("it is absent"))?;
    let file = config_value(&config, "katib-config.yaml").ok_or_else(|| missing("it has no such entry"))?;
    serde_saphyr::from_str(file).map_err(|error| missing(&format!("it is no YAML: {error}")))
}

async fn configuration(cx: &Ctx) -> Checked {
    installed(cx)?;
    let file = file(cx).await?;
    let named = |section: &str, field: &str, wanted: &str| {
        let entries = items(&file, &format!("/runtime/{section}"));
        entries.iter().any(|entry| text(entry, field) == wanted && !text(entry, "/image").trim().is_empty())
    };
    let algorithms = ALGORITHMS.iter().filter(|one| !named("suggestions", "/algorithmName", one));
    let collectors = COLLECTORS.iter().filter(|one| !named("metricsCollectors", "/kind", one));
    let missing: Vec<&str> = algorithms.chain(collectors).copied().collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Stop::failed("an image for every algorithm and collector", format!("none for {}", missing.join(", ")))
        .because("ConfigMap kubeflow/katib-config")
        .fix("apply ConfigMap katib-config of kubeflow/manifests again"))
}

/// An experiment as the API would store it; or its refusal.
pub async fn tried(cx: &Ctx, experiment: Value) -> Checked<Result<DynamicObject, String>> {
    installed(cx)?;
    let namespace = text(&experiment, "/metadata/namespace").to_owned();
    let object =
        serde_json::from_value(experiment).map_err(|error| Stop::errored("precondition", error.to_string()))?;
    let api = cx.objects("kubeflow.org/v1beta1", "Experiment", &namespace).await?;
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    match api.create(&dry, &object).await {
        Ok(completed) => Ok(Ok(completed)),
        Err(kube::Error::Api(status)) => Ok(Err(status.message.clone())),
        Err(error) => Err(error.into()),
    }
}

async fn admitted(cx: &Ctx) -> Checked {
    let sent = experiment(&home(cx).await?, &named(cx, "dry"), "random", 3, SQUARE);
    let completed = match tried(cx, sent).await? {
        Ok(completed) => completed,
        Err(why) => {
            let stop = Stop::failed("the API takes a good experiment", why);
            return Err(trouble::blamed(cx, stop).await);
        }
    };
    let strategy = text(&completed.data, "/spec/objective/metricStrategies/0/value");
    let collector = text(&completed.data, "/spec/metricsCollectorSpec/collector/kind");
    let success = text(&completed.data, "/spec/trialTemplate/successCondition");
    if strategy == "min" && collector == "StdOut" && !success.is_empty() {
        return Ok(());
    }
    let found = format!("strategy {strategy:?}, collector {collector:?}, success {success:?}");
    let stop = Stop::failed("the strategy min, the collector StdOut and a condition of success", found);
    Err(trouble::blamed(cx, stop).await)
}

async fn labelled(cx: &Ctx) -> Checked {
    installed(cx)?;
    let namespace = tenants::of_user(cx).await?;
    if trouble::labelled(cx, &namespace).await? {
        return Ok(());
    }
    let config = objects::config_of(cx, "profiles-deployment", "namespace-labels-data").await?;
    let source = config.as_ref().map_or("namespace-labels-data", objects::name).to_owned();
    Err(Stop::failed(
        format!("namespace {namespace} has katib.kubeflow.org/metrics-collector-injection=enabled"),
        "it has not",
    )
    .because(format!("ConfigMap kubeflow/{source}: it lacks the label"))
    .fix("restore it and restart profiles-deployment"))
}

async fn templates(cx: &Ctx) -> Checked {
    let found = server::fetch(cx, "fetch_trial_templates/").await?;
    let maps = items(&found, "/Data").iter().filter(|place| text(place, "/ConfigMapNamespace") == "kubeflow");
    let map =
        maps.flat_map(|place| items(place, "/ConfigMaps")).find(|map| text(map, "/ConfigMapName") == "trial-templates");
    let template = map.and_then(|map| {
        items(map, "/Templates").iter().find(|template| text(template, "/Path") == "defaultTrialTemplate.yaml")
    });
    let read = template.and_then(|template| serde_saphyr::from_str::<Value>(text(template, "/Yaml")).ok());
    if read.is_some_and(|job| text(&job, "/kind") == "Job") {
        return Ok(());
    }
    Err(Stop::failed("defaultTrialTemplate.yaml of ConfigMap kubeflow/trial-templates", format!("{found:.200}"))
        .because("ConfigMap kubeflow/trial-templates is absent, or lacks katib.kubeflow.org/component=trial-templates")
        .fix("apply it again"))
}

async fn table(cx: &Ctx) -> Checked {
    installed(cx)?;
    let tables: Vec<String> = rows::select(cx, "SHOW TABLES").await?.into_iter().flatten().collect();
    if tables.iter().any(|table| table == "observation_logs") {
        return Ok(());
    }
    Err(Stop::failed("the table observation_logs", format!("tables: {}", tables.join(", ")))
        .because("Deployment kubeflow/katib-db-manager uses another database, or did not start")
        .fix("kubectl -n kubeflow logs deployment/katib-db-manager"))
}

#[cfg(test)]
mod tests {
    use super::tag;

    #[test]
    fn the_tag_is_what_stands_after_the_colon() {
        assert_eq!((tag("mirror:5000/a/katib-ui:v0.17.0"), tag("x:1@sha256:00"), tag("x")), ("v0.17.0", "1", ""));
    }
}
