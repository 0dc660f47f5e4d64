//! What a session is worth: how its cookie is kept, and which cookies are none.

use clusters::versions::Contract;
use harness::check::source;
use harness::http::SetCookie;
use harness::login::Step;
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Severity, Stop, check};
use jiff::Timestamp;

use super::id_token::IdToken;
use super::seal::{self, Seal};
use super::steps::{FirstLogin, session_cookies};
use super::{diagnose, settings};
use crate::faults::login as faults;
use crate::gateway::diagnose::{Cause, blame, gate as gate_cause};
use crate::recognise::{expect_refusal, who};

const SECURITY: &[Profile] = &[Profile::Core, Profile::Security];

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "AUT-040",
        "The session cookie is kept as the guard promises",
        Level::Must,
        source("RFC 6265", "section 4.1.2; kubeflow/manifests common/oauth2-proxy, common/oidc-client"),
        |cx| Box::pin(cookie_is_kept(cx)),
    )
    .explain(Explain {
        what: "The session cookie that the callback sets is valid for the whole site and for a day at most, and has \
               the attributes of its release: HttpOnly since v1.9, SameSite=Lax in v1.8, Secure wherever the gateway \
               speaks TLS. What the release itself leaves open is reported.",
        why: "A cookie that scripts can read, or that lasts for months, is a session that is stolen once and used \
              for long.",
        fix: "v1.8: SESSION_MAX_AGE and SESSION_SAMESITE of ConfigMap oidc-authservice-parameters. v1.9 and later: \
              cookie_expire and cookie_httponly in oauth2_proxy.cfg, FORCE_HTTPS=true behind TLS.",
        reproduce: "Log in with the browser's network log open, and read Set-Cookie of the callback.",
    })
    .profiles(SECURITY)
    .after(&["AUT-006"])
    .breaks_on(&[&faults::COOKIES_READABLE_B, &faults::SESSIONS_LONG_A, &faults::SESSIONS_LONG_B]),
    check(
        "AUT-041",
        "A session cookie that was changed opens nothing",
        Level::Must,
        source("oauth2-proxy/oauth2-proxy", "pkg/encryption/utils.go: Validate; authservice: session.go"),
        |cx| Box::pin(changed(cx)),
    )
    .explain(Explain {
        what: "Single letters of a good session cookie are changed, in each of its parts: every request is refused. \
               The unchanged cookie opens the dashboard.",
        why: "A cookie whose content is not verified lets its owner become somebody else.",
        fix: "Nothing in a configuration allows this: look for a program in place of the guard.",
        reproduce: "Change a letter of the session cookie in the browser's developer tools and reload.",
    })
    .profiles(SECURITY)
    .after(&["AUT-006"])
    .breaks_on(&[&faults::SESSION_UNCHECKED]),
    check(
        "AUT-042",
        "A session cookie that was cut short opens nothing",
        Level::Must,
        source("oauth2-proxy/oauth2-proxy", "pkg/sessions/cookie; authservice: session.go"),
        |cx| Box::pin(cut(cx)),
    )
    .explain(Explain {
        what: "A good session cookie is cut in half, emptied, and replaced by text that is none: every request is \
               refused, by the guard and not by a crash.",
        why: "Proxies and browsers cut long cookies. The user must be asked for a login then, and nobody may come in.",
        fix: "Nothing in a configuration allows this: look for a program in place of the guard.",
        reproduce: "curl -s -i -b 'oauth2_proxy_kubeflow=x' \"$GATEWAY/\" (v1.8: authservice_session=x)",
    })
    .profiles(SECURITY)
    .after(&["AUT-006"])
    .breaks_on(&[&faults::SESSION_UNCHECKED]),
    check(
        "AUT-043",
        "A session cookie that another platform issued opens nothing",
        Level::Must,
        source("oauth2-proxy/oauth2-proxy", "pkg/encryption/utils.go: SignedValue"),
        |cx| Box::pin(foreign(cx)),
    )
    .explain(Explain {
        what: "A well-formed cookie that was not issued here is presented: since v1.9 one that is signed with another \
               secret, in v1.8 a session id that nobody was given. Both are refused.",
        why: "Two platforms that share a cookie secret share their sessions, too: a login at the test platform opens \
              the production one.",
        fix: "Generate a cookie secret for each platform (Secret oauth2-proxy/oauth2-proxy-…, key cookie-secret) and \
              restart oauth2-proxy.",
        reproduce: "Copy the session cookie of one platform into the browser of another one.",
    })
    .profiles(SECURITY)
    .after(&["AUT-006"])
    .breaks_on(&[&faults::SESSION_UNCHECKED]),
    check(
        "AUT-044",
        "A session ends after a day",
        Level::Must,
        source("kubeflow/manifests", "common/oauth2-proxy/base/oauth2_proxy.cfg: cookie_expire"),
        |cx| Box::pin(expired(cx)),
    )
    .explain(Explain {
        what: "A good session cookie is signed anew, with the platform's own secret, as if it had been issued \
               twenty-five hours ago: it is refused. Signed anew as of now, it opens the dashboard. The time that a \
               browser is told is not looked at: it is the server that must count.",
        why: "There is no other end of a session since v1.9: a sign-out only clears the browser's copy.",
        fix: "Set cookie_expire in oauth2_proxy.cfg to 24h or less, and restart oauth2-proxy.",
        reproduce: "kubectl -n oauth2-proxy get configmap -o yaml | grep cookie_expire",
    })
    .profiles(SECURITY)
    .only(&[Contract::B])
    .after(&["AUT-006"])
    .breaks_on(&[&faults::SESSIONS_LONG_B, &faults::SESSION_UNCHECKED]),
    check(
        "AUT-045",
        "A session does not outlive the token inside it",
        Level::Must,
        source("kubeflow/manifests", "common/oauth2-proxy/base/oauth2_proxy.cfg: cookie_expire, cookie_refresh"),
        |cx| Box::pin(token_lasts(cx)),
    )
    .explain(Explain {
        what: "The lifetime of Dex's ID tokens is compared with that of the session cookie that carries one: the token \
               must not end before the cookie does.",
        why: "oauth2-proxy takes the cookie for good until it ends, and Istio refuses the token inside it: users see \
              a bare \"Jwt is expired\" without a way to log in, until they clear their cookies.",
        fix: "Give expiry.idTokens in ConfigMap auth/dex and cookie_expire in oauth2_proxy.cfg the same value, and \
              restart both programs.",
        reproduce: "kubectl -n auth get configmap dex -o yaml | grep -A3 expiry; kubectl -n oauth2-proxy get \
                    configmap -o yaml | grep cookie_expire",
    })
    .only(&[Contract::B])
    .after(&["AUT-006"])
    .breaks_on(&[&faults::TOKENS_SHORT, &faults::SESSIONS_LONG_B]),
];

/// The first session cookie that the first login was given.
async fn issued(cx: &Ctx) -> Checked<(String, SetCookie)> {
    let first = cx.fixture::<FirstLogin>().await?;
    let session = cx.version().auth().session;
    let callback = first.trail.at(Step::Callback);
    let cookie = callback.and_then(|answer| {
        let mut cookies = answer.set_cookies().into_iter();
        cookies.find(|cookie| session.is(&cookie.name) && !cookie.deletes()).map(|cookie| (answer.at(), cookie))
    });
    cookie.ok_or_else(|| Stop::errored("precondition", "the first login was given no session cookie: see AUT-006"))
}

/// For how many seconds from now a browser keeps a cookie; nothing if it forgets it when it is closed.
#[must_use]
pub fn lifetime(cookie: &SetCookie) -> Option<i64> {
    if cookie.max_age.is_some() {
        return cookie.max_age;
    }
    let expires = jiff::fmt::rfc2822::parse(&cookie.expires.as_deref()?.replace('-', " ")).ok()?;
    Some(expires.timestamp().as_second() - Timestamp::now().as_second())
}

/// The first login may lie a few minutes back, and clocks differ by a few.
const CLOCKS: i64 = 300;

async fn cookie_is_kept(cx: &Ctx) -> Checked {
    let (at, cookie) = issued(cx).await?;
    let promised = cx.version().auth().session;
    let tls = cx.browser().base().scheme() == "https";
    let longest = i64::try_from(promised.lifetime).unwrap_or(i64::MAX);
    let lives = lifetime(&cookie);
    let same_site = cookie.same_site.as_deref().unwrap_or("none given");
    let problem = if cookie.path.as_deref() != Some("/") {
        Some(("Path=/".to_owned(), format!("Path={}", cookie.path.as_deref().unwrap_or_default())))
    } else if lives.is_some_and(|lives| lives > longest + CLOCKS) {
        Some((format!("at most {longest} seconds"), format!("{} seconds", lives.unwrap_or_default())))
    } else if promised.http_only && !cookie.http_only {
        Some(("HttpOnly".to_owned(), "a cookie that scripts can read".to_owned()))
    } else if promised.same_site.is_some_and(|wanted| !same_site.eq_ignore_ascii_case(wanted) && same_site != "Strict")
    {
        Some((format!("SameSite={}", promised.same_site.unwrap_or_default()), format!("SameSite: {same_site}")))
    } else if tls && !cookie.secure {
        Some(("Secure, as the gateway speaks TLS".to_owned(), "a cookie that is sent in the clear, too".to_owned()))
    } else {
        None
    };
    if let Some((expected, actual)) = problem {
        return Err(Stop::failed(format!("{} with {expected}", cookie.name), actual)
            .at(at)
            .because(format!("the cookie settings of {}", cx.version().auth().guard))
            .fix("restore the guard's cookie settings of kubeflow/manifests, and restart it"));
    }
    let mut open = Vec::new();
    for (missing, attribute) in
        [(!cookie.http_only, "HttpOnly"), (!cookie.secure, "Secure"), (cookie.same_site.is_none(), "SameSite")]
    {
        if missing {
            open.push(attribute);
        }
    }
    if !open.is_empty() {
        cx.finding(
            Severity::Medium,
            format!("The session cookie lacks {}", open.join(", ")),
            "The release ships it so. Secure needs TLS before the gateway and FORCE_HTTPS=true (v1.9 and later); \
             SameSite is cookie_samesite in oauth2_proxy.cfg; v1.8's dashboard reads the cookie by script.",
        );
    }
    Ok(())
}

/// Asks for the dashboard with these cookies, and fails unless it is refused.
async fn refused_with(cx: &Ctx, what: &str, cookies: &[(String, String)]) -> Checked {
    let browser = cx.browser();
    for (name, value) in cookies {
        browser.set_cookie(name, value);
    }
    let answer = browser.get("/").await?;
    match expect_refusal(&answer, what) {
        Ok(()) => Ok(()),
        Err(stop) => Err(blame(stop, gate_cause(cx).await)
            .fix(format!("look for a program in place of {}", cx.version().auth().guard))),
    }
}

/// The cookies of the run's session.
async fn good(cx: &Ctx) -> Checked<Vec<(String, String)>> {
    let session = cx.user_session().await?;
    let cookies = session_cookies(cx, &session);
    if cookies.is_empty() {
        return Err(Stop::errored("precondition", "the run's session has no session cookie: see AUT-006"));
    }
    Ok(cookies)
}

/// The text with another letter at an index.
fn bent(text: &str, at: usize) -> String {
    text.char_indices()
        .map(|(index, letter)| match letter {
            _ if index != at => letter,
            'A' => 'B',
            '0'..='8' => '9',
            _ => 'A',
        })
        .collect()
}

async fn changed(cx: &Ctx) -> Checked {
    let cookies = good(cx).await?;
    let value = cookies[0].1.clone();
    // The middle of each part: the last letter of a part may hold bits that nobody reads.
    let mut start = 0;
    for (number, part) in value.split('|').enumerate() {
        let mut tampered = cookies.clone();
        tampered[0].1 = bent(&value, start + part.len() / 2);
        refused_with(cx, &format!("a session cookie with a changed letter in part {}", number + 1), &tampered).await?;
        start += part.len() + 1;
    }
    let answer = cx.user_session().await?.get("/").await?;
    if who(&answer).is_application() {
        return Ok(());
    }
    Err(Stop::errored("precondition", format!("the control failed: the unchanged cookie got {}", answer.summary())))
}

async fn cut(cx: &Ctx) -> Checked {
    let cookies = good(cx).await?;
    let (name, value) = cookies[0].clone();
    let half: String = value.chars().take(value.chars().count() / 2).collect();
    for (what, text) in [
        ("half a session cookie", half.as_str()),
        ("an empty session cookie", ""),
        ("a session cookie that says \"null\"", "null"),
        ("a session cookie of bars", "||"),
    ] {
        refused_with(cx, what, &[(name.clone(), text.to_owned())]).await?;
    }
    Ok(())
}

async fn foreign(cx: &Ctx) -> Checked {
    let name = cx.version().auth().session.name;
    let made = match cx.contract() {
        Contract::A => {
            // As long as a real one, and as random.
            let token = format!("{}{}", cx.environment().run_id, cx.check().id);
            seal::text(&token, 160)
        }
        Contract::B => {
            let session = seal::Session::of(&good(cx).await?)?;
            Seal::of_another_platform(&cx.environment().run_id).close(name, &session.content, Timestamp::now())?
        }
    };
    refused_with(cx, "a session cookie of another platform", &[(name.to_owned(), made)]).await
}

async fn expired(cx: &Ctx) -> Checked {
    let name = cx.version().auth().session.name;
    let session = seal::Session::of(&good(cx).await?)?;
    let seal = Seal::of_this_platform(cx).await?;
    let now = Timestamp::now();
    let anew = seal.close(name, &session.content, now)?;
    let browser = cx.browser();
    browser.set_cookie(name, &anew);
    let answer = browser.get("/").await?;
    if !who(&answer).is_application() {
        let message = format!("the control failed: a cookie signed with the Secret's key got {}", answer.summary());
        return Err(Stop::errored("precondition", message)
            .fix("oauth2-proxy may run with another secret than the one in its Secret: restart it"));
    }
    let old = seal.close(name, &session.content, now - jiff::SignedDuration::from_hours(25))?;
    browser.set_cookie(name, &old);
    let answer = browser.get("/").await?;
    match expect_refusal(&answer, "a session of twenty-five hours ago") {
        Ok(()) => Ok(()),
        Err(stop) => Err(blame(stop, too_long(cx).await)),
    }
}

async fn too_long(cx: &Ctx) -> Checked<Option<Cause>> {
    let config = diagnose::proxy_config(cx).await?;
    let line = config.lines().map(str::trim).find(|line| line.starts_with("cookie_expire"));
    Ok(line.filter(|line| !line.contains("\"24h\"")).map(|line| {
        Cause::new(
            format!("oauth2_proxy.cfg (namespace oauth2-proxy) has {line}"),
            "set cookie_expire to 24h, and restart oauth2-proxy",
        )
    }))
}

async fn token_lasts(cx: &Ctx) -> Checked {
    let (at, cookie) = issued(cx).await?;
    let token = cx.fixture::<IdToken>().await?;
    let number = |name: &str| token.claims.get(name).and_then(serde_json::Value::as_i64);
    let (Some(from), Some(until)) = (number("iat"), number("exp")) else {
        return Err(Stop::failed("an ID token with iat and exp", "one of them is missing").at("/dex/token"));
    };
    let token_lives = until - from;
    let Some(cookie_lives) = lifetime(&cookie) else {
        cx.finding(
            Severity::Medium,
            "The session cookie lasts until the browser is closed",
            "oauth2-proxy never ends such a session by itself: cookie_expire is zero.",
        );
        return Ok(());
    };
    if token_lives + CLOCKS >= cookie_lives {
        return Ok(());
    }
    let config = settings::dex_config(cx).await?;
    let cause = match too_long(cx).await? {
        Some(cause) => cause,
        None if config.contains("idTokens") => Cause::new(
            "expiry.idTokens in ConfigMap auth/dex is shorter than cookie_expire in oauth2_proxy.cfg",
            "set expiry.idTokens to 24h, and restart Dex",
        ),
        None => Cause::new("the lifetimes of Dex's tokens and of oauth2-proxy's cookie differ", "make them equal"),
    };
    let stop = Stop::failed(
        format!("a token that lasts as long as the cookie: {cookie_lives} seconds"),
        format!("a token that lasts {token_lives} seconds"),
    );
    Err(blame(stop.at(at), Ok(Some(cause))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_letter_is_changed() {
        assert_eq!(bent("abc|123", 1), "aAc|123");
        assert_eq!(bent("abc|123", 5), "abc|193");
        assert_eq!(bent("A", 0), "B");
    }

    #[test]
    fn a_lifetime_is_read_from_either_attribute() {
        let cookie = |text: &str| SetCookie::parse(text).unwrap();
        assert_eq!(lifetime(&cookie("a=b; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT")), Some(60));
        assert_eq!(lifetime(&cookie("a=b")), None);
        assert!(lifetime(&cookie("a=b; Expires=Mon, 01 Jan 2970 00:00:00 GMT")).unwrap() > 1 << 30);
    }
}
