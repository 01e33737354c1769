#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fmt::Write;
use std::time::{Duration, Instant};

use async_graphql::Positioned;
use async_graphql::parser::types::Selection;
use proptest::prelude::*;

use super::*;

fn check(query: &str) -> Result<(), (String, String)> {
    check_with(query, DocumentLimits::default())
}

fn check_with(query: &str, limits: DocumentLimits) -> Result<(), (String, String)> {
    limits.check(&mut Request::new(query)).map_err(|error| (code::code_of(&error).unwrap().to_owned(), error.message))
}

/// `levels` fragments that each spread the next one `times` times.
fn bomb(kind: &str, levels: usize, times: usize) -> String {
    let mut query = format!("{kind} {{ ...f0 }}");
    for level in 0..levels {
        let next = format!("...f{}", level + 1).repeat(times);
        write!(query, "fragment f{level} on Query {{ {next} }}").unwrap();
    }
    write!(query, "fragment f{levels} on Query {{ a }}").unwrap();
    query
}

fn refused_quickly(query: &str, expected_code: &str, words: &str) {
    let started = Instant::now();
    let (code, message) = check(query).unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(1), "took {:?}", started.elapsed());
    assert_eq!(code, expected_code, "{message}");
    assert!(message.contains(words), "{message}");
    assert!(message.len() < 300, "{message}");
}

#[test]
fn refuses_fragments_that_multiply() {
    let small = bomb("query", 10, 8);
    assert!(small.len() < 1024, "{} bytes", small.len());
    refused_quickly(&small, "GRAPHQL_VALIDATION_FAILED", "expands to more than");
    refused_quickly(&bomb("subscription", 10, 6), "GRAPHQL_VALIDATION_FAILED", "expands to more than");
    refused_quickly(&bomb("query", 30, 2), "GRAPHQL_VALIDATION_FAILED", "expands to more than");
    // Not used by the operation, but validation visits it all the same.
    refused_quickly(&bomb("query", 30, 2).replacen("...f0", "a", 1), "GRAPHQL_VALIDATION_FAILED", "expands to");
}

#[test]
fn refuses_circles() {
    refused_quickly("{ ...a } fragment a on Q { ...a ...a }", "GRAPHQL_VALIDATION_FAILED", "within itself");
    refused_quickly(
        "{ ...a } fragment a on Q { ...b ...b } fragment b on Q { x { ...a ...a } }",
        "GRAPHQL_VALIDATION_FAILED",
        "within itself",
    );
}

#[test]
fn refuses_depth_in_every_form() {
    let nested = |levels: usize| format!("{}x{}", "{a".repeat(levels), "}".repeat(levels));
    refused_quickly(&nested(200), "GRAPHQL_PARSE_FAILED", "nested deeper");
    refused_quickly(&nested(100_000), "GRAPHQL_PARSE_FAILED", "nested deeper");
    refused_quickly(&nested(20), "GRAPHQL_VALIDATION_FAILED", "deeper than 12");
    refused_quickly(&format!("{{ a(b: {}) }}", "[".repeat(50_000)), "GRAPHQL_PARSE_FAILED", "nested deeper");
    refused_quickly(&format!("query ($a: {}) {{ a }}", "[".repeat(50_000)), "GRAPHQL_PARSE_FAILED", "nested deeper");
    let mut chain = "{ ...f0 }".to_owned();
    for link in 0..2_000 {
        write!(chain, "fragment f{link} on Q{{...f{}}}", link + 1).unwrap();
    }
    chain.push_str("fragment f2000 on Q{a}");
    let limits = DocumentLimits { max_tokens: usize::MAX, ..DocumentLimits::default() };
    let (_, message) = check_with(&chain, limits).unwrap_err();
    assert!(message.contains("nested deeper than 64 levels"), "{message}");
}

#[test]
fn nesting_that_the_parser_may_see_does_not_make_it_slow() {
    for open in ["[", "{a:"] {
        let started = Instant::now();
        let (code, _) = check(&format!("{{ a(b: {}", open.repeat(60))).unwrap_err();
        assert_eq!(code, "GRAPHQL_PARSE_FAILED");
        assert!(started.elapsed() < Duration::from_secs(1), "{open} took {:?}", started.elapsed());
    }
    let started = Instant::now();
    assert!(check(&format!("query ($a: {}) {{ a }}", "[".repeat(60))).is_err());
    assert!(check(&"{a".repeat(60)).is_err());
    assert!(started.elapsed() < Duration::from_secs(1), "took {:?}", started.elapsed());
}

#[test]
fn refuses_quantity() {
    let many = |what: fn(usize) -> String, count| format!("{{ {} }}", (0..count).map(what).collect::<String>());
    refused_quickly(&many(|n| format!("a{n}:a "), 10_000), "GRAPHQL_PARSE_FAILED", "tokens");
    refused_quickly(&many(|n| format!("a{n}:a "), 31), "GRAPHQL_VALIDATION_FAILED", "30 aliases");
    check(&many(|n| format!("a{n}:a "), 30)).unwrap();
    refused_quickly(&format!("{{ a {} }}", "@x".repeat(101)), "GRAPHQL_VALIDATION_FAILED", "100 directives");
    let limits = DocumentLimits { max_expanded: 10, ..DocumentLimits::default() };
    check_with("{ a b c d e f g h i j }", limits).unwrap();
    assert!(check_with("{ a b c d e f g h i j k }", limits).is_err());
}

#[test]
fn lets_the_usual_introspection_pass_and_no_circle_of_it() {
    check(include_str!("introspection.graphql")).unwrap();
    let circle = "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }";
    refused_quickly(circle, "GRAPHQL_VALIDATION_FAILED", "introspection");
    // Business fields of the same name are none.
    check("{ template { fields { fields { fields { fields { name } } } } } }").unwrap();
}

#[test]
fn a_subscription_has_one_root_field() {
    check("subscription { a }").unwrap();
    check("subscription { ...f } fragment f on Subscription { a }").unwrap();
    refused_quickly("subscription { a b }", "GRAPHQL_VALIDATION_FAILED", "exactly one");
    refused_quickly(
        "subscription { ...f b } fragment f on Subscription { a }",
        "GRAPHQL_VALIDATION_FAILED",
        "exactly one",
    );
    refused_quickly("subscription { x: a x: b }", "GRAPHQL_VALIDATION_FAILED", "exactly one");
    refused_quickly("subscription { a(n: 1) a(n: 2) }", "GRAPHQL_VALIDATION_FAILED", "exactly one");
    refused_quickly("subscription { a @skip(if: true) }", "GRAPHQL_VALIDATION_FAILED", "root");
    refused_quickly(
        "subscription { ...f @skip(if: true) } fragment f on Subscription { a }",
        "GRAPHQL_VALIDATION_FAILED",
        "root",
    );
}

#[test]
fn the_root_field_of_a_subscription_is_gathered() {
    let gathered = |text: &str| {
        let mut request = Request::new(text);
        DocumentLimits::default().check(&mut request).unwrap();
        let root = chosen_of(&mut request).unwrap().selection_set.node.clone();
        let [Positioned { node: Selection::Field(field), .. }] = root.items.as_slice() else {
            panic!("{text}: {root:?}")
        };
        let below = field.node.selection_set.node.items.iter().map(|selection| match &selection.node {
            Selection::Field(field) => field.node.name.to_string(),
            Selection::InlineFragment(_) => "...".to_owned(),
            Selection::FragmentSpread(spread) => format!("...{}", spread.node.fragment_name),
        });
        let below = below.collect::<Vec<_>>().join(" ");
        let mut fragments: Vec<_> = request.parsed_query().unwrap().fragments.keys().map(ToString::to_string).collect();
        fragments.sort();
        (below, fragments.join(" "))
    };
    let is = |below: &str, fragments: &str| (below.to_owned(), fragments.to_owned());
    assert_eq!(gathered("subscription { a(n: 1, m: 2) { x } a(m: 2, n: 1) { y } }"), is("x y", ""));
    assert_eq!(gathered("subscription { ... on Subscription { a { x } } ... { a { y } } }"), is("x y", ""));
    assert_eq!(
        gathered("subscription { ...f } fragment f on Subscription { ...g } fragment g on Subscription { a { x } }"),
        is("x", "")
    );
    // What is used below stays, and so does what nobody ever used.
    let both =
        "subscription { ...f } fragment f on Subscription { a { ...g } } fragment g on A { x } fragment h on A { x }";
    assert_eq!(gathered(both), is("...g", "g h"));
    let two = "subscription { ...f ...f } fragment f on Subscription { a { x } }";
    assert_eq!(gathered(two), is("x", ""));
    // Validation refuses fragments of another type, and names one that is missing.
    for foreign in
        ["subscription { ... on Query { a { x } } }", "subscription { ...f } fragment f on Query { a { x } }"]
    {
        let mut request = Request::new(foreign);
        DocumentLimits::default().check(&mut request).unwrap();
        let root = &chosen_of(&mut request).unwrap().selection_set.node.items;
        assert!(!matches!(root.as_slice(), [Positioned { node: Selection::Field(_), .. }]), "{foreign}");
    }
    let mut missing = Request::new("subscription { a { x } ...f }");
    DocumentLimits::default().check(&mut missing).unwrap();
    assert_eq!(chosen_of(&mut missing).unwrap().selection_set.node.items.len(), 2);
}

#[test]
fn a_syntax_error_does_not_quote_the_document() {
    let (code, message) = check(&format!("{{ {} ! }}", "abc ".repeat(2_000))).unwrap_err();
    assert_eq!(code, "GRAPHQL_PARSE_FAILED");
    assert!(message.starts_with("Syntax error: expected") && message.len() < 250, "{message}");
}

#[test]
fn scanning_passes_over_strings_and_comments() {
    let scan = |text: &str| scan::scan(text, 100, 2);
    for fine in [
        r#"{a(b:"[[[[[")}"#,
        "{a # [[[[\n}",
        r#"{a(b:"""[[["[[""")}"#,
        r#"{a(b:"\"[[[")}"#,
        r#"{a(b:""" \""" [[[ """)}"#,
    ] {
        assert_eq!(scan(fine), Ok(()), "{fine}");
    }
    for deep in ["[[[", "\"\n[[[", r#"""[[["#, r#""a"[[["#, "#x\r[[["] {
        assert_eq!(scan(deep), Err(scan::Refused::Nesting(2)), "{deep}");
    }
}

#[test]
fn chooses_the_operation_by_name() {
    let kind = |query: &str, name: Option<&str>| {
        let mut request = Request::new(query);
        request.operation_name = name.map(str::to_owned);
        operation_type(&mut request)
    };
    let two = "query A { a } mutation B { b }";
    assert_eq!(kind("{ a }", None), Some(OperationType::Query));
    assert_eq!(kind("subscription S { a }", None), Some(OperationType::Subscription));
    assert_eq!(kind(two, Some("B")), Some(OperationType::Mutation));
    assert_eq!(kind(two, Some("A")), Some(OperationType::Query));
    assert_eq!(kind(two, Some("C")), None);
    assert_eq!(kind(two, None), None);
}

proptest! {
    #[test]
    fn survives_any_document(text in any::<String>()) {
        let _ = check(&text);
    }

    #[test]
    fn survives_what_looks_like_a_document(text in r##"[{}\[\]()a:"#!@.$ \n\\]{0,120}"##) {
        let _ = check(&text);
    }

    /// What the measurer says is what writing the fragments out gives.
    #[test]
    fn counts_what_inlining_would_give(levels in 0_usize..6, times in 1_usize..4) {
        let total: usize = {
            // Fragment n holds `times` spreads of the next, each a selection besides what it stands for.
            let mut sizes = vec![1_usize];
            for _ in 0..levels {
                let below = sizes.last().copied().unwrap();
                sizes.push(times * (1 + below));
            }
            // Every fragment for itself, and the operation's one spread of the topmost.
            sizes.iter().sum::<usize>() + 1 + sizes.last().copied().unwrap()
        };
        let query = bomb("query", levels, times);
        let limit = |max_expanded| DocumentLimits { max_expanded, ..DocumentLimits::default() };
        prop_assert!(check_with(&query, limit(total)).is_ok());
        prop_assert!(check_with(&query, limit(total - 1)).is_err());
    }
}
