//! The short text matches of Istio's security API: a text, `prefix*`, `*suffix`, or `*` for any.

/// One match value. Source: Istio's AuthorizationPolicy reference ("Exact match … Prefix match … Suffix match …
/// Presence match").
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Text {
    /// `*`: there is a value.
    Present,
    /// The value itself.
    Exact(String),
    /// `abc*`.
    Prefix(String),
    /// `*abc`.
    Suffix(String),
}

impl Text {
    pub(crate) fn parse(value: &str) -> Self {
        if value == "*" {
            Self::Present
        } else if let Some(rest) = value.strip_prefix('*') {
            Self::Suffix(rest.to_owned())
        } else if let Some(rest) = value.strip_suffix('*') {
            Self::Prefix(rest.to_owned())
        } else {
            Self::Exact(value.to_owned())
        }
    }

    /// Whether a value matches. `*` wants at least one character, as the generated pattern `.+` does.
    pub(crate) fn matches(&self, value: &str) -> bool {
        match self {
            Self::Present => !value.is_empty(),
            Self::Exact(wanted) => value == wanted,
            Self::Prefix(wanted) => value.starts_with(wanted.as_str()),
            Self::Suffix(wanted) => value.ends_with(wanted.as_str()),
        }
    }

    /// As [`Text::matches`] for a request header, which `*` accepts even when it is empty (Envoy `present_match`).
    pub(crate) fn matches_header(&self, value: Option<&str>) -> bool {
        value.is_some_and(|value| matches!(self, Self::Present) || self.matches(value))
    }

    /// As [`Text::matches`] without regard to case: host names, and names of headers.
    pub(crate) fn matches_ignoring_case(&self, value: &str) -> bool {
        let folded = match self {
            Self::Present => Self::Present,
            Self::Exact(wanted) => Self::Exact(wanted.to_ascii_lowercase()),
            Self::Prefix(wanted) => Self::Prefix(wanted.to_ascii_lowercase()),
            Self::Suffix(wanted) => Self::Suffix(wanted.to_ascii_lowercase()),
        };
        folded.matches(&value.to_ascii_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_may_stand_at_one_end_or_alone() {
        for (pattern, value, matches) in [
            ("/dex/*", "/dex/", true),
            ("/dex/*", "/dex", false),
            ("/dex/**", "/dex/x", false),
            ("*/kernels", "/api/kernels", true),
            ("*", "x", true),
            ("*", "", false),
            ("GET", "get", false),
        ] {
            assert_eq!(Text::parse(pattern).matches(value), matches, "{pattern} on {value}");
        }
        assert!(Text::parse("*").matches_header(Some("")));
        assert!(!Text::parse("*").matches_header(None));
        assert!(Text::parse("*.Example.com").matches_ignoring_case("A.EXAMPLE.COM"));
    }
}
