//! How the job of a trial stands, by the two expressions of the trial template (gjson's, of which the form of the defaults
//! is known): `status.conditions.#(type=="Complete")#|#(status=="True")#`.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use crate::object::{list, text};

/// A list, and up to two demands of its members.
static FORM: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"^([A-Za-z.]+)\.#\(([A-Za-z]+)=="([^"]*)"\)#?(?:\|#\(([A-Za-z]+)=="([^"]*)"\)#?)?$"#).ok()
});

/// How a job stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum JobStatus {
    /// Neither succeeded nor failed.
    Running,
    /// With the reason and message of its condition.
    Succeeded(String, String),
    /// With the reason and message of its condition.
    Failed(String, String),
}

/// The status of a trial's job.
pub(super) fn of(trial: &Value, job: &Value) -> JobStatus {
    let told = |condition: &Value| (text(condition, "/reason").to_owned(), text(condition, "/message").to_owned());
    if let Some(condition) = first(job, text(trial, "/spec/failureCondition")) {
        let (reason, message) = told(condition);
        return JobStatus::Failed(reason, message);
    }
    match first(job, text(trial, "/spec/successCondition")) {
        Some(condition) => {
            let (reason, message) = told(condition);
            JobStatus::Succeeded(reason, message)
        }
        None => JobStatus::Running,
    }
}

/// The first member that an expression finds.
fn first<'a>(job: &'a Value, expression: &str) -> Option<&'a Value> {
    let parts = FORM.as_ref()?.captures(expression)?;
    let part = |at: usize| parts.get(at).map_or("", |found| found.as_str());
    let pointer = format!("/{}", part(1).replace('.', "/"));
    let fits =
        |member: &Value, field: &str, value: &str| field.is_empty() || text(member, &format!("/{field}")) == value;
    list(job, &pointer).iter().find(|member| fits(member, part(2), part(3)) && fits(member, part(4), part(5)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_default_expressions_are_understood() {
        let trial = json!({"spec": {
            "successCondition": "status.conditions.#(type==\"Complete\")#|#(status==\"True\")#",
            "failureCondition": "status.conditions.#(type==\"Failed\")#|#(status==\"True\")#",
        }});
        let job = |kind: &str, status: &str| json!({"status": {"conditions": [{"type": kind, "status": status, "reason": "R", "message": "M"}]}});
        assert_eq!(of(&trial, &job("Complete", "True")), JobStatus::Succeeded("R".into(), "M".into()));
        assert_eq!(of(&trial, &job("Failed", "True")), JobStatus::Failed("R".into(), "M".into()));
        assert_eq!(of(&trial, &job("Complete", "False")), JobStatus::Running);
        assert_eq!(of(&trial, &json!({})), JobStatus::Running);
        for other in ["", "status", "#(", "status.conditions.#(type==\"Complete\""] {
            let trial = json!({"spec": {"successCondition": other, "failureCondition": other}});
            assert_eq!(of(&trial, &job("Complete", "True")), JobStatus::Running, "{other}");
        }
    }
}
