//! Where a login leads to afterwards, and which targets are refused (`pkg/app/redirect`).

use std::sync::LazyLock;

use regex::Regex;

use super::Exchange;
use super::settings::Settings;
use crate::actors::net_http::form::FormError;

/// `//`, `/\` and the like, also with white space or dots between, would leave the site.
static LEAVES_THE_SITE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"[/\\](?:[\s\x0b]*|\.{1,2})[/\\]").ok());

/// Whether a browser may be sent there.
#[must_use]
pub fn is_valid(settings: &Settings, target: &str) -> bool {
    if target.starts_with("http://") || target.starts_with("https://") {
        return url::Url::parse(target).is_ok_and(|url| is_allowed_host(&settings.whitelist_domains, &url));
    }
    target.starts_with('/')
        && !target.starts_with("//")
        && LEAVES_THE_SITE.as_ref().is_some_and(|expression| !expression.is_match(target))
}

/// `whitelist_domains`: `host[:port]`, `.domain[:port]` or `*.domain`; the port `*` is any, none is the default one.
fn is_allowed_host(allowed: &[String], url: &url::Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    allowed.iter().any(|entry| {
        let (name, port) = entry.rsplit_once(':').unwrap_or((entry, ""));
        let port_fits = match port {
            "*" => true,
            "" => url.port().is_none(),
            port => url.port_or_known_default().is_some_and(|known| known.to_string() == port),
        };
        let name_fits = match name.strip_prefix("*.").or_else(|| name.strip_prefix('.')) {
            Some(domain) => host == domain || host.ends_with(&format!(".{domain}")),
            None => host == name,
        };
        port_fits && name_fits
    })
}

/// The target of a request: `rd`, then `X-Auth-Request-Redirect`, then its own address unless that is one of
/// oauth2-proxy's; `/` if none of these is valid.
pub fn target(exchange: &Exchange) -> Result<String, FormError> {
    if let Some(error) = &exchange.form.error {
        return Err(error.clone());
    }
    let settings = &exchange.server.settings;
    let header = exchange.header("x-auth-request-redirect");
    let own = if exchange.uri.strip_prefix(&settings.prefix).is_some_and(|rest| rest.starts_with('/')) {
        "/"
    } else {
        &exchange.uri
    };
    let candidates = [exchange.form.all.get("rd"), &header, own];
    Ok(candidates.into_iter().find(|target| is_valid(settings, target)).unwrap_or("/").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_compared_whole() {
        let fits = |entry: &str, url: &str| is_allowed_host(&[entry.to_owned()], &url::Url::parse(url).unwrap());
        assert!(fits("example.com", "https://example.com/x"));
        assert!(fits(".example.com", "https://a.example.com/"));
        assert!(fits("example.com:8443", "https://example.com:8443/"));
        assert!(fits("example.com:*", "https://example.com:1/"));
        for (entry, url) in [
            ("example.com", "https://example.com:8443/"),
            ("example.com", "https://example.com.evil.test/"),
            (".example.com", "https://evilexample.com/"),
            ("example.com", "https://evil.test/@example.com"),
        ] {
            assert!(!fits(entry, url), "{entry} {url}");
        }
    }
}
