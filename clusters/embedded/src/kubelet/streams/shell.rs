//! A shell's smallest part: commands one after the other (`;`, `&&`, `||`, new lines), quotes, and `$NAME`. No pipes,
//! no redirections but `2>&1` and to `/dev/null`, no control structures: what is not played ends with status 2.

use super::commands::{Place, failed, run as run_command};
use crate::actors::Ended;

/// What must hold for the next command to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    Anything,
    Success,
    Failure,
}

/// A word or what stands between commands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Next(After),
}

/// Runs a script.
pub(super) fn run(place: &Place<'_>, script: &str, stdin: &[u8]) -> Ended {
    let tokens = match tokens(script, |name| place.variable(name).unwrap_or_default()) {
        Ok(tokens) => tokens,
        Err(why) => return failed(2, &format!("sh: {why}")),
    };
    let mut whole = Ended::default();
    let (mut after, mut words) = (After::Anything, Vec::new());
    for token in tokens.into_iter().chain([Token::Next(After::Anything)]) {
        match token {
            Token::Word(word) => words.push(word),
            Token::Next(next) => {
                let runs = match after {
                    After::Anything => true,
                    After::Success => whole.code == 0,
                    After::Failure => whole.code != 0,
                };
                let command = std::mem::take(&mut words);
                if runs && !command.is_empty() {
                    let leaves = command[0] == "exit";
                    let ended = run_command(place, &command, stdin)
                        .unwrap_or_else(|| failed(127, &format!("sh: {}: not found", command[0])));
                    whole.stdout.extend(ended.stdout);
                    whole.stderr.extend(ended.stderr);
                    whole.code = ended.code;
                    if leaves {
                        return whole;
                    }
                }
                after = next;
            }
        }
    }
    whole
}

fn tokens(script: &str, variable: impl Fn(&str) -> String) -> Result<Vec<Token>, String> {
    let (mut tokens, mut word) = (Vec::new(), None::<String>);
    let mut chars = script.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                let quoted: String = chars.by_ref().take_while(|c| *c != '\'').collect();
                word.get_or_insert_default().push_str(&quoted);
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        None => return Err("unterminated quoted string".to_owned()),
                        Some('"') => break,
                        Some('\\') => word.extend(chars.next()),
                        Some('$') => word.push_str(&expanded(&mut chars, &variable)),
                        Some(c) => word.push(c),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(chars.next()),
            '$' => {
                let value = expanded(&mut chars, &variable);
                word.get_or_insert_default().push_str(&value);
            }
            c if c.is_whitespace() && c != '\n' => tokens.extend(word.take().map(Token::Word)),
            ';' | '\n' => {
                tokens.extend(word.take().map(Token::Word));
                tokens.push(Token::Next(After::Anything));
            }
            '&' | '|' if chars.peek() == Some(&c) => {
                chars.next();
                tokens.extend(word.take().map(Token::Word));
                tokens.push(Token::Next(if c == '&' { After::Success } else { After::Failure }));
            }
            '>' => {
                let target: String =
                    std::iter::from_fn(|| chars.next_if(|c| !c.is_whitespace() || *c == ' ')).collect();
                if !matches!(target.trim(), "&1" | "&2" | "/dev/null") {
                    return Err("redirections are not played".to_owned());
                }
                word = word.filter(|word| word != "2" && word != "1");
            }
            '|' | '&' | '<' | '(' | ')' | '`' | '{' | '}' => return Err(format!("`{c}` is not played")),
            c => word.get_or_insert_default().push(c),
        }
    }
    tokens.extend(word.map(Token::Word));
    Ok(tokens)
}

/// The value of the variable whose name follows: `NAME` or `{NAME}`.
fn expanded(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, variable: impl Fn(&str) -> String) -> String {
    let braced = chars.next_if_eq(&'{').is_some();
    let name: String = std::iter::from_fn(|| chars.next_if(|c| c.is_ascii_alphanumeric() || *c == '_')).collect();
    if braced {
        chars.next_if_eq(&'}');
    }
    if name.is_empty() { "$".to_owned() } else { variable(&name) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(script: &str) -> Vec<Token> {
        tokens(script, |name| format!("<{name}>")).unwrap()
    }

    #[test]
    fn a_script_is_words_and_what_stands_between() {
        let word = |text: &str| Token::Word(text.to_owned());
        assert_eq!(words("echo 'a b' \"$X-${Y}\""), [word("echo"), word("a b"), word("<X>-<Y>")]);
        assert_eq!(words("true&&echo"), [word("true"), Token::Next(After::Success), word("echo")]);
        assert_eq!(words("cat x 2>/dev/null"), [word("cat"), word("x")]);
        assert!(tokens("a | b", |_| String::new()).is_err());
    }

    proptest! {
        #[test]
        fn any_script_is_read_or_refused(script in ".{0,80}") {
            let _ = tokens(&script, |_| String::new());
        }
    }
}
