//! The dashboard's page, and what it is made of.

use harness::check::source;
use harness::http::Answer;
use harness::{Check, Checked, Ctx, Explain, Level, Stop, check};
use scraper::{Html, Selector};
use url::Url;

use crate::applications::App;
use crate::faults::{dashboard as faults, gateway};
use crate::gateway::diagnose::{blame, route, taken_by};
use crate::recognise::who;
use crate::stand_in::expect_page;

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "DSH-001",
        "The dashboard's scripts and styles load, each as what it is",
        Level::Must,
        source("kubeflow/kubeflow", "components/centraldashboard/public/index.html"),
        |cx| Box::pin(assets_load(cx)),
    )
    .explain(Explain {
        what: "The page's own scripts and style sheets are fetched: each comes with the type of a script or a style \
               sheet, and is not a page.",
        why: "The dashboard answers every unknown path with its page and status 200, so a lost script shows as a white \
              page, and nowhere in a log.",
        fix: "Look for VirtualServices that take the paths of the dashboard's files, and at proxies before the \
              gateway that rewrite types.",
        reproduce: "curl -s -i -b cookies.txt \"$GATEWAY/app.bundle.js\" | grep -i ^content-type",
    })
    .after(&["AUT-006"])
    .breaks_on(&[&faults::ASSETS_TAKEN, &gateway::DASHBOARD_ROUTE_REMOVED_B]),
    check(
        "DSH-002",
        "A link into the dashboard opens its page",
        Level::Must,
        source("kubeflow/kubeflow", "components/centraldashboard/app/server.ts: the catch-all route"),
        |cx| Box::pin(deep_links_open(cx)),
    )
    .explain(Explain {
        what: "Paths that the page itself resolves (/_/jupyter/?ns=…, /manage-users, /activity) are opened: each \
               answers with the dashboard's page.",
        why: "These are the addresses that people keep and send each other. They live in the page; the server only has \
              to answer with it.",
        fix: "Restore VirtualService kubeflow/centraldashboard with the prefix / and no further match.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/_/jupyter/?ns=kubeflow-user-example-com\" | grep -o \
                    '<title>[^<]*'",
    })
    .after(&["AUT-006"])
    .breaks_on(&[&gateway::DASHBOARD_ROUTE_REMOVED_B, &gateway::DASHBOARD_POLICY_REMOVED]),
];

/// What a page loads: the address, and what its type must contain.
fn assets(page: &Answer) -> Vec<(Url, &'static str)> {
    let html = Html::parse_document(&page.body);
    let mut found = Vec::new();
    for (selector, attribute, kind) in
        [("script[src]", "src", "javascript"), ("link[rel=stylesheet][href]", "href", "css")]
    {
        let Ok(selector) = Selector::parse(selector) else { continue };
        let addresses = html.select(&selector).filter_map(|element| element.value().attr(attribute));
        found.extend(addresses.filter_map(|address| Some((page.url.join(address).ok()?, kind))));
    }
    // Fonts come from elsewhere, and a platform without a way out has to do without them.
    found.retain(|(address, _)| address.origin() == page.url.origin());
    found
}

async fn assets_load(cx: &Ctx) -> Checked {
    let session = cx.user_session().await?;
    let page = session.get("/").await?;
    if let Err(stop) = expect_page(cx, &page, App::Dashboard) {
        return Err(blame(stop, route(cx, App::Dashboard.entry()).await));
    }
    let assets = assets(&page);
    if !assets.iter().any(|(_, kind)| *kind == "javascript") {
        return Err(Stop::failed("a page with scripts of its own", "a page without any").at(page.at()));
    }
    for (address, kind) in assets {
        let answer = session.get(address.as_str()).await?;
        let given = answer.header("content-type").to_ascii_lowercase();
        if !answer.status.is_success() || !given.contains(kind) || answer.is_html() || answer.body.is_empty() {
            let stop = Stop::failed(
                format!("{} is {kind}", address.path()),
                format!("answered: {} ({})", who(&answer), answer.summary()),
            )
            .at(answer.at())
            .because("the dashboard's image lacks the file, or a proxy before the gateway changes it");
            return Err(blame(stop, taken_by(cx, address.path()).await));
        }
    }
    Ok(())
}

async fn deep_links_open(cx: &Ctx) -> Checked {
    let session = cx.user_session().await?;
    for path in ["/_/jupyter/?ns=kubeflow-user-example-com", "/manage-users", "/activity"] {
        let answer = session.get(path).await?;
        if let Err(stop) = expect_page(cx, &answer, App::Dashboard) {
            return Err(blame(stop, route(cx, App::Dashboard.entry()).await));
        }
    }
    Ok(())
}
