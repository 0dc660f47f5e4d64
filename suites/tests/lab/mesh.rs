//! Probes in a real mesh. The lab has no profile controller, so the checks of suite `mesh` find no Profile there; these put
//! the same probes into the namespace that the lab keeps for a tenant, and judge by the same rules.

use std::time::Duration;

use futures::future::try_join;
use harness::check::source;
use harness::fixtures::Fixture;
use harness::{Check, Checked, Ctx, Explain, Level, Seconds, Stop, Suite, check};
use suites::faults::mesh as faults;
use suites::mesh::target::{Met, Target};
use suites::mesh::{none_arrived, tried};
use suites::probe::{self, Probe, Wanted};

/// The tenant's namespace.
const HOME: &str = "kubeflow-user-example-com";
/// Somebody whom the probes claim to be.
const SOMEBODY: &str = "user@example.com";
/// A path of the API of Kubeflow Pipelines that names nobody's data.
const HEALTH: &str = "/apis/v2beta1/healthz";

pub static SUITE: Suite =
    Suite { name: "lab", prefix: "LAB", title: "Probes in a real mesh", images: &[], topics: &[CHECKS] };

const ABOUT: Explain = Explain {
    what: "Two pods in a tenant's namespace, with a sidecar and without, ask by Service name and by pod address.",
    why: "A probe that works before a simulated mesh alone proves nothing.",
    fix: "See the check of the suite `mesh` about the same program.",
    reproduce: "kubectl -n kubeflow-user-example-com exec POD -- curl -si http://ml-pipeline.kubeflow:8888/",
};

static CHECKS: &[Check] = &[
    check(
        "LAB-001",
        "A tenant's pods reach the API of Kubeflow Pipelines",
        Level::Must,
        source("this project", "MSH-001"),
        |cx| Box::pin(reached(cx)),
    )
    .explain(ABOUT)
    .writes()
    .within(Seconds(300))
    .breaks_on(&[&faults::PIPELINES_CLOSED]),
    check("LAB-002", "Whoever claims a name is refused by it", Level::Must, source("this project", "MSH-002"), |cx| {
        Box::pin(spoofed(cx))
    })
    .explain(ABOUT)
    .writes()
    .within(Seconds(300))
    .breaks_on(&[&faults::PIPELINES_OPENED]),
    check("LAB-003", "A tenant's pods do not reach KFAM", Level::Must, source("this project", "MSH-003"), |cx| {
        Box::pin(kfam(cx))
    })
    .explain(ABOUT)
    .writes()
    .within(Seconds(300))
    .breaks_on(&[&faults::KFAM_OPENED_A, &faults::KFAM_OPENED_B]),
];

/// A probe with a sidecar and one without, for all checks of a run.
struct Both([Probe; 2]);

impl Fixture for Both {
    const NAME: &'static str = "probes in the lab";
    const WITHIN: Duration = Duration::from_secs(200);

    async fn make(cx: Ctx) -> Checked<Self> {
        let wanted = |name, sidecar| Wanted { namespace: HOME, name, account: "default-editor", sidecar };
        let (meshed, bare) =
            try_join(probe::start(&cx, wanted("meshed", true)), probe::start(&cx, wanted("bare", false))).await?;
        Ok(Self([meshed, bare]))
    }
}

/// Both probes, alive.
async fn probes(cx: &Ctx) -> Checked<[Probe; 2]> {
    let probes = cx.fixture::<Both>().await?.0.clone();
    for probe in &probes {
        probe.is_alive(cx).await?;
    }
    Ok(probes)
}

async fn reached(cx: &Ctx) -> Checked {
    let target = Target::of(cx, "kubeflow", "ml-pipeline", 8888).await?;
    for (told, met) in tried(cx, &probes(cx).await?, &target, HEALTH, &[None]).await? {
        if !matches!(met, Met::Arrived(_)) {
            let stop = Stop::failed("the API of Kubeflow Pipelines answers", format!("{met:?}")).at(told);
            return Err(stop.because("AuthorizationPolicy kubeflow/ml-pipeline lets tenants' pods in no more"));
        }
    }
    Ok(())
}

async fn spoofed(cx: &Ctx) -> Checked {
    let target = Target::of(cx, "kubeflow", "ml-pipeline", 8888).await?;
    let found = tried(cx, &probes(cx).await?, &target, HEALTH, &[Some(SOMEBODY)]).await?;
    none_arrived(cx, &target, "the API of Kubeflow Pipelines", &found).await
}

async fn kfam(cx: &Ctx) -> Checked {
    let target = Target::of(cx, "kubeflow", "profiles-kfam", 8081).await?;
    let found = tried(cx, &probes(cx).await?, &target, "/kfam/v1/bindings", &[None, Some(SOMEBODY)]).await?;
    none_arrived(cx, &target, "KFAM", &found).await
}
