//! The pages of oauth2-proxy: our own markup with the forms and texts that a client looks for.

use axum::body::Body;
use http::{Response, StatusCode};

use super::settings::Settings;
use crate::actors::net_http::answer;
use crate::actors::net_http::escape::escape_html;

const STYLE: &str = "body{margin:0;background:#f5f5f5;color:#333;font:16px system-ui,sans-serif}\
    main{max-width:460px;margin:60px auto;padding:28px;background:#fff;text-align:center;border-radius:6px}\
    svg{max-width:160px;height:auto}button{margin:12px 6px 0;padding:10px 24px;border:0;border-radius:4px;\
    background:#0b7285;color:#fff;font-size:16px}form{display:inline-block}";

fn page(status: StatusCode, title: &str, content: &str) -> Response<Body> {
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{}</title>\
         <style>{STYLE}</style></head>\n<body><main>\n{content}\n</main></body>\n</html>\n",
        escape_html(title)
    );
    answer(status, "text/html; charset=utf-8", page)
}

/// The sign-in page; its form leads to the login and then to `target`. `logo` is SVG that the operator has mounted.
pub fn sign_in(settings: &Settings, logo: &str, target: &str, status: StatusCode) -> Response<Body> {
    let banner = if settings.banner.is_empty() { String::new() } else { format!("<p>{}</p>\n", settings.banner) };
    let content = format!(
        "{logo}\n<form method=\"GET\" action=\"{}/start\">\n<input type=\"hidden\" name=\"rd\" value=\"{}\">\n\
         {banner}<button type=\"submit\">Sign in with {}</button>\n</form>",
        escape_html(&settings.prefix),
        escape_html(target),
        escape_html(&settings.provider_name),
    );
    page(status, "Sign In", &content)
}

/// The error page.
pub fn error(settings: &Settings, status: StatusCode, message: Option<&str>, target: &str) -> Response<Body> {
    let reason = status.canonical_reason().unwrap_or_default();
    let message = message.unwrap_or(match status {
        StatusCode::INTERNAL_SERVER_ERROR => {
            "Oops! Something went wrong. For more information contact your server administrator."
        }
        StatusCode::NOT_FOUND => "We could not find the resource you were looking for.",
        StatusCode::FORBIDDEN => "You do not have permission to access this resource.",
        StatusCode::UNAUTHORIZED => "You need to be logged in to access this resource.",
        _ => "Unknown error",
    });
    let target = escape_html(target);
    let content = format!(
        "<div>{}</div>\n<h1>{reason}</h1>\n<p>More Info</p>\n<div>{}</div>\n<div>Request ID: {}</div>\n\
         <form method=\"GET\" action=\"{target}\"><button type=\"submit\">Go back</button></form>\n\
         <form method=\"GET\" action=\"{}/sign_in\"><input type=\"hidden\" name=\"rd\" value=\"{target}\">\
         <button type=\"submit\">Sign in</button></form>",
        status.as_u16(),
        escape_html(message),
        uuid::Uuid::new_v4(),
        escape_html(&settings.prefix),
    );
    page(status, &format!("{} {reason}", status.as_u16()), &content)
}
