//! Files: announced, sent over a real connection, vouched for, shown once.

mod content;
mod download;
mod made;
mod refusals;
mod s3;
mod sweep;
mod upload;

use std::{io::Cursor, net::SocketAddr};

use axum::{
    body::Body,
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper_util::{
    client::legacy::{Client as Http, connect::HttpConnector},
    rt::TokioExecutor,
};
use image::{DynamicImage, ImageFormat};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    booking::Clinic,
    support::{
        app::{Client, TestApp},
        fixtures::Booking,
    },
};
use horae::schema::id::Kind;

/// What a client learns of an upload that is refused or not.
const ERRORS: &str = "userErrors { __typename code message field ... on QuotaError { quota limit used } }";

/// A clinic whose administrator sees its patient, on a port of its own.
pub struct Archive {
    pub clinic: Clinic,
    pub address: SocketAddr,
    http: Http<HttpConnector, Body>,
}

/// What came back over HTTP.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// The code in the body of a refusal.
    pub fn code(&self) -> String {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        format!("{} {}", self.status.as_u16(), body["code"].as_str().unwrap_or_default())
    }
}

impl Archive {
    pub async fn open() -> Self {
        Self::open_with(&[]).await
    }

    pub async fn open_with(settings: &[(&str, &str)]) -> Self {
        let clinic = Clinic::open_on(TestApp::start_with(settings).await).await;
        let address = clinic.app.listen().await;
        let visit = Booking::new(clinic.branch, clinic.patient, clinic.treatment, "2026-07-14T14:00:00Z", 30);
        clinic.centre.book(visit.with(clinic.professionals[0])).await;
        Self { clinic, address, http: Http::builder(TokioExecutor::new()).build_http() }
    }

    /// The patient's id in the API.
    pub fn patient(&self) -> Value {
        self.clinic.id(Kind::Patient, self.clinic.patient)
    }

    /// The centre's own id in the API.
    pub fn tenant(&self) -> Value {
        self.clinic.id(Kind::Tenant, self.clinic.actor.tenant.id.0)
    }

    /// The payload of `requestUpload`.
    pub async fn request(&self, client: &Client, input: Value) -> Value {
        let document = format!(
            "mutation($input: RequestUploadInput!) {{ requestUpload(input: $input) {{
                 ticket {{ url headers expiresAt attachmentId maxBytes }} {ERRORS} }} }}"
        );
        client.ok(&document, json!({ "input": input })).await["requestUpload"].clone()
    }

    /// The ticket for a file of the patient.
    pub async fn announce(&self, name: &str, mime: &str, size: usize) -> Value {
        let input = json!({"ownerId": self.patient(), "fileName": name, "mimeType": mime, "sizeBytes": size});
        let payload = self.request(&self.clinic.admin, input).await;
        assert_eq!(payload["userErrors"], json!([]), "{payload:#}");
        payload["ticket"].clone()
    }

    /// The payload of `completeUpload`.
    pub async fn complete(&self, client: &Client, attachment: &Value, sha256: &str) -> Value {
        let document = format!(
            "mutation($id: ID!, $hash: String!) {{ completeUpload(attachmentId: $id, sha256: $hash) {{
                 attachment {{ id fileName mimeType sizeBytes sha256 width height capturedAt uploadedAt }} {ERRORS} }} }}"
        );
        client.ok(&document, json!({"id": attachment, "hash": sha256})).await["completeUpload"].clone()
    }

    /// A request to an address that the API has given, on this test's port.
    pub async fn send(&self, method: Method, url: &Value, mime: Option<&str>, body: impl Into<Body>) -> Answer {
        let url = url.as_str().unwrap();
        let path = &url[url.find("/f/").unwrap()..];
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        if let Some(mime) = mime {
            request = request.header(header::CONTENT_TYPE, mime);
        }
        let response = self.http.request(request.body(body.into()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Sends all bytes for a ticket.
    pub async fn put(&self, ticket: &Value, bytes: &[u8]) -> Answer {
        let mime = ticket["headers"]["Content-Type"].as_str().unwrap();
        self.send(Method::PUT, &ticket["url"], Some(mime), bytes.to_vec()).await
    }

    pub async fn get(&self, url: &Value) -> Answer {
        self.send(Method::GET, url, None, Body::empty()).await
    }

    /// A file of the patient, from announcement to completion.
    pub async fn upload(&self, name: &str, mime: &str, bytes: &[u8]) -> Value {
        let payload = self.try_upload(name, mime, bytes).await;
        assert_eq!(payload["userErrors"], json!([]), "{payload:#}");
        payload["attachment"].clone()
    }

    /// The same up to the payload of its completion.
    pub async fn try_upload(&self, name: &str, mime: &str, bytes: &[u8]) -> Value {
        let ticket = self.announce(name, mime, bytes.len()).await;
        let sent = self.put(&ticket, bytes).await;
        assert_eq!(sent.status, StatusCode::NO_CONTENT, "{sent:?}");
        self.complete(&self.clinic.admin, &ticket["attachmentId"], &sha256(bytes)).await
    }

    /// A new link to a file, `downloadUrl` or `thumbnailUrl`.
    pub async fn link(&self, client: &Client, attachment: &Value, field: &str) -> Value {
        let document = format!("query($id: ID!) {{ node(id: $id) {{ ... on Attachment {{ {field} }} }} }}");
        client.ok(&document, json!({ "id": attachment })).await["node"][field].clone()
    }

    /// Files in the store.
    pub fn objects(&self) -> Vec<String> {
        let mut found = Vec::new();
        for folder in std::fs::read_dir(self.clinic.app.files.path()).unwrap() {
            for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
                found.push(file.unwrap().file_name().into_string().unwrap());
            }
        }
        found.sort();
        found
    }

    pub async fn rows(&self) -> i64 {
        self.clinic.centre.count("SELECT count(*) FROM attachments").await
    }
}

/// The one refusal of a payload: code and field.
#[track_caller]
pub fn refused(payload: &Value) -> (String, String) {
    let errors = payload["userErrors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{payload:#}");
    (errors[0]["code"].as_str().unwrap().to_owned(), crate::booking::api::field(&errors[0]))
}

pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// A picture that compresses badly, so that its size is about that of a photograph.
pub fn photo(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    let picture = image::RgbImage::from_fn(width, height, |x, y| {
        let noise = x.wrapping_mul(2_654_435_761).wrapping_add(y.wrapping_mul(40_503)).rotate_left(x % 13);
        image::Rgb(noise.to_le_bytes()[..3].try_into().unwrap())
    });
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(picture).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}
