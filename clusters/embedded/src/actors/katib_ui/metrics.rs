//! What trials reported, as tables of comma-separated values in a JSON string (`hp.go`).

use std::collections::HashMap;

use serde_json::{Value, json};

use super::experiments::NO_NAME;
use super::{Answered, Asked, Refusal, objects};
use crate::actors::katib::observations::{Entry, Observations};
use crate::actors::katib::{DB_MANAGER, EXPERIMENT_LABEL, GROUP, db_manager};
use crate::object::{label, list, name, namespace, text};

const NO_PLACE: &str = "no 'namespace' provided";
const NO_TRIAL: &str = "no 'trialName' provided";

fn rows(asked: &Asked<'_>) -> Result<Observations, Refusal> {
    let address = format!(
        "{}.{}:{}",
        asked.variable("KATIB_DB_MANAGER_SERVICE_IP", DB_MANAGER.0),
        asked.variable("KATIB_DB_MANAGER_SERVICE_NAMESPACE", &asked.home()),
        asked.variable("KATIB_DB_MANAGER_SERVICE_PORT", &DB_MANAGER.1.to_string()),
    );
    db_manager::at(&asked.visit.world, namespace(&asked.visit.pod), &address).map_err(Refusal::internal)
}

/// `fetch_hp_job_info`: a line a trial, with its state, the best value of each metric, and its parameters.
pub(super) async fn of_experiment(asked: &Asked<'_>) -> Answered {
    let place = asked.parameter("namespace", NO_PLACE)?;
    let called = asked.parameter("experimentName", NO_NAME)?;
    asked.allowed("get", &format!("{GROUP}/v1beta1/experiments"), &place, &called).await?;
    let experiment = objects::read(asked, "experiments", &place, &called).await?;
    let metrics: Vec<&str> = std::iter::once(text(&experiment, "/spec/objective/objectiveMetricName"))
        .chain(list(&experiment, "/spec/objective/additionalMetricNames").iter().filter_map(Value::as_str))
        .collect();
    let parameters: Vec<&str> = list(&experiment, "/spec/parameters").iter().map(|one| text(one, "/name")).collect();
    asked.allowed("list", &format!("{GROUP}/v1beta1/trials"), &place, "").await?;
    let mut trials = asked.api.list(GROUP, "trials", Some(&place))?;
    trials.retain(|trial| label(trial, EXPERIMENT_LABEL) == Some(called.as_str()));
    let head = [["Status", "trialName"].as_slice(), &metrics, &parameters].concat();
    let mut table = head.join(",");
    for trial in &trials {
        let last = list(trial, "/status/conditions").last().map_or("", |last| text(last, "/type"));
        let reported = match last {
            "Succeeded" | "EarlyStopped" => {
                rows(asked)?.of(name(trial), "", "", "").map_err(|why| Refusal::internal(unknown(&why)))?
            }
            _ => Vec::new(),
        };
        let least = text(trial, "/spec/objective/type") == "minimize";
        let values = metrics.iter().map(|metric| best(&reported, metric, least));
        let assigned = list(trial, "/spec/parameterAssignments");
        let given = parameters.iter().map(|parameter| {
            let found = assigned.iter().find(|one| text(one, "/name") == *parameter);
            found.map_or("", |one| text(one, "/value"))
        });
        let line: Vec<&str> = [last, name(trial)].into_iter().chain(values).chain(given).collect();
        table.push('\n');
        table.push_str(&line.join(","));
    }
    Ok(Some(json!(table)))
}

fn unknown(why: &str) -> String {
    format!("rpc error: code = Unknown desc = {why}")
}

/// The best value of a metric; what is no number counts as 0.
fn best<'e>(reported: &'e [Entry], metric: &str, least: bool) -> &'e str {
    let number = |value: &str| value.parse::<f64>().unwrap_or_default();
    let own = reported.iter().filter(|entry| entry.metric == metric).map(|entry| entry.value.as_str());
    let better = |so_far: &'e str, value: &'e str| {
        let wins = if least { number(value) < number(so_far) } else { number(value) > number(so_far) };
        if wins { value } else { so_far }
    };
    own.reduce(better).unwrap_or_default()
}

/// `fetch_hp_job_trial_info`: a line a metric and second.
pub(super) async fn of_trial(asked: &Asked<'_>) -> Answered {
    let place = asked.parameter("namespace", NO_PLACE)?;
    let called = asked.parameter("trialName", NO_TRIAL)?;
    asked.allowed("list", &format!("{GROUP}/v1beta1/trials"), &place, &called).await?;
    let trial = objects::read(asked, "trials", &place, &called).await?;
    let reported = rows(asked)?.of(&called, "", "", "").map_err(|why| Refusal::internal(unknown(&why)))?;
    let least = text(&trial, "/spec/objective/type") == "minimize";
    let mut lines: Vec<[String; 3]> = Vec::new();
    // The line of each metric's latest second, and its value so far.
    let mut latest: HashMap<&str, usize> = HashMap::new();
    for entry in &reported {
        let value = entry
            .value
            .parse::<f64>()
            .map_err(|_| Refusal::internal(format!("strconv.ParseFloat: parsing {:?}: invalid syntax", entry.value)))?;
        let second: String = entry.time.chars().take("0001-01-01T00:00:00".len()).collect();
        match latest.get(entry.metric.as_str()).map(|at| &mut lines[*at]) {
            Some(line) if line[1] == second => {
                let so_far = line[2].parse::<f64>().unwrap_or_default();
                if if least { value < so_far } else { value > so_far } {
                    line[2].clone_from(&entry.value);
                }
            }
            _ => {
                latest.insert(&entry.metric, lines.len());
                lines.push([entry.metric.clone(), second, entry.value.clone()]);
            }
        }
    }
    let rows: String = lines.iter().map(|line| line.join(",") + "\n").collect();
    Ok(Some(json!(format!("metricName,time,value\n{rows}"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_value_is_by_the_objective() {
        let entry = |value: &str| Entry { time: String::new(), metric: "loss".into(), value: value.into() };
        let reported = [entry("2"), entry("-1"), entry("3")];
        assert_eq!((best(&reported, "loss", true), best(&reported, "loss", false)), ("-1", "3"));
        assert_eq!(best(&reported, "other", true), "");
    }
}
