//! The secrets behind the login: both sides must know the same, and nobody else.

use clusters::versions::credentials::{Credential, DEFAULT_PASSWORD, DEFAULT_USER};
use harness::check::source;
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Severity, Stop, check};

use super::{diagnose, settings};
use crate::faults::login as faults;
use crate::gateway::diagnose::blame;
use crate::objects::{self, CONFIG_MAP, SECRET};

const SECURITY: &[Profile] = &[Profile::Core, Profile::Security];

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "AUT-070",
        "Dex and the gateway's guard know the same OIDC client",
        Level::Must,
        source("kubeflow/manifests", "Secret auth/dex-oidc-client and the guard's Secret"),
        |cx| Box::pin(same_client(cx)),
    )
    .explain(Explain {
        what: "Client id and client secret in Secret auth/dex-oidc-client are those in the guard's Secret \
               (oidc-authservice-client in v1.8, oauth2-proxy-… since v1.9).",
        why: "The two Secrets are changed by hand, one after the other. Logins work until one of the programs is \
              restarted, days later.",
        fix: "Write the same client into both Secrets, and restart Dex and the guard.",
        reproduce: "kubectl -n auth get secret dex-oidc-client -o yaml; kubectl -n oauth2-proxy get secret -o yaml",
    })
    .breaks_on(&[
        &faults::CLIENT_SECRET_CHANGED_A,
        &faults::CLIENT_SECRET_CHANGED_B,
        &faults::CLIENT_ID_CHANGED_A,
        &faults::CLIENT_ID_CHANGED_B,
    ]),
    check(
        "AUT-071",
        "The secrets of the login cannot be guessed",
        Level::Must,
        source("RFC 6749", "section 10.10: guessing is computationally infeasible"),
        |cx| Box::pin(hard_to_guess(cx)),
    )
    .explain(Explain {
        what: "The client secret and (since v1.9) the cookie secret have sixteen letters or more. Secrets and the \
               password that stand in kubeflow/manifests for everybody to read are reported.",
        why: "Whoever knows the cookie secret makes sessions of any user; whoever knows the client secret redeems \
              codes that were found.",
        fix: "Generate secrets (openssl rand -base64 32), write them into the Secrets, and restart Dex and the guard. \
              Give the user another password, or connect an identity provider and remove the user.",
        reproduce: "kubectl -n auth get secret dex-oidc-client -o jsonpath='{.data.OIDC_CLIENT_SECRET}' | base64 -d | \
                    wc -c",
    })
    .profiles(SECURITY)
    .breaks_on(&[&faults::CLIENT_SECRET_SHORT_A, &faults::CLIENT_SECRET_SHORT_B]),
];

async fn same_client(cx: &Ctx) -> Checked {
    let cause = diagnose::client(cx).await?;
    match cause {
        None => Ok(()),
        Some(cause) => {
            let stop = Stop::failed("the same OIDC client on both sides", "two different ones");
            Err(blame(stop, Ok(Some(cause))))
        }
    }
}

/// Letters of a secret that cannot be guessed: sixteen random letters of base64 are 96 bits.
const LETTERS: usize = 16;

async fn hard_to_guess(cx: &Ctx) -> Checked {
    let mut secrets: Vec<(String, String)> = Vec::new();
    for client in [settings::at_dex(cx).await?, settings::at_guard(cx).await?].into_iter().flatten() {
        secrets.push((format!("the client secret in {}", client.place), client.secret));
    }
    if let Some(secret) = settings::proxy_secret(cx).await?
        && let Some(value) = objects::secret_value(&secret, "cookie-secret")
    {
        cx.secret(&value);
        secrets.push((format!("the cookie secret in Secret {}", objects::place(&secret)), value));
    }
    for (what, secret) in &secrets {
        let varied = secret.chars().collect::<std::collections::BTreeSet<_>>().len();
        if secret.len() < LETTERS || varied < 6 {
            return Err(Stop::failed(
                format!("{what} has {LETTERS} letters or more"),
                format!("{} letters, {varied} different ones", secret.len()),
            )
            .because(what.clone())
            .fix("openssl rand -base64 32, in both Secrets, and restart Dex and the guard"));
        }
    }
    for credential in cx.version().credentials() {
        if LOGIN.contains(&credential.namespace) && is_shipped(cx, credential).await? {
            cx.finding(
                Severity::High,
                format!(
                    "{} {}/{} still holds what the release ships",
                    credential.kind, credential.namespace, credential.name
                ),
                format!("It opens {}, and anybody can read it in {}.", credential.what, credential.source),
            );
        }
    }
    if cx.user().email == DEFAULT_USER && cx.user().password == DEFAULT_PASSWORD {
        cx.finding(
            Severity::High,
            "The run logs in with the user and the password that the release ships",
            "Anybody who can reach the gateway can do the same. Give the user another password, or connect an \
             identity provider and remove the user.",
        );
    }
    Ok(())
}

/// The namespaces of the login's Secrets.
const LOGIN: &[&str] = &["auth", "istio-system", "oauth2-proxy"];

async fn is_shipped(cx: &Ctx, credential: &Credential) -> Checked<bool> {
    let kind = if credential.kind == "ConfigMap" { CONFIG_MAP } else { SECRET };
    let found = objects::within(cx, kind, credential.namespace).await?;
    Ok(found.iter().filter(|object| credential.is_named(objects::name(object))).any(|object| {
        if credential.kind == "ConfigMap" {
            objects::config_value(object, credential.key).is_some_and(|text| text.contains(credential.value))
        } else {
            objects::secret_value(object, credential.key).as_deref() == Some(credential.value)
        }
    }))
}
