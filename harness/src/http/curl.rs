//! A command line that repeats a request by hand.

/// The `curl` command for a request. Secrets in it are redacted by whoever writes it down.
pub(super) fn command(method: &str, url: &str, headers: &[(String, String)], body: Option<&str>) -> String {
    let mut words = vec!["curl".to_owned(), "-sSi".to_owned(), "--path-as-is".to_owned()];
    match method {
        "GET" if body.is_none() => {}
        "HEAD" => words.push("-I".to_owned()),
        _ => words.extend(["-X".to_owned(), quoted(method)]),
    }
    for (name, value) in headers {
        // curl leaves out a header without a value unless a semicolon ends it.
        let header = if value.is_empty() { format!("{name};") } else { format!("{name}: {value}") };
        words.extend(["-H".to_owned(), quoted(&header)]);
    }
    if let Some(body) = body {
        words.extend(["--data-raw".to_owned(), quoted(body)]);
    }
    words.push(quoted(url));
    words.join(" ")
}

/// Quoted for a POSIX shell.
fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_can_be_pasted_into_a_shell() {
        let headers =
            [("kubeflow-userid".to_owned(), "o'neil@example.com".to_owned()), ("x".to_owned(), String::new())];
        assert_eq!(
            command("POST", "http://localhost/dex/../x?a=1&b", &headers, Some("a=$b")),
            r"curl -sSi --path-as-is -X POST -H 'kubeflow-userid: o'\''neil@example.com' -H 'x;' --data-raw 'a=$b' 'http://localhost/dex/../x?a=1&b'"
        );
        assert_eq!(command("GET", "http://localhost/", &[], None), "curl -sSi --path-as-is http://localhost/");
    }
}
