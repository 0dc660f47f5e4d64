//! How long ago something was, as people read it (apimachinery `duration.HumanDuration`).

/// The time since an RFC 3339 timestamp.
pub(super) fn since(timestamp: &str) -> String {
    match timestamp.parse::<jiff::Timestamp>() {
        Ok(then) => human(jiff::Timestamp::now().as_second() - then.as_second()),
        Err(_) => "<unknown>".into(),
    }
}

/// The time from one timestamp to another.
pub(super) fn between(from: &str, to: &str) -> Option<String> {
    let from = from.parse::<jiff::Timestamp>().ok()?;
    let to = to.parse::<jiff::Timestamp>().ok()?;
    Some(human(to.as_second() - from.as_second()))
}

/// Seconds in at most two units.
pub(super) fn human(seconds: i64) -> String {
    let two = |whole: i64, unit: &str, rest: i64, small: &str| {
        if rest == 0 { format!("{whole}{unit}") } else { format!("{whole}{unit}{rest}{small}") }
    };
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match seconds {
        ..-1 => "<invalid>".into(),
        -1..0 => "0s".into(),
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, "d", hours % 24, "h"),
        691_200..63_072_000 => format!("{days}d"),
        63_072_000..252_288_000 => two(days / 365, "y", days % 365, "d"),
        _ => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::human;

    #[test]
    fn durations_are_told_in_at_most_two_units() {
        for (seconds, expected) in [
            (0, "0s"),
            (119, "119s"),
            (121, "2m1s"),
            (600, "10m"),
            (10_860, "3h1m"),
            (90_000, "25h"),
            (180_000, "2d2h"),
            (864_000, "10d"),
            (70_000_000, "2y80d"),
        ] {
            assert_eq!(human(seconds), expected);
        }
    }
}
