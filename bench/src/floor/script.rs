//! Turns recorded statements into a script of `pgbench`.

use std::fmt::Write as _;

use sqlx::{AssertSqlSafe, PgConnection};

use super::Statement;
use crate::fail::Result;

/// A word of the recorded parameters that must be another one each time, and SQL text that gives it. `:k` in it is a
/// number that no other transaction has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Varied {
    /// As recorded.
    pub word: String,
    /// SQL of type text.
    pub by: String,
}

/// A script and the variables that it takes its parameters from.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// The script.
    pub text: String,
    /// Names and values.
    pub variables: Vec<(String, String)>,
}

impl Script {
    /// Of these statements of the tenant with `schema`; `name` keeps its variables apart from other scripts'.
    pub async fn of(
        admin: &mut PgConnection,
        schema: &str,
        name: &str,
        statements: &[Statement],
        varied: &[Varied],
    ) -> Result<Self> {
        let mut script = Self::default();
        let mut changing = Vec::new();
        for (at, statement) in statements.iter().enumerate() {
            let several: Vec<&str> = statement.sql.split(';').map(str::trim).filter(|one| !one.is_empty()).collect();
            if statement.values.is_empty() && several.len() > 1 {
                script.text.push_str("\\startpipeline\n");
                several.iter().for_each(|one| script.line(one));
                script.text.push_str("\\endpipeline\n");
                continue;
            }
            let types = types(admin, schema, statement).await?;
            let mut sql = statement.sql.clone();
            // From the last, so that $1 is not found in $10.
            for (index, value) in statement.values.iter().enumerate().rev() {
                let place = format!("${}", index + 1);
                let kind = types.get(index).map_or("text", String::as_str);
                let by = match value {
                    None => format!("NULL::{kind}"),
                    Some(value) => {
                        let variable = format!("v_{name}_{at}_{index}");
                        script.variables.push((variable.clone(), value.clone()));
                        script.variables.push((format!("{variable}_"), value.clone()));
                        changing.extend(varying(&variable, value, varied));
                        format!(":{variable}::{kind}")
                    }
                };
                sql = sql.replace(&place, &by);
            }
            script.line(&sql);
        }
        if !changing.is_empty() {
            // Made once, so that the statements themselves are the server's own. It is one short statement more than the
            // server sends.
            script.text = format!(
                "\\set i :i + 1\n\\set k :run * 262144 + :i * :clients + :client_id\nSELECT {}\n\\gset\n{}",
                changing.join(", "),
                script.text
            );
        }
        Ok(script)
    }

    fn line(&mut self, sql: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{sql};");
    }
}

/// SQL that gives the variable with the words that must vary replaced, if it has any. It begins from a copy of the
/// recorded value, `variable_`.
fn varying(variable: &str, value: &str, varied: &[Varied]) -> Option<String> {
    let mut text = format!(":{variable}_::text");
    let mut changed = false;
    for one in varied.iter().filter(|one| value.contains(&one.word)) {
        text = format!("replace({text}, '{}', {})", one.word, one.by);
        changed = true;
    }
    changed.then(|| format!("{text} AS {variable}"))
}

/// What PostgreSQL takes the parameters for.
async fn types(admin: &mut PgConnection, schema: &str, statement: &Statement) -> Result<Vec<String>> {
    if statement.values.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::raw_sql(AssertSqlSafe(format!("SET search_path TO {schema}; PREPARE recorded AS {}", statement.sql)))
        .execute(&mut *admin)
        .await?;
    let types =
        sqlx::query_scalar("SELECT parameter_types::text[] FROM pg_prepared_statements WHERE name = 'recorded'")
            .fetch_one(&mut *admin)
            .await?;
    sqlx::raw_sql("DEALLOCATE recorded; RESET search_path").execute(admin).await?;
    Ok(types)
}

/// Ids and hashes in the parameters of `second` that are not in those of `first`: made for that request alone.
pub fn new_words(first: &[Statement], second: &[Statement]) -> Vec<String> {
    let known: Vec<&str> =
        first.iter().flat_map(|one| one.values.iter().flatten()).flat_map(|value| hex_words(value)).collect();
    let mut new: Vec<String> = second
        .iter()
        .flat_map(|one| one.values.iter().flatten())
        .flat_map(|value| hex_words(value))
        .filter(|word| !known.contains(word))
        .map(str::to_owned)
        .collect();
    new.sort_unstable();
    new.dedup();
    new
}

/// UUIDs, and hexadecimal numbers as long as them.
fn hex_words(value: &str) -> impl Iterator<Item = &str> {
    value
        .split(|c: char| !c.is_ascii_hexdigit() && c != '-')
        .filter(|word| matches!(word.len(), 32 | 36) && word.chars().any(|c| c.is_ascii_digit()))
}

impl Varied {
    /// Another id each time: the last twelve digits are the number.
    pub fn id(word: &str) -> Self {
        let (kept, _) = word.split_at(word.len() - 12);
        Self { word: word.to_owned(), by: format!("('{kept}' || lpad(to_hex(:k::bigint), 12, '0'))") }
    }

    /// A time that moves on by `minutes` each time. `format` is a variable with `to_char`'s: written into the script, its
    /// colons would be taken for variables.
    pub fn time(word: &str, format: &str, start: &str, minutes: i64) -> Self {
        let by = format!("to_char(timestamp '{start}' + :k::bigint * interval '{minutes} minutes', :{format}::text)");
        Self { word: word.to_owned(), by }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(value: &str) -> Vec<Statement> {
        vec![Statement { sql: String::new(), values: vec![Some(value.to_owned()), None] }]
    }

    #[test]
    fn only_ids_of_the_second_request_are_new() {
        let patient = "01930000-0000-7000-8000-00000000000a";
        let first = with(&format!("{{\"p\": \"{patient}\", \"id\": \"01930000-0000-7000-8000-000000000001\"}}"));
        let second = with(&format!(
            "{patient} confirm:01930000-0000-7000-8000-000000000002:0 <0123456789abcdef0123456789abcdef@x>"
        ));
        assert_eq!(
            new_words(&first, &second),
            ["0123456789abcdef0123456789abcdef", "01930000-0000-7000-8000-000000000002"]
        );
    }

    #[test]
    fn a_word_that_must_vary_is_replaced_in_the_parameter() {
        let word = "01930000-0000-7000-8000-000000000002";
        assert_eq!(
            varying("v", word, &[Varied::id(word)]).as_deref(),
            Some(
                "replace(:v_::text, '01930000-0000-7000-8000-000000000002', ('01930000-0000-7000-8000-' || lpad(to_hex(:k::bigint), 12, '0'))) AS v"
            )
        );
        assert_eq!(varying("v", "other", &[Varied::id(word)]), None);
    }
}
