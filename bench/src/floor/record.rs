//! Reads from PostgreSQL's log what a node has sent.

use std::{
    io::{Read as _, Seek as _, SeekFrom},
    path::PathBuf,
    time::Duration,
};

use sqlx::{AssertSqlSafe, Connection as _};
use tokio::time::sleep;

use crate::{
    cluster::Cluster,
    fail::Result,
    node::{APP_ROLE, Node, Program},
};

/// A statement with the values of its parameters, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// With `$1` and so on.
    pub sql: String,
    /// `None` is NULL.
    pub values: Vec<Option<String>>,
}

/// A node whose statements are logged.
pub struct Recorder {
    log: PathBuf,
    /// The node.
    pub node: Node,
}

impl Recorder {
    /// Starts a node whose connections log what they are sent.
    pub async fn start(cluster: &Cluster, program: &Program) -> Result<Self> {
        let mut admin = cluster.connect().await?;
        for setting in ["log_statement = 'all'", "log_error_verbosity = 'default'", "log_parameter_max_length = -1"] {
            let sql = format!("ALTER ROLE {APP_ROLE} SET {setting}");
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await?;
        }
        // One connection, so that what is prepared is prepared for the recorded request too.
        let node = program.serve(&[("DATABASE_MAX_CONNECTIONS", "1")], &[]).await;
        for setting in ["log_statement", "log_error_verbosity", "log_parameter_max_length"] {
            let sql = format!("ALTER ROLE {APP_ROLE} RESET {setting}");
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await?;
        }
        admin.close().await?;
        Ok(Self { log: cluster.log(), node: node? })
    }

    /// What is logged while `request` is answered.
    pub async fn record<T>(&self, request: impl Future<Output = Result<T>>) -> Result<(T, Vec<Statement>)> {
        let from = std::fs::metadata(&self.log)?.len();
        let answer = request.await?;
        // A statement is logged before it is answered; its parameters are written with it.
        sleep(Duration::from_millis(20)).await;
        let mut log = std::fs::File::open(&self.log)?;
        log.seek(SeekFrom::Start(from))?;
        let mut text = String::new();
        log.read_to_string(&mut text)?;
        Ok((answer, parse(&text)))
    }

    /// Ends the node.
    pub async fn stop(self) -> Result<()> {
        self.node.stop().await
    }
}

/// Statements of a log whose lines begin with `@@`; lines that go on begin with a tab.
fn parse(log: &str) -> Vec<Statement> {
    let mut found: Vec<Statement> = Vec::new();
    // The operator of text search is written the same, but no line begins with it.
    for entry in format!("\n{log}").split("\n@@ ") {
        let entry = entry.trim_end_matches('\n').replace("\n\t", "\n");
        if let Some(statement) = entry.strip_prefix("LOG:  ") {
            let sql = statement.strip_prefix("statement: ").or_else(|| {
                let (name, sql) = statement.strip_prefix("execute ")?.split_once(": ")?;
                (!name.contains(' ')).then_some(sql)
            });
            found.extend(sql.map(|sql| Statement { sql: sql.to_owned(), values: Vec::new() }));
        } else if let Some(values) = entry.strip_prefix("DETAIL:  parameters: ")
            && let Some(last) = found.last_mut()
        {
            last.values = parameters(values);
        }
    }
    found
}

/// `$1 = 'it''s', $2 = NULL`.
fn parameters(text: &str) -> Vec<Option<String>> {
    let mut values = Vec::new();
    let mut rest = text;
    while let Some((_, value)) = rest.split_once(" = ") {
        if let Some(after) = value.strip_prefix("NULL") {
            values.push(None);
            rest = after;
            continue;
        }
        let Some(quoted) = value.strip_prefix('\'') else { break };
        let mut word = String::new();
        let mut characters = quoted.char_indices().peekable();
        let mut end = quoted.len();
        while let Some((at, character)) = characters.next() {
            // Two of them are one that belongs to the word.
            if character == '\'' && characters.next_if(|(_, next)| *next == '\'').is_none() {
                end = at + 1;
                break;
            }
            word.push(character);
        }
        values.push(Some(word));
        rest = quoted.get(end..).unwrap_or_default();
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_gives_statements_in_order_with_their_values() {
        let log = "@@ LOG:  statement: BEGIN READ ONLY; SET LOCAL ROLE t\n\
                   @@ LOG:  execute sqlx_s_3: SELECT a\n\t FROM b WHERE c = $1 AND d @@ $2\n\
                   @@ DETAIL:  parameters: $1 = 'it''s, $2 = x', $2 = NULL, $3 = ''\n\
                   @@ LOG:  statement: COMMIT\n";
        let found = parse(log);
        assert_eq!(found.len(), 3);
        assert_eq!(found[0].sql, "BEGIN READ ONLY; SET LOCAL ROLE t");
        assert_eq!(found[1].sql, "SELECT a\n FROM b WHERE c = $1 AND d @@ $2");
        assert_eq!(found[1].values, [Some("it's, $2 = x".to_owned()), None, Some(String::new())]);
        assert_eq!(found[2], Statement { sql: "COMMIT".to_owned(), values: Vec::new() });
    }
}
