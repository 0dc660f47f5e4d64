//! Cron expressions of recurring runs, as the program reads them: second, minute, hour, day of the month, month, day of the
//! week. The last may be left out; `@hourly` and its like, and `@every 90s`, stand for a whole expression.
//!
//! The parser of croner knows more (`L`, `W`, `#`, years, Sunday as 7), which is refused here as upstream refuses it.
//!
//! Source: robfig/cron v1.2.0 `parser.go`, `spec.go`, `constantdelay.go`, which kubeflow/pipelines 2.0.5 to 2.5.0 uses.

use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A number of days of every name, in the order of their numbers.
const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
/// The least and the greatest number of each field.
const BOUNDS: [(u32, u32); 6] = [(0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6)];

/// When something is due, again and again.
#[derive(Debug, Clone)]
pub enum Cron {
    /// At the times that the fields name, in UTC.
    Fields(Box<croner::Cron>),
    /// Each so many seconds.
    Every(i64),
}

impl Cron {
    /// Reads an expression.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("Empty spec string".to_owned());
        }
        if let Some(delay) = text.strip_prefix("@every ") {
            let delay = delay.parse::<SignedDuration>();
            let delay = delay.map_err(|error| format!("Failed to parse duration {text}: {error}"))?;
            return Ok(Self::Every(delay.as_secs().max(1)));
        }
        let text = match text {
            "@yearly" | "@annually" => "0 0 0 1 1 *",
            "@monthly" => "0 0 0 1 * *",
            "@weekly" => "0 0 0 * * 0",
            "@daily" | "@midnight" => "0 0 0 * * *",
            "@hourly" => "0 0 * * * *",
            other if other.starts_with('@') => return Err(format!("Unrecognized descriptor: {other}")),
            other => other,
        };
        let mut fields = text.split_whitespace().collect::<Vec<_>>();
        if !(5..=6).contains(&fields.len()) {
            return Err(format!("Expected 5 to 6 fields, found {}: {text}", fields.len()));
        }
        fields.resize(6, "*");
        let fields = fields.iter().enumerate().map(|(at, text)| field(at, text)).collect::<Result<Vec<_>, _>>()?;
        // A star in one of the two fields for days makes both count; else either does.
        let both = [&fields[3], &fields[5]].iter().any(|days| days.contains('*'));
        let parser = CronParser::builder().seconds(Seconds::Required).year(Year::Disallowed).dom_and_dow(both).build();
        let cron = parser.parse(&fields.join(" ")).map_err(|error| error.to_string())?;
        Ok(Self::Fields(Box::new(cron)))
    }

    /// The first time after a second, in seconds since 1970; nothing if there is none.
    #[must_use]
    pub fn after(&self, second: i64) -> Option<i64> {
        match self {
            Self::Every(delay) => second.checked_add(*delay),
            Self::Fields(cron) => {
                let from = Timestamp::from_second(second).ok()?.to_zoned(TimeZone::UTC);
                Some(cron.find_next_occurrence(&from, false).ok()?.timestamp().as_second())
            }
        }
    }

    /// The last time of those that begin with `first`, up to a second.
    #[must_use]
    pub fn last_up_to(&self, first: i64, second: i64) -> i64 {
        let last = match self {
            Self::Every(delay) => Some(second - (second - first).rem_euclid(*delay)),
            Self::Fields(cron) => Timestamp::from_second(second)
                .ok()
                .and_then(|second| cron.find_previous_occurrence(&second.to_zoned(TimeZone::UTC), true).ok())
                .map(|found| found.timestamp().as_second()),
        };
        last.map_or(first, |last| last.max(first))
    }
}

/// A field in numbers and whole ranges.
fn field(at: usize, text: &str) -> Result<String, String> {
    let parts = text.split(',').filter(|part| !part.is_empty()).map(|part| range(at, part));
    let parts = parts.collect::<Result<Vec<_>, _>>()?;
    if parts.is_empty() { Err(format!("Nothing is named: {text}")) } else { Ok(parts.join(",")) }
}

/// `*`, `n`, `n-m`, each with `/step` or without.
fn range(at: usize, text: &str) -> Result<String, String> {
    let (least, most) = BOUNDS[at];
    let (range, step) = text.split_once('/').map_or((text, None), |(range, step)| (range, Some(step)));
    let step = step.map(|step| number(at, step, false)).transpose()?;
    if step == Some(0) {
        return Err(format!("Step of range should be a positive number: {text}"));
    }
    let after = step.map_or_else(String::new, |step| format!("/{}", step.min(most.max(1))));
    let (low, high) = range.split_once('-').map_or((range, None), |(low, high)| (low, Some(high)));
    if low == "*" || low == "?" {
        return Ok(format!("*{after}"));
    }
    let low = number(at, low, true)?;
    let high = match high {
        Some(high) => number(at, high, true)?,
        None if step.is_some() => most,
        None => low,
    };
    if low < least {
        return Err(format!("Beginning of range ({low}) below minimum ({least}): {text}"));
    }
    if high > most {
        return Err(format!("End of range ({high}) above maximum ({most}): {text}"));
    }
    if low > high {
        return Err(format!("Beginning of range ({low}) beyond end of range ({high}): {text}"));
    }
    Ok(if low == high { low.to_string() } else { format!("{low}-{high}{after}") })
}

fn number(at: usize, text: &str, named: bool) -> Result<u32, String> {
    let lower = text.to_ascii_lowercase();
    let names: &[&str] = match at {
        4 => &MONTHS,
        5 => &DAYS,
        _ => &[],
    };
    if let Some(found) = names.iter().position(|name| named && *name == lower) {
        return Ok(u32::try_from(found).unwrap_or_default() + BOUNDS[at].0);
    }
    text.parse().map_err(|error| format!("Failed to parse int from {text}: {error}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Cron;

    /// The next three times after a second of 2024, a leap year that begins on a Monday.
    fn next(text: &str) -> Vec<String> {
        let from = "2024-01-01T00:00:00Z".parse::<jiff::Timestamp>().unwrap().as_second();
        let cron = Cron::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let times = std::iter::successors(cron.after(from), |at| cron.after(*at)).take(3);
        times.map(|at| jiff::Timestamp::from_second(at).unwrap().strftime("%m-%d %T").to_string()).collect()
    }

    #[test]
    fn the_first_field_is_the_second() {
        assert_eq!(next("* * * * * *"), ["01-01 00:00:01", "01-01 00:00:02", "01-01 00:00:03"]);
        assert_eq!(next("* * * * *"), next("* * * * * ?"));
        assert_eq!(next("30 5 * * * *"), ["01-01 00:05:30", "01-01 01:05:30", "01-01 02:05:30"]);
        assert_eq!(next("50/5 0 0 * * *"), ["01-01 00:00:50", "01-01 00:00:55", "01-02 00:00:50"]);
        assert_eq!(next("0 0 0 29 FEB ?"), ["02-29 00:00:00", "02-29 00:00:00", "02-29 00:00:00"]);
        assert_eq!(next("@hourly"), ["01-01 01:00:00", "01-01 02:00:00", "01-01 03:00:00"]);
        assert_eq!(next("@every 1m30s"), ["01-01 00:01:30", "01-01 00:03:00", "01-01 00:04:30"]);
    }

    #[test]
    fn days_count_both_if_one_is_a_star() {
        assert_eq!(next("0 0 0 13 * Fri"), ["01-05 00:00:00", "01-12 00:00:00", "01-13 00:00:00"]);
        assert_eq!(next("0 0 0 */2 * sun"), ["01-07 00:00:00", "01-21 00:00:00", "02-11 00:00:00"]);
    }

    #[test]
    fn a_day_that_never_comes_is_no_time() {
        assert_eq!(Cron::parse("0 0 0 30 2 ?").unwrap().after(0), None);
    }

    #[test]
    fn what_is_missed_is_skipped() {
        let cron = Cron::parse("*/10 * * * * *").unwrap();
        assert_eq!((cron.last_up_to(10, 9), cron.last_up_to(10, 10), cron.last_up_to(10, 1239)), (10, 10, 1230));
        let every = Cron::parse("@every 7s").unwrap();
        assert_eq!((every.last_up_to(7, 6), every.last_up_to(7, 7), every.last_up_to(7, 22)), (7, 7, 21));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for text in [
            "",
            " ",
            "every minute",
            "* * * *",
            "* * * * * * *",
            "60 * * * * *",
            "* * 24 * * *",
            "* * * 0 * *",
            "* * * * 13 *",
            "* * * * * 7",
            "5-1 * * * * *",
            "*/0 * * * * *",
            "1/2/3 * * * * *",
            "-1 * * * * *",
            "* * * L * *",
            "* * * 1W * *",
            "* * * * * 5#2",
            "* * * * * +MON",
            "* * * * MON *",
            "@reboot",
            "@every x",
            "99999999999999999999 * * * * *",
            "1-2-3 * * * * *",
            "１ * * * * *",
            ", * * * * *",
        ] {
            assert!(Cron::parse(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "[@*?/,0-9a-zA-Z# -]{0,40}", second in any::<i64>()) {
            if let Ok(cron) = Cron::parse(&text) {
                let next = cron.after(second);
                prop_assert!(next.is_none_or(|next| next > second));
            }
        }
    }
}
