//! Inside the mesh nobody passes for somebody else: what a tenant's own pod reaches, whatever identity it claims.

pub mod applications;
pub mod backends;
pub mod network;
pub mod policies;
pub mod target;

use clusters::versions::tenancy::USERID_HEADER;
use futures::future::try_join_all;
use harness::{Checked, Ctx, Explain, Profile, Stop, Suite};

use crate::gateway::diagnose::blame;
use crate::images;
use crate::probe::{self, Probe};
use target::{Met, Target};

/// The suite.
pub static SUITE: Suite = Suite {
    name: "mesh",
    prefix: "MSH",
    title: "Inside the mesh nobody passes for somebody else",
    images: &[images::PROBE, images::NOTEBOOK, images::PROFILES],
    topics: &[applications::CHECKS, backends::CHECKS, policies::CHECKS],
};

pub(crate) const SECURITY: &[Profile] = &[Profile::Tenancy, Profile::Security];
/// A bound for checks that may be the first to start a probe, and whose requests may time out, in seconds.
pub(crate) const BOUND: u64 = 420;

pub(crate) const SPOOFED: Explain = Explain {
    what: "Two pods of the run's own, in a Profile of somebody else, one with a sidecar and one without, send requests to \
           the program: by its Service's name and by its pod's address, as nobody and with the run's user in the header \
           kubeflow-userid. All are refused by the mesh, or kept out by a NetworkPolicy. That the program answers the \
           gateway (an earlier check) and that both pods reach Dex are the controls.",
    why: "Behind the gateway everybody believes the header kubeflow-userid. Whoever reaches a program past the gateway is \
          whom they say: any notebook could act as any user. A pod without a sidecar is made by a label, so it must be \
          refused as well.",
    fix: "Restore the program's AuthorizationPolicy, which allows the gateway's account alone, and its sidecar; keep \
          istio-system/global-deny-all.",
    reproduce: "kubectl -n NAMESPACE exec POD -- curl -si -H 'kubeflow-userid: user@example.com' http://SERVICE.kubeflow/",
};

/// Both probes send the same to a target: every answer, with who sent it and where.
pub async fn tried(
    cx: &Ctx,
    probes: &[Probe],
    target: &Target,
    path: &str,
    claims: &[Option<&str>],
) -> Checked<Vec<(String, Met)>> {
    let mut tries = Vec::new();
    for probe in probes {
        for url in target.urls(path) {
            for claim in claims {
                tries.push(one(cx, probe, target, url.clone(), *claim));
            }
        }
    }
    try_join_all(tries).await
}

async fn one(cx: &Ctx, probe: &Probe, target: &Target, url: String, claim: Option<&str>) -> Checked<(String, Met)> {
    let headers: Vec<(&str, &str)> = claim.iter().map(|claim| (USERID_HEADER, *claim)).collect();
    let reply = probe.get(cx, &url, &headers).await?;
    let met = target.met(cx, probe, &url, &reply).await?;
    let as_whom = claim.map_or_else(|| "as nobody".to_owned(), |claim| format!("as {claim}"));
    Ok((format!("{probe}, {as_whom}, GET {url}"), met))
}

/// Both shared probes, alive.
pub(crate) async fn probes(cx: &Ctx) -> Checked<[Probe; 2]> {
    let probes = [probe::in_mesh(cx).await?, probe::bare(cx).await?];
    for probe in &probes {
        probe.is_alive(cx).await?;
    }
    Ok(probes)
}

/// Fails for the first request that arrived.
pub async fn none_arrived(cx: &Ctx, target: &Target, what: &str, found: &[(String, Met)]) -> Checked {
    let mut kept_out: Vec<&str> = found
        .iter()
        .filter_map(|(_, met)| match met {
            Met::KeptOut(policy) => Some(policy.as_str()),
            _ => None,
        })
        .collect();
    kept_out.dedup();
    if !kept_out.is_empty() {
        cx.remark(format!(
            "{what}: the network keeps tenants' pods out ({}), before the mesh is asked",
            kept_out.join(", ")
        ));
    }
    let arrived = found.iter().find_map(|(told, met)| match met {
        Met::Arrived(answer) => Some((told, answer)),
        _ => None,
    });
    let Some((told, answer)) = arrived else { return Ok(()) };
    let stop =
        Stop::failed(format!("{what} is not reached past the gateway"), format!("it is reached: {answer}")).at(told);
    Err(blame(stop, target.opened_by(cx).await))
}
