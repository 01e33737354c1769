//! Every mutation of the contract leaves an entry in its own transaction, and a refused one leaves none.
//!
//! A new mutation needs an arm in [`row`]: how a client makes it succeed, and how it is refused.

use async_graphql::parser::{
    parse_schema,
    types::{TypeKind, TypeSystemDefinition},
};
use horae::{db::TenantStatus, domain::identity::audit::verify, schema::identity::audit::subject_kind};
use serde_json::{Value, json};

use super::{
    Owner,
    rows::{World, row},
    send_as,
};
use crate::{booking::Clinic, support::fingerprint::fingerprint};

fn mutations() -> Vec<String> {
    let document = parse_schema(horae::schema::sdl()).unwrap();
    let fields = document.definitions.into_iter().find_map(|definition| match definition {
        TypeSystemDefinition::Type(named) if named.node.name.node == "Mutation" => match named.node.kind {
            TypeKind::Object(object) => Some(object.fields),
            _ => None,
        },
        _ => None,
    });
    fields.unwrap().into_iter().map(|field| field.node.name.node.to_string()).collect()
}

fn refused(answer: &Value, mutation: &str) -> bool {
    answer.get("errors").is_some() || answer["data"][mutation]["userErrors"].as_array().is_some_and(|e| !e.is_empty())
}

#[tokio::test]
async fn every_mutation_leaves_an_entry_in_its_transaction_and_a_refused_one_none() {
    let mut world = World { clinic: Clinic::open().await, asker: None, used: 0 };
    let mut owner = Owner::of(&world.clinic.app, "alfa").await;
    owner
        .run(
            "CREATE FUNCTION break_trail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no trail'; END $$;
             CREATE TRIGGER broken BEFORE INSERT ON audit_entries FOR EACH ROW EXECUTE FUNCTION break_trail();
             ALTER TABLE audit_entries DISABLE TRIGGER broken",
        )
        .await;
    let mut missing = Vec::new();
    for mutation in mutations() {
        let Some(row) = row(&mut world, &mutation).await else {
            missing.push(mutation);
            continue;
        };
        let document = row.document(&mutation);
        let of = |id: &str| format!("SELECT count(*) FROM audit_entries WHERE request_id = '{id}'");

        let id = format!("refused-{mutation}");
        let db = world.clinic.app.app.cx.db.clone();
        if row.maintenance {
            db.set_tenant_status("alfa", TenantStatus::Maintenance, Some("test"), world.clinic.app.now())
                .await
                .unwrap();
        }
        let (_, answer) = send_as(row.refused.as_ref().unwrap_or(&row.client), &id, &document, &row.bad).await;
        if row.maintenance {
            db.set_tenant_status("alfa", TenantStatus::Active, None, world.clinic.app.now()).await.unwrap();
        }
        assert!(refused(&answer, &mutation), "{mutation} is not refused: {answer}");
        let code = &answer["errors"][0]["extensions"]["code"];
        assert!(!code.as_str().is_some_and(|code| code.starts_with("GRAPHQL_")), "{mutation}: {answer}");
        assert_eq!(owner.one::<i64>(&of(&id)).await, 0, "{mutation} was refused and leaves an entry");

        // Without its entry, nothing of it happens: they are one transaction.
        let before = fingerprint(&world.clinic.app, "alfa").await;
        owner.run("ALTER TABLE audit_entries ENABLE TRIGGER broken").await;
        let (_, answer) = send_as(&row.client, &format!("broken-{mutation}"), &document, &row.good).await;
        owner.run("ALTER TABLE audit_entries DISABLE TRIGGER broken").await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "INTERNAL", "{mutation}: {answer}");
        assert_eq!(fingerprint(&world.clinic.app, "alfa").await, before, "{mutation} happened without its entry");

        let id = format!("good-{mutation}");
        let (_, answer) = send_as(&row.client, &id, &document, &row.good).await;
        assert!(!refused(&answer, &mutation), "{mutation}: {answer}");
        let told: Value = owner
            .one(&format!(
                "SELECT coalesce(jsonb_agg(jsonb_build_object('action', action, 'kind', actor_kind, 'actor', actor_id,
                     'subject', subject_type, 'told', before IS NOT NULL OR after IS NOT NULL)), '[]')
                 FROM audit_entries WHERE request_id = '{id}'"
            ))
            .await;
        let told = told.as_array().unwrap();
        assert!(told.iter().any(|entry| entry["action"] == *mutation), "{mutation} left {told:?}");
        for entry in told {
            assert_eq!(entry["kind"], row.actor, "{mutation}: {entry}");
            // Who holds a calendar's token is nobody known.
            let nobody = row.actor == "SYSTEM" || mutation == "redeemCapability";
            assert_eq!(entry["actor"].is_null(), nobody, "{mutation}: {entry}");
            if row.actor == "USER" {
                assert_eq!(entry["actor"], json!(row.user.or(world.clinic.actor.id)), "{mutation}: {entry}");
            }
            assert_eq!(entry["told"], true, "{mutation} says neither before nor after: {entry}");
            assert!(subject_kind(entry["subject"].as_str().unwrap()).is_some(), "no kind of id for {entry}");
        }
    }
    assert!(missing.is_empty(), "mutations without a row in this test: {missing:?}");

    // Nothing that patients said of themselves is in the trail or the log, and the trail hangs together.
    for table in ["audit_entries", "events"] {
        let leaks: i64 = owner.one(&format!("SELECT count(*) FROM {table} t WHERE t::text ILIKE '%rosamunda%'")).await;
        assert_eq!(leaks, 0, "{table} tells of a patient");
    }
    let report = verify::run(&world.clinic.app.app.cx, &world.clinic.actor, None, None).await.unwrap();
    assert!(report.ok, "{report:?}");
    let written: i64 = owner.one("SELECT count(*) FROM audit_entries").await;
    assert_eq!(report.entries_checked, written);
}
