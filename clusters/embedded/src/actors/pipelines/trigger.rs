//! When a recurring run is due: the trigger of a request, as its ScheduledWorkflow has it, and the times that follow from it.
//!
//! Source: kubeflow/pipelines 2.3.0 `backend/src/crd/controller/scheduledworkflow/util/periodic_schedule.go` and
//! `cron_schedule.go`; `backend/src/apiserver/server/api_converter.go`.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::cron::Cron;
use super::refusal::{Answered, Refusal};
use crate::object::text;

/// The two kinds, by their names in the API and in ScheduledWorkflows.
const PERIODIC: (&str, &str) = ("periodic_schedule", "periodicSchedule");
const CRON: (&str, &str) = ("cron_schedule", "cronSchedule");

/// A trigger. Times are seconds since 1970.
#[derive(Debug, Clone)]
pub struct Trigger {
    times: Times,
    start: Option<i64>,
    end: Option<i64>,
}

#[derive(Debug, Clone)]
enum Times {
    /// Each so many seconds.
    Each(i64),
    /// As an expression says.
    Cron(Cron),
}

/// How far a schedule has come. Times are seconds since 1970.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// When it was made.
    pub made: i64,
    /// The time that its last run was due at.
    pub last: Option<i64>,
    /// Whether each time that was missed is made up for.
    pub catches_up: bool,
}

impl Trigger {
    /// That of a ScheduledWorkflow, if it has one that makes sense.
    #[must_use]
    pub fn of(schedule: &Value) -> Option<Self> {
        let trigger = schedule.pointer("/spec/trigger")?;
        let (times, shown) = match (trigger.get(PERIODIC.1), trigger.get(CRON.1)) {
            (Some(shown), _) => {
                (Times::Each(shown.get("intervalSecond").and_then(Value::as_i64).unwrap_or_default().max(1)), shown)
            }
            (None, Some(shown)) => (Times::Cron(Cron::parse(text(shown, "/cron")).ok()?), shown),
            (None, None) => return None,
        };
        let time = |name| text(shown, name).parse::<Timestamp>().ok().map(Timestamp::as_second);
        Some(Self { times, start: time("/startTime"), end: time("/endTime") })
    }

    /// When the next run is due, which may be past; nothing if there is none any more.
    #[must_use]
    pub fn next(&self, progress: Progress, now: i64) -> Option<i64> {
        let since = progress.last.or(self.start).unwrap_or(progress.made);
        let begins = self.start.filter(|start| *start > since);
        let is_over = |at: i64| self.end.is_some_and(|end| end < at);
        let last = self.end.map_or(now, |end| end.min(now));
        match &self.times {
            Times::Each(seconds) => {
                let next = match begins {
                    Some(start) => start,
                    None => since.checked_add(*seconds).filter(|next| !is_over(*next))?,
                };
                let has_missed = next.checked_add(*seconds).is_some_and(|second| second <= now);
                Some(if has_missed && !progress.catches_up { last } else { next })
            }
            Times::Cron(cron) => {
                let next = cron.after(begins.unwrap_or(since)).filter(|next| !is_over(*next))?;
                Some(if progress.catches_up { next } else { cron.last_up_to(next, last) })
            }
        }
    }
}

/// The trigger of a request, as it is kept.
pub struct Sent {
    /// As a ScheduledWorkflow has it.
    pub object: Value,
    /// The columns of its row.
    pub columns: Value,
}

/// Reads the trigger of a request.
///
/// # Errors
/// 400: an interval of nothing, an expression or a time that makes no sense.
pub fn sent(body: &Value) -> Answered<Sent> {
    let (mut object, mut columns) = (json!({}), json!({}));
    let sent = |kind: &str| body.get("trigger").and_then(|trigger| trigger.get(kind)).filter(|kind| kind.is_object());
    if let Some(cron) = sent(CRON.0) {
        let expression = text(cron, "/cron");
        Cron::parse(expression).map_err(|why| {
            Refusal::invalid(format!(
                "Schedule cron is not a supported format(https://godoc.org/github.com/robfig/cron). Error: {why}"
            ))
        })?;
        object[CRON.1] = json!({"cron": expression});
        columns["Schedule"] = json!(expression);
        bounds(cron, &mut object[CRON.1], &mut columns, "CronSchedule")?;
    }
    if let Some(periodic) = sent(PERIODIC.0) {
        let interval = periodic.get("interval_second").and_then(super::recurring::whole).unwrap_or_default();
        if interval < 1 {
            return Err(Refusal::invalid(format!(
                "Found invalid period schedule interval {interval}. Set at interval to least 1 second"
            )));
        }
        object[PERIODIC.1] = json!({"intervalSecond": interval});
        columns["IntervalSecond"] = json!(interval);
        bounds(periodic, &mut object[PERIODIC.1], &mut columns, "PeriodicSchedule")?;
    }
    Ok(Sent { object, columns })
}

/// When it begins and ends.
fn bounds(sent: &Value, object: &mut Value, columns: &mut Value, kind: &str) -> Answered<()> {
    for (name, of_object, column) in
        [("start_time", "startTime", "StartTimeInSec"), ("end_time", "endTime", "EndTimeInSec")]
    {
        let Some(time) = sent.get(name).filter(|time| !time.is_null()) else { continue };
        let at = time.as_str().and_then(|time| time.parse::<Timestamp>().ok());
        let at = at.ok_or_else(|| Refusal::malformed(format!("invalid google.protobuf.Timestamp value {time}")))?;
        let at = at.as_second();
        object[of_object] = json!(super::call::time(at));
        columns[format!("{kind}{column}")] = json!(at);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Progress, Trigger, sent};

    fn next(trigger: Value, last: Option<i64>, catches_up: bool, now: i64) -> Option<i64> {
        let trigger = Trigger::of(&json!({"spec": {"trigger": trigger}})).unwrap();
        trigger.next(Progress { made: 1000, last, catches_up }, now)
    }

    #[test]
    fn an_interval_begins_with_the_schedule() {
        let each = || json!({"periodicSchedule": {"intervalSecond": 60}});
        assert_eq!(next(each(), None, true, 1001), Some(1060));
        assert_eq!(next(each(), Some(1060), true, 5000), Some(1120), "what was missed is made up for");
        assert_eq!(next(each(), Some(1060), false, 5000), Some(5000), "what was missed is made once");
        assert_eq!(next(each(), Some(1060), false, 1130), Some(1120));
    }

    #[test]
    fn an_expression_names_whole_seconds() {
        let each = || json!({"cronSchedule": {"cron": "*/10 * * * * *"}});
        assert_eq!(next(each(), None, true, 5000), Some(1010));
        assert_eq!(next(each(), Some(1010), true, 5000), Some(1020));
        assert_eq!(next(each(), Some(1010), false, 5009), Some(5000));
        assert_eq!(next(each(), Some(5000), false, 5009), Some(5010));
    }

    #[test]
    fn start_and_end_bound_both_kinds() {
        let (start, end) = ("1970-01-01T01:00:00Z", "1970-01-01T01:00:30Z");
        let each = || json!({"periodicSchedule": {"intervalSecond": 20, "startTime": start, "endTime": end}});
        assert_eq!(next(each(), None, true, 1001), Some(3620));
        assert_eq!(next(each(), Some(3620), true, 9000), None);
        let cron = || json!({"cronSchedule": {"cron": "*/20 * * * * *", "startTime": start, "endTime": end}});
        assert_eq!(next(cron(), None, true, 1001), Some(3620));
        assert_eq!(next(cron(), Some(3600), false, 9000), Some(3620));
        assert_eq!(next(cron(), Some(3620), false, 9000), None);
    }

    #[test]
    fn what_makes_no_sense_is_no_trigger() {
        for trigger in [json!({}), json!([]), json!({"cronSchedule": {"cron": "never"}}), json!({"cronSchedule": 1})] {
            assert!(Trigger::of(&json!({"spec": {"trigger": trigger}})).is_none(), "{trigger}");
        }
        for trigger in [
            json!({"cron_schedule": {}}),
            json!({"cron_schedule": {"cron": "* * *"}}),
            json!({"cron_schedule": {"cron": "* * * * * *", "start_time": "soon"}}),
            json!({"periodic_schedule": {"interval_second": "0"}}),
            json!({"periodic_schedule": {"interval_second": "1", "end_time": 7}}),
        ] {
            assert!(sent(&json!({"trigger": trigger})).is_err(), "{trigger}");
        }
    }
}
