//! The pages of Dex: our own markup with the fields, ids and texts that a client looks for.

use axum::body::Body;
use http::{Response, StatusCode};

use super::settings::Settings;
use crate::actors::net_http::answer;
use crate::actors::net_http::escape::escape_html;

const STYLE: &str = "body{margin:0;background:#efefef;color:#333;font:16px system-ui,sans-serif}\
    main{max-width:420px;margin:48px auto;padding:28px;background:#fff;text-align:center;border-radius:6px}\
    label{display:block;text-align:left;margin:12px 0 4px}input{width:100%;box-sizing:border-box;padding:8px}\
    button{margin-top:16px;padding:8px 32px;border:0;border-radius:4px;background:#333;color:#fff;font-size:16px}\
    #login-error{margin-top:12px;padding:8px;background:#fbeaea;color:#a22}ul{text-align:left}";

/// A page of a title and a content, which is HTML.
fn page(status: StatusCode, title: &str, content: &str) -> Response<Body> {
    html(status, document(title, content))
}

fn document(title: &str, content: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{}</title>\
         <style>{STYLE}</style></head>\n<body><main>\n{content}\n</main></body>\n</html>\n",
        escape_html(title)
    )
}

/// An answer of HTML.
pub fn html(status: StatusCode, text: String) -> Response<Body> {
    answer(status, "text/html; charset=utf-8", text)
}

/// The error page: the status in words, and why.
pub fn error(title: &str, status: StatusCode, text: &str) -> Response<Body> {
    let reason = status.canonical_reason().unwrap_or_default();
    page(status, title, &format!("<h2>{reason}</h2>\n<p>{}</p>", escape_html(text)))
}

/// The choice of connectors: (name, address).
pub fn choice(settings: &Settings, connectors: &[(String, String)]) -> String {
    let links: String = connectors
        .iter()
        .map(|(name, address)| {
            format!(
                "<p><a href=\"{}\"><button>Log in with {}</button></a></p>",
                escape_html(address),
                escape_html(name)
            )
        })
        .collect();
    document(&settings.title, &format!("<h2>Log in to {}</h2>\n{links}", escape_html(&settings.title)))
}

/// The login form, posted to `action`; after a refusal it keeps the address and answers 401.
pub fn login_form(settings: &Settings, action: &str, address: &str, refused: bool) -> Response<Body> {
    let error = if refused { "<div id=\"login-error\">Invalid Email Address and password.</div>" } else { "" };
    let status = if refused { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
    let kept = if address.is_empty() { String::new() } else { format!(" value=\"{}\"", escape_html(address)) };
    let content = format!(
        "<h2>Log in to Your Account</h2>\n<form method=\"post\" action=\"{}\">\n\
         <label for=\"login\">Email Address</label>\n\
         <input id=\"login\" name=\"login\" type=\"text\" required autofocus{kept}>\n\
         <label for=\"password\">Password</label>\n\
         <input id=\"password\" name=\"password\" type=\"password\" required>\n{error}\n\
         <button id=\"submit-login\" type=\"submit\">Login</button>\n</form>",
        escape_html(action),
    );
    page(status, &settings.title, &content)
}

/// The approval page: two forms that post to the page's own address.
pub fn approval(settings: &Settings, request: &str, client: &str, scopes: &[String]) -> Response<Body> {
    let mut wishes: Vec<&str> = scopes
        .iter()
        .filter_map(|scope| match scope.as_str() {
            "offline_access" => Some("Have offline access"),
            "profile" => Some("View basic profile information"),
            "email" => Some("View your email address"),
            "groups" if settings.version.number >= (2, 37) => Some("View your groups"),
            _ => None,
        })
        .collect();
    wishes.sort_unstable();
    let client = escape_html(client);
    let asked = if wishes.is_empty() {
        format!("<p>{client} has not requested any personal information</p>")
    } else {
        let items: String = wishes.iter().map(|wish| format!("<li>{wish}</li>")).collect();
        format!("<p>{client} would like to:</p><ul>{items}</ul>")
    };
    let form = |answer: &str, label: &str| {
        format!(
            "<form method=\"post\"><input type=\"hidden\" name=\"req\" value=\"{}\">\
             <input type=\"hidden\" name=\"approval\" value=\"{answer}\"><button type=\"submit\">{label}</button></form>",
            escape_html(request)
        )
    };
    let content =
        format!("<h2>Grant Access</h2>\n{asked}\n{}\n{}", form("approve", "Grant Access"), form("rejected", "Cancel"));
    page(StatusCode::OK, &settings.title, &content)
}

/// The code, to be copied by hand (redirect URI `urn:ietf:wg:oauth:2.0:oob`).
pub fn out_of_band(settings: &Settings, code: &str) -> Response<Body> {
    let content = format!(
        "<h2>Login Successful</h2>\n<p>Copy this code into your application:</p>\n<input readonly value=\"{}\">",
        escape_html(code)
    );
    page(StatusCode::OK, &settings.title, &content)
}

/// The form for a device's code.
pub fn device(settings: &Settings, action: &str, code: &str, refused: bool) -> Response<Body> {
    let error = if refused { "<div id=\"login-error\">Invalid or Expired User Code</div>" } else { "" };
    let kept = if code.is_empty() { String::new() } else { format!(" value=\"{}\"", escape_html(code)) };
    let content = format!(
        "<h2>Enter User Code</h2>\n<form method=\"post\" action=\"{}\">\n\
         <input id=\"user_code\" name=\"user_code\" required autocomplete=\"off\" placeholder=\"XXXX-XXXX\" type=\"text\"{kept}>\n\
         {error}<button id=\"submit-login\" type=\"submit\">Submit</button>\n</form>",
        escape_html(action),
    );
    page(if refused { StatusCode::BAD_REQUEST } else { StatusCode::OK }, &settings.title, &content)
}

/// What the user sees when a device is logged in.
pub fn device_success(settings: &Settings, client: &str) -> Response<Body> {
    let content =
        format!("<h2>Login Successful for {}</h2>\n<p>Return to your device to continue</p>", escape_html(client));
    page(StatusCode::OK, &settings.title, &content)
}
