//! Requests that make no sense are refused, and change nothing.

use harness::check::source;
use harness::context::Seen;
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Seconds, Stop, check};
use http::Method;
use serde_json::{Value, json};

use super::membership::SHOWS_WITHIN;
use super::{ask, listed, not_served, refused};
use crate::faults::dashboard::{API_TAKEN, KFAM_POLICY_REMOVED, KFAM_STOPPED};
use crate::objects::{self, ROLE_BINDING};
use crate::profiles::contents::ADMIN;
use crate::tenants;

const TENANCY: &[Profile] = &[Profile::Tenancy];
const DASHBOARD: &str = "components/centraldashboard/app/api_workgroup.ts";

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "CTB-040",
        "What is no e-mail address is refused as a contributor",
        Level::Must,
        source("kubeflow/kubeflow", DASHBOARD),
        |cx| Box::pin(bad_addresses(cx)),
    )
    .explain(Explain {
        what: "The owner asks the dashboard to add nobody, a word, an address with a blank, a service account: each is \
               refused with 400 in JSON, and no binding is made.",
        why: "A service account that is added by name is another namespace's way in; a mistyped address is somebody who \
              never comes in.",
        fix: "Run the release's dashboard; look for routes that take its paths.",
        reproduce: "curl -s -i -b cookies.txt -H 'content-type: application/json' -d '{\"contributor\":\"nobody\"}' \
                    \"$GATEWAY/api/workgroup/add-contributor/NAMESPACE\"",
    })
    .profiles(TENANCY)
    .writes()
    .within(Seconds(90))
    .after(&["PRF-020", "AUT-006"])
    .breaks_on(&[&API_TAKEN]),
    check(
        "CTB-041",
        "Who is a contributor already is not added twice",
        Level::Must,
        source("kubeflow/kubeflow", "components/access-management/kfam/bindings.go"),
        |cx| Box::pin(twice(cx)),
    )
    .explain(Explain {
        what: "The owner adds the same contributor twice: the second time is refused with 403 and the words that they exist \
               already, and the list holds them once.",
        why: "A second binding would survive the first one's removal.",
        fix: "Run the release's KFAM.",
        reproduce: "Add a contributor twice through the dashboard.",
    })
    .profiles(TENANCY)
    .writes()
    .within(Seconds(90))
    .after(&["PRF-020", "AUT-006"])
    .breaks_on(&[&KFAM_STOPPED, &KFAM_POLICY_REMOVED]),
    check(
        "CTB-042",
        "The owner is no contributor and cannot be removed as one",
        Level::Must,
        source("kubeflow/kubeflow", "components/access-management/kfam/bindings.go"),
        |cx| Box::pin(owner_stays(cx)),
    )
    .explain(Explain {
        what: "The owner asks the dashboard to remove themselves, and somebody who is no contributor: both are refused with \
               403 and the words that there is no such binding. RoleBinding namespaceAdmin stays.",
        why: "A namespace without an owner can be managed by nobody but the cluster's administrator.",
        fix: "Run the release's KFAM.",
        reproduce: "curl -s -i -b cookies.txt -X DELETE -H 'content-type: application/json' -d \
                    '{\"contributor\":\"user@example.com\"}' \"$GATEWAY/api/workgroup/remove-contributor/NAMESPACE\"",
    })
    .profiles(TENANCY)
    .writes()
    .within(Seconds(90))
    .after(&["PRF-020", "AUT-006"])
    .breaks_on(&[&KFAM_STOPPED, &KFAM_POLICY_REMOVED]),
    check(
        "CTB-043",
        "The list of a namespace's contributors holds its editors alone",
        Level::Should,
        source("kubeflow/kubeflow", DASHBOARD),
        |cx| Box::pin(editors_alone(cx)),
    )
    .explain(Explain {
        what: "A namespace of the run's own with an editor and a viewer: the dashboard's list of contributors holds the \
               editor and neither the viewer nor the owner.",
        why: "By this list the owner decides whom to remove.",
        fix: "Run the release's dashboard; look at ClusterRole and annotations of the bindings.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/api/workgroup/get-contributors/NAMESPACE\"",
    })
    .profiles(TENANCY)
    .writes()
    .within(Seconds(90))
    .after(&["PRF-020", "AUT-006"])
    .breaks_on(&[&KFAM_STOPPED, &KFAM_POLICY_REMOVED]),
];

async fn bad_addresses(cx: &Ctx) -> Checked {
    let home = tenants::of_user(cx).await?;
    let session = cx.user_session().await?;
    let account = format!("system:serviceaccount:{home}:default-editor");
    for contributor in [Value::Null, json!(""), json!("nobody"), json!("a b@example.com"), json!(account)] {
        let before = objects::within(cx, ROLE_BINDING, &home).await?.len();
        let answer = ask(&session, Method::POST, &home, &contributor).await?;
        let wanted = format!("{contributor} is refused as a contributor with 400");
        refused(cx, &answer, &wanted, 400).await?;
        let after = objects::within(cx, ROLE_BINDING, &home).await?.len();
        // Others may be added meanwhile, by the checks that run beside: only one of this name counts.
        if after > before && contributor.as_str().is_some_and(|text| !text.is_empty()) {
            let name = super::object_name(contributor.as_str().unwrap_or_default(), "edit");
            if objects::get(cx, ROLE_BINDING, &home, &name).await?.is_some() {
                return Err(Stop::failed(wanted, format!("there is a RoleBinding {home}/{name}")).at(answer.at()));
            }
        }
    }
    Ok(())
}

async fn twice(cx: &Ctx) -> Checked {
    let home = tenants::of_user(cx).await?;
    let session = cx.user_session().await?;
    let user = format!("{}@example.com", tenants::name(cx, "twice"));
    let first = ask(&session, Method::POST, &home, &json!(user)).await?;
    listed(cx, &first, &format!("the contributors of {home}, {user} among them")).await?;
    let second = ask(&session, Method::POST, &home, &json!(user)).await?;
    let wanted = format!("adding {user} again is refused with 403: they exist already");
    let error = refused(cx, &second, &wanted, 403).await?;
    if !error.contains("already exists") {
        return Err(not_served(cx, &second, &wanted).await);
    }
    let (session, path) = (&session, format!("/api/workgroup/get-contributors/{home}"));
    let (path, user) = (path.as_str(), user.as_str());
    // KFAM's cache lags a moment behind.
    cx.eventually(&format!("{user} is in the list once"), SHOWS_WITHIN, tenants::EVERY, || {
        Box::pin(async move {
            let answer = session.get(path).await?;
            let list = listed(cx, &answer, "a list of contributors").await?;
            match list.iter().filter(|one| *one == user).count() {
                1 => Ok(Seen::Yes(())),
                0 => Ok(Seen::NotYet(format!("{list:?}"))),
                times => Err(Stop::failed("once in the list", format!("{times} times: {list:?}")).at(answer.at())),
            }
        })
    })
    .await
}

async fn owner_stays(cx: &Ctx) -> Checked {
    let home = tenants::of_user(cx).await?;
    let session = cx.user_session().await?;
    let nobody = format!("{}@example.com", tenants::name(cx, "nobody"));
    for who in [cx.user().email.clone(), nobody] {
        let answer = ask(&session, Method::DELETE, &home, &json!(who)).await?;
        let wanted = format!("removing {who} is refused with 403: there is no such contributor");
        let error = refused(cx, &answer, &wanted, 403).await?;
        if !error.contains("not found") {
            return Err(not_served(cx, &answer, &wanted).await);
        }
    }
    match objects::get(cx, ROLE_BINDING, &home, ADMIN).await? {
        Some(_) => Ok(()),
        None => Err(Stop::failed(format!("RoleBinding {home}/{ADMIN} stays"), "it is gone")),
    }
}

async fn editors_alone(cx: &Ctx) -> Checked {
    let home = tenants::tenant(cx, "listed", &cx.user().email).await?;
    let (editor, viewer) = (
        format!("{}@example.com", tenants::name(cx, "editor")),
        format!("{}@example.com", tenants::name(cx, "viewer")),
    );
    super::grant(cx, &home, &editor, "edit").await?;
    super::grant(cx, &home, &viewer, "view").await?;
    let session = cx.user_session().await?;
    let (session, path) = (&session, format!("/api/workgroup/get-contributors/{home}"));
    let (path, wanted) = (path.as_str(), vec![editor]);
    let wanted = &wanted;
    // KFAM's cache lags a moment behind.
    cx.eventually(&format!("the contributors of {home} are {wanted:?}"), SHOWS_WITHIN, tenants::EVERY, || {
        Box::pin(async move {
            let answer = session.get(path).await?;
            let list = listed(cx, &answer, "a list of contributors").await?;
            Ok(if list == *wanted { Seen::Yes(()) } else { Seen::NotYet(format!("{list:?}")) })
        })
    })
    .await
}
