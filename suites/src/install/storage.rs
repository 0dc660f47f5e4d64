//! Volumes, and the stores that Pipelines and Katib keep their data in.

use clusters::versions::parts;
use harness::check::source;
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Stop, check};
use kube::api::DynamicObject;

use super::Differences;
use crate::faults::install as faults;
use crate::objects::{self, CLAIM, CONFIG_MAP, ENDPOINT_SLICE, POD, SECRET, STORAGE_CLASS, items, text};

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "INS-050",
        "Exactly one StorageClass is the default, and it can provision",
        Level::Must,
        source("kubernetes/website", "Storage Classes: default StorageClass"),
        |cx| Box::pin(default_class(cx)),
    )
    .explain(Explain {
        what: "One StorageClass is annotated as the default, and its provisioner is a real one.",
        why: "The release's claims name no class, and neither do those of notebooks: without a default all stay \
              Pending. With two, the newer one wins, whichever that is after the next upgrade.",
        fix: "kubectl annotate storageclass NAME storageclass.kubernetes.io/is-default-class=true (or =false)",
        reproduce: "kubectl get storageclass",
    })
    .breaks_on(&[&faults::NO_DEFAULT_CLASS, &faults::TWO_DEFAULT_CLASSES]),
    check(
        "INS-051",
        "Every volume claim of the release is bound",
        Level::Must,
        source("kubernetes/website", "Persistent Volumes: binding"),
        |cx| Box::pin(claims(cx)),
    )
    .explain(Explain {
        what: "The claims of the databases and the object store (and of authservice in v1.8) exist and are Bound.",
        why: "They hold all pipelines, runs, artifacts and metrics.",
        fix: "kubectl -n NAMESPACE describe pvc NAME; look at the provisioner's log.",
        reproduce: "kubectl get pvc -A",
    })
    .after(&["INS-001", "INS-050"])
    .breaks_on(&[&faults::CLAIM_REMOVED]),
    check(
        "INS-052",
        "Pipelines and Katib use the stores that the release brings",
        Level::Must,
        source("kubeflow/manifests", "Services mysql, minio-service, katib-mysql; ConfigMap pipeline-install-config"),
        |cx| Box::pin(stores(cx)),
    )
    .explain(Explain {
        what: "The pods behind Services mysql, minio-service and katib-mysql in kubeflow keep their data on the \
               release's claims, and Pipelines is configured to use the first.",
        why: "Another release's Service of the same name (a Bitnami chart's, for example), or a pod without its \
              volume, takes the data without a word: it is gone with the next restart.",
        fix: "Apply the release's Services and Deployments mysql, minio and katib-mysql again. A site that uses \
              databases of its own on purpose waives this check.",
        reproduce: "kubectl -n kubeflow get service mysql minio-service katib-mysql -o wide; kubectl -n kubeflow get \
                    pods -o custom-columns='NAME:.metadata.name,CLAIMS:.spec.volumes[*].persistentVolumeClaim.claimName'",
    })
    .profiles(&[Profile::Core, Profile::Migration])
    .after(&["INS-030", "INS-051"])
    .breaks_on(&[&faults::DATABASE_TAKEN_OVER, &faults::STORE_WITHOUT_VOLUME]),
];

async fn default_class(cx: &Ctx) -> Checked {
    const MARKS: [&str; 2] =
        ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];
    let classes = objects::all(cx, STORAGE_CLASS).await?;
    let default: Vec<&DynamicObject> =
        classes.iter().filter(|class| MARKS.iter().any(|mark| objects::annotation(class, mark) == "true")).collect();
    let expected = "exactly one StorageClass is the default";
    match default[..] {
        [class] if text(&class.data, "/provisioner") == "kubernetes.io/no-provisioner" => {
            let object = format!("StorageClass {}", objects::name(class));
            Err(Stop::failed("the default StorageClass can provision", format!("{object} has no provisioner"))
                .because(format!("{object} is the default and provisions nothing"))
                .at(object)
                .fix("make a class with a provisioner the default"))
        }
        [_] => Ok(()),
        [] => {
            let names: Vec<&str> = classes.iter().map(objects::name).collect();
            let names = if names.is_empty() { "no class at all".to_owned() } else { names.join(", ") };
            Err(Stop::failed(expected, format!("none is; there is {names}"))
                .because(format!("no StorageClass is annotated {}: \"true\" ({names})", MARKS[0]))
                .fix(format!("kubectl annotate storageclass NAME {}=true", MARKS[0])))
        }
        _ => {
            let names = default.iter().map(|class| objects::name(class)).collect::<Vec<_>>().join(", ");
            Err(Stop::failed(expected, format!("{names} are"))
                .because(format!("StorageClasses {names} are annotated {}: \"true\"", MARKS[0]))
                .fix(format!("kubectl annotate --overwrite storageclass NAME {}=false for all but one", MARKS[0])))
        }
    }
}

async fn claims(cx: &Ctx) -> Checked {
    let found = objects::all(cx, CLAIM).await?;
    let mut differences = Differences::default();
    for wanted in cx.version().volumes() {
        let object = format!("PersistentVolumeClaim {}/{}", wanted.namespace, wanted.name);
        let claim = found
            .iter()
            .find(|claim| objects::namespace(claim) == wanted.namespace && objects::name(claim) == wanted.name);
        match claim.map(|claim| text(&claim.data, "/status/phase")) {
            Some("Bound") => {}
            // Most provisioners wait for a pod, and a part that is left out has none.
            None | Some("Pending") => {
                let part = parts::of_object(wanted.namespace, wanted.name);
                let how = if claim.is_some() { "is Pending" } else { "is absent" };
                differences.add_missing(cx, part, object, how);
            }
            Some(phase) => differences.add(object, format!("is {phase}")),
        }
    }
    differences.judge(
        "all volume claims of the release exist and are bound",
        "kubectl -n NAMESPACE describe pvc NAME, and look at the provisioner's log",
    )
}

/// A store: its Service in `kubeflow`, the claim behind it, and where its client is told its name.
struct Store {
    service: &'static str,
    claim: &'static str,
    /// Key of ConfigMap `pipeline-install-config`; empty if the name is compiled in.
    key: &'static str,
}

const STORES: &[Store] = &[
    Store { service: "mysql", claim: "mysql-pv-claim", key: "dbHost" },
    Store { service: "minio-service", claim: "minio-pvc", key: "" },
    Store { service: "katib-mysql", claim: "katib-mysql", key: "" },
];

async fn stores(cx: &Ctx) -> Checked {
    let pods = objects::within(cx, POD, "kubeflow").await?;
    let slices = objects::within(cx, ENDPOINT_SLICE, "kubeflow").await?;
    let config = objects::get(cx, CONFIG_MAP, "kubeflow", "pipeline-install-config").await?;
    let mut differences = Differences::default();
    for store in STORES {
        let object = format!("Service kubeflow/{}", store.service);
        let configured = config.as_ref().and_then(|config| objects::config_value(config, store.key));
        if let Some(host) = configured.filter(|host| *host != store.service) {
            let key = format!("ConfigMap kubeflow/pipeline-install-config, {}", store.key);
            differences.add(key, format!("names {host}, not {}", store.service));
        }
        let behind: Vec<&str> = slices
            .iter()
            .filter(|slice| objects::label(slice, "kubernetes.io/service-name") == store.service)
            .flat_map(|slice| items(&slice.data, "/endpoints"))
            .map(|endpoint| text(endpoint, "/targetRef/name"))
            .collect();
        if behind.is_empty() {
            differences.add_missing(cx, parts::of_object("kubeflow", store.service), object, "has no endpoint");
        } else if let Some(pod) = behind.iter().find(|name| {
            let pod = pods.iter().find(|pod| objects::name(pod) == **name);
            !pod.is_some_and(|pod| keeps_data_on(pod, store.claim))
        }) {
            differences.add(object, format!("leads to pod {pod}, which does not keep its data on {}", store.claim));
        }
    }
    warn_of_shipped_passwords(cx).await?;
    differences.judge(
        "the stores behind the Services' names are the release's, with their volumes",
        "apply the release's Services and Deployments mysql, minio and katib-mysql again",
    )
}

fn keeps_data_on(pod: &DynamicObject, claim: &str) -> bool {
    items(&pod.data, "/spec/volumes").iter().any(|volume| text(volume, "/persistentVolumeClaim/claimName") == claim)
}

/// A store that opens with what is written in a public repository is a finding.
async fn warn_of_shipped_passwords(cx: &Ctx) -> Checked {
    for shipped in cx.version().credentials().filter(|row| row.namespace == "kubeflow" && row.kind == "Secret") {
        let Some(secret) = objects::get(cx, SECRET, shipped.namespace, shipped.name).await? else { continue };
        if objects::secret_value(&secret, shipped.key).as_deref() == Some(shipped.value) {
            cx.finding(
                harness::Severity::Medium,
                format!("Secret kubeflow/{} still holds the shipped credential", shipped.name),
                format!(
                    "Everybody who can reach it knows what opens {}: it is published in {}. Change {} and restart \
                     what uses it.",
                    shipped.what, shipped.source, shipped.key
                ),
            );
        }
    }
    Ok(())
}
