//! oauth2-proxy's configuration: flags, then environment, then the mounted file, then defaults.
//!
//! Facts: oauth2-proxy `pkg/apis/options`, `pkg/validation` at v7.6.0 and v7.7.1. A key is known by its name in the
//! file (`cookie_name`); the environment has it in capitals behind `OAUTH2_PROXY_`, flags with hyphens. Keys that change
//! nothing here (TLS, logging, other providers' own) are accepted and ignored, as are unknown ones.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use regex::Regex;

/// Flags whose name is not the file's with hyphens: (flag, key).
const FLAGS: &[(&str, &str)] = &[
    ("email_domain", "email_domains"),
    ("upstream", "upstreams"),
    ("cookie_domain", "cookie_domains"),
    ("whitelist_domain", "whitelist_domains"),
    ("api_route", "api_routes"),
    ("skip_auth_route", "skip_auth_routes"),
    ("allowed_group", "allowed_groups"),
    ("oidc_extra_audience", "oidc_extra_audiences"),
];

/// What oauth2-proxy runs with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Path of its own endpoints, `/oauth2`.
    pub prefix: String,
    /// The session cookie, and what is common to all cookies.
    pub cookie: Cookie,
    /// The provider.
    pub provider: Provider,
    /// Where the provider sends the browser back to.
    pub redirect_url: String,
    /// Whether that is used as it is, without a host.
    pub relative_redirect_url: bool,
    /// Requests that get 401 in place of the sign-in page: matched against path and query.
    pub api_routes: Vec<Regex>,
    /// Requests that need no session.
    pub skip_auth_routes: Vec<SkipRoute>,
    /// Whether preflight requests need no session.
    pub skip_auth_preflight: bool,
    /// Whether the sign-in page is left out.
    pub skip_provider_button: bool,
    /// Whether all refusals are JSON.
    pub force_json_errors: bool,
    /// Domains of redirects off the site.
    pub whitelist_domains: Vec<String>,
    /// Domains of e-mail addresses that may log in; `*` is any.
    pub email_domains: Vec<String>,
    /// Groups that may log in; empty is any.
    pub allowed_groups: Vec<String>,
    /// Whether `Authorization` is set on answers.
    pub set_authorization_header: bool,
    /// Whether `X-Auth-Request-*` are set on answers.
    pub set_xauthrequest: bool,
    /// Whether a JWT in `Authorization` is a session.
    pub skip_jwt_bearer_tokens: bool,
    /// The provider's name on the sign-in page.
    pub provider_name: String,
    /// Text of the sign-in page.
    pub banner: String,
    /// File of the sign-in page's picture.
    pub logo: String,
    /// Path of the liveness probe.
    pub ping_path: String,
    /// Path of the readiness probe.
    pub ready_path: String,
    /// Order of two checks of the callback: 7.7 looks at the state before it looks for the cookie.
    pub state_first: bool,
}

/// Cookies.
#[derive(Clone)]
pub struct Cookie {
    /// Name of the session cookie.
    pub name: String,
    /// Signs and encrypts.
    pub secret: String,
    /// `Domain`s to choose from.
    pub domains: Vec<String>,
    /// `Path`.
    pub path: String,
    /// Life of a session; zero is the browser's.
    pub expire: Duration,
    /// Life of the csrf cookie in the browser.
    pub csrf_expire: Duration,
    /// Whether each login has a csrf cookie of its own.
    pub csrf_per_request: bool,
    /// `Secure`.
    pub secure: bool,
    /// `HttpOnly`.
    pub http_only: bool,
    /// `SameSite`, or empty.
    pub same_site: String,
}

impl std::fmt::Debug for Cookie {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Cookie").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The provider.
#[derive(Clone)]
pub struct Provider {
    /// Client id.
    pub client_id: String,
    /// Client secret.
    pub client_secret: String,
    /// Issuer of its tokens.
    pub issuer: String,
    /// Whether the addresses below are configured, not discovered.
    pub skip_discovery: bool,
    /// Where the browser logs in.
    pub login_url: String,
    /// Where codes are redeemed.
    pub redeem_url: String,
    /// Where its keys are.
    pub jwks_url: String,
    /// `scope`.
    pub scope: String,
    /// `prompt`, or empty.
    pub prompt: String,
    /// `approval_prompt`, used if there is no `prompt`.
    pub approval_prompt: String,
    /// `code_challenge_method`, or empty for no PKCE.
    pub code_challenge_method: String,
    /// Audiences besides the client id.
    pub extra_audiences: Vec<String>,
    /// Claim of the e-mail address.
    pub email_claim: String,
    /// Claim of the groups.
    pub groups_claim: String,
    /// Whether addresses that are not verified may log in.
    pub allow_unverified_email: bool,
    /// Whether no nonce is sent and checked.
    pub skip_nonce: bool,
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Provider").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// A kind of requests that need no session.
#[derive(Debug, Clone)]
pub struct SkipRoute {
    /// In capitals; empty is any.
    pub method: String,
    /// Whether the expression must not match.
    pub negate: bool,
    /// Matched against path and query.
    pub expression: Regex,
}

/// The values of all keys.
struct Values(BTreeMap<String, Vec<String>>);

impl Settings {
    /// Reads the configuration.
    ///
    /// # Errors
    /// What oauth2-proxy would print before it exits. It names keys, never values that may be secret.
    pub fn read(
        file: &str,
        environment: &BTreeMap<String, String>,
        arguments: &[String],
        tag: &str,
    ) -> Result<Self, String> {
        let values = Values::collect(file, environment, arguments)?;
        let mut problems = Vec::new();
        let cookie = values.cookie(&mut problems);
        let provider = values.provider(&mut problems);
        let mut regexes = |key: &str| {
            let (good, bad): (Vec<_>, Vec<_>) =
                values.list(key).iter().map(|text| Regex::new(text)).partition(Result::is_ok);
            problems.extend(bad.iter().map(|_| format!("error compiling regex in {key}")));
            good.into_iter().flatten().collect::<Vec<_>>()
        };
        let api_routes = regexes("api_routes");
        let mut skip_auth_routes: Vec<SkipRoute> = regexes("skip_auth_regex")
            .into_iter()
            .map(|expression| SkipRoute { method: String::new(), negate: false, expression })
            .collect();
        for text in values.list("skip_auth_routes") {
            match SkipRoute::parse(text) {
                Some(route) => skip_auth_routes.push(route),
                None => problems.push("error compiling regex in skip_auth_routes".into()),
            }
        }
        if values.list("email_domains").is_empty() {
            problems.push(
                "missing setting for email validation: email-domain or authenticated-emails-file required".into(),
            );
        }
        let prefix = values.text("proxy_prefix", "/oauth2");
        let redirect_url = values.text("redirect_url", "");
        let minor: u32 =
            tag.trim_start_matches('v').split('.').nth(1).and_then(|text| text.parse().ok()).unwrap_or(u32::MAX);
        let banner = values.text("banner", "");
        let settings = Self {
            redirect_url: if redirect_url.is_empty() { format!("{prefix}/callback") } else { redirect_url },
            relative_redirect_url: values.flag("relative_redirect_url", false),
            skip_auth_preflight: values.flag("skip_auth_preflight", false),
            skip_provider_button: values.flag("skip_provider_button", false),
            force_json_errors: values.flag("force_json_errors", false),
            whitelist_domains: values.list("whitelist_domains").to_vec(),
            email_domains: values.list("email_domains").to_vec(),
            allowed_groups: values.list("allowed_groups").to_vec(),
            set_authorization_header: values.flag("set_authorization_header", false),
            set_xauthrequest: values.flag("set_xauthrequest", false),
            skip_jwt_bearer_tokens: values.flag("skip_jwt_bearer_tokens", false),
            provider_name: values.text("provider_display_name", "OpenID Connect"),
            banner: if banner == "-" { String::new() } else { banner },
            logo: values.text("custom_sign_in_logo", ""),
            ping_path: values.text("ping_path", "/ping"),
            ready_path: values.text("ready_path", "/ready"),
            state_first: minor >= 7,
            prefix,
            cookie,
            provider,
            api_routes,
            skip_auth_routes,
        };
        if problems.is_empty() { Ok(settings) } else { Err(format!("invalid configuration: {}", problems.join("; "))) }
    }

    /// Whether an e-mail address may log in.
    #[must_use]
    pub fn allows_email(&self, email: &str) -> bool {
        let email = email.to_lowercase();
        self.email_domains.iter().any(|domain| {
            domain == "*" || email.ends_with(&format!("@{}", domain.to_lowercase().trim_start_matches('@')))
        })
    }

    /// Whether someone of these groups may log in.
    #[must_use]
    pub fn allows_groups(&self, groups: &[String]) -> bool {
        self.allowed_groups.is_empty() || groups.iter().any(|group| self.allowed_groups.contains(group))
    }
}

impl SkipRoute {
    /// `[METHOD=|METHOD!=]expression`.
    fn parse(text: &str) -> Option<Self> {
        let negate = text.contains("!=");
        let (method, expression) = match text.split_once('=') {
            Some((method, expression)) => (method.trim_end_matches('!').to_uppercase(), expression),
            None => (String::new(), text),
        };
        Some(Self { method, negate, expression: Regex::new(expression).ok()? })
    }
}

impl Values {
    fn collect(file: &str, environment: &BTreeMap<String, String>, arguments: &[String]) -> Result<Self, String> {
        let table: toml::Table = file.parse().map_err(|_| "unable to load config file: it is no TOML".to_owned())?;
        let mut values: BTreeMap<String, Vec<String>> =
            table.into_iter().map(|(key, value)| (key.to_lowercase(), texts(&value))).collect();
        for (name, value) in environment {
            if let Some(key) = name.strip_prefix("OAUTH2_PROXY_").filter(|_| !value.is_empty()) {
                let parts = value.split(',').map(|part| part.trim().to_owned()).collect();
                values.insert(key.to_lowercase(), parts);
            }
        }
        let mut from_flags: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for argument in arguments.iter().filter(|argument| argument.starts_with('-')) {
            let (name, value) =
                argument.trim_start_matches('-').split_once('=').unwrap_or((argument.trim_start_matches('-'), "true"));
            let name = name.replace('-', "_");
            let key = FLAGS.iter().find(|(flag, _)| *flag == name).map_or(name.as_str(), |(_, key)| key);
            from_flags.entry(key.to_owned()).or_default().push(value.to_owned());
        }
        values.extend(from_flags);
        Ok(Self(values))
    }

    fn list(&self, key: &str) -> &[String] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }

    fn text(&self, key: &str, default: &str) -> String {
        match self.list(key) {
            [] => default.to_owned(),
            parts => parts.join(","),
        }
    }

    fn flag(&self, key: &str, default: bool) -> bool {
        match self.text(key, "").to_lowercase().as_str() {
            "true" | "t" | "1" => true,
            "false" | "f" | "0" => false,
            _ => default,
        }
    }

    fn duration(&self, key: &str, default: u64, problems: &mut Vec<String>) -> Duration {
        let text = self.text(key, "");
        match text.as_str() {
            "" => Duration::from_secs(default),
            "0" => Duration::ZERO,
            text => {
                match text.parse::<jiff::SignedDuration>().ok().and_then(|parsed| Duration::try_from(parsed).ok()) {
                    Some(duration) => duration,
                    None => {
                        problems.push(format!("time: invalid duration for {key}"));
                        Duration::ZERO
                    }
                }
            }
        }
    }

    fn cookie(&self, problems: &mut Vec<String>) -> Cookie {
        let secret = self.text("cookie_secret", "");
        match secret_bytes(&secret).len() {
            0 => problems.push("missing setting: cookie-secret".into()),
            16 | 24 | 32 => {}
            other => problems.push(format!(
                "cookie_secret must be 16, 24, or 32 bytes to create an AES cipher, but is {other} bytes"
            )),
        }
        let expire = self.duration("cookie_expire", 168 * 3600, problems);
        let refresh = self.duration("cookie_refresh", 0, problems);
        if !expire.is_zero() && refresh >= expire {
            problems.push("cookie_refresh must be less than cookie_expire".into());
        }
        let same_site = self.text("cookie_samesite", "");
        if !["", "none", "lax", "strict"].contains(&same_site.as_str()) {
            problems.push("cookie_samesite must be one of ['', 'lax', 'strict', 'none']".into());
        }
        let name = self.text("cookie_name", "_oauth2_proxy");
        if name.is_empty() || name.contains(|c: char| !c.is_ascii_graphic() || "()<>@,;:\\\"/[]?={}".contains(c)) {
            problems.push(format!("invalid cookie name: {name:?}"));
        }
        let mut domains = self.list("cookie_domains").to_vec();
        domains.sort_by_key(|domain| std::cmp::Reverse(domain.len()));
        Cookie {
            name,
            secret,
            domains,
            path: self.text("cookie_path", "/"),
            expire,
            csrf_expire: self.duration("cookie_csrf_expire", 15 * 60, problems),
            csrf_per_request: self.flag("cookie_csrf_per_request", false),
            secure: self.flag("cookie_secure", true),
            http_only: self.flag("cookie_httponly", true),
            same_site,
        }
    }

    fn provider(&self, problems: &mut Vec<String>) -> Provider {
        let required = |key: &str, problems: &mut Vec<String>| {
            let value = self.text(key, "");
            if value.is_empty() {
                problems.push(format!("provider missing setting: {}", key.replace('_', "-")));
            }
            value
        };
        if self.text("provider", "google") != "oidc" {
            problems.push("only the provider oidc is played here".into());
        }
        let skip_discovery = self.flag("skip_oidc_discovery", false);
        let address = |key: &str, problems: &mut Vec<String>| {
            if skip_discovery { required(key, problems) } else { self.text(key, "") }
        };
        Provider {
            client_id: required("client_id", problems),
            client_secret: required("client_secret", problems),
            issuer: required("oidc_issuer_url", problems),
            skip_discovery,
            login_url: address("login_url", problems),
            redeem_url: address("redeem_url", problems),
            jwks_url: address("oidc_jwks_url", problems),
            scope: self.text("scope", "openid email profile"),
            prompt: self.text("prompt", ""),
            approval_prompt: self.text("approval_prompt", "force"),
            code_challenge_method: self.text("code_challenge_method", ""),
            extra_audiences: self.list("oidc_extra_audiences").to_vec(),
            email_claim: self.text("oidc_email_claim", "email"),
            groups_claim: self.text("oidc_groups_claim", "groups"),
            allow_unverified_email: self.flag("insecure_oidc_allow_unverified_email", false),
            skip_nonce: self.flag("insecure_oidc_skip_nonce", true),
        }
    }
}

/// The bytes of a cookie secret: decoded if that gives an AES key's length, else as they are.
#[must_use]
pub fn secret_bytes(secret: &str) -> Vec<u8> {
    match URL_SAFE_NO_PAD.decode(secret.trim_end_matches('=')) {
        Ok(decoded) if [16, 24, 32].contains(&decoded.len()) => decoded,
        _ => secret.as_bytes().to_vec(),
    }
}

fn texts(value: &toml::Value) -> Vec<String> {
    match value {
        toml::Value::String(text) => vec![text.clone()],
        toml::Value::Array(values) => values.iter().flat_map(texts).collect(),
        other => vec![other.to_string()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
provider = "oidc"
oidc_issuer_url = "http://dex.auth.svc.cluster.local:5556/dex"
email_domains = [ "*" ]
skip_auth_routes = [ "^/dex/", "GET!=^/x" ]
api_routes = [ "/api/", "^/ml_metadata" ]
skip_oidc_discovery = true
login_url = "/dex/auth"
redeem_url = "http://dex/token"
oidc_jwks_url = "http://dex/keys"
cookie_expire = "24h"
cookie_refresh = 0
relative_redirect_url = true
"#;

    fn environment() -> BTreeMap<String, String> {
        [
            ("CLIENT_ID", "app"),
            ("CLIENT_SECRET", "hush"),
            ("COOKIE_SECRET", "7d16fee92f8d11b8940b081b3f8b8acb"),
            ("COOKIE_SECURE", "false"),
        ]
        .map(|(name, value)| (format!("OAUTH2_PROXY_{name}"), value.to_owned()))
        .into()
    }

    fn read(file: &str, arguments: &[&str]) -> Result<Settings, String> {
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        Settings::read(file, &environment(), &arguments, "v7.7.1")
    }

    #[test]
    fn flags_win_over_the_environment_over_the_file() {
        let settings = read(FILE, &["--cookie-name=x", "--api-route=^/a", "--api-route=^/b"]).unwrap();
        assert_eq!((settings.cookie.name.as_str(), settings.cookie.secure), ("x", false));
        assert_eq!(settings.api_routes.len(), 2);
        assert_eq!(settings.cookie.expire, Duration::from_secs(86400));
        assert_eq!(settings.skip_auth_routes[1].method, "GET");
        assert!(settings.skip_auth_routes[1].negate);
        assert!(!format!("{settings:?}").contains("hush"));
    }

    #[test]
    fn what_oauth2_proxy_refuses_to_start_with_is_refused() {
        for (arguments, expected) in [
            (&["--cookie-secret=short"][..], "but is 5 bytes"),
            (&["--api-route=("], "api_routes"),
            (&["--cookie-expire=soon"], "cookie_expire"),
            (&["--cookie-refresh=48h"], "less than cookie_expire"),
            (&["--cookie-samesite=x"], "cookie_samesite"),
            (&["--login-url="], "login-url"),
            (&["--provider=github"], "oidc"),
            (&["--cookie-name=a b"], "invalid cookie name"),
        ] {
            let error = read(FILE, arguments).unwrap_err();
            assert!(error.contains(expected) && !error.contains("hush"), "{arguments:?}: {error}");
        }
        assert!(read("x = [", &[]).is_err());
        assert!(Settings::read(FILE, &BTreeMap::new(), &[], "").unwrap_err().contains("client-secret"));
    }
}
