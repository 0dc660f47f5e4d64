//! One recorded exchange with an application.

use http::Method;
use serde_json::Value;

/// A request and the answer to it.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub group: String,
    pub label: String,
    /// Who asked: a name of the stage's people, or what stood in the identity header.
    pub who: String,
    pub method: Method,
    /// With its query.
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
    pub answer: Answer,
}

/// An answer.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// Whether only the beginning of the body was recorded.
    pub truncated: bool,
}

impl Answer {
    /// The values of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }
}

impl Recorded {
    /// Reads a line of a recording; else why it cannot be sent again.
    pub fn of(line: &Value) -> Result<Self, &'static str> {
        let text = |pointer: &str| line.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let status = line["status"].as_u64().and_then(|status| u16::try_from(status).ok());
        let status = status.ok_or("no answer was recorded, or only as raw text")?;
        let headers =
            line.pointer("/request/headers").and_then(Value::as_object).ok_or("the request is not recorded")?;
        let value = |value: &Value| value.as_str().unwrap_or_default().trim().to_owned();
        Ok(Self {
            group: text("/group"),
            label: text("/label"),
            who: text("/as"),
            method: text("/request/method").parse().map_err(|_| "the method is not one")?,
            path: text("/request/path"),
            headers: headers.iter().map(|(name, of)| (name.to_ascii_lowercase(), value(of))).collect(),
            body: text("/request/body"),
            answer: Answer {
                status,
                headers: line["headers"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|pair| (value(&pair[0]).to_ascii_lowercase(), value(&pair[1])))
                    .collect(),
                body: text("/body") + &text("/body_latin1"),
                truncated: line["truncated"] == true,
            },
        })
    }

    /// A request that the recording lacks, with a JSON body if there is one.
    pub fn lacking(user: &str, method: Method, path: &str, body: &str) -> Self {
        let mut headers = vec![("kubeflow-userid".to_owned(), user.to_owned())];
        if !body.is_empty() {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        Self {
            group: String::new(),
            label: String::new(),
            who: user.to_owned(),
            method,
            path: path.to_owned(),
            headers,
            body: body.to_owned(),
            answer: Answer::default(),
        }
    }

    /// The case's name in the list of differences.
    pub fn name(&self) -> String {
        let cut = |text: &str| text.chars().take(80).collect::<String>();
        format!("{}/{} as {}: {} {}", self.group, cut(&self.label), cut(&self.who), self.method, cut(&self.path))
    }
}
