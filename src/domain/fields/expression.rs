//! Expressions of calculated fields: names of number fields, decimal numbers, `+ - * /` and parentheses.
//!
//! All arithmetic is decimal and checked. What has no result (a field that is empty, a division by zero, a number too
//! large) is nothing, and not an error: the entry is not wrong because somebody has not been weighed yet.

use std::iter::Peekable;

use rust_decimal::Decimal;

/// Longest expression.
pub(super) const MAX_EXPRESSION: usize = 500;
/// Deepest parentheses: a reader that calls itself needs an end.
const MAX_DEPTH: u32 = 32;
/// Decimals of a result.
const RESULT_DECIMALS: u32 = 6;

/// An expression that has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expression {
    Number(Decimal),
    Field(String),
    Negative(Box<Self>),
    Binary(Box<Self>, char, Box<Self>),
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_EXPRESSION {
            return Err(format!("write at most {MAX_EXPRESSION} characters"));
        }
        let tokens = tokens(text)?;
        let mut parser = Parser { tokens: tokens.into_iter().peekable(), depth: 0 };
        let expression = parser.sum()?;
        match parser.tokens.next() {
            None => Ok(expression),
            Some(token) => Err(format!("{} is not expected there", token.told())),
        }
    }

    /// The fields that it names, each once, in alphabetical order.
    pub(super) fn fields(&self) -> Vec<&str> {
        let mut names = Vec::new();
        self.gather(&mut names);
        names.sort_unstable();
        names.dedup();
        names
    }

    fn gather<'a>(&'a self, names: &mut Vec<&'a str>) {
        match self {
            Self::Number(_) => {}
            Self::Field(name) => names.push(name),
            Self::Negative(inner) => inner.gather(names),
            Self::Binary(left, _, right) => {
                left.gather(names);
                right.gather(names);
            }
        }
    }

    /// Its result, rounded half away from zero; nothing when it has none.
    pub(super) fn result(&self, value: &impl Fn(&str) -> Option<Decimal>) -> Option<Decimal> {
        let exact = self.evaluate(value)?;
        Some(
            exact
                .round_dp_with_strategy(RESULT_DECIMALS, rust_decimal::RoundingStrategy::MidpointAwayFromZero)
                .normalize(),
        )
    }

    fn evaluate(&self, value: &impl Fn(&str) -> Option<Decimal>) -> Option<Decimal> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Field(name) => value(name),
            Self::Negative(inner) => inner.evaluate(value).map(|number| -number),
            Self::Binary(left, operator, right) => {
                let (left, right) = (left.evaluate(value)?, right.evaluate(value)?);
                match operator {
                    '+' => left.checked_add(right),
                    '-' => left.checked_sub(right),
                    '*' => left.checked_mul(right),
                    _ => left.checked_div(right),
                }
            }
        }
    }
}

/// The fields that an expression names; none of one that cannot be read.
pub(super) fn names(expression: Option<&str>) -> Vec<String> {
    let expression = expression.and_then(|text| Expression::parse(text).ok());
    expression.map(|read| read.fields().into_iter().map(str::to_owned).collect()).unwrap_or_default()
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Number(Decimal),
    Name(String),
    Sign(char),
}

impl Token {
    fn told(&self) -> String {
        match self {
            Self::Number(number) => format!("`{number}`"),
            Self::Name(name) => format!("`{name}`"),
            Self::Sign(sign) => format!("`{sign}`"),
        }
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let mut word = String::from(c);
        if c.is_whitespace() {
            continue;
        } else if "+-*/()".contains(c) {
            tokens.push(Token::Sign(c));
        } else if c.is_ascii_digit() {
            while let Some(next) = rest.next_if(|c| c.is_ascii_digit() || *c == '.') {
                word.push(next);
            }
            let number = Decimal::from_str_exact(&word).map_err(|_| format!("`{word}` is not a number"))?;
            tokens.push(Token::Number(number));
        } else if c.is_ascii_alphabetic() {
            while let Some(next) = rest.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
                word.push(next);
            }
            tokens.push(Token::Name(word));
        } else {
            return Err(format!("`{c}` is not expected; use names of fields, numbers, + - * / and parentheses"));
        }
    }
    Ok(tokens)
}

struct Parser<I: Iterator<Item = Token>> {
    tokens: Peekable<I>,
    depth: u32,
}

impl<I: Iterator<Item = Token>> Parser<I> {
    fn sum(&mut self) -> Result<Expression, String> {
        let mut left = self.product()?;
        while let Some(sign) = self.sign(&['+', '-']) {
            left = Expression::Binary(Box::new(left), sign, Box::new(self.product()?));
        }
        Ok(left)
    }

    fn product(&mut self) -> Result<Expression, String> {
        let mut left = self.single()?;
        while let Some(sign) = self.sign(&['*', '/']) {
            left = Expression::Binary(Box::new(left), sign, Box::new(self.single()?));
        }
        Ok(left)
    }

    fn single(&mut self) -> Result<Expression, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("nest at most {MAX_DEPTH} deep"));
        }
        let single = match self.tokens.next() {
            None => Err("the expression ends too early".to_owned()),
            Some(Token::Number(number)) => Ok(Expression::Number(number)),
            Some(Token::Name(name)) => Ok(Expression::Field(name)),
            Some(Token::Sign('-')) => Ok(Expression::Negative(Box::new(self.single()?))),
            Some(Token::Sign('(')) => {
                let inner = self.sum()?;
                self.sign(&[')']).map(|_| inner).ok_or_else(|| "a parenthesis is not closed".to_owned())
            }
            Some(token) => Err(format!("{} is not expected there", token.told())),
        };
        self.depth -= 1;
        single
    }

    fn sign(&mut self, wanted: &[char]) -> Option<char> {
        match self.tokens.next_if(|token| matches!(token, Token::Sign(sign) if wanted.contains(sign)))? {
            Token::Sign(sign) => Some(sign),
            Token::Number(_) | Token::Name(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(text: &str) -> Option<String> {
        let value = |name: &str| match name {
            "weight" => Some(Decimal::new(705, 1)),
            "height" => Some(Decimal::new(168, 2)),
            "zero" => Some(Decimal::ZERO),
            "huge" => Some(Decimal::MAX),
            _ => None,
        };
        Expression::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).result(&value).map(|n| n.to_string())
    }

    #[test]
    fn results() {
        for (text, expected) in [
            ("1 + 2 * 3", Some("7")),
            ("(1 + 2) * 3", Some("9")),
            ("10 - 4 - 3", Some("3")),
            ("24 / 4 / 2", Some("3")),
            ("-2 * -(1 + 1)", Some("4")),
            ("0.1 + 0.2", Some("0.3")),
            ("weight / (height * height)", Some("24.978741")),
            ("1 / 3 * 3", Some("1")),
            ("2 / 3", Some("0.666667")),
            ("1.50 * 2", Some("3")),
            ("1 / zero", None),
            ("weight + missing", None),
            ("huge * 2", None),
            ("huge + huge", None),
        ] {
            assert_eq!(result(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let deep = format!("{}1{}", "(".repeat(40), ")".repeat(40));
        let minuses = "-".repeat(400) + "1";
        let long = "1+".repeat(300) + "1";
        let all = [
            "",
            " ",
            "1 +",
            "* 2",
            "(1",
            "1)",
            "1 2",
            "a b",
            "a ^ b",
            "1.2.3",
            "a; b",
            "ñ",
            "1e5",
            "()",
            "99999999999999999999999999999999",
        ];
        for bad in all.into_iter().chain([&*deep, &minuses, &long]) {
            assert!(Expression::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn fields_are_told_once() {
        assert_eq!(names(Some("b * (a + b) - 2")), ["a", "b"]);
        assert_eq!(names(Some("b * (")), [""; 0]);
    }
}
