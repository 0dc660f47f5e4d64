//! The services that propose values: one Deployment and Service an experiment, with the image that `katib-config` names
//! for its algorithm.

use std::collections::HashSet;

use axum::body::Body;
use futures::future::BoxFuture;
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};

use super::search::{self, Parameter, Point, Values};
use crate::actors::{Actor, Visit, repository};
use crate::mesh::config;
use crate::mesh::destination::Destination;
use crate::mesh::endpoints::{Found, container_at};
use crate::object::{list, text};
use crate::platform::World;

/// Where a service listens.
pub const PORT: u16 = 6789;

/// A container that proposes values.
pub struct Suggestion;

/// The images that are played, and the algorithms that each knows.
const KNOWN: &[(&str, &[&str])] = &[
    ("suggestion-hyperopt", &["random", "tpe"]),
    ("suggestion-optuna", &["grid", "random", "tpe", "multivariate-tpe", "cmaes"]),
    ("suggestion-goptuna", &["random", "tpe", "cmaes", "sobol"]),
    ("suggestion-skopt", &["bayesianoptimization"]),
];

impl Actor for Suggestion {
    fn serve(&self, _: Visit, _: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        // HTTP/1 to a server of gRPC.
        Box::pin(async {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        })
    }
}

/// Why a service proposes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody answers: it may later.
    Unavailable(String),
    /// The experiment is not good for the algorithm: it never will be.
    Invalid(String),
}

/// The algorithm behind the service of an experiment, if it answers.
///
/// # Errors
/// Nobody answers, or somebody who does not know the algorithm.
pub fn reach(world: &World, namespace: &str, service: &str, algorithm: &str) -> Result<(), Refusal> {
    let refused = || {
        Refusal::Unavailable(format!(
            "rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while dialing: dial tcp \
             {service}.{namespace}:{PORT}: connect: connection refused\""
        ))
    };
    let destination = Destination::new(service, namespace, PORT);
    let Found::Pod(pod, port) = config::endpoints(world).find(&destination) else { return Err(refused()) };
    let container = container_at(&pod, port).ok_or_else(refused)?;
    let last = repository(text(container, "/image")).rsplit('/').next().unwrap_or_default();
    let (_, algorithms) = KNOWN.iter().find(|(image, _)| *image == last).ok_or_else(refused)?;
    if algorithms.contains(&algorithm) {
        return Ok(());
    }
    Err(Refusal::Invalid(format!("unknown algorithm name {algorithm}")))
}

/// Whether an experiment is good for its algorithm.
///
/// # Errors
/// Why not.
pub fn validate(experiment: &Value) -> Result<(), String> {
    let space = search::space(experiment)?;
    let algorithm = text(experiment, "/spec/algorithm/algorithmName");
    let settings = list(experiment, "/spec/algorithm/algorithmSettings");
    if let Some(unknown) =
        settings.iter().map(|setting| text(setting, "/name")).find(|name| !is_setting(algorithm, name))
    {
        return Err(format!("unknown setting {unknown} for algorithm {algorithm}"));
    }
    if algorithm == "grid" {
        let most = experiment.pointer("/spec/maxTrialCount").and_then(Value::as_u64).unwrap_or_default();
        let combinations = search::combinations(&space)?.len();
        if most > u64::try_from(combinations).unwrap_or(u64::MAX) {
            return Err(format!("Max Trial Count: {most} > all possible search combinations: {combinations}"));
        }
    }
    let continuous = |parameter: &&Parameter| !matches!(parameter.values, Values::OneOf(_));
    if algorithm == "cmaes" && space.iter().filter(continuous).count() < 2 {
        return Err("cmaes only supports two or more dimensional continuous search space.".to_owned());
    }
    Ok(())
}

fn is_setting(algorithm: &str, name: &str) -> bool {
    match algorithm {
        "random" | "grid" => name == "random_state",
        _ => true,
    }
}

/// Proposes values for `wanted` trials, none of the grid's twice: a list of parameter assignments each.
///
/// # Errors
/// Fewer are left.
pub fn propose(experiment: &Value, so_far: &[Value], wanted: usize) -> Result<Vec<Value>, String> {
    let space = search::space(experiment)?;
    let points = if text(experiment, "/spec/algorithm/algorithmName") == "grid" {
        let taken: HashSet<Point> = so_far.iter().map(|assignments| point(&space, assignments)).collect();
        search::grid(&space, &taken, wanted)?
    } else {
        (0..wanted).map(|_| search::draw(&space)).collect()
    };
    if points.len() < wanted {
        return Err("The response contains unexpected trials".to_owned());
    }
    let assigned = |point: Point| {
        let pairs = space.iter().zip(point);
        json!(pairs.map(|(parameter, value)| json!({"name": parameter.name, "value": value})).collect::<Vec<_>>())
    };
    Ok(points.into_iter().map(assigned).collect())
}

fn point(space: &[Parameter], assignments: &Value) -> Point {
    let value = |parameter: &Parameter| {
        let found = list(assignments, "").iter().find(|one| text(one, "/name") == parameter.name);
        found.map(|one| text(one, "/value").to_owned()).unwrap_or_default()
    };
    space.iter().map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn experiment(algorithm: &str, most: u64, settings: Value) -> Value {
        json!({"spec": {
            "maxTrialCount": most, "algorithm": {"algorithmName": algorithm, "algorithmSettings": settings},
            "parameters": [{"name": "x", "parameterType": "int", "feasibleSpace": {"min": "0", "max": "4"}}],
        }})
    }

    #[test]
    fn a_grid_proposes_nothing_twice_and_no_more_than_there_is() {
        let experiment = experiment("grid", 5, json!([]));
        validate(&experiment).unwrap();
        let first = propose(&experiment, &[], 3).unwrap();
        let second = propose(&experiment, &first, 2).unwrap();
        assert!(second.iter().all(|assignments| !first.contains(assignments)));
        let all = [first, second].concat();
        assert!(propose(&experiment, &all, 1).is_err());
    }

    #[test]
    fn an_experiment_must_be_good_for_its_algorithm() {
        let more = validate(&experiment("grid", 6, json!([]))).unwrap_err();
        assert_eq!(more, "Max Trial Count: 6 > all possible search combinations: 5");
        assert!(validate(&experiment("cmaes", 1, json!([]))).unwrap_err().starts_with("cmaes only supports"));
        let setting = validate(&experiment("random", 1, json!([{"name": "speed", "value": "9"}]))).unwrap_err();
        assert_eq!(setting, "unknown setting speed for algorithm random");
    }
}
