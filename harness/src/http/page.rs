//! Reading HTML pages: their title and their forms. `scraper`'s document cannot cross threads, so it lives and dies
//! inside each function here.

use scraper::{ElementRef, Html, Selector};
use url::Url;

use super::answer::Answer;

/// A form of a page: where it goes and what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// Upper-case method.
    pub method: String,
    /// Resolved target.
    pub action: Url,
    /// Names and preset values of its fields, in order.
    pub fields: Vec<(String, String)>,
    /// The name of its password field, if it has one.
    pub password_field: Option<String>,
}

impl Form {
    /// Sets a field's value; adds the field if the form has none of that name.
    pub fn fill(&mut self, name: &str, value: &str) {
        match self.fields.iter_mut().find(|(field, _)| field == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.fields.push((name.to_owned(), value.to_owned())),
        }
    }
}

/// The forms of an HTML page, in order; none if the answer is not HTML.
#[must_use]
pub fn forms(answer: &Answer) -> Vec<Form> {
    if !answer.is_html() {
        return Vec::new();
    }
    let (Ok(form), Ok(field)) = (Selector::parse("form"), Selector::parse("input[name], textarea[name], select[name]"))
    else {
        return Vec::new();
    };
    let page = Html::parse_document(&answer.body);
    page.select(&form)
        .filter_map(|form| {
            let action = form.value().attr("action").unwrap_or_default();
            let fields: Vec<ElementRef<'_>> = form.select(&field).collect();
            Some(Form {
                method: form.value().attr("method").unwrap_or("GET").to_ascii_uppercase(),
                action: if action.is_empty() { answer.url.clone() } else { answer.url.join(action).ok()? },
                password_field: fields.iter().find(|field| kind(field) == "password").and_then(|field| name(field)),
                fields: fields.iter().filter(|field| is_submitted(field)).filter_map(named_value).collect(),
            })
        })
        .collect()
}

/// The content of `<title>`, its white space folded.
pub(super) fn title(html: &str) -> Option<String> {
    let selector = Selector::parse("title").ok()?;
    let page = Html::parse_document(html);
    let text: String = page.select(&selector).next()?.text().collect();
    Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn kind(field: &ElementRef<'_>) -> String {
    field.value().attr("type").unwrap_or("text").to_ascii_lowercase()
}

fn name(field: &ElementRef<'_>) -> Option<String> {
    field.value().attr("name").map(str::to_owned)
}

/// Buttons are submitted only when pressed, boxes only when ticked (HTML, "constructing the entry list").
fn is_submitted(field: &ElementRef<'_>) -> bool {
    let element = field.value();
    match kind(field).as_str() {
        "submit" | "button" | "reset" | "image" | "file" => false,
        "checkbox" | "radio" => element.attr("checked").is_some(),
        _ => element.attr("disabled").is_none(),
    }
}

fn named_value(field: &ElementRef<'_>) -> Option<(String, String)> {
    let value = match field.value().name() {
        "textarea" => field.text().collect(),
        _ => field.value().attr("value").unwrap_or_default().to_owned(),
    };
    Some((name(field)?, value))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ::http::{HeaderMap, Method, StatusCode};
    use proptest::prelude::*;

    use super::*;

    fn page(body: &str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "text/html; charset=utf-8".parse().unwrap());
        let url = Url::parse("http://localhost:8080/dex/auth/local/login?back=&state=abc").unwrap();
        Answer {
            method: Method::GET,
            sent: url.to_string(),
            url,
            status: StatusCode::OK,
            headers,
            body: body.into(),
            cut: false,
            took: Duration::ZERO,
        }
    }

    #[test]
    fn a_login_form_is_read() {
        let forms = forms(&page(
            r#"<form method="post" action="/dex/auth/local/login?back=&amp;state=abc">
               <input required id="login" name="login" type="text"/>
               <input id="password" name="password" type="Password"/>
               <button id="submit-login" type="submit">Login</button></form>"#,
        ));
        assert_eq!(forms.len(), 1);
        assert_eq!(forms[0].method, "POST");
        assert_eq!(forms[0].action.as_str(), "http://localhost:8080/dex/auth/local/login?back=&state=abc");
        assert_eq!(forms[0].fields, [("login".into(), String::new()), ("password".into(), String::new())]);
        assert_eq!(forms[0].password_field.as_deref(), Some("password"));
    }

    #[test]
    fn a_form_without_action_goes_to_its_own_page_and_hidden_fields_are_kept() {
        let forms =
            forms(&page(r#"<form><input type=hidden name=rd value="/x?a&amp;b"><input type=submit name=go></form>"#));
        assert_eq!(forms[0].method, "GET");
        assert_eq!(forms[0].action, page("").url);
        assert_eq!(forms[0].fields, [("rd".into(), "/x?a&b".into())]);
        assert_eq!(forms[0].password_field, None);
    }

    #[test]
    fn what_is_not_html_has_no_forms() {
        let mut answer = page("<form></form>");
        answer.headers.insert("content-type", "application/json".parse().unwrap());
        assert!(forms(&answer).is_empty());
        assert_eq!(answer.title(), None);
    }

    proptest! {
        #[test]
        fn any_page_can_be_read(body in ".{0,400}") {
            let _ = forms(&page(&format!("<form action='{body}'>{body}")));
            let _ = title(&body);
        }
    }
}
