//! Search spaces, and the values that are proposed from them.
//!
//! `random` draws each parameter evenly from its space, as hyperopt's `rand` does in Katib; `grid` proposes every
//! combination once, in any order, as Optuna's grid sampler does. The other algorithms that learn from trials are played
//! by drawing evenly. Facts: kubeflow/katib `pkg/suggestion/v1beta1/internal/search_space.py`,
//! `pkg/suggestion/v1beta1/optuna/service.py`.

use std::collections::HashSet;

use serde_json::Value;

use crate::object::{list, text};

/// The values of one proposal, in the order of the space's parameters.
pub type Point = Vec<String>;

/// What a parameter may be.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Whole numbers from, to, in steps of.
    Whole(i64, i64, i64),
    /// Numbers from, to, in steps of where there are steps.
    Real(f64, f64, Option<f64>),
    /// One of these.
    OneOf(Vec<String>),
}

/// A parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// What it may be.
    pub values: Values,
}

/// More combinations than any experiment tries are not counted.
const MOST: usize = 100_000;

/// The parameters of an experiment.
///
/// # Errors
/// The first that makes no space.
pub fn space(experiment: &Value) -> Result<Vec<Parameter>, String> {
    list(experiment, "/spec/parameters").iter().map(parameter).collect()
}

fn parameter(parameter: &Value) -> Result<Parameter, String> {
    let name = text(parameter, "/name").to_owned();
    let feasible = |field: &str| text(parameter, &format!("/feasibleSpace/{field}"));
    let unreadable = |field: &str| format!("parameter {name}: {field} {:?} is no number", feasible(field));
    let values = match text(parameter, "/parameterType") {
        "int" => {
            let whole = |field: &str| feasible(field).parse::<i64>().map_err(|_| unreadable(field));
            let step = if feasible("step").is_empty() { 1 } else { whole("step")? };
            Values::Whole(whole("min")?, whole("max")?, step)
        }
        "double" => {
            let real = |field: &str| {
                feasible(field).parse::<f64>().ok().filter(|value| value.is_finite()).ok_or_else(|| unreadable(field))
            };
            let step = if feasible("step").is_empty() { None } else { Some(real("step")?) };
            Values::Real(real("min")?, real("max")?, step)
        }
        "categorical" | "discrete" => {
            let listed = list(parameter, "/feasibleSpace/list").iter();
            Values::OneOf(listed.filter_map(Value::as_str).map(str::to_owned).collect())
        }
        other => return Err(format!("Cannot get the type for the parameter: {name} ({other})")),
    };
    let empty = match &values {
        Values::Whole(min, max, step) => min > max || *step <= 0,
        Values::Real(min, max, step) => min > max || step.is_some_and(|step| step <= 0.0),
        Values::OneOf(all) => all.is_empty(),
    };
    if empty {
        return Err(format!("parameter {name}: its feasible space is empty"));
    }
    Ok(Parameter { name, values })
}

/// Draws one point.
#[must_use]
pub fn draw(space: &[Parameter]) -> Point {
    space.iter().map(|parameter| drawn(&parameter.values)).collect()
}

fn drawn(values: &Values) -> String {
    match values {
        Values::Whole(min, max, step) => {
            let steps = max.saturating_sub(*min) / step;
            min.saturating_add(rand::random_range(0..=steps).saturating_mul(*step)).to_string()
        }
        Values::Real(min, max, None) => (min + (max - min) * rand::random::<f64>()).to_string(),
        Values::Real(..) => {
            let all = listed(values).unwrap_or_default();
            if all.is_empty() { String::new() } else { all[rand::random_range(0..all.len())].clone() }
        }
        Values::OneOf(all) => all[rand::random_range(0..all.len())].clone(),
    }
}

/// Points of the grid that are not among those `taken`, in any order: as many as wanted, or fewer if there are no more.
///
/// # Errors
/// A parameter without steps.
pub fn grid(space: &[Parameter], taken: &HashSet<Point>, wanted: usize) -> Result<Vec<Point>, String> {
    let mut left: Vec<Point> = combinations(space)?.into_iter().filter(|point| !taken.contains(point)).collect();
    let mut chosen = Vec::new();
    while chosen.len() < wanted && !left.is_empty() {
        chosen.push(left.swap_remove(rand::random_range(0..left.len())));
    }
    Ok(chosen)
}

/// All points of the grid.
///
/// # Errors
/// A parameter without steps, or too many.
pub fn combinations(space: &[Parameter]) -> Result<Vec<Point>, String> {
    let mut points: Vec<Point> = vec![Vec::new()];
    for parameter in space {
        let values = listed(&parameter.values).ok_or_else(|| {
            format!("Param {} step is nil; For discrete search space, all parameters must include step", parameter.name)
        })?;
        if points.len().saturating_mul(values.len()) > MOST {
            return Err(format!("more than {MOST} combinations"));
        }
        points = points
            .iter()
            .flat_map(|point| values.iter().map(|value| [point.as_slice(), std::slice::from_ref(value)].concat()))
            .collect();
    }
    Ok(points)
}

/// All values of a parameter; `None` if they are not countable.
fn listed(values: &Values) -> Option<Vec<String>> {
    match values {
        Values::Whole(min, max, step) => {
            let count = usize::try_from(max.saturating_sub(*min) / step).unwrap_or(MOST).min(MOST);
            Some((0..=count).map(|at| (min + i64::try_from(at).unwrap_or(0) * step).to_string()).collect())
        }
        Values::Real(_, _, None) => None,
        Values::Real(min, max, Some(step)) => {
            // The last step may miss the end by the width of a rounding error.
            let within = |value: &f64| *value <= max + step * 1e-9;
            let values = (0..=MOST).map(|at| min + f64::from(u32::try_from(at).unwrap_or(u32::MAX)) * step);
            Some(values.take_while(within).map(|value| ((value * 1e12).round() / 1e12).to_string()).collect())
        }
        Values::OneOf(all) => Some(all.clone()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn of(parameters: Value) -> Result<Vec<Parameter>, String> {
        space(&json!({"spec": {"parameters": parameters}}))
    }

    #[test]
    fn a_grid_is_walked_once() {
        let space = of(json!([
            {"name": "x", "parameterType": "int", "feasibleSpace": {"min": "-1", "max": "1"}},
            {"name": "y", "parameterType": "double", "feasibleSpace": {"min": "0.1", "max": "0.3", "step": "0.1"}},
            {"name": "z", "parameterType": "categorical", "feasibleSpace": {"list": ["a", "b"]}},
        ]))
        .unwrap();
        let all = combinations(&space).unwrap();
        assert_eq!(all.len(), 18);
        assert!(all.contains(&vec!["-1".into(), "0.3".into(), "b".into()]));
        let mut taken: HashSet<Point> = grid(&space, &HashSet::new(), 10).unwrap().into_iter().collect();
        taken.extend(grid(&space, &taken, 20).unwrap());
        assert_eq!(taken.len(), 18);
        assert!(all.iter().all(|point| taken.contains(point)));
    }

    #[test]
    fn what_makes_no_space_is_refused() {
        for (kind, feasible) in [
            ("int", json!({"min": "1", "max": "x"})),
            ("int", json!({"min": "2", "max": "1"})),
            ("int", json!({"min": "0", "max": "9", "step": "0"})),
            ("double", json!({"min": "nan", "max": "1"})),
            ("double", json!({"min": "0", "max": "inf"})),
            ("categorical", json!({"list": []})),
            ("unknown", json!({})),
        ] {
            assert!(
                of(json!([{"name": "p", "parameterType": kind, "feasibleSpace": feasible}])).is_err(),
                "{feasible}"
            );
        }
        let endless = of(json!([{"name": "p", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}}]));
        assert!(combinations(&endless.unwrap()).unwrap_err().contains("step is nil"));
    }

    proptest! {
        #[test]
        fn what_is_drawn_lies_within(min in -1000_i64..1000, width in 0_i64..1000, step in 1_i64..50) {
            let max = min + width;
            let value: i64 = drawn(&Values::Whole(min, max, step)).parse().unwrap();
            prop_assert!((min..=max).contains(&value) && (value - min) % step == 0);
            #[allow(clippy::cast_precision_loss)]
            let (low, high) = (min as f64, max as f64);
            let value: f64 = drawn(&Values::Real(low, high, None)).parse().unwrap();
            prop_assert!((low..=high).contains(&value));
        }
    }
}
