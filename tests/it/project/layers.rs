//! Who may use whom. Modules alone do not hold: this reads every `use` and path of the source.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// (layer, layers of ours it may name, crates it must not name).
const LAYERS: &[(&str, &[&str], &[&str])] = &[
    ("db", &[], &["async_graphql", "axum", "redis", "lettre"]),
    ("files", &[], &["async_graphql", "axum", "redis", "lettre", "sqlx"]),
    ("auth", &["db"], &["async_graphql", "axum", "redis", "lettre"]),
    ("sheets", &[], &["async_graphql", "axum", "redis", "lettre", "sqlx"]),
    ("pdf", &[], &["async_graphql", "axum", "redis", "lettre", "sqlx"]),
    ("domain", &["auth", "db", "files", "pdf", "sheets"], &["async_graphql", "axum", "redis", "lettre"]),
    ("mail", &["domain"], &["async_graphql", "axum", "redis"]),
    ("embedded", &[], &["async_graphql", "axum", "redis", "lettre"]),
    ("events", &["auth", "db", "domain"], &["async_graphql", "axum", "lettre"]),
    ("limiter", &["domain"], &["async_graphql", "axum", "lettre", "sqlx"]),
    ("jobs", &["auth", "db", "domain", "files", "mail"], &["async_graphql", "axum", "redis"]),
    ("telemetry", &["db"], &["async_graphql", "redis", "lettre", "sqlx"]),
    ("schema", &["auth", "db", "domain", "telemetry"], &["axum", "redis", "lettre", "sqlx"]),
    ("http", &["auth", "db", "domain", "schema", "telemetry"], &["redis", "lettre", "sqlx"]),
];

#[test]
fn nothing_uses_a_layer_above_it() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = BTreeSet::new();
    for (layer, allowed, forbidden) in LAYERS {
        let files = rust_files(&source.join(layer));
        assert!(!files.is_empty(), "no files in {layer}");
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            let name = file.strip_prefix(&source).unwrap().display().to_string();
            for used in ours(&text) {
                let live = used == "events"
                    && *layer == "schema"
                    && (name.ends_with("subscription.rs") || name.starts_with("schema/live/"));
                if used != *layer && !allowed.contains(&used.as_str()) && !live {
                    wrong.insert(format!("{name} uses {used}"));
                }
            }
            for krate in *forbidden {
                if text.lines().any(|line| !line.trim_start().starts_with("//") && line.contains(&format!("{krate}::")))
                {
                    wrong.insert(format!("{name} names {krate}"));
                }
            }
            if *layer == "schema" && text.contains("entity") && text.contains("db::entity") {
                wrong.insert(format!("{name} names db::entity"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Modules of ours that a file names: `crate::x` and the members of `use crate::{x, y::…}`.
fn ours(text: &str) -> BTreeSet<String> {
    let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut word = String::new();
            let mut taking = true;
            for letter in list.chars() {
                match letter {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => taking = true,
                    ':' if depth == 0 => taking = false,
                    letter if depth == 0 && taking && (letter.is_alphanumeric() || letter == '_') => {
                        word.push(letter);
                        continue;
                    }
                    _ => {}
                }
                if !word.is_empty() {
                    found.insert(std::mem::take(&mut word));
                }
            }
            if !word.is_empty() {
                found.insert(word);
            }
        } else {
            let word: String = rest.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
            found.insert(word);
        }
    }
    found
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

#[test]
fn the_reader_of_use_lines_sees_what_it_must() {
    let text = "use crate::{\n    auth::{Actor, x},\n    db,\n    domain::{a::{b}, c},\n};\nfn f() { crate::mail::send() }\n// crate::http";
    assert_eq!(ours(text), ["auth", "db", "domain", "mail"].iter().map(|word| (*word).to_owned()).collect());
}
