//! Paths as `path.Clean`, `path.Join` and gorilla/mux treat them.

/// The shortest equal path (`path.Clean`): no doubled slashes, no `.`, no `..`, no trailing slash.
#[must_use]
pub fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(&last) if last != ".." => {
                    parts.pop();
                }
                _ if rooted => {}
                _ => parts.push(".."),
            },
            other => parts.push(other),
        }
    }
    match (rooted, parts.join("/")) {
        (true, joined) => format!("/{joined}"),
        (false, joined) if joined.is_empty() => ".".to_owned(),
        (false, joined) => joined,
    }
}

/// As [`clean`], but rooted and with its trailing slash kept: what gorilla/mux redirects a request to when it differs.
#[must_use]
pub fn clean_request(path: &str) -> String {
    let rooted = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let mut cleaned = clean(&rooted);
    if rooted.ends_with('/') && cleaned != "/" {
        cleaned.push('/');
    }
    cleaned
}

/// Percent-encodes a path that is not encoded (`url.URL.EscapedPath`).
#[must_use]
pub fn escape_path(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => escaped.push(char::from(byte)),
            other if b"-_.~$&+,/:;=@".contains(&other) => escaped.push(char::from(other)),
            other => escaped.push_str(&format!("%{other:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_go_does() {
        for (path, expected) in [
            ("", "."),
            ("/", "/"),
            ("//x", "/x"),
            ("/a/../b", "/b"),
            ("/../a", "/a"),
            ("a/../..", ".."),
            ("/a/./b/", "/a/b"),
            ("..", ".."),
            ("/..", "/"),
        ] {
            assert_eq!(clean(path), expected, "{path}");
        }
        assert_eq!(clean_request("//x/"), "/x/");
        assert_eq!(clean_request("/.."), "/");
        assert_eq!(clean_request(""), "/");
    }
}
