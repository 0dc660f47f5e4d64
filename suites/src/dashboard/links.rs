//! The dashboard's menu: what is configured is what is shown, and every link of it leads somewhere.

use harness::check::source;
use harness::{Check, Checked, Ctx, Explain, Level, Stop, check};
use serde_json::Value;

use super::api;
use crate::applications::{App, owner};
use crate::faults::{dashboard as faults, gateway};
use crate::gateway::diagnose::{blame, route};
use crate::objects::{self, CONFIG_MAP};
use crate::recognise::{Answered, expect};

/// The ConfigMap that both are in.
const CONFIG: &str = "centraldashboard-config";

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "DSH-020",
        "The menu is the one that is configured",
        Level::Must,
        source("kubeflow/manifests", "ConfigMap kubeflow/centraldashboard-config: links"),
        |cx| Box::pin(shown(cx, "/api/dashboard-links", "links")),
    )
    .explain(Explain {
        what: "/api/dashboard-links answers with the content of links in ConfigMap centraldashboard-config.",
        why: "Without it the page has no menu: a comma too many in the ConfigMap is enough.",
        fix: "Make links in the ConfigMap valid JSON again; the dashboard reads it at each request. If it is valid: \
              restore Role and RoleBinding kubeflow/centraldashboard.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/api/dashboard-links\"; kubectl -n kubeflow get configmap \
                    centraldashboard-config -o jsonpath='{.data.links}'",
    })
    .after(&["AUT-006"])
    .breaks_on(&[&faults::LINKS_MALFORMED, &faults::API_TAKEN]),
    check(
        "DSH-021",
        "Every link of the menu leads to an application",
        Level::Must,
        source("kubeflow/manifests", "ConfigMap kubeflow/centraldashboard-config: links"),
        |cx| Box::pin(links_lead(cx)),
    )
    .explain(Explain {
        what: "Every link of the menu, its sections and the home page that leads to this platform is opened: an \
               application's own page answers, not the dashboard's. Links to other sites are counted, not opened.",
        why: "A link without an application shows the dashboard inside the dashboard: status 200, and a user who \
              believes that the application is broken.",
        fix: "Correct the link in ConfigMap centraldashboard-config, or restore the application's VirtualService, \
              Service and Deployment. Take the links of applications out that are left out on purpose.",
        reproduce: "for p in /jupyter/ /katib/ /pipeline/; do curl -s -b cookies.txt \"$GATEWAY$p\" | grep -o \
                    '<title>[^<]*'; done",
    })
    .after(&["DSH-020"])
    .breaks_on(&[&faults::LINK_MISSPELT, &gateway::KATIB_ROUTE_REMOVED, &gateway::JUPYTER_ROUTE_MISDIRECTED]),
    check(
        "DSH-022",
        "The dashboard's settings are the ones that are configured",
        Level::Should,
        source("kubeflow/manifests", "ConfigMap kubeflow/centraldashboard-config: settings"),
        |cx| Box::pin(shown(cx, "/api/dashboard-settings", "settings")),
    )
    .explain(Explain {
        what: "/api/dashboard-settings answers with the content of settings in ConfigMap centraldashboard-config.",
        why: "By it the page keeps the applications inside its frame, where they learn the chosen namespace.",
        fix: "Make settings in the ConfigMap valid JSON again. If it is valid: restore Role and RoleBinding \
              kubeflow/centraldashboard.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/api/dashboard-settings\"",
    })
    .after(&["AUT-006"])
    .breaks_on(&[&faults::SETTINGS_MALFORMED, &faults::API_TAKEN]),
];

async fn shown(cx: &Ctx, path: &str, key: &str) -> Checked {
    let config = objects::get(cx, CONFIG_MAP, "kubeflow", CONFIG).await?;
    let Some(text) = config.as_ref().and_then(|config| objects::config_value(config, key)) else {
        return Err(Stop::absent(format!("ConfigMap kubeflow/{CONFIG} with {key}")));
    };
    let configured: Value = match serde_json::from_str(text) {
        Ok(configured) => configured,
        Err(error) => {
            return Err(Stop::failed(format!("{key} of ConfigMap kubeflow/{CONFIG} is JSON"), error.to_string())
                .because(format!("{key} of ConfigMap kubeflow/{CONFIG}"))
                .fix(format!("kubectl -n kubeflow edit configmap {CONFIG}")));
        }
    };
    let (at, found) = api::json(cx, path).await??;
    if found == configured {
        return Ok(());
    }
    Err(Stop::failed(format!("{key} of ConfigMap kubeflow/{CONFIG}"), "another content")
        .at(at)
        .because("the dashboard reads another ConfigMap, or another program answers")
        .fix("look at DASHBOARD_CONFIGMAP of Deployment kubeflow/centraldashboard"))
}

/// All links, with their names: items, the items of sections, and those of the home page.
fn links(menu: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for list in ["menuLinks", "externalLinks", "quickLinks", "documentationItems"] {
        for entry in objects::items(menu, &format!("/{list}")) {
            let below = objects::items(entry, "/items");
            for item in std::iter::once(entry).chain(below) {
                let link = objects::text(item, "/link");
                if !link.is_empty() {
                    found.push((objects::text(item, "/text").to_owned(), link.to_owned()));
                }
            }
        }
    }
    found
}

async fn links_lead(cx: &Ctx) -> Checked {
    let (_, menu) = api::json(cx, "/api/dashboard-links").await??;
    let links = links(&menu);
    let session = cx.user_session().await?;
    let mut opened: Vec<&str> = Vec::new();
    let mut elsewhere = 0;
    for (text, link) in &links {
        // What follows the # stays in the browser.
        let path = link.split('#').next().unwrap_or_default();
        if !path.starts_with('/') || path.starts_with("//") {
            elsewhere += 1;
            continue;
        }
        if opened.contains(&path) {
            continue;
        }
        opened.push(path);
        let entry = owner(cx.version(), path.split('?').next().unwrap_or_default());
        let Some(entry) = entry.filter(|entry| entry.app != App::Dashboard) else {
            return Err(Stop::failed(
                format!("the link {text:?} leads to an application"),
                format!("it leads to {link}"),
            )
            .at(format!("GET {path}"))
            .because(format!("ConfigMap kubeflow/{CONFIG} names a path that no application owns"))
            .fix(format!("kubectl -n kubeflow edit configmap {CONFIG}")));
        };
        let answer = session.follow(path).await?;
        if let Err(stop) = expect(&answer, &Answered::Page(entry.app)) {
            return Err(blame(stop, route(cx, entry).await));
        }
    }
    cx.remark(format!("{} paths opened; {elsewhere} links lead to other sites", opened.len()));
    if opened.is_empty() {
        return Err(Stop::failed("a menu with links into the platform", "none").at("GET /api/dashboard-links"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::links;

    #[test]
    fn sections_hold_links_too() {
        let menu = json!({
            "menuLinks": [{"type": "item", "link": "/a/", "text": "A"},
                          {"type": "section", "text": "S", "items": [{"link": "/b/#/c", "text": "B"}]}],
            "externalLinks": [{"link": "https://x/", "text": "X"}], "quickLinks": 5,
        });
        let found: Vec<String> = links(&menu).into_iter().map(|(_, link)| link).collect();
        assert_eq!(found, ["/a/", "/b/#/c", "https://x/"]);
        assert!(links(&json!(null)).is_empty());
    }
}
