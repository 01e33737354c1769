//! Lists and documents say what the source does.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use horae::telemetry::metrics::METRICS;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Names in `counter!("…`, `gauge!("…` and `histogram!("…`, wherever the line is broken.
fn counted() -> BTreeSet<String> {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    let mut names = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        for word in ["counter!(", "gauge!(", "histogram!("] {
            for (at, _) in text.match_indices(word) {
                if let Some(rest) = text[at + word.len()..].trim_start().strip_prefix('"') {
                    names.insert(rest.split('"').next().unwrap().to_owned());
                }
            }
        }
    }
    names
}

/// Words in a text that look like a metric of ours, without a histogram's endings.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let ours = words.filter(|word| ["horae_", "http_", "graphql_s"].iter().any(|begin| word.starts_with(begin)));
    ours.map(|word| {
        let ends = ["_bucket", "_sum", "_count"];
        ends.iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word).to_owned()
    })
    .collect()
}

#[test]
fn every_number_of_the_source_is_listed_and_explained_to_operators() {
    let listed: BTreeSet<String> = METRICS.iter().map(|metric| metric.name.to_owned()).collect();
    assert_eq!(listed.len(), METRICS.len(), "a name is listed twice");
    let missing: Vec<_> = counted().difference(&listed).cloned().collect();
    assert!(missing.is_empty(), "src/telemetry/metrics.rs does not list {missing:?}");
    let told = named(&fs::read_to_string(root().join("docs/operations.md")).unwrap());
    let untold: Vec<_> = listed.difference(&told).collect();
    assert!(untold.is_empty(), "docs/operations.md does not tell of {untold:?}");
}

#[test]
fn alert_rules_stand_on_numbers_that_exist() {
    let rules = fs::read_to_string(root().join("docs/alerts.yml")).unwrap();
    let listed: BTreeSet<String> = METRICS.iter().map(|metric| metric.name.to_owned()).collect();
    let expressions: String = rules.lines().filter(|line| line.trim_start().starts_with("expr:")).collect();
    let unknown: Vec<_> = named(&expressions).difference(&listed).cloned().collect();
    assert!(unknown.is_empty(), "docs/alerts.yml asks for {unknown:?}");
    let alerts = rules.lines().filter(|line| line.trim_start().starts_with("- alert:")).count();
    for part in ["expr:", "severity:", "summary:", "description:"] {
        let parts = rules.lines().filter(|line| line.trim_start().starts_with(part)).count();
        assert_eq!(parts, alerts, "each alert has `{part}`");
    }
}

/// Words in backquotes of `docs/security.md` that are names of tests: with underscores, and nothing else but letters. Those
/// behind ◇ are announced, not there.
#[test]
fn every_test_that_the_security_page_names_exists() {
    let page = fs::read_to_string(root().join("docs/security.md")).unwrap();
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    sources(&root().join("tests/it"), &mut files);
    let source: String = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let mut before = "";
    let mut named = 0;
    for (at, part) in page.split('`').enumerate() {
        let is_name = part.matches('_').count() >= 2
            && part.starts_with(|c: char| c.is_ascii_lowercase())
            && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if at % 2 == 1 && is_name && !before.ends_with("◇ ") {
            named += 1;
            assert!(source.contains(&format!("fn {part}(")), "docs/security.md names the test `{part}`");
        }
        before = part;
    }
    assert!(named > 30, "only {named} tests are named");
}
