//! Cookies as `Request.Cookies` reads and `http.SetCookie` writes them.

use http::{HeaderMap, header};

/// The first cookie of that name, over all `Cookie` headers.
#[must_use]
pub fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    cookies(headers).into_iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

/// All cookies in order. Parts that are no cookies are left out; quotes around a value are dropped.
#[must_use]
pub fn cookies(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for line in headers.get_all(header::COOKIE) {
        for part in line.as_bytes().split(|byte| *byte == b';') {
            let part = part.trim_ascii();
            let at = part.iter().position(|byte| *byte == b'=').unwrap_or(part.len());
            let (name, value) = (&part[..at], part.get(at + 1..).unwrap_or_default());
            let name = name.trim_ascii();
            let value = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(value);
            if !name.is_empty() && name.iter().all(is_token) && value.iter().all(is_value) {
                found.push((String::from_utf8_lossy(name).into_owned(), String::from_utf8_lossy(value).into_owned()));
            }
        }
    }
    found
}

fn is_token(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte)
}

/// RFC 6265 value bytes plus blank and comma, which Go lets pass.
fn is_value(byte: &u8) -> bool {
    (0x20..0x7f).contains(byte) && !b"\";\\".contains(byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn cookies_are_read_as_go_reads_them() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; a=2; b=\"x\"; =c; bad name=1; d; e=\"a\"b\""));
        headers.append(header::COOKIE, HeaderValue::from_bytes(b"f=\xff; g=h=i").unwrap());
        assert_eq!(cookie(&headers, "a").as_deref(), Some("1"));
        let names: Vec<String> = cookies(&headers).into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(names, ["a=1", "a=2", "b=x", "d=", "g=h=i"]);
    }
}
