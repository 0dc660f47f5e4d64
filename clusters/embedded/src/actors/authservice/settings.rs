//! oidc-authservice's configuration: environment variables only.
//!
//! Facts: arrikto/oidc-authservice `settings.go` at e236439. Variables that change nothing here (templates, themes, CA
//! bundle, session store's path beyond the volume that it is on) are accepted and ignored.

use std::collections::BTreeMap;

use regex::Regex;
use serde::Deserialize;

use crate::actors::net_http::path::clean;

/// What oidc-authservice runs with.
#[derive(Clone)]
pub struct Settings {
    /// Issuer.
    pub provider: String,
    /// Client id.
    pub client_id: String,
    /// Client secret.
    pub client_secret: String,
    /// Where the browser logs in; empty is the discovered address.
    pub auth_url: String,
    /// Where the provider sends the browser back to.
    pub redirect_url: String,
    /// Path of the callback.
    pub callback_path: String,
    /// Path of the logout.
    pub logout_path: String,
    /// `scope`.
    pub scope: String,
    /// Beginnings of paths that need no session.
    pub skip_auth_urls: Vec<String>,
    /// Header with a session id, in lower case.
    pub auth_header: String,
    /// Header with an ID token, in lower case.
    pub id_token_header: String,
    /// Audiences of service-account tokens.
    pub audiences: Vec<String>,
    /// Where a callback without a code leads to.
    pub homepage_url: String,
    /// Where all logins lead to, with the first address as `next`; empty is the first address itself.
    pub after_login_url: String,
    /// What a logout tells the browser to open.
    pub after_logout_url: String,
    /// Header of the user's name, in lower case.
    pub user_id_header: String,
    /// Put before the user's name.
    pub user_id_prefix: String,
    /// Rewriting of the user's name: the first expression that matches.
    pub user_id_transformers: Vec<(Regex, String)>,
    /// Claim of the user's name.
    pub user_id_claim: String,
    /// Header of the user's groups, in lower case.
    pub groups_header: String,
    /// Claim of the user's groups.
    pub groups_claim: String,
    /// Groups that may pass; `*` is any.
    pub groups_allowlist: Vec<String>,
    /// Life of a session in seconds.
    pub session_max_age: i64,
    /// `SameSite` of the session cookie.
    pub same_site: &'static str,
    /// Whether the provider is asked about a session at each request.
    pub strict_session_validation: bool,
    /// File of the session store.
    pub store_path: String,
    /// Port of the readiness probe.
    pub readiness_port: u16,
    /// Port of the pages.
    pub web_port: u16,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Settings").field("provider", &self.provider).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Transformer {
    matches: String,
    replaces: String,
}

impl Settings {
    /// Reads the configuration.
    ///
    /// # Errors
    /// What oidc-authservice would print before it exits. It names variables, never values.
    pub fn read(environment: &BTreeMap<String, String>) -> Result<Self, String> {
        let optional = |name: &str| environment.get(name).filter(|value| !value.is_empty()).cloned();
        let text = |name: &str, default: &str| optional(name).unwrap_or_else(|| default.to_owned());
        let required = |name: &str| {
            environment
                .get(name)
                .cloned()
                .ok_or_else(|| format!("Failed to parse configuration: required key {name} missing value"))
        };
        let number = |name: &str, default: i64| match optional(name) {
            None => Ok(default),
            Some(value) => {
                value.parse::<i64>().map_err(|_| format!("Failed to parse configuration: {name} is no number"))
            }
        };
        let port = |name: &str, default: i64| {
            number(name, default).and_then(|port| {
                u16::try_from(port).map_err(|_| format!("Failed to parse configuration: {name} is no port"))
            })
        };
        let prefix = required("AUTHSERVICE_URL_PREFIX")?;
        let below = |path: &str| clean(&format!("{prefix}/{path}"));
        let mut skip_auth_urls = words(&text("SKIP_AUTH_URLS", ""));
        if !skip_auth_urls.contains(&prefix) {
            skip_auth_urls.insert(0, prefix.clone());
        }
        let mut scopes = words(&text("OIDC_SCOPES", "openid,email"));
        if !scopes.iter().any(|scope| scope == "openid") {
            scopes.insert(0, "openid".into());
        }
        let transformers: Vec<Transformer> = serde_json::from_str(&text("USERID_TRANSFORMERS", "[]"))
            .map_err(|_| "Failed to parse configuration: USERID_TRANSFORMERS is no list of rules")?;
        let user_id_transformers = transformers
            .into_iter()
            .map(|rule| {
                Ok((Regex::new(&rule.matches).map_err(|_| "USERID_TRANSFORMERS: bad expression")?, rule.replaces))
            })
            .collect::<Result<_, String>>()?;
        Ok(Self {
            provider: required("OIDC_PROVIDER")?,
            client_id: required("CLIENT_ID")?,
            client_secret: required("CLIENT_SECRET")?,
            auth_url: text("OIDC_AUTH_URL", ""),
            redirect_url: optional("REDIRECT_URL").unwrap_or_else(|| below("oidc/callback")),
            callback_path: below("oidc/callback"),
            logout_path: below("logout"),
            scope: scopes.join(" "),
            skip_auth_urls,
            auth_header: text("AUTH_HEADER", "authorization").to_lowercase(),
            id_token_header: text("ID_TOKEN_HEADER", "authorization").to_lowercase(),
            audiences: words(&text("AUDIENCES", "istio-ingressgateway.istio-system.svc.cluster.local")),
            homepage_url: optional("HOMEPAGE_URL").unwrap_or_else(|| below("site/homepage")),
            after_login_url: text("AFTER_LOGIN_URL", ""),
            after_logout_url: optional("AFTER_LOGOUT_URL").unwrap_or_else(|| below("site/after_logout")),
            user_id_header: text("USERID_HEADER", "kubeflow-userid").to_lowercase(),
            user_id_prefix: text("USERID_PREFIX", ""),
            user_id_transformers,
            user_id_claim: text("USERID_CLAIM", "email"),
            groups_header: text("GROUPS_HEADER", "kubeflow-groups").to_lowercase(),
            groups_claim: text("GROUPS_CLAIM", "groups"),
            groups_allowlist: words(&text("GROUPS_ALLOWLIST", "*")),
            session_max_age: number("SESSION_MAX_AGE", 86400)?,
            same_site: match text("SESSION_SAME_SITE", "Lax").as_str() {
                "None" => "None",
                "Strict" => "Strict",
                _ => "Lax",
            },
            strict_session_validation: ["true", "1", "t"]
                .contains(&text("STRICT_SESSION_VALIDATION", "").to_lowercase().as_str()),
            store_path: text("SESSION_STORE_PATH", "/var/lib/authservice/data.db"),
            readiness_port: port("READINESS_PROBE_PORT", 8081)?,
            web_port: port("WEB_SERVER_PORT", 8082)?,
        })
    }

    /// The user's name as the applications see it.
    #[must_use]
    pub fn user_id(&self, name: &str) -> String {
        let rule = self.user_id_transformers.iter().find(|(expression, _)| expression.is_match(name));
        let name = rule.map_or(name.into(), |(expression, by)| expression.replace_all(name, by.as_str()));
        format!("{}{name}", self.user_id_prefix)
    }
}

fn words(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(more: &[(&str, &str)]) -> BTreeMap<String, String> {
        let shipped = [
            ("OIDC_PROVIDER", "http://dex/dex"),
            ("CLIENT_ID", "app"),
            ("CLIENT_SECRET", "hush"),
            ("AUTHSERVICE_URL_PREFIX", "/authservice/"),
            ("OIDC_SCOPES", "profile email groups"),
            ("SKIP_AUTH_URLS", "/dex"),
        ];
        shipped.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_shipped_configuration_is_read() {
        let settings = Settings::read(&environment(&[])).unwrap();
        assert_eq!(settings.scope, "openid profile email groups");
        assert_eq!(settings.skip_auth_urls, ["/authservice/", "/dex"]);
        assert_eq!(
            (settings.callback_path.as_str(), settings.logout_path.as_str()),
            ("/authservice/oidc/callback", "/authservice/logout")
        );
        assert!(!format!("{settings:?}").contains("hush"));
    }

    #[test]
    fn names_are_rewritten_by_the_first_rule_that_matches() {
        let rules = r#"[{"matches": "^boss@", "replaces": "admin@"}, {"matches": "@example\\.com$", "replaces": ""}]"#;
        let settings =
            Settings::read(&environment(&[("USERID_TRANSFORMERS", rules), ("USERID_PREFIX", "u:")])).unwrap();
        for (name, expected) in
            [("boss@example.com", "u:admin@example.com"), ("a@example.com", "u:a"), ("b@x", "u:b@x")]
        {
            assert_eq!(settings.user_id(name), expected);
        }
    }

    #[test]
    fn what_is_missing_or_malformed_is_named() {
        for name in ["OIDC_PROVIDER", "CLIENT_ID", "CLIENT_SECRET", "AUTHSERVICE_URL_PREFIX"] {
            let mut environment = environment(&[]);
            environment.remove(name);
            assert!(Settings::read(&environment).unwrap_err().contains(name));
        }
        for (name, value) in [("SESSION_MAX_AGE", "day"), ("USERID_TRANSFORMERS", "{}"), ("WEB_SERVER_PORT", "99999")] {
            assert!(Settings::read(&environment(&[(name, value)])).unwrap_err().contains(name));
        }
    }
}
