//! How the mutations of files are sent.

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use horae::schema::id::Kind;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::rows::{Row, World};
use crate::support::{
    app::{Client, TestApp},
    fixtures::Booking,
};

/// What [`send_file`] sends, and its hash.
const FILE: &[u8] = b"hola";
pub const FILE_HASH: &str = "b221d9dbb083a7f33428d7c2a3c3198ae925614d70210e28716ccaa7cd4ddb79";

pub async fn row(world: &mut World, mutation: &str) -> Option<Row> {
    let patient = visitor(world).await;
    let admin = world.clinic.admin.clone();
    Some(match mutation {
        "requestUpload" => {
            let (good, bad) = (file_input(&patient, 4), file_input(&patient, 0));
            Row::input(&admin, "($input: RequestUploadInput!)", &good, &bad)
        }
        "completeUpload" => {
            let id = send_file(&world.clinic.app, &admin, &patient).await;
            let input = |hash: &str| json!({"id": id, "hash": hash});
            let (declares, passes) = ("($id: ID!, $hash: String!)", "(attachmentId: $id, sha256: $hash)");
            Row::new(&admin, declares, passes, input(FILE_HASH), input("guess"))
        }
        _ => return None,
    })
}

/// A new patient, whom the branch sees and the professional that things are made for.
async fn visitor(world: &mut World) -> Value {
    let start = world.start();
    let clinic = &world.clinic;
    let patient = clinic.centre.patient("Rosamunda", "Soto").await;
    let visit = Booking::new(clinic.branch, patient, clinic.treatment, &start, 30);
    clinic.centre.book(visit.with(clinic.professionals[0])).await;
    clinic.id(Kind::Patient, patient)
}

/// What announces a file of so many bytes.
pub fn file_input(owner: &Value, size: usize) -> Value {
    json!({"ownerId": owner, "fileName": "rosamunda.txt", "mimeType": "text/plain", "sizeBytes": size})
}

/// Announces a file for an owner, and sends it. Its id.
pub async fn send_file(app: &TestApp, client: &Client, owner: &Value) -> Value {
    let request = "mutation($input: RequestUploadInput!) {
        requestUpload(input: $input) { ticket { url attachmentId } userErrors { message } }
    }";
    let input = file_input(owner, FILE.len());
    let announced = client.ok(request, json!({ "input": input })).await["requestUpload"].clone();
    assert_eq!(announced["userErrors"], json!([]));
    let ticket = &announced["ticket"];
    let url = ticket["url"].as_str().unwrap();
    let put = Request::put(&url[url.find("/f/").unwrap()..]).body(Body::from(FILE)).unwrap();
    assert_eq!(app.router.clone().oneshot(put).await.unwrap().status(), StatusCode::NO_CONTENT);
    ticket["attachmentId"].clone()
}
