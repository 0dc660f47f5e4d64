//! Dex's configuration: the mounted `config.yaml` and the environment that it names.
//!
//! Facts: dexidp/dex `cmd/dex/config.go` and `cmd/dex/serve.go` at v2.36.0, v2.39.1, v2.41.1. Keys that change nothing
//! here (TLS, gRPC, telemetry, logger, frontend theme) are accepted and ignored, as are unknown ones.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use serde::Deserialize;

/// Connector id of the built-in password database.
pub const LOCAL: &str = "local";

/// Grants that Dex can serve, sorted; the last one since 2.37.
const GRANTS: &[&str] = &[
    "authorization_code",
    "refresh_token",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:token-exchange",
];

/// What Dex runs with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The issuer as configured, for example `http://dex.auth.svc.cluster.local:5556/dex`.
    pub issuer: String,
    /// Its path without a trailing slash, for example `/dex`; all endpoints are below it.
    pub path: String,
    /// Whether what Dex stores outlives its pod.
    pub durable: bool,
    /// Whether that is the cluster itself: custom resources.
    pub in_cluster: bool,
    /// The clients that may ask for a login.
    pub clients: Vec<Client>,
    /// The users of the password database, if it is enabled.
    pub users: Option<Vec<User>>,
    /// Response types of the authorization endpoint, sorted.
    pub response_types: Vec<String>,
    /// Grants of the token endpoint, sorted.
    pub grants: Vec<String>,
    /// The connector of the password grant, or empty.
    pub password_connector: String,
    /// Whether a login implies the user's consent.
    pub skip_approval: bool,
    /// Whether the choice of connectors is shown even if there is one.
    pub always_show_login: bool,
    /// Name on the pages.
    pub title: String,
    /// Life of ID tokens and access tokens.
    pub id_tokens_live: Duration,
    /// Time from one signing key to the next.
    pub keys_live: Duration,
    /// Life of a login that was begun.
    pub requests_live: Duration,
    /// Life of a device code.
    pub device_codes_live: Duration,
    /// Whether a refresh token is replaced when it is used.
    pub rotate_refresh_tokens: bool,
    /// The version, from the image's tag.
    pub version: Version,
}

/// A version of Dex as far as its behaviour differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Major and minor number.
    pub number: (u32, u32),
}

impl Version {
    /// The version of an image tag such as `v2.41.1`; a tag that tells none counts as the newest.
    #[must_use]
    pub fn of_tag(tag: &str) -> Self {
        let mut numbers = tag.trim_start_matches('v').split(['.', '-']).map(|part| part.parse().ok());
        match (numbers.next().flatten(), numbers.next().flatten()) {
            (Some(major), Some(minor)) => Self { number: (major, minor) },
            _ => Self { number: (u32::MAX, 0) },
        }
    }

    /// Token introspection (2.39) and token exchange (2.38), and `approval_prompt=force` that wins over
    /// `skipApprovalScreen` (2.39), came between the shipped 2.36.0 and 2.39.1.
    #[must_use]
    pub fn since_2_39(self) -> bool {
        self.number >= (2, 39)
    }
}

/// A static client.
#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Client {
    /// Client id.
    pub id: String,
    #[serde(rename = "idEnv")]
    id_env: String,
    /// Client secret.
    pub secret: String,
    #[serde(rename = "secretEnv")]
    secret_env: String,
    /// Where a login may lead to, compared literally.
    #[serde(rename = "redirectURIs")]
    pub redirect_uris: Vec<String>,
    /// Clients that may ask for tokens with this client's audience.
    pub trusted_peers: Vec<String>,
    /// Whether it has no secret (a command line tool).
    pub public: bool,
    /// Name on the approval page.
    pub name: String,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Client").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A static user.
#[derive(Clone, Default)]
pub struct User {
    /// E-mail address in lower case: what the user logs in with.
    pub email: String,
    /// bcrypt hash of the password.
    pub hash: String,
    /// Claim `name`.
    pub username: String,
    /// Part of the claim `sub`.
    pub user_id: String,
}

impl std::fmt::Debug for User {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("User").field("email", &self.email).finish_non_exhaustive()
    }
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct File {
    issuer: String,
    storage: Option<Storage>,
    web: Web,
    frontend: Frontend,
    oauth2: Oauth2,
    expiry: Expiry,
    #[serde(rename = "enablePasswordDB")]
    enable_password_db: bool,
    static_clients: Vec<Client>,
    static_passwords: Vec<Password>,
    connectors: Vec<serde_json::Value>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Storage {
    r#type: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Web {
    http: String,
    https: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Frontend {
    issuer: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Oauth2 {
    grant_types: Vec<String>,
    response_types: Vec<String>,
    skip_approval_screen: bool,
    always_show_login_screen: bool,
    password_connector: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Expiry {
    signing_keys: String,
    #[serde(rename = "idTokens")]
    id_tokens: String,
    auth_requests: String,
    device_requests: String,
    refresh_tokens: RefreshTokens,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct RefreshTokens {
    disable_rotation: bool,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Password {
    email: String,
    hash: String,
    hash_from_env: String,
    username: String,
    #[serde(rename = "userID")]
    user_id: String,
}

impl Settings {
    /// Reads the configuration.
    ///
    /// # Errors
    /// What Dex would print before it exits. It names keys, never values that may be secret.
    pub fn read(text: &str, environment: &BTreeMap<String, String>, tag: &str) -> Result<Self, String> {
        let file: File = serde_saphyr::from_str(text).map_err(|error| format!("error parse config file: {error}"))?;
        let storage = file.storage.ok_or("invalid Config: no storage supplied in config file")?.r#type;
        if !["etcd", "kubernetes", "memory", "sqlite3", "postgres", "mysql"].contains(&storage.as_str()) {
            return Err(format!("error parse config file: unknown storage type {storage:?}"));
        }
        if file.issuer.is_empty() {
            return Err("invalid Config: no issuer specified in config file".into());
        }
        if file.web.http.is_empty() && file.web.https.is_empty() {
            return Err("invalid Config: must supply a HTTP/HTTPS address to listen on".into());
        }
        if !file.enable_password_db && !file.static_passwords.is_empty() {
            return Err("invalid Config: cannot specify static passwords without enabling password db".into());
        }
        if !file.enable_password_db && file.connectors.is_empty() {
            return Err("failed to initialize server: server: no connectors specified".into());
        }
        let path = url::Url::parse(&file.issuer).map_err(|_| "failed to initialize server: can't parse issuer URL")?;
        let version = Version::of_tag(tag);
        let mut response_types = file.oauth2.response_types;
        if response_types.is_empty() {
            response_types.push("code".into());
        }
        response_types.sort();
        Ok(Self {
            path: path.path().trim_end_matches('/').to_owned(),
            issuer: file.issuer,
            in_cluster: storage == "kubernetes",
            durable: !["memory", "sqlite3"].contains(&storage.as_str()),
            clients: clients(file.static_clients, environment)?,
            users: if file.enable_password_db { Some(users(file.static_passwords, environment)?) } else { None },
            grants: grants(&file.oauth2.grant_types, &response_types, &file.oauth2.password_connector, version),
            response_types,
            password_connector: file.oauth2.password_connector,
            skip_approval: file.oauth2.skip_approval_screen,
            always_show_login: file.oauth2.always_show_login_screen,
            title: if file.frontend.issuer.is_empty() { "dex".into() } else { file.frontend.issuer },
            id_tokens_live: duration(&file.expiry.id_tokens, "id token expiry", 24 * 3600)?,
            keys_live: duration(&file.expiry.signing_keys, "signing keys expiry", 6 * 3600)?,
            requests_live: duration(&file.expiry.auth_requests, "auth request expiry", 24 * 3600)?,
            device_codes_live: duration(&file.expiry.device_requests, "device request expiry", 5 * 60)?,
            rotate_refresh_tokens: !file.expiry.refresh_tokens.disable_rotation,
            version,
        })
    }

    /// The client of that id.
    #[must_use]
    pub fn client(&self, id: &str) -> Option<&Client> {
        self.clients.iter().find(|client| client.id == id)
    }

    /// The user who logs in with that address, in any case.
    #[must_use]
    pub fn user(&self, email: &str) -> Option<&User> {
        let email = email.to_lowercase();
        self.users.iter().flatten().find(|user| user.email == email)
    }

    /// Whether a peer lets a client ask for tokens with the peer's audience.
    #[must_use]
    pub fn trusts(&self, peer: &str, client: &str) -> bool {
        peer == client || self.client(peer).is_some_and(|peer| peer.trusted_peers.iter().any(|known| known == client))
    }
}

fn clients(configured: Vec<Client>, environment: &BTreeMap<String, String>) -> Result<Vec<Client>, String> {
    let from_environment = |name: &str| environment.get(name).cloned().unwrap_or_default();
    configured
        .into_iter()
        .map(|mut client| {
            let problem = |text: &str| Err(format!("invalid config: {text} for client {:?}", client.name));
            if client.name.is_empty() {
                return Err("invalid config: Name field is required for a client".into());
            }
            match (client.id.is_empty(), client.id_env.is_empty()) {
                (true, true) => return problem("ID or IDEnv field is required"),
                (false, false) => return problem("ID and IDEnv fields are exclusive"),
                _ => {}
            }
            match (client.secret.is_empty(), client.secret_env.is_empty()) {
                (true, true) if !client.public => return problem("Secret or SecretEnv field is required"),
                (false, false) => return problem("Secret and SecretEnv fields are exclusive"),
                _ => {}
            }
            if !client.id_env.is_empty() {
                client.id = from_environment(&client.id_env);
            }
            if !client.secret_env.is_empty() {
                client.secret = from_environment(&client.secret_env);
            }
            Ok(client)
        })
        .collect()
}

fn users(configured: Vec<Password>, environment: &BTreeMap<String, String>) -> Result<Vec<User>, String> {
    configured
        .into_iter()
        .map(|password| {
            let mut hash = password.hash;
            if hash.is_empty() {
                hash = environment.get(&password.hash_from_env).cloned().unwrap_or_default();
            }
            if hash.is_empty() {
                return Err("error parse config file: no password hash provided".to_owned());
            }
            if super::password::cost(&hash).is_none() {
                let decoded = STANDARD.decode(&hash).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                hash = decoded
                    .filter(|decoded| super::password::cost(decoded).is_some())
                    .ok_or("error parse config file: malformed bcrypt hash")?;
            }
            let email = password.email.to_lowercase();
            Ok(User { email, hash, username: password.username, user_id: password.user_id })
        })
        .collect()
}

fn grants(allowed: &[String], response_types: &[String], password_connector: &str, version: Version) -> Vec<String> {
    let mut grants: Vec<String> = GRANTS.iter().map(|grant| (*grant).to_owned()).collect();
    if !version.since_2_39() {
        grants.pop();
    }
    if response_types.iter().any(|kind| kind.split(' ').any(|part| part == "token")) {
        grants.push("implicit".into());
    }
    if !password_connector.is_empty() {
        grants.push("password".into());
    }
    grants.retain(|grant| allowed.is_empty() || !version.since_2_39() || allowed.contains(grant));
    grants.sort();
    grants
}

/// A duration as Go writes it (`24h`, `1h30m`, `4s`); `default` seconds if the text is empty.
fn duration(text: &str, key: &str, default: u64) -> Result<Duration, String> {
    if text.is_empty() {
        return Ok(Duration::from_secs(default));
    }
    let parsed: Result<SignedDuration, _> = text.parse();
    parsed
        .ok()
        .and_then(|parsed| Duration::try_from(parsed).ok())
        .ok_or_else(|| format!("invalid config value {text:?} for {key}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = "\
issuer: http://dex.auth.svc.cluster.local:5556/dex
storage:
  type: kubernetes
  config:
    inCluster: true
web:
  http: 0.0.0.0:5556
logger:
  level: debug
oauth2:
  skipApprovalScreen: true
enablePasswordDB: true
staticPasswords:
- email: User@example.com
  hashFromEnv: DEX_USER_PASSWORD
  username: user
  userID: \"15841185641784\"
staticClients:
- idEnv: OIDC_CLIENT_ID
  redirectURIs: [\"/oauth2/callback\"]
  name: 'Dex Login Application'
  secretEnv: OIDC_CLIENT_SECRET
";

    fn environment() -> BTreeMap<String, String> {
        [
            ("OIDC_CLIENT_ID", "app"),
            ("OIDC_CLIENT_SECRET", "hush"),
            ("DEX_USER_PASSWORD", "$2y$12$4K/VkmDd1q1Orb3xAt82zu8gk7Ad6ReFR4LCP9UeYE90NLiN9Df72"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    #[test]
    fn the_shipped_configuration_is_read() {
        let settings = Settings::read(SHIPPED, &environment(), "v2.41.1").unwrap();
        assert_eq!((settings.path.as_str(), settings.durable), ("/dex", true));
        assert_eq!(settings.client("app").unwrap().secret, "hush");
        assert_eq!(settings.user("USER@example.com").unwrap().user_id, "15841185641784");
        assert_eq!(settings.grants.len(), 4);
        assert_eq!(Settings::read(SHIPPED, &environment(), "v2.36.0").unwrap().grants.len(), 3);
        assert!(!format!("{settings:?}").contains("hush"));
    }

    #[test]
    fn what_dex_refuses_to_start_with_is_refused() {
        for (change, to, expected) in [
            ("issuer: http", "xissuer: http", "no issuer"),
            ("type: kubernetes", "type: paper", "unknown storage type"),
            ("  http: 0", "  htp: 0", "HTTP/HTTPS"),
            ("enablePasswordDB: true", "enablePasswordDB: false", "password db"),
            ("hashFromEnv: DEX_USER_PASSWORD", "hashFromEnv: NOPE", "no password hash"),
            ("hashFromEnv: DEX_USER_PASSWORD", "hash: plain", "malformed bcrypt hash"),
            ("name: 'Dex Login Application'", "label: x", "Name field"),
            ("secretEnv:", "secretEn:", "SecretEnv field is required"),
            ("logger:", "expiry: {idTokens: soon}\nlogger:", "id token expiry"),
            ("issuer: http", "issuer: [", "error parse config file"),
        ] {
            let error = Settings::read(&SHIPPED.replace(change, to), &environment(), "").unwrap_err();
            assert!(error.contains(expected), "{change} -> {to}: {error}");
        }
    }
}
