//! No login and no sign-out leads to somebody else's site.

use clusters::versions::Contract;
use harness::check::source;
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Stop, check};

use super::diagnose;
use super::flow::parameter;
use crate::faults::login as faults;
use crate::gateway::diagnose::{Cause, blame};

const SECURITY: &[Profile] = &[Profile::Core, Profile::Security];

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "AUT-030",
        "A login never leads to another site",
        Level::Must,
        source("RFC 9700", "section 4.11: open redirection"),
        |cx| Box::pin(start_stays(cx)),
    )
    .explain(Explain {
        what: "Logins are begun with targets on another site, in the spellings that have fooled others: each is \
               replaced by a path of this site.",
        why: "A link to this platform that ends on a copied login page is how passwords are stolen.",
        fix: "Leave whitelist_domains in oauth2_proxy.cfg empty.",
        reproduce: "curl -s -i \"$GATEWAY/oauth2/start?rd=https://conformance.example.org/\" | grep -i ^location",
    })
    .profiles(SECURITY)
    .only(&[Contract::B])
    .after(&["AUT-003"])
    .breaks_on(&[&faults::REDIRECTS_OPENED_B]),
    check(
        "AUT-031",
        "A sign-out never leads to another site",
        Level::Must,
        source("RFC 9700", "section 4.11: open redirection"),
        |cx| Box::pin(sign_out_stays(cx)),
    )
    .explain(Explain {
        what: "Sign-outs are asked for with targets on another site: each leads to a path of this site.",
        why: "As AUT-030: after a sign-out people expect a login page.",
        fix: "Leave whitelist_domains in oauth2_proxy.cfg empty.",
        reproduce: "curl -s -i \"$GATEWAY/oauth2/sign_out?rd=https://conformance.example.org/\" | grep -i ^location",
    })
    .profiles(SECURITY)
    .only(&[Contract::B])
    .after(&["AUT-003"])
    .breaks_on(&[&faults::REDIRECTS_OPENED_B]),
];

/// Spellings of another site, seen in reports of open redirects.
const ELSEWHERE: &[&str] = &[
    "https://conformance.example.org/",
    "//conformance.example.org/",
    "///conformance.example.org/",
    "/\\conformance.example.org/",
    "\\\\conformance.example.org/",
    "/.//conformance.example.org/",
    "/\t/conformance.example.org/",
    "/ /conformance.example.org/",
    "https:/conformance.example.org/",
    "javascript:alert(1)",
];

async fn start_stays(cx: &Ctx) -> Checked {
    for target in ELSEWHERE {
        let path = cx.version().auth().login.entry.at(target);
        let answer = cx.browser().get(&path).await?;
        let state = answer.location().and_then(|to| parameter(&to, "state"));
        // oauth2-proxy keeps the target behind the first colon of the state.
        let Some((_, kept)) = state.as_deref().and_then(|state| state.split_once(':')) else {
            return Err(Stop::failed("a redirect to Dex with a state", answer.summary()).at(answer.at()));
        };
        if !is_local(kept) {
            return Err(opened(cx, target, kept).await.at(answer.at()));
        }
    }
    Ok(())
}

async fn sign_out_stays(cx: &Ctx) -> Checked {
    let here = cx.browser().base().origin();
    for target in ELSEWHERE {
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("rd", target).finish();
        let answer = cx.browser().get(&format!("{}?{query}", cx.version().auth().logout.path)).await?;
        let stays = answer.location().is_some_and(|to| to.origin() == here) && is_local(answer.header("location"));
        if !stays {
            return Err(opened(cx, target, answer.header("location")).await.at(answer.at()));
        }
    }
    Ok(())
}

/// A path of this site, however a browser reads it: browsers take a backslash for a slash and leave blanks out.
fn is_local(target: &str) -> bool {
    let read: String = target.chars().filter(|c| !c.is_whitespace()).collect::<String>().replace('\\', "/");
    let path = read.strip_prefix("/.").unwrap_or(&read);
    path.starts_with('/') && !path.starts_with("//")
}

async fn opened(cx: &Ctx, asked: &str, given: &str) -> Stop {
    let stop = Stop::failed(format!("{asked:?} is replaced by a local path"), format!("it leads to {given:?}"));
    let config = diagnose::proxy_config(cx).await;
    blame(
        stop,
        config.map(|config| {
            config.lines().find(|line| line.trim_start().starts_with("whitelist_domains")).map(|line| {
                Cause::new(
                    format!("oauth2_proxy.cfg (namespace oauth2-proxy) has {}", line.trim()),
                    "leave whitelist_domains empty, and restart oauth2-proxy",
                )
            })
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::is_local;

    #[test]
    fn only_paths_of_this_site_are_local() {
        for (target, local) in [
            ("/", true),
            ("/pipeline/?x=//y", true),
            ("//x", false),
            ("/\\x", false),
            ("/.//x", false),
            ("/\t/x", false),
            ("https://x/", false),
            ("", false),
        ] {
            assert_eq!(is_local(target), local, "{target}");
        }
    }
}
