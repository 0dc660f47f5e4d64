//! A shell's smallest part: commands one after the other (`;`, `&&`, `||`, new lines) and in groups (`{ …; }`), quotes,
//! `$NAME`, `$1`, `$((…))`, and output into files where there is a place for them. No pipes, no input from files, no
//! control structures: what is not played ends with status 2.

use std::iter::Peekable;
use std::str::Chars;

use super::arithmetic;
use super::commands::{Place, failed, run as run_command};
use crate::actors::Ended;

/// What must hold for the next command to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    Anything,
    Success,
    Failure,
}

/// Where something written goes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    Stream(u8),
    Null,
    /// A file, and whether it is appended to.
    File(String, bool),
}

/// A word or what stands between words.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Next(After),
    Redirect(u8, Target),
    Open,
    Close,
}

#[derive(Debug)]
enum Body {
    Words(Vec<String>),
    Group(List),
}

type Redirects = Vec<(u8, Target)>;
type List = Vec<(After, Body, Redirects)>;
type Tokens = Peekable<std::vec::IntoIter<Token>>;

/// Groups within groups are refused beyond this.
const DEEPEST: usize = 16;

/// Runs a script.
pub(super) fn run(place: &Place<'_>, script: &str, stdin: &[u8]) -> Ended {
    let read = tokens(script, |name| place.variable(name).unwrap_or_default());
    let read = read.and_then(|tokens| list(&mut tokens.into_iter().peekable(), 0));
    let mut whole = Ended::default();
    match read.and_then(|list| execute(place, &list, stdin, &mut whole)) {
        Ok(_) => whole,
        Err(why) => failed(2, &format!("sh: {why}")),
    }
}

/// Runs the commands of a list; whether the script was left by `exit`.
fn execute(place: &Place<'_>, list: &List, stdin: &[u8], whole: &mut Ended) -> Result<bool, String> {
    for (after, body, redirects) in list {
        let runs = match after {
            After::Anything => true,
            After::Success => whole.code == 0,
            After::Failure => whole.code != 0,
        };
        if !runs {
            continue;
        }
        let mut part = Ended::default();
        let leaves = match body {
            Body::Words(words) => {
                let unknown = || failed(127, &format!("sh: {}: not found", words[0]));
                part = run_command(place, words, stdin).unwrap_or_else(unknown);
                words[0] == "exit"
            }
            Body::Group(list) => execute(place, list, stdin, &mut part)?,
        };
        whole.code = part.code;
        let (out, err) = targets(redirects);
        // The second stream into the same file goes on where the first ended.
        let together = out == err;
        for (written, target, second) in [(part.stdout, out, false), (part.stderr, err, together)] {
            match target {
                Target::Stream(2) => whole.stderr.extend(written),
                Target::Stream(_) => whole.stdout.extend(written),
                Target::Null => {}
                Target::File(path, appends) => place.write(&path, written, appends || second)?,
            }
        }
        if leaves {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Where the two streams lead after all redirections, from left to right.
fn targets(redirects: &Redirects) -> (Target, Target) {
    let mut streams = (Target::Stream(1), Target::Stream(2));
    for (stream, target) in redirects {
        let target = match target {
            Target::Stream(1) => streams.0.clone(),
            Target::Stream(2) => streams.1.clone(),
            other => other.clone(),
        };
        if *stream == 2 { streams.1 = target } else { streams.0 = target }
    }
    streams
}

fn list(tokens: &mut Tokens, depth: usize) -> Result<List, String> {
    if depth > DEEPEST {
        return Err("too many groups".to_owned());
    }
    let (mut list, mut after) = (List::new(), After::Anything);
    let (mut body, mut redirects) = (None::<Body>, Redirects::new());
    while let Some(token) = tokens.next() {
        match token {
            Token::Open if body.is_none() => body = Some(Body::Group(self::list(tokens, depth + 1)?)),
            Token::Close if body.is_none() && depth > 0 => return Ok(list),
            Token::Redirect(stream, target) => redirects.push((stream, target)),
            Token::Next(next) => {
                list.extend(body.take().map(|body| (after, body, std::mem::take(&mut redirects))));
                redirects.clear();
                after = next;
            }
            word => {
                let word = match word {
                    Token::Word(word) => word,
                    Token::Open => "{".to_owned(),
                    _ => "}".to_owned(),
                };
                match &mut body {
                    None => body = Some(Body::Words(vec![word])),
                    Some(Body::Words(words)) => words.push(word),
                    Some(Body::Group(_)) => return Err(format!("syntax error: unexpected word {word:?}")),
                }
            }
        }
    }
    if depth > 0 {
        return Err("syntax error: a group stays open".to_owned());
    }
    list.extend(body.map(|body| (after, body, redirects)));
    Ok(list)
}

fn tokens(script: &str, variable: impl Fn(&str) -> String) -> Result<Vec<Token>, String> {
    let (mut tokens, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    let mut chars = script.chars().peekable();
    let end = |tokens: &mut Vec<Token>, word: &mut Option<String>, quoted: &mut bool| {
        tokens.extend(word.take().map(|word| match word.as_str() {
            "{" if !*quoted => Token::Open,
            "}" if !*quoted => Token::Close,
            _ => Token::Word(word),
        }));
        *quoted = false;
    };
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                let inside: String = chars.by_ref().take_while(|c| *c != '\'').collect();
                word.get_or_insert_default().push_str(&inside);
                quoted = true;
            }
            '"' => {
                let word = word.get_or_insert_default();
                quoted = true;
                loop {
                    match chars.next() {
                        None => return Err("unterminated quoted string".to_owned()),
                        Some('"') => break,
                        Some('\\') => match chars.next() {
                            // Only these are escaped there; before all else a backslash is one.
                            Some(c @ ('"' | '\\' | '$' | '`')) => word.push(c),
                            Some(c) => word.extend(['\\', c]),
                            None => return Err("unterminated quoted string".to_owned()),
                        },
                        Some('$') => word.push_str(&expanded(&mut chars, &variable)?),
                        Some(c) => word.push(c),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(chars.next()),
            '$' => {
                let value = expanded(&mut chars, &variable)?;
                word.get_or_insert_default().push_str(&value);
            }
            c if c.is_whitespace() && c != '\n' => end(&mut tokens, &mut word, &mut quoted),
            ';' | '\n' => {
                end(&mut tokens, &mut word, &mut quoted);
                tokens.push(Token::Next(After::Anything));
            }
            '&' | '|' if chars.peek() == Some(&c) => {
                chars.next();
                end(&mut tokens, &mut word, &mut quoted);
                tokens.push(Token::Next(if c == '&' { After::Success } else { After::Failure }));
            }
            '>' => {
                let stream = match word.as_deref() {
                    Some("1" | "2") if !quoted => word.take().map_or(1, |digit| if digit == "2" { 2 } else { 1 }),
                    _ => 1,
                };
                end(&mut tokens, &mut word, &mut quoted);
                tokens.push(Token::Redirect(stream, target(&mut chars, &variable)?));
            }
            '|' | '&' | '<' | '(' | ')' | '`' => return Err(format!("`{c}` is not played")),
            c => word.get_or_insert_default().push(c),
        }
    }
    end(&mut tokens, &mut word, &mut quoted);
    Ok(tokens)
}

/// What stands after a redirection's sign: `&1`, a device or a file.
fn target(chars: &mut Peekable<Chars<'_>>, variable: &impl Fn(&str) -> String) -> Result<Target, String> {
    let appends = chars.next_if_eq(&'>').is_some();
    while chars.next_if(|c| *c == ' ').is_some() {}
    if chars.next_if_eq(&'&').is_some() {
        return match chars.next() {
            Some('1') => Ok(Target::Stream(1)),
            Some('2') => Ok(Target::Stream(2)),
            other => Err(format!("a redirection to {other:?} is not played")),
        };
    }
    let mut path = String::new();
    while let Some(c) = chars.next_if(|c| !c.is_whitespace() && !";&|<>".contains(*c)) {
        match c {
            '$' => path.push_str(&expanded(chars, variable)?),
            '\'' | '"' => {}
            c => path.push(c),
        }
    }
    match path.as_str() {
        "" => Err("syntax error: a redirection leads nowhere".to_owned()),
        "/dev/null" => Ok(Target::Null),
        "/dev/stdout" => Ok(Target::Stream(1)),
        "/dev/stderr" => Ok(Target::Stream(2)),
        _ => Ok(Target::File(path, appends)),
    }
}

/// What follows a `$`: `NAME` or `{NAME}`, one character for an argument, `((…))`, or `$` for the process.
fn expanded(chars: &mut Peekable<Chars<'_>>, variable: &impl Fn(&str) -> String) -> Result<String, String> {
    if chars.next_if_eq(&'$').is_some() {
        return Ok("1".to_owned());
    }
    if chars.next_if_eq(&'(').is_some() {
        if chars.next_if_eq(&'(').is_none() {
            return Err("`$(` is not played".to_owned());
        }
        return computed(chars, variable);
    }
    if let Some(argument) = chars.next_if(|c| c.is_ascii_digit() || matches!(c, '@' | '*' | '#')) {
        return Ok(variable(argument.encode_utf8(&mut [0; 4])));
    }
    let braced = chars.next_if_eq(&'{').is_some();
    let name: String = std::iter::from_fn(|| chars.next_if(|c| c.is_ascii_alphanumeric() || *c == '_')).collect();
    if braced {
        chars.next_if_eq(&'}');
    }
    Ok(if name.is_empty() { "$".to_owned() } else { variable(&name) })
}

/// The value of the expression up to the two brackets that close it.
fn computed(chars: &mut Peekable<Chars<'_>>, variable: &impl Fn(&str) -> String) -> Result<String, String> {
    let (mut expression, mut depth) = (String::new(), 0_usize);
    while let Some(c) = chars.next() {
        match c {
            '(' => depth += 1,
            ')' if depth == 0 => {
                if chars.next_if_eq(&')').is_none() {
                    return Err("arithmetic syntax error: ) without (".to_owned());
                }
                return arithmetic::value(&expression, variable).map(|value| value.to_string());
            }
            ')' => depth -= 1,
            // Inside, a variable may stand with its sign.
            '$' => continue,
            _ => {}
        }
        expression.push(c);
    }
    Err("arithmetic syntax error: it does not end".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(script: &str) -> Vec<Token> {
        tokens(script, |name| format!("<{name}>")).unwrap()
    }

    fn word(text: &str) -> Token {
        Token::Word(text.to_owned())
    }

    #[test]
    fn a_script_is_words_and_what_stands_between() {
        assert_eq!(words("echo 'a b' \"$X-${Y}\""), [word("echo"), word("a b"), word("<X>-<Y>")]);
        assert_eq!(words("true&&echo"), [word("true"), Token::Next(After::Success), word("echo")]);
        assert_eq!(words("cat x 2>/dev/null"), [word("cat"), word("x"), Token::Redirect(2, Target::Null)]);
        assert_eq!(words("echo v=$((1 + (2 - 7) * 3))"), [word("echo"), word("v=-14")]);
        assert_eq!(words("'{' a}"), [word("{"), word("a}")]);
        for refused in ["a | b", "echo $((1", "echo $(ls)", "echo > ", "a < b"] {
            assert!(tokens(refused, |_| String::new()).is_err(), "{refused}");
        }
    }

    #[test]
    fn what_is_written_goes_where_it_is_sent() {
        let file = || Target::File("/log".to_owned(), false);
        assert_eq!(targets(&vec![(1, file()), (2, Target::Stream(1))]), (file(), file()));
        assert_eq!(targets(&vec![(2, Target::Stream(1)), (1, file())]), (file(), Target::Stream(1)));
    }

    #[test]
    fn groups_are_one_command() {
        let read = |script: &str| list(&mut words(script).into_iter().peekable(), 0);
        let found = read("{ echo a; false; } 1>/log || echo }").unwrap();
        assert!(matches!(&found[..], [(_, Body::Group(inner), redirects), (After::Failure, Body::Words(last), _)]
            if inner.len() == 2 && redirects.len() == 1 && last == &["echo", "}"]));
        assert!(read("{ echo").is_err());
        assert!(read(&"{ ".repeat(1000)).is_err());
    }

    proptest! {
        #[test]
        fn any_script_is_read_or_refused(script in ".{0,80}") {
            if let Ok(tokens) = tokens(&script, |_| String::new()) {
                let _ = list(&mut tokens.into_iter().peekable(), 0);
            }
        }

        #[test]
        fn any_likely_script_is_read_or_refused(script in "[a{} ;&|>$()12'\"]{0,60}") {
            if let Ok(tokens) = tokens(&script, |_| String::new()) {
                let _ = list(&mut tokens.into_iter().peekable(), 0);
            }
        }
    }
}
