//! What owners, editors and viewers may do in their namespace: exactly what the release gives them.

use std::collections::BTreeSet;

use clusters::versions::tenancy::{ROLES, Rights, VERBS};
use harness::check::source;
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Seconds, Severity, Stop, check};

use super::{AGGREGATES, widened_by};
use crate::faults::{
    contributors::{EDIT_EMPTIED, VIEW_EMPTIED},
    isolation as faults,
};
use crate::gateway::diagnose::{Cause, blame};
use crate::objects::{self, CLUSTER_ROLE, DEFINITION, items, label, text};
use crate::profiles::none;
use crate::rights::{Ask, Expected, differences_shown};
use crate::tenants;

const SECURITY: &[Profile] = &[Profile::Tenancy, Profile::Security];
const SOURCE: &str = "common/kubeflow-roles/base/cluster-roles.yaml and what is labelled into it";

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "ISO-001",
        "The roles of owners, editors and viewers gather what the applications add to them",
        Level::Must,
        source("kubeflow/manifests", "common/kubeflow-roles/base/cluster-roles.yaml"),
        |cx| Box::pin(aggregated(cx)),
    )
    .explain(Explain {
        what: "ClusterRoles kubeflow-admin, -edit and -view are aggregated by their labels and have rules; kubeflow-edit is \
               part of kubeflow-admin, and kubeflow-view of kubeflow-edit.",
        why: "Each application brings its rights in a ClusterRole of its own. A role that gathers nothing locks everybody \
              out of everything.",
        fix: "Apply common/kubeflow-roles of kubeflow/manifests again.",
        reproduce: "kubectl get clusterroles kubeflow-admin kubeflow-edit kubeflow-view -o yaml",
    })
    .profiles(SECURITY)
    .breaks_on(&[&EDIT_EMPTIED, &VIEW_EMPTIED]),
    check(
        "ISO-002",
        "An owner may do in their namespace exactly what the release gives an owner",
        Level::Must,
        source("kubeflow/manifests", SOURCE),
        |cx| Box::pin(exactly(cx, 0)),
    )
    .explain(Explain {
        what: "Some fifty resources times eight verbs are asked by SubjectAccessReview about the owner of a Profile of the \
               run's own: each is allowed or denied as the release's roles, resolved, say.",
        why: "A right too few is an application that fails at one button. A right too many, such as to change the \
              namespace's labels, undoes what protects the tenants from one another.",
        fix: "Look for ClusterRoles that are labelled into kubeflow-admin, kubeflow-edit or kubeflow-view.",
        reproduce: "kubectl auth can-i --list -n NAMESPACE --as OWNER",
    })
    .profiles(SECURITY)
    .writes()
    .within(Seconds(180))
    .after(&["PRF-020"])
    .breaks_on(&[&faults::ADMIN_WIDENED, &EDIT_EMPTIED]),
    check(
        "ISO-003",
        "An editor may do in the namespace exactly what the release gives an editor",
        Level::Must,
        source("kubeflow/manifests", SOURCE),
        |cx| Box::pin(exactly(cx, 1)),
    )
    .explain(Explain {
        what: "As ISO-002, about service account default-editor, which pods of the namespace run as. Where the release lets \
               editors write VirtualServices, that is reported.",
        why: "Every notebook has these rights. If editors could bind roles, any notebook could make its user an owner.",
        fix: "As ISO-002.",
        reproduce: "kubectl auth can-i --list -n NAMESPACE --as system:serviceaccount:NAMESPACE:default-editor",
    })
    .profiles(SECURITY)
    .writes()
    .within(Seconds(180))
    .after(&["PRF-020"])
    .breaks_on(&[&faults::EDIT_WIDENED, &EDIT_EMPTIED]),
    check(
        "ISO-004",
        "A viewer may do in the namespace exactly what the release gives a viewer",
        Level::Must,
        source("kubeflow/manifests", SOURCE),
        |cx| Box::pin(exactly(cx, 2)),
    )
    .explain(Explain {
        what: "As ISO-002, about service account default-viewer.",
        why: "Who may look must not read secrets, run commands in pods, or start anything.",
        fix: "As ISO-002.",
        reproduce: "kubectl auth can-i --list -n NAMESPACE --as system:serviceaccount:NAMESPACE:default-viewer",
    })
    .profiles(SECURITY)
    .writes()
    .within(Seconds(180))
    .after(&["PRF-020"])
    .breaks_on(&[&faults::VIEW_WIDENED, &VIEW_EMPTIED]),
];

async fn aggregated(cx: &Ctx) -> Checked {
    let mut differences = Vec::new();
    for (role, part_of) in ROLES.iter().zip([None, Some(ROLES[0]), Some(ROLES[1])]) {
        let Some(found) = objects::get(cx, CLUSTER_ROLE, "", role).await? else {
            differences.push(format!("there is no ClusterRole {role}"));
            continue;
        };
        let gathers = format!("{AGGREGATES}{role}");
        let selectors = items(&found.data, "/aggregationRule/clusterRoleSelectors");
        let by_label = |selector: &serde_json::Value| selector["matchLabels"][gathers.as_str()] == "true";
        if !selectors.iter().any(by_label) {
            differences.push(format!("ClusterRole {role} does not gather what is labelled {gathers}=true"));
        }
        if items(&found.data, "/rules").is_empty() {
            differences.push(format!("ClusterRole {role} has no rules"));
        }
        if let Some(part_of) = part_of
            && label(&found, &format!("{AGGREGATES}{part_of}")) != "true"
        {
            differences.push(format!("ClusterRole {role} is not labelled into {part_of}"));
        }
    }
    none("three roles, each part of the next", differences, "apply common/kubeflow-roles of kubeflow/manifests again")
}

/// API groups that Kubernetes itself serves, or that exist in access reviews alone.
const ALWAYS: &[&str] = &[
    "",
    "apps",
    "batch",
    "authorization.k8s.io",
    "networking.k8s.io",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "pipelines.kubeflow.org",
];

/// The rows whose resource the platform has: a component that a site leaves out brings no rights.
async fn rows(cx: &Ctx) -> Checked<Vec<&'static Rights>> {
    let served: BTreeSet<(String, String)> = objects::all(cx, DEFINITION)
        .await?
        .iter()
        .map(|one| (text(&one.data, "/spec/group").to_owned(), text(&one.data, "/spec/names/plural").to_owned()))
        .collect();
    let has = |row: &&'static Rights| {
        ALWAYS.contains(&row.group) || served.contains(&(row.group.to_owned(), row.resource.to_owned()))
    };
    let (rows, absent): (Vec<&'static Rights>, Vec<&'static Rights>) = cx.version().rights().partition(has);
    for row in absent {
        cx.remark(format!("the platform has no {}.{}: not asked", row.resource, row.group));
    }
    Ok(rows)
}

/// The verbs that are asked of a row, and whether the role has them.
fn verbs(row: &'static Rights, role: usize) -> impl Iterator<Item = (&'static str, bool)> {
    let given = move || row.verbs[role].split(' ').filter(|verb| !verb.is_empty());
    let named = row.verbs.iter().flat_map(|verbs| verbs.split(' ')).filter(|verb| !verb.is_empty());
    let asked: BTreeSet<&str> = VERBS.iter().copied().chain(named).collect();
    asked.into_iter().map(move |verb| (verb, given().any(|one| one == verb)))
}

async fn exactly(cx: &Ctx, role: usize) -> Checked {
    let other = tenants::of_other(cx).await?;
    let home = other.name.as_str();
    let account = |name: &str| format!("system:serviceaccount:{home}:{name}");
    let user = [other.owner.clone(), account("default-editor"), account("default-viewer")].into_iter().nth(role);
    let user = user.unwrap_or_default();
    let rows = rows(cx).await?;
    let questions: Vec<(&Rights, Expected<'_>)> = rows
        .iter()
        .flat_map(|row| {
            let user = user.as_str();
            verbs(row, role).map(move |(verb, allowed)| {
                let Rights { group, resource, subresource, .. } = **row;
                (*row, Expected { user, ask: Ask { verb, group, resource, subresource, namespace: home }, allowed })
            })
        })
        .collect();
    let asked: Vec<Expected<'_>> = questions.iter().map(|(_, question)| *question).collect();
    let title = format!("What ClusterRole {} allows in a namespace", ROLES[role]);
    let found = differences_shown(cx, &title, &asked).await?;
    if role == 1 && rows.iter().any(|row| row.resource == "virtualservices" && row.verbs[1].contains("create")) {
        cx.finding(
            Severity::Medium,
            "Editors may write routes of the gateway",
            "The release lets editors create VirtualServices in their namespace. One that is bound to the platform's \
             gateway takes paths of other tenants and of the platform. Closed in v1.10.",
        );
    }
    let Some(first) = found.first() else { return Ok(()) };
    let actual = format!(
        "{} of {} answers differ: {}",
        found.len(),
        asked.len(),
        found.iter().take(6).cloned().collect::<Vec<_>>().join("; ")
    );
    let stop = Stop::failed(format!("{user} may what ClusterRole {} of the release allows", ROLES[role]), actual);
    let cause = match questions.iter().find(|(_, question)| first.ends_with(&question.ask.to_string())) {
        Some((_, question)) if !question.allowed => widened_by(cx, ROLES[role], &question.ask).await,
        _ => emptied(cx, role).await,
    };
    Err(blame(stop, cause))
}

/// Which of the roles that a role is made of lacks rules.
async fn emptied(cx: &Ctx, role: usize) -> Checked<Option<Cause>> {
    for role in &ROLES[role..] {
        let found = objects::get(cx, CLUSTER_ROLE, "", role).await?;
        let gathers = format!("{AGGREGATES}{role}");
        let whole = found.is_some_and(|found| found.data.to_string().contains(&gathers));
        if !whole {
            return Ok(Some(Cause::new(
                format!("ClusterRole {role} does not gather what is labelled {gathers}"),
                "apply common/kubeflow-roles of kubeflow/manifests again",
            )));
        }
    }
    Ok(Some(Cause::new(
        format!("what is labelled into ClusterRole {}", ROLES[role]),
        "apply the ClusterRoles of the application again",
    )))
}
