//! Arithmetic of a shell: whole numbers, `+ - * / %`, brackets, a sign before a number.
//!
//! POSIX.1-2024, Shell Command Language, 2.6.4; of its operators only these.

use std::iter::Peekable;
use std::str::Chars;

/// More brackets within brackets are refused.
const DEEPEST: usize = 32;

/// The value of an expression.
///
/// # Errors
/// What cannot be read or computed.
pub(super) fn value(expression: &str, variable: impl Fn(&str) -> String) -> Result<i64, String> {
    let mut reader = Reader { chars: expression.chars().peekable(), variable: &variable, depth: 0 };
    let value = reader.sum()?;
    match reader.next_sign() {
        None => Ok(value),
        Some(rest) => Err(format!("arithmetic syntax error: {rest:?} in {expression:?}")),
    }
}

struct Reader<'a> {
    chars: Peekable<Chars<'a>>,
    variable: &'a dyn Fn(&str) -> String,
    depth: usize,
}

impl Reader<'_> {
    fn next_sign(&mut self) -> Option<char> {
        while self.chars.next_if(|c| c.is_whitespace()).is_some() {}
        self.chars.peek().copied()
    }

    fn sum(&mut self) -> Result<i64, String> {
        let mut sum = self.product()?;
        while let Some(sign @ ('+' | '-')) = self.next_sign() {
            self.chars.next();
            let next = self.product()?;
            sum = if sign == '+' { sum.checked_add(next) } else { sum.checked_sub(next) }.ok_or_else(overflow)?;
        }
        Ok(sum)
    }

    fn product(&mut self) -> Result<i64, String> {
        let mut product = self.number()?;
        while let Some(sign @ ('*' | '/' | '%')) = self.next_sign() {
            self.chars.next();
            let next = self.number()?;
            if sign != '*' && next == 0 {
                return Err("divide by zero".to_owned());
            }
            product = match sign {
                '*' => product.checked_mul(next),
                '/' => product.checked_div(next),
                _ => product.checked_rem(next),
            }
            .ok_or_else(overflow)?;
        }
        Ok(product)
    }

    fn number(&mut self) -> Result<i64, String> {
        match self.next_sign() {
            Some(sign @ ('-' | '+')) => {
                self.chars.next();
                let value = self.deeper(Self::number)?;
                if sign == '-' { value.checked_neg().ok_or_else(overflow) } else { Ok(value) }
            }
            Some('(') => {
                self.chars.next();
                let value = self.deeper(Self::sum)?;
                match self.next_sign() {
                    Some(')') => {
                        self.chars.next();
                        Ok(value)
                    }
                    _ => Err("arithmetic syntax error: a bracket stays open".to_owned()),
                }
            }
            Some(c) if c.is_ascii_digit() => {
                let digits = self.word(|c| c.is_ascii_digit());
                digits.parse().map_err(|_| overflow())
            }
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                let name = self.word(|c| c.is_ascii_alphanumeric() || *c == '_');
                let value = (self.variable)(&name);
                let value = if value.is_empty() { "0" } else { value.trim() };
                value.parse().map_err(|_| format!("arithmetic syntax error: {value:?} is no number"))
            }
            other => Err(format!("arithmetic syntax error at {other:?}")),
        }
    }

    fn deeper(&mut self, read: fn(&mut Self) -> Result<i64, String>) -> Result<i64, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("arithmetic syntax error: too deep".to_owned());
        }
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn word(&mut self, part: fn(&char) -> bool) -> String {
        std::iter::from_fn(|| self.chars.next_if(part)).collect()
    }
}

fn overflow() -> String {
    "arithmetic overflow".to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(expression: &str) -> Result<i64, String> {
        value(expression, |name| if name == "x" { "7".to_owned() } else { String::new() })
    }

    #[test]
    fn expressions_are_computed() {
        for (expression, expected) in
            [("1 + 2*3", 7), ("(x-3)*(x - 3)", 16), ("-2 - -3", 1), ("7 % 4 / 2", 1), ("nothing", 0), ("(( 2 ))", 2)]
        {
            assert_eq!(of(expression), Ok(expected), "{expression}");
        }
    }

    #[test]
    fn what_cannot_be_computed_is_refused() {
        for expression in
            ["", "1 +", "(1", "1)", "2 ** 3", "1/0", "9223372036854775807 + 1", "99999999999999999999", "1.5"]
        {
            assert!(of(expression).is_err(), "{expression}");
        }
        assert!(of(&"(".repeat(10_000)).is_err());
    }

    proptest! {
        #[test]
        fn any_expression_is_computed_or_refused(expression in "[-+*/%() 0-9a-z]{0,40}") {
            let _ = of(&expression);
        }
    }
}
