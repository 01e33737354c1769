//! What the database holds of a record: a real dump of the centre's schema has none of what was written, and neither have
//! events, trail and log lines; who may read reads it.

use serde_json::json;
use sqlx::{Connection, PgConnection};
use tokio::process::Command;

use super::{Ward, entry, value};

const PLANTED: usize = 50;

async fn dump(ward: &Ward) -> String {
    let schema = &ward.centre.system.tenant.schema_name;
    let output = Command::new("pg_dump")
        .args(["--dbname", &ward.app.database_url, "--schema", schema, "--inserts"])
        .output()
        .await
        .expect("pg_dump runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The forms in which a text could lie in a dump.
fn forms(text: &str) -> [String; 3] {
    use base64::Engine;
    [
        text.to_owned(),
        hex::encode(text),
        base64::engine::general_purpose::STANDARD.encode(text).trim_end_matches('=').to_owned(),
    ]
}

#[tokio::test]
async fn a_dump_of_the_schema_has_nothing_of_what_was_written_and_readers_have_all() {
    let ward = Ward::open().await;
    let planted: Vec<String> = (0..PLANTED).map(|n| format!("Zafiro{n:02}secreto")).collect();
    let mut written = Vec::new();
    for (n, words) in planted.iter().enumerate() {
        let note = json!(format!("Paciente refiere {words}"));
        let one = match n % 3 {
            0 => ward.draft(note.as_str().unwrap()).await,
            1 => ward.signed(note.as_str().unwrap()).await,
            // In a reason instead.
            _ => {
                let signed = ward.signed("nota").await;
                let draft = entry(ward.amend(&ward.doctor, &signed, ward.input(&[]), words).await);
                if n % 2 == 0 { entry(ward.void(&ward.doctor, &draft, words).await) } else { draft }
            }
        };
        written.push(one);
    }
    let read = ward.entries(&ward.doctor).await;
    let everything = serde_json::to_string(&read).unwrap();
    for (n, words) in planted.iter().enumerate() {
        let one = ward.entry(&ward.doctor, &written[n]["id"]).await;
        let told =
            value(&one, "note").map(ToString::to_string).unwrap_or_default() + &one["amendmentReason"].to_string();
        assert!(told.contains(words) && everything.contains(words), "{words} is not read: {one}");
    }
    let dump = dump(&ward).await;
    assert!(dump.contains("Rosa") && dump.contains("record_values"), "the dump is one of this schema");
    for words in &planted {
        for form in forms(words) {
            assert!(!dump.contains(&form), "the dump has {form}");
        }
    }
    // The queue is another schema.
    let mut owner = PgConnection::connect(&ward.app.database_url).await.unwrap();
    let jobs: Option<String> =
        sqlx::query_scalar("SELECT string_agg(j::text, ' ') FROM queue.jobs j").fetch_one(&mut owner).await.unwrap();
    assert!(!jobs.unwrap_or_default().contains("Zafiro"));
    println!("{PLANTED} planted texts, {} bytes of dump, none in it", dump.len());
}
