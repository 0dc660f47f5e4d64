//! What of an exchange is compared, and with what it is replaced where it is random by nature.

use super::recording::Backend;

/// Longer values that the application received were cut in the older recordings.
const LONG: usize = 60;

/// The comparable parts of an answer, as lines. `shortened` when the recording cuts long values.
pub fn view(
    status: u64,
    headers: &[(String, String)],
    body: &str,
    backend: Option<&Backend>,
    shortened: bool,
) -> Vec<String> {
    let mut lines = vec![format!("status {status}")];
    lines.extend(headers.iter().filter_map(|(name, value)| match name.as_str() {
        "location" => Some(format!("location {}", location(value))),
        "set-cookie" => Some(format!("set-cookie {}", cookie(value))),
        "www-authenticate" | "content-type" | "grpc-status" | "upgrade" | "x-frame-options" | "gap-auth" => {
            Some(format!("{name} {value}"))
        }
        _ => None,
    }));
    let is_plain = |(name, value): &(String, String)| name == "content-type" && value.starts_with("text/plain");
    if headers.iter().any(is_plain) {
        lines.push(format!("text {}", body.chars().take(200).collect::<String>()));
    }
    if let Some(backend) = backend {
        lines.push(format!("application received {}", backend.request_line));
        lines.extend(backend.headers.iter().filter(|(name, _)| tells_identity(name)).map(
            |(name, value)| match shortened && value.len() > LONG {
                true => format!("received {name}: a long value"),
                false => format!("received {name}: {value}"),
            },
        ));
    }
    lines.sort();
    lines
}

/// Headers by which an application may take someone for somebody.
fn tells_identity(name: &str) -> bool {
    const PREFIXES: [&str; 6] =
        ["kubeflow", "x-auth-", "x-forwarded-", "x-remote-", "remote-", "x-goog-authenticated-"];
    // The address of the machine that was recorded, and how the laboratory's Envoy wrote the client's address.
    !["x-forwarded-for", "x-forwarded-proto"].contains(&name)
        && (["authorization", "cookie", "host", "proxy-authorization", "path"].contains(&name)
            || PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
}

/// A Location with its random values blotted out; of `state`, what stands behind the colon stays.
fn location(value: &str) -> String {
    let Some((path, query)) = value.split_once('?') else { return value.to_owned() };
    let blotted = |pair: &str| match pair.split_once('=') {
        Some(("code" | "code_challenge" | "req" | "hmac" | "nonce", _)) => {
            format!("{}=*", pair.split('=').next().unwrap_or_default())
        }
        Some(("state", state)) => {
            let rest = state.split_once("%3A").map_or("", |(_, rest)| rest);
            format!("state={}:{rest}", if state.len() >= 20 { "*" } else { state })
        }
        _ => pair.to_owned(),
    };
    let parts: Vec<_> = query.split('&').map(blotted).collect();
    format!("{path}?{}", parts.join("&"))
}

/// Name of a cookie, whether it is set or deleted, and its attributes without dates.
fn cookie(value: &str) -> String {
    let mut parts = value.split(';').map(str::trim);
    let (name, content) = parts.next().unwrap_or_default().split_once('=').unwrap_or_default();
    let mut attributes: Vec<_> =
        parts.map(|part| if part.starts_with("Expires=") { "Expires" } else { part }).collect();
    attributes.sort_unstable();
    format!("{name} {}; {}", if content.is_empty() { "deleted" } else { "set" }, attributes.join("; "))
}
