//! What booking pages may see of the centre.

use std::sync::Arc;

use async_graphql::{Context, EmptyMutation, EmptySubscription, Object, Schema};
use horae::{
    domain::centre::query,
    schema::{centre::types::Branch, request::Reader},
};
use serde_json::json;

use crate::support::{app::TestApp, fixtures::Centre};

#[tokio::test]
async fn a_booking_page_lists_nothing_and_changes_nothing() {
    let app = TestApp::start().await;
    let (page, nobody) = (app.page("alfa").await, app.anonymous());
    Centre::of(&app, "alfa").await.branch("A", "America/Santiago").await;
    for query in [
        "{ branches(first: 1) { nodes { id } } }",
        "{ professionals(first: 1) { nodes { id } } }",
        "{ rooms(first: 1) { nodes { id } } }",
        "{ equipment(first: 1) { nodes { id } } }",
        "{ treatments(first: 1) { nodes { id } } }",
        "{ treatmentCategories { id } }",
        "{ viewer { user { id } } }",
        r#"mutation { upsertTreatmentCategory(name: "x") { userErrors { code } } }"#,
        r#"mutation { upsertBranch(input: {name: "x", timeZone: "America/Lima"}) { userErrors { code } } }"#,
        r#"mutation { updateTenantProfile(input: {tradeName: "x"}) { userErrors { code } } }"#,
        r#"mutation { deactivateResource(id: "x", version: 1) { userErrors { code } } }"#,
    ] {
        assert_eq!(page.error_code(query, json!({})).await, "UNAUTHENTICATED", "{query}");
        assert_eq!(nobody.error_code(query, json!({})).await, "UNAUTHENTICATED", "{query}");
    }
    let zones = r#"{ timeZones(country: "PE") { id } }"#;
    assert_eq!(page.ok(zones, json!({})).await["timeZones"], json!([{"id": "America/Lima"}]));
    assert_eq!(nobody.error_code(zones, json!({})).await, "UNAUTHENTICATED");
}

/// Shows a page the branches that patients may book in, as the booking page's own queries do.
struct Shown;

#[Object]
impl Shown {
    async fn branches(&self, ctx: &Context<'_>) -> Vec<Branch> {
        let reader = ctx.data_unchecked::<Arc<Reader>>();
        let tx = reader.cx.read(&reader.actor).await.unwrap();
        let branches = query::online_branches(&tx).await.unwrap();
        tx.commit().await.unwrap();
        branches.into_iter().map(|branch| Branch::new(Arc::clone(reader), branch)).collect()
    }
}

#[tokio::test]
async fn what_is_the_staffs_is_empty_on_a_booking_page() {
    let app = TestApp::start().await;
    let centre = Centre::of(&app, "alfa").await;
    let branch = centre.branch("A", "America/Santiago").await;
    centre.run(
        "UPDATE branches SET copy_confirmations_to = '{boss@alfa.test}', cash_auto_close_local_time = '22:00' WHERE id = $1",
        vec![branch.into()],
    ).await;
    centre.room("Box", branch, 1).await;
    let hidden = centre.branch("B", "America/Santiago").await;
    centre.run("UPDATE branches SET online_booking_enabled = false WHERE id = $1", vec![hidden.into()]).await;
    let ana = centre.professional("Ana", branch).await;
    centre.also_works_in(ana, hidden).await;
    centre.is_user(ana, app.actor("alfa").await.id.unwrap()).await;
    let eva = centre.professional("Eva", branch).await;
    centre.run("UPDATE professionals SET accepts_online = false WHERE id = $1", vec![eva.into()]).await;
    let reader = Reader::new(&Arc::new(app.app.cx.clone()), app.actor_of(&app.page("alfa").await).await);
    let schema = Schema::build(Shown, EmptyMutation, EmptySubscription).data(reader).finish();
    let answer = schema
        .execute(
            "{ branches { name settings { copyConfirmationsTo cashAutoCloseLocalTime }
                 rooms(first: 5) { nodes { name } } professionals(first: 5) { nodes { name user { email } branches { name } } } } }",
        )
        .await;
    assert_eq!(answer.errors, []);
    let seen = answer.data.into_json().unwrap();
    assert_eq!(
        seen["branches"],
        json!([{
            "name": "A",
            "settings": {"copyConfirmationsTo": [], "cashAutoCloseLocalTime": null},
            "rooms": {"nodes": []},
            "professionals": {"nodes": [{"name": "Ana", "user": null, "branches": [{"name": "A"}]}]},
        }])
    );
    assert!(!seen.to_string().contains("alfa.test"));
}
