//! Users' own namespaces through the dashboard: made, and removed by their owner alone.
//!
//! Facts: kubeflow/kubeflow `components/centraldashboard/app/api_workgroup.ts` (create, nuke-self) and
//! `components/access-management/kfam/api_default.go`, v1.8.0 to v1.10.0: without a name the part of the address before
//! the `@` is meant, and nuke-self removes the Profile of that name alone.

use harness::check::source;
use harness::context::Seen;
use harness::{Check, Checked, Ctx, Explain, Isolation, Level, Profile, Seconds, Severity, Stop, check};
use http::Method;
use reports::model::Skip;
use serde_json::{Value, json};

use crate::contributors::{administrator, not_served, refused};
use crate::dashboard::api;
use crate::faults::contributors::{MAY_NOT_REVOKE, USER_IS_ADMINISTRATOR};
use crate::faults::dashboard::{API_TAKEN, KFAM_POLICY_REMOVED};
use crate::objects::{self, NAMESPACE, PROFILE};
use crate::tenants::{self, EVERY, GONE_WITHIN};

const TENANCY: &[Profile] = &[Profile::Tenancy];
const DASHBOARD: &str = "components/centraldashboard/app/api_workgroup.ts";

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "PRF-040",
        "A user makes a namespace of their own through the dashboard",
        Level::Should,
        source("kubeflow/kubeflow", DASHBOARD),
        |cx| Box::pin(made(cx)),
    )
    .explain(Explain {
        what: "The run's user asks the dashboard for a namespace by name. There is a Profile of that name that they own, it \
               becomes complete, and the dashboard shows it to them as its owner. A finding says if that is possible \
               although the page does not offer it.",
        why: "A new user comes in by this; and by this a user takes names and quota that nobody gave them.",
        fix: "Restore KFAM, its Service and AuthorizationPolicy kubeflow/profiles-kfam, and routes that take the dashboard's \
              paths. Where nobody is to make namespaces, refuse POST /api/workgroup/create at the gateway.",
        reproduce: "curl -s -b cookies.txt -H 'content-type: application/json' -d '{\"namespace\":\"mine\"}' \
                    \"$GATEWAY/api/workgroup/create\"",
    })
    .profiles(TENANCY)
    .writes()
    .within(Seconds(90))
    .after(&["PRF-020", "AUT-006"])
    .breaks_on(&[&KFAM_POLICY_REMOVED, &API_TAKEN]),
    check(
        "PRF-041",
        "A user removes their own namespace through the dashboard",
        Level::Should,
        source("kubeflow/kubeflow", DASHBOARD),
        |cx| Box::pin(removed(cx)),
    )
    .explain(Explain {
        what: "The run's user asks the dashboard for a namespace without a name, which gives one of the name before the @, \
               and for its removal: Profile and namespace are gone. Left out if something of that name is there already, or \
               no namespace can be called so.",
        why: "Who leaves takes their data along; what cannot be removed holds quota and names for ever.",
        fix: "Look at what the account of KFAM may delete: ClusterRoleBinding profiles-cluster-rolebinding.",
        reproduce: "curl -s -b cookies.txt -X DELETE \"$GATEWAY/api/workgroup/nuke-self\"",
    })
    .profiles(TENANCY)
    .writes()
    .within(Seconds(720))
    .after(&["PRF-020", "AUT-006"])
    .isolation(Isolation::Suite)
    .breaks_on(&[&MAY_NOT_REVOKE]),
    check(
        "PRF-042",
        "A user cannot remove somebody else's namespace that is called as they are",
        Level::Must,
        source("kubeflow/kubeflow", "components/access-management/kfam/api_default.go: DeleteProfile"),
        |cx| Box::pin(kept(cx)),
    )
    .explain(Explain {
        what: "A Profile of the name before the @ of the run's user belongs to somebody else. The run's user asks the \
               dashboard for the removal of their own namespace, which means that one: it is refused with 401, and the \
               Profile stays. Left out under the same circumstances as PRF-041.",
        why: "The dashboard goes by a part of the address: bob@a.example.com and bob@b.example.com are the same to it, and \
              only KFAM looks at the owner.",
        fix: "Look at ADMIN of ConfigMap profiles-config: an empty value is right. Run the release's KFAM.",
        reproduce: "curl -s -i -b cookies.txt -X DELETE \"$GATEWAY/api/workgroup/nuke-self\"",
    })
    .profiles(&[Profile::Tenancy, Profile::Security])
    .writes()
    .within(Seconds(420))
    .after(&["PRF-020", "AUT-006"])
    // Both make what is called as the user is.
    .isolation(Isolation::Suite)
    .breaks_on(&[&USER_IS_ADMINISTRATOR]),
];

const CREATE: &str = "/api/workgroup/create";
const NUKE: &str = "/api/workgroup/nuke-self";

async fn made(cx: &Ctx) -> Checked {
    let home = tenants::name(cx, "registered");
    create(cx, &home, &json!({"namespace": home})).await?;
    let offered = match api::json(cx, "/api/workgroup/exists").await? {
        Ok((_, found)) => found["registrationFlowAllowed"] == true,
        Err(stop) => return Err(stop),
    };
    if !offered {
        cx.finding(
            Severity::Low,
            "Users make namespaces although the page offers none",
            "REGISTRATION_FLOW of Deployment kubeflow/centraldashboard is off, which takes the page away and not the route: \
             any user takes any free name by POST /api/workgroup/create.",
        );
    }
    let wait = format!("the dashboard shows {home} to its owner");
    let (name, wanted) = (home.as_str(), wait.as_str());
    cx.eventually(wanted, tenants::REACTS_WITHIN, EVERY, || {
        Box::pin(async move {
            let found = match api::json(cx, "/api/workgroup/env-info").await? {
                Ok((_, found)) => found,
                Err(stop) => return Err(stop),
            };
            let shown = objects::items(&found, "/namespaces").iter().find(|one| one["namespace"] == name);
            Ok(match shown.map(|one| objects::text(one, "/role")) {
                Some("owner") => Seen::Yes(()),
                other => Seen::NotYet(format!("role {other:?}")),
            })
        })
    })
    .await
}

async fn removed(cx: &Ctx) -> Checked {
    let home = free_name(cx).await?;
    create(cx, &home, &json!({})).await?;
    let answer = cx.user_session().await?.request(Method::DELETE, NUKE).send().await?;
    let wanted = format!("\"Removed namespace/profile {home}\"");
    let said = answer.json().unwrap_or_default();
    if !answer.status.is_success() || !objects::text(&said, "/message").contains(&home) {
        return Err(not_served(cx, &answer, &wanted).await);
    }
    let wait = format!("Profile {home} and its namespace are gone");
    let name = home.as_str();
    cx.eventually(&wait, GONE_WITHIN, EVERY, || {
        Box::pin(async move {
            for kind in [PROFILE, NAMESPACE] {
                if objects::get(cx, kind, "", name).await?.is_some() {
                    return Ok(Seen::NotYet(format!("{} {name} is still there", kind.kind)));
                }
            }
            Ok(Seen::Yes(()))
        })
    })
    .await
}

async fn kept(cx: &Ctx) -> Checked {
    let home = free_name(cx).await?;
    tenants::own(cx, tenants::profile(&home, &tenants::somebody(cx, "namesake"))).await?;
    tenants::complete(cx, &home).await?;
    let answer = cx.user_session().await?.request(Method::DELETE, NUKE).send().await?;
    let wanted = format!("the removal of {home} is refused with 401, and Profile {home} stays");
    let found = objects::get(cx, PROFILE, "", &home).await?;
    let stays = found.is_some_and(|found| found.metadata.deletion_timestamp.is_none());
    if !stays || answer.status.is_success() {
        let is = if stays { "it stays" } else { "it goes" };
        let stop = Stop::failed(wanted, format!("{}; {is}", answer.summary())).at(answer.at());
        return Err(administrator(cx, stop).await?);
    }
    refused(cx, &answer, &wanted, 401).await.map(drop)
}

/// Lets the dashboard make a Profile, which is this check's own from then on, and waits until it is complete.
async fn create(cx: &Ctx, name: &str, body: &Value) -> Checked {
    let session = cx.user_session().await?;
    let answer = session.request(Method::POST, CREATE).json(body).send().await?;
    let said = answer.json().unwrap_or_default();
    // It was free a moment ago: another run, or the user themselves in a browser. What is theirs is not touched. The words are
    // those of the Kubernetes API, which KFAM passes on with 403 (kubeflow/kubeflow `components/access-management`).
    if answer.status.as_u16() == 403 && objects::text(&said, "/error").ends_with("already exists") {
        let message = format!("somebody else made a Profile {name} in this very moment");
        return Err(Stop::errored("precondition", message).fix("run it again when no other run is under way"));
    }
    let profile = objects::get(cx, PROFILE, "", name).await?;
    if let Some(profile) = profile.clone() {
        cx.adopt(profile).await?;
    }
    let wanted = format!("\"Created namespace {name}\", and a Profile that {} owns", cx.user().email);
    let Some(profile) =
        profile.filter(|_| answer.status.is_success() && objects::text(&said, "/message").contains(name))
    else {
        return Err(not_served(cx, &answer, &wanted).await);
    };
    let owner = tenants::owner(&profile);
    if owner != ("User", cx.user().email.as_str()) {
        return Err(Stop::failed(wanted, format!("it belongs to {} {}", owner.0, owner.1)).at(answer.at()));
    }
    tenants::complete(cx, name).await
}

/// The part of the user's address before the `@`, which the dashboard takes for a name: if a namespace can be called so,
/// and nothing is.
async fn free_name(cx: &Ctx) -> Checked<String> {
    let name = cx.user().email.split('@').next().unwrap_or_default().to_owned();
    let no = |capability: String| Err(Stop::Skipped(Skip::NoCapability { capability }));
    if !is_label(&name) {
        return no(format!("user whose address begins as a namespace may be called: {}", cx.user().email));
    }
    let (wait, wanted) = (format!("nothing is called {name}"), name.as_str());
    // What an earlier check made may still be going.
    let taken = cx
        .eventually(&wait, GONE_WITHIN, EVERY, || {
            Box::pin(async move {
                for kind in [PROFILE, NAMESPACE] {
                    match objects::get(cx, kind, "", wanted).await? {
                        None => {}
                        Some(found) if found.metadata.deletion_timestamp.is_none() => {
                            return Ok(Seen::Yes(Some(kind.kind)));
                        }
                        Some(_) => return Ok(Seen::NotYet(format!("{} {wanted} is going", kind.kind))),
                    }
                }
                Ok(Seen::Yes(None))
            })
        })
        .await?;
    match taken {
        None => Ok(name),
        Some(kind) => no(format!("user after whom nothing is called yet: there is a {kind} {name}")),
    }
}

/// Whether a namespace may be called so (RFC 1123, as Kubernetes demands it).
fn is_label(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= 63 && name.starts_with(plain) && name.ends_with(plain) && name.chars().all(|c| plain(c) || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_make_no_namespace_are_known() {
        for (name, fits) in [
            ("user", true),
            ("a-1", true),
            ("", false),
            ("first.last", false),
            ("Bob", false),
            ("tag+1", false),
            ("-a", false),
            ("a-", false),
            ("ä", false),
            (&"a".repeat(64), false),
        ] {
            assert_eq!(is_label(name), fits, "{name}");
        }
    }
}
