//! What the program in a container does: serve for ever, or end by itself.
//!
//! No image is ever run. A program that an actor plays serves for ever; so does any unknown one in a pod that is always
//! restarted. In a pod that may end, the command tells: a few shell commands are understood, anything else ends well at
//! once.

use std::time::Duration;

use serde_json::Value;

use crate::actors;
use crate::object::{list, text};

/// How a program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// Until it is stopped.
    Forever,
    /// For a while, then with this exit code.
    For(Duration, i64),
}

/// What the program of a container does.
#[must_use]
pub fn program(pod: &Value, container: &Value) -> Program {
    let image = text(container, "/image");
    let lasting = matches!(text(pod, "/spec/restartPolicy"), "" | "Always");
    // A proxy does not know when the program beside it has ended.
    let proxy = super::is_istio_proxy(image);
    if lasting || proxy || actors::playing(image).is_some() || actors::repository(image).ends_with("/pause") {
        return Program::Forever;
    }
    match ending(container) {
        Some((duration, code)) => Program::For(duration, code),
        None => Program::Forever,
    }
}

/// How long a container's command takes, and its exit code; nothing if it never ends.
pub(crate) fn ending(container: &Value) -> Option<(Duration, i64)> {
    let words: Vec<&str> = list(container, "/command")
        .iter()
        .chain(list(container, "/args"))
        .filter_map(Value::as_str)
        .flat_map(|word| word.split([' ', ';', '&', '\n']))
        .filter(|word| !word.is_empty())
        .collect();
    understood(&words)
}

/// Sleeps add up; the last `exit` or `false` gives the code.
fn understood(words: &[&str]) -> Option<(Duration, i64)> {
    let (mut duration, mut code) = (Duration::ZERO, 0);
    for (index, word) in words.iter().enumerate() {
        let next = words.get(index + 1).copied().unwrap_or_default();
        match *word {
            "sleep" | "/bin/sleep" if next == "infinity" => return None,
            "sleep" | "/bin/sleep" => duration += seconds(next),
            "tail" if next == "-f" => return None,
            "exit" => code = next.parse().unwrap_or(code),
            "false" | "/bin/false" => code = 1,
            _ => {}
        }
    }
    Some((duration, code))
}

fn seconds(written: &str) -> Duration {
    let (number, unit) = match written.char_indices().find(|(_, c)| c.is_ascii_alphabetic()) {
        Some((at, _)) => written.split_at(at),
        None => (written, "s"),
    };
    let factor = match unit {
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86400.0,
        "s" => 1.0,
        _ => 0.0,
    };
    let seconds = number.parse::<f64>().unwrap_or_default() * factor;
    Duration::try_from_secs_f64(seconds.clamp(0.0, 1e9)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_that_may_end_does_what_its_command_says() {
        let of = |policy: &str, command: Value| {
            let container = json!({"image": "busybox", "command": command});
            program(&json!({"spec": {"restartPolicy": policy}}), &container)
        };
        assert_eq!(of("Always", json!(["sh", "-c", "exit 1"])), Program::Forever);
        assert_eq!(
            of("Never", json!(["sh", "-c", "sleep 2; sleep 1m && exit 3"])),
            Program::For(Duration::from_secs(62), 3)
        );
        assert_eq!(of("Never", json!(["sleep", "infinity"])), Program::Forever);
        assert_eq!(of("OnFailure", json!(["false"])), Program::For(Duration::ZERO, 1));
        assert_eq!(of("Never", json!(["curl", "http://x"])), Program::For(Duration::ZERO, 0));
        assert_eq!(of("Never", json!(["sleep", "1e400"])), Program::For(Duration::ZERO, 0));
    }
}
