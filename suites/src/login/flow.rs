//! The login of a person, hop by hop.

use clusters::versions::Contract;
use clusters::versions::auth::Refusal;
use harness::check::source;
use harness::http::{Answer, forms};
use harness::login::{End, Step, Trail};
use harness::{Check, Checked, Ctx, Explain, Level, Severity, Stop, check};

use super::diagnose;
use super::steps::{FirstLogin, hands_out_session};
use crate::applications::App;
use crate::faults::{gate, gateway, login as faults};
use crate::gateway::diagnose::blame;
use crate::recognise::{Answered, who};
use crate::stand_in::expect_app;

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "AUT-001",
        "A browser without a session is offered the login",
        Level::Must,
        source("kubeflow/manifests", "common/oauth2-proxy, common/oidc-client/oidc-authservice"),
        |cx| Box::pin(login_is_offered(cx)),
    )
    .explain(Explain {
        what: "A page is asked for without a cookie. v1.8 redirects to Dex and sets the state cookie; v1.9 and later \
               answer 403 with a page whose button starts the login and remembers the page.",
        why: "It is the first thing that every user sees. A bare refusal leaves them without a way in.",
        fix: "Look at the guard (oidc-authservice or oauth2-proxy), at the object that makes the gateway ask it, and \
              at the provider in MeshConfig.",
        reproduce: "curl -s -i \"$GATEWAY/pipeline/\"",
    })
    .breaks_on(&[&gate::REMOVED_A, &gate::SESSION_NOT_ASKED_B, &faults::GUARD_STOPPED_A, &faults::GUARD_STOPPED_B, &faults::PROVIDER_MISSPELT_B]),
    check(
        "AUT-002",
        "A program without a session is refused in a way that programs understand",
        Level::Must,
        source("kubeflow/manifests", "common/oauth2-proxy/base/oauth2_proxy.cfg: api_routes"),
        |cx| Box::pin(programs_are_refused(cx)),
    )
    .explain(Explain {
        what: "API paths are asked for without a cookie: v1.9 and later answer 401 with an empty JSON object, v1.8 \
               redirects to Dex as for pages.",
        why: "Pages that are open when a session ends go on asking in the background: each must be told that the \
              session is over, and none may start a login of its own.",
        fix: "Restore api_routes in oauth2_proxy.cfg and restart oauth2-proxy.",
        reproduce: "curl -s -i \"$GATEWAY/api/workgroup/exists\"",
    })
    .breaks_on(&[&gate::REMOVED_A, &faults::API_ROUTES_LOST_B]),
    check(
        "AUT-003",
        "The login asks Dex in the name of the registered client",
        Level::Must,
        source("RFC 6749", "section 4.1.1; RFC 7636 section 4.3"),
        |cx| Box::pin(asks_dex(cx)),
    )
    .explain(Explain {
        what: "The redirect to Dex names the client, the callback, the scopes and a state, and since v1.9 a PKCE \
               challenge; the browser gets a cookie that ties it to the login.",
        why: "Without state or PKCE somebody else's login can be slipped into a browser.",
        fix: "Compare oauth2_proxy.cfg (v1.8: ConfigMap oidc-authservice-parameters) and the guard's Secret with \
              kubeflow/manifests.",
        reproduce: "curl -s -i \"$GATEWAY/oauth2/start?rd=/\" | grep -i -e ^location -e ^set-cookie",
    })
    .after(&["AUT-001"])
    .breaks_on(&[&faults::CLIENT_ID_CHANGED_A, &faults::CLIENT_ID_CHANGED_B, &faults::PKCE_LOST_B]),
    check(
        "AUT-004",
        "Dex shows its login form",
        Level::Must,
        source("dexidp/dex", "web/templates/password.html"),
        |cx| Box::pin(form_is_shown(cx)),
    )
    .explain(Explain {
        what: "Following the redirects leads to a form with the fields login and password.",
        why: "Dex refuses a client or a callback that it does not know only here, one hop later than one expects.",
        fix: "Dex's error page names the reason; redirectURIs and staticClients are in ConfigMap auth/dex.",
        reproduce: "curl -s -L -c cookies.txt -b cookies.txt \"$GATEWAY/oauth2/start?rd=/\" | grep -o 'name=\"[a-z]*\"'",
    })
    .after(&["AUT-003"])
    .breaks_on(&[&faults::DEX_STOPPED, &faults::CALLBACK_UNREGISTERED_A, &faults::CALLBACK_UNREGISTERED_B]),
    check(
        "AUT-005",
        "The right password is granted a code",
        Level::Must,
        source("dexidp/dex", "server/handlers.go: handlePasswordLogin"),
        |cx| Box::pin(password_is_accepted(cx)),
    )
    .explain(Explain {
        what: "The form, sent in with the run's user and password, is answered with a redirect to the callback with \
               a code and the state that the login began with.",
        why: "A password changed in the Secret works only after Dex has been restarted, and the old one works until \
              then.",
        fix: "Check the password given to this run; then the hash in Secret auth/dex-passwords (v1.8: ConfigMap \
              auth/dex), and restart Dex.",
        reproduce: "URL=$(curl -s -L -c cookies.txt -b cookies.txt -o /dev/null -w '%{url_effective}' \
                    \"$GATEWAY/oauth2/start?rd=/\"); curl -s -i -b cookies.txt -d login=USER -d password=PASSWORD \
                    \"$URL\" | head -20",
    })
    .after(&["AUT-004"])
    .breaks_on(&[&faults::PASSWORD_CHANGED_A, &faults::PASSWORD_CHANGED_B]),
    check(
        "AUT-006",
        "The callback hands out a session, and the session opens the dashboard",
        Level::Must,
        source("kubeflow/manifests", "README: the login as user@example.com"),
        |cx| Box::pin(session_is_handed_out(cx)),
    )
    .explain(Explain {
        what: "The callback sets the session cookie and leads back to the page that the login began at; with the \
               cookie the dashboard's page opens.",
        why: "Here the guard redeems the code at Dex with the client's secret: secrets that drifted apart, a wrong \
              issuer and a blocked way to Dex all show at this hop.",
        fix: "Compare Secret auth/dex-oidc-client with the guard's, and look at the guard's log.",
        reproduce: "URL=$(curl -s -L -c cookies.txt -b cookies.txt -o /dev/null -w '%{url_effective}' \
                    \"$GATEWAY/oauth2/start?rd=/\"); curl -s -L -c cookies.txt -b cookies.txt -d login=USER -d \
                    password=PASSWORD \"$URL\" | grep -o '<title>[^<]*' (v1.8: start at \"$GATEWAY/\")",
    })
    .after(&["AUT-005"])
    .breaks_on(&[
        &faults::CLIENT_SECRET_CHANGED_A,
        &faults::CLIENT_SECRET_CHANGED_B,
        &gateway::DASHBOARD_ROUTE_REMOVED_A,
        &gateway::DASHBOARD_ROUTE_REMOVED_B,
    ]),
    check(
        "AUT-007",
        "The cookie that ties a login to its browser is out of reach of scripts",
        Level::Must,
        source("oauth2-proxy/oauth2-proxy", "pkg/cookies/csrf.go"),
        |cx| Box::pin(state_cookie_is_kept(cx)),
    )
    .explain(Explain {
        what: "The state cookie that a login begins with is valid for the whole site; since v1.9 it is HttpOnly and \
               lasts an hour at most, and Secure wherever the gateway speaks TLS. What the release itself leaves open \
               is reported.",
        why: "Whoever reads it can slip a login of their own into the browser.",
        fix: "Restore cookie_httponly and the csrf settings in oauth2_proxy.cfg; FORCE_HTTPS=true behind TLS.",
        reproduce: "curl -s -i \"$GATEWAY/oauth2/start?rd=/\" | grep -i ^set-cookie (v1.8: \"$GATEWAY/\")",
    })
    .after(&["AUT-003"])
    .breaks_on(&[&faults::COOKIES_READABLE_B]),
    check(
        "AUT-008",
        "A login stays on the platform's address",
        Level::Must,
        source("kubeflow/manifests", "login_url of oauth2_proxy.cfg; OIDC_AUTH_URL of oidc-authservice"),
        |cx| Box::pin(stays_here(cx)),
    )
    .explain(Explain {
        what: "No redirect and no form of the login leads to another address than the one that it began at.",
        why: "Dex's name inside the cluster is what its discovery document says. A browser that is sent there finds \
              no such host.",
        fix: "Set login_url (v1.8: OIDC_AUTH_URL) to /dex/auth, and restart the guard.",
        reproduce: "curl -s -i \"$GATEWAY/oauth2/start?rd=/\" | grep -i ^location (v1.8: \"$GATEWAY/\")",
    })
    .after(&["AUT-001"])
    .breaks_on(&[&faults::LOGIN_ADDRESS_INTERNAL_A, &faults::LOGIN_ADDRESS_INTERNAL_B]),
];

async fn login_is_offered(cx: &Ctx) -> Checked {
    const PAGE: &str = "/pipeline/";
    let answer = cx.browser().get(PAGE).await?;
    let offered = match cx.version().auth().refusal(PAGE) {
        Some(Refusal::Redirect { status, .. }) => {
            answer.status.as_u16() == status && who(&answer) == Answered::DexRedirect && holds_state(cx, &answer)
        }
        Some(Refusal::SignInPage { status, action }) => {
            answer.status.as_u16() == status && remembers(&answer, action, PAGE)
        }
        _ => false,
    };
    if offered {
        return Ok(());
    }
    let expected = match cx.contract() {
        Contract::A => "302 to /dex/auth with a state, and a cookie that holds the same state",
        Contract::B => "403 and a sign-in page whose form starts the login and remembers /pipeline/",
    };
    let stop = Stop::failed(expected, format!("{} ({})", who(&answer), answer.summary())).at(answer.at());
    Err(blame(stop, diagnose::login(cx).await))
}

/// v1.8: the state in the redirect is the value of the state cookie.
fn holds_state(cx: &Ctx, answer: &Answer) -> bool {
    let state = answer.location().and_then(|to| parameter(&to, "state"));
    let cookie = cx.version().auth().login.state_cookie;
    state.is_some() && answer.set_cookies().iter().any(|set| set.name == cookie && Some(&set.value) == state.as_ref())
}

/// v1.9 and later: the page's form starts the login, and comes back to the page.
fn remembers(answer: &Answer, action: &str, page: &str) -> bool {
    forms(answer).iter().any(|form| {
        form.action.path() == action && form.fields.iter().any(|(name, value)| name == "rd" && value == page)
    })
}

/// A query parameter of a URL.
#[must_use]
pub fn parameter(url: &url::Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

async fn programs_are_refused(cx: &Ctx) -> Checked {
    let browser = cx.browser();
    for path in ["/api/workgroup/exists", "/pipeline/apis/v2beta1/healthz", "/jupyter/api/namespaces"] {
        let answer = browser.get(path).await?;
        let (expected, status) = match cx.version().auth().refusal(path) {
            Some(Refusal::Json { status, .. }) => (Answered::ApiRefusal, status),
            Some(refusal) => (Answered::DexRedirect, refusal.status()),
            None => continue,
        };
        if who(&answer) != expected || answer.status.as_u16() != status {
            let stop = Stop::failed(
                format!("{status}: {expected}"),
                format!("answered: {} ({})", who(&answer), answer.summary()),
            );
            return Err(blame(stop.at(answer.at()), diagnose::api_routes(cx).await));
        }
    }
    Ok(())
}

async fn asks_dex(cx: &Ctx) -> Checked {
    let first = cx.fixture::<FirstLogin>().await?;
    let login = &cx.version().auth().login;
    let hop =
        first.trail.hops.iter().find(|hop| {
            hop.answer.location().is_some_and(|to| to.path() == login.authorize) && hop.step != Step::Submit
        });
    let Some(hop) = hop else { return Err(lost(cx, &first.trail, "a redirect to /dex/auth").await) };
    let to = hop.answer.location().unwrap_or_else(|| hop.answer.url.clone());
    let mut wanted = vec![
        ("client_id", login.client_id.to_owned()),
        ("redirect_uri", login.callback.to_owned()),
        ("response_type", "code".to_owned()),
        ("scope", login.scope.to_owned()),
    ];
    if login.pkce {
        wanted.push(("code_challenge_method", "S256".to_owned()));
    }
    for (name, value) in wanted {
        let found = parameter(&to, name).unwrap_or_default();
        if found != value {
            let stop = Stop::failed(format!("{name}={value} in the redirect to Dex"), format!("{name}={found}"))
                .because(format!("{} asks Dex with another {name}", guard_settings(cx)));
            return Err(blame(stop.at(hop.answer.at()), diagnose::login(cx).await));
        }
    }
    let tied = hop.answer.set_cookies().iter().any(|cookie| cookie.name == login.state_cookie);
    let challenge = !login.pkce || parameter(&to, "code_challenge").is_some_and(|challenge| challenge.len() >= 43);
    if tied && challenge && parameter(&to, "state").is_some_and(|state| state.len() >= 16) {
        return Ok(());
    }
    Err(Stop::failed(
        format!("a state, {}the cookie {}", if login.pkce { "a PKCE challenge, " } else { "" }, login.state_cookie),
        "one of them is missing",
    )
    .at(hop.answer.at())
    .because("the guard does not tie the login to the browser")
    .fix("compare the guard's configuration with kubeflow/manifests"))
}

async fn form_is_shown(cx: &Ctx) -> Checked {
    let first = cx.fixture::<FirstLogin>().await?;
    let (login, password) = cx.version().auth().login.fields;
    let Some(answer) = first.trail.at(Step::Form) else {
        return Err(lost(cx, &first.trail, "Dex's login form").await);
    };
    let complete = forms(answer).iter().any(|form| {
        form.fields.iter().any(|(name, _)| name == login) && form.password_field.as_deref() == Some(password)
    });
    if complete {
        return Ok(());
    }
    Err(Stop::failed(format!("a form with the fields {login} and {password}"), answer.summary())
        .at(answer.at())
        .because("the page is not Dex's own login form")
        .fix("restore Dex's templates"))
}

async fn password_is_accepted(cx: &Ctx) -> Checked {
    let first = cx.fixture::<FirstLogin>().await?;
    let login = &cx.version().auth().login;
    let Some(answer) = first.trail.at(Step::Submit) else {
        return Err(lost(cx, &first.trail, "an answer to the login form").await);
    };
    let to = answer.location().filter(|to| to.path() == login.callback);
    let complete = to.is_some_and(|to| parameter(&to, "code").is_some() && parameter(&to, "state").is_some());
    if answer.status.as_u16() == login.granted && complete {
        return Ok(());
    }
    Err(Stop::failed(
        format!("{} to {} with a code and a state", login.granted, login.callback),
        format!("answered: {} ({})", who(answer), answer.summary()),
    )
    .at(answer.at())
    .because(format!("Dex does not accept the password given for {}", cx.user().email))
    .fix("give this run the right password (--user, --password-file), or correct Dex's hash and restart Dex"))
}

async fn session_is_handed_out(cx: &Ctx) -> Checked {
    let first = cx.fixture::<FirstLogin>().await?;
    let Some(callback) = first.trail.at(Step::Callback) else {
        return Err(lost(cx, &first.trail, "the login's callback").await);
    };
    let login = &cx.version().auth().login;
    if callback.status.as_u16() != login.completed || !hands_out_session(cx, callback) {
        let stop = Stop::failed(
            format!("{} and the cookie {}", login.completed, cx.version().auth().session.name),
            format!("answered: {} ({})", who(callback), callback.summary()),
        );
        return Err(blame(stop.at(callback.at()), diagnose::login(cx).await));
    }
    if first.trail.end != End::In {
        return Err(lost(cx, &first.trail, "the page that the login began at").await);
    }
    let answer = first.session.get("/").await?;
    match expect_app(cx, &answer, App::Dashboard) {
        Ok(()) => Ok(()),
        Err(stop) => Err(blame(stop, diagnose::login(cx).await)),
    }
}

async fn state_cookie_is_kept(cx: &Ctx) -> Checked {
    let first = cx.fixture::<FirstLogin>().await?;
    let name = cx.version().auth().login.state_cookie;
    let set = first.trail.hops.iter().find_map(|hop| {
        let cookie = hop.answer.set_cookies().into_iter().find(|cookie| cookie.name == name && !cookie.deletes());
        cookie.map(|cookie| (hop.answer.at(), cookie))
    });
    let Some((at, cookie)) = set else {
        return Err(Stop::errored("precondition", format!("the first login set no cookie {name}: see AUT-003")));
    };
    let tls = first.session.base().scheme() == "https";
    let promised = cx.contract() == Contract::B;
    let (expected, actual) = if cookie.path.as_deref() != Some("/") {
        ("Path=/", "another path")
    } else if promised && !cookie.http_only {
        ("HttpOnly", "a cookie that scripts can read")
    } else if promised && tls && !cookie.secure {
        ("Secure, as the gateway speaks TLS", "a cookie that is sent in the clear, too")
    } else if promised && super::session::lifetime(&cookie).is_some_and(|seconds| seconds > 3600 + 300) {
        ("an hour at most", "a longer life")
    } else {
        if !cookie.http_only {
            cx.finding(
                Severity::Low,
                "Scripts can read the cookie that ties a login to its browser",
                "v1.8 ships it so, and lets it live for tens of thousands of years. Moving to v1.9 or later closes it.",
            );
        }
        return Ok(());
    };
    Err(Stop::failed(format!("{name} with {expected}"), actual)
        .at(at)
        .because("the cookie settings in oauth2_proxy.cfg (namespace oauth2-proxy)")
        .fix("restore the cookie settings of kubeflow/manifests, and restart oauth2-proxy"))
}

/// Where the guard is told how to ask Dex.
fn guard_settings(cx: &Ctx) -> &'static str {
    match cx.contract() {
        Contract::A => {
            "oidc-authservice (ConfigMap istio-system/oidc-authservice-parameters: OIDC_AUTH_URL, OIDC_SCOPES)"
        }
        Contract::B => "oauth2-proxy (its oauth2_proxy.cfg: login_url, scope, code_challenge_method)",
    }
}

async fn stays_here(cx: &Ctx) -> Checked {
    let first = cx.fixture::<FirstLogin>().await?;
    let End::Away(target) = &first.trail.end else { return Ok(()) };
    let at = first.trail.last().map(Answer::at).unwrap_or_default();
    Err(Stop::failed(format!("the login stays on {}", first.session.base()), format!("it leads to {target}"))
        .at(at)
        .because(format!("{} sends browsers to an address that is no path of the platform", guard_settings(cx)))
        .fix("set it to /dex/auth, and restart the guard; or judge the platform by its public address: --gateway-url"))
}

/// The failure of a login that did not come as far as a check looks.
async fn lost(cx: &Ctx, trail: &Trail, wanted: &str) -> Stop {
    let Some(last) = trail.last() else { return Stop::errored("precondition", "the login made no request") };
    let stop = Stop::failed(wanted, format!("the login ended with {} ({})", who(last), last.summary()));
    blame(stop.at(last.at()), diagnose::login(cx).await)
}
