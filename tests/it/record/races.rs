//! Two at once: one signature, and nothing that slips in beside it.

use futures::future::join;
use serde_json::json;

use super::{Ward, entry, refused, value};

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_sign_at_once_one_has_signed() {
    let ward = Ward::open().await;
    for round in 0..8 {
        let draft = ward.draft(&format!("ronda {round}")).await;
        let (one, other) = join(ward.sign(&ward.doctor, &draft), ward.sign(&ward.admin, &draft)).await;
        let done: Vec<_> = [&one, &other].into_iter().filter(|payload| payload["userErrors"] == json!([])).collect();
        assert_eq!(done.len(), 1, "{one:#} {other:#}");
        let lost = if done[0] == &one { &other } else { &one };
        assert_eq!(lost["userErrors"][0]["code"], "INVALID_TRANSITION", "{lost:#}");
        let now = ward.entry(&ward.doctor, &draft["id"]).await;
        assert_eq!((&now["version"], &now["signedBy"]), (&json!(2), &done[0]["entry"]["signedBy"]));
        assert_eq!(now["signatureValid"], true);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_while_it_is_signed_is_in_it_or_refused() {
    let ward = Ward::open().await;
    let (mut written, mut refused) = (0, 0);
    for round in 0..12 {
        let draft = ward.draft("antes").await;
        let mut input = ward.input(&[("note", json!(format!("después {round}")))]);
        (input["id"], input["version"]) = (draft["id"].clone(), draft["version"].clone());
        let (saved, signed) = join(ward.save(&ward.doctor, input), ward.sign(&ward.admin, &draft)).await;
        let now = ward.entry(&ward.doctor, &draft["id"]).await;
        if saved["userErrors"] == json!([]) {
            // The signature was for the version before.
            written += 1;
            assert_eq!(signed["userErrors"][0]["code"], "VERSION_CONFLICT", "{signed:#}");
            assert_eq!((&now["status"], &now["version"]), (&json!("DRAFT"), &json!(2)));
        } else {
            refused += 1;
            assert_eq!(saved["userErrors"][0]["code"], "INVALID_TRANSITION", "{saved:#}");
            assert_eq!((&now["status"], value(&now, "note")), (&json!("SIGNED"), Some(&json!("antes"))));
            assert_eq!(now["signatureValid"], true);
        }
    }
    println!("save against sign: {written} saved first, {refused} signed first");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_who_amend_one_entry_at_once_one_does() {
    let ward = Ward::open().await;
    let signed = ward.signed("nota").await;
    let amend = |n: usize| {
        let input = ward.input(&[("note", json!(format!("versión {n}")))]);
        let (ward, signed) = (&ward, &signed);
        async move { ward.amend(&ward.doctor, signed, input, "corrige").await }
    };
    let answers = futures::future::join_all((0..6).map(amend)).await;
    let done = answers.iter().filter(|answer| answer["userErrors"] == json!([])).count();
    let codes: Vec<_> = answers.iter().filter_map(|answer| answer["userErrors"][0]["code"].as_str()).collect();
    assert_eq!((done, codes), (1, vec!["ALREADY_EXISTS"; 5]));
}

/// Each holds what the other waits for next: the amendment its old entry, the signature the draft in its place.
#[tokio::test(flavor = "multi_thread")]
async fn an_amendment_that_is_signed_while_another_is_begun_is_signed_and_the_other_refused() {
    let ward = Ward::open().await;
    for round in 0..12 {
        let signed = ward.signed(&format!("ronda {round}")).await;
        let input = |note: &str| ward.input(&[("note", json!(note))]);
        let draft = entry(ward.amend(&ward.doctor, &signed, input("corregida"), "corrige").await);
        let (done, other) =
            join(ward.sign(&ward.doctor, &draft), ward.amend(&ward.admin, &signed, input("otra"), "también")).await;
        let done = entry(done);
        assert_eq!((&done["status"], &done["signatureValid"]), (&json!("SIGNED"), &json!(true)));
        let (code, field) = refused(&other);
        assert!(matches!(code.as_str(), "ALREADY_EXISTS" | "INVALID_TRANSITION") && field == "id", "{other:#}");
        assert_eq!(ward.entry(&ward.doctor, &signed["id"]).await["status"], "AMENDED");
    }
    assert_eq!(ward.entries(&ward.doctor).await.len(), 24, "nothing is left of those that were refused");
}
