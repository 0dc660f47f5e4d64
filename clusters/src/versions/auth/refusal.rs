//! Who is turned away without a session, and how.

use super::Auth;

/// What somebody without a session gets.
#[derive(Debug)]
pub struct Anonymous {
    /// The answer to a request for a page.
    pub page: Refusal,
    /// The answer to a request for an API, as `is_api` tells.
    pub api: Refusal,
    /// What marks an API in path and query: contained anywhere.
    pub api_contains: &'static [&'static str],
    /// What marks an API in path and query: at the start.
    pub api_starts: &'static [&'static str],
    /// Path prefixes that everyone may reach.
    pub open: &'static [&'static str],
    /// Paths that are refused with 403 `RBAC: access denied`, because the guard answers them itself and nobody then has
    /// an identity. With a session too.
    pub never: &'static [&'static str],
    /// Whether `OPTIONS` reaches the applications without a session, on every path.
    pub options_pass: bool,
}

/// How somebody without a session is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// A redirect to Dex.
    Redirect {
        /// Its status.
        status: u16,
        /// What `Location` starts with.
        to: &'static str,
    },
    /// A page with a sign-in button.
    SignInPage {
        /// Its status.
        status: u16,
        /// The action of its form.
        action: &'static str,
    },
    /// A JSON answer for programs.
    Json {
        /// Its status.
        status: u16,
        /// Its whole body.
        body: &'static str,
    },
    /// Istio's own refusal, as plain text.
    Rbac {
        /// Its status.
        status: u16,
        /// Its whole body.
        body: &'static str,
    },
}

impl Refusal {
    /// Its status.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Redirect { status, .. }
            | Self::SignInPage { status, .. }
            | Self::Json { status, .. }
            | Self::Rbac { status, .. } => status,
        }
    }
}

impl Auth {
    /// Whether the guard takes a request for an API (and answers a program rather than a browser).
    #[must_use]
    pub fn is_api(&self, path_and_query: &str) -> bool {
        let rules = &self.anonymous;
        rules.api_contains.iter().any(|part| path_and_query.contains(part))
            || rules.api_starts.iter().any(|start| path_and_query.starts_with(start))
    }

    /// How a request without a session is refused; `None` if everyone may send it. Not for `OPTIONS`.
    #[must_use]
    pub fn refusal(&self, path_and_query: &str) -> Option<Refusal> {
        let path = path_and_query.split('?').next().unwrap_or_default();
        let rules = &self.anonymous;
        if rules.open.iter().any(|prefix| path.starts_with(prefix)) {
            None
        } else if rules.never.contains(&path) {
            Some(Refusal::Rbac { status: 403, body: RBAC_DENIED })
        } else if self.is_api(path_and_query) {
            Some(rules.api)
        } else {
            Some(rules.page)
        }
    }
}

/// The body of Istio's refusals.
pub const RBAC_DENIED: &str = "RBAC: access denied";
