//! Patients out of spreadsheets: what comes in, what is told of what does not, and what sending a file again does.

use std::ops::ControlFlow;

use axum::{body::Body, http::Request};
use horae::{
    auth::BuiltinRole,
    sheets::{self, Bounds, Layout, Row, SheetWriter, Sink},
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::io::Write;
use tower::ServiceExt;
use uuid::Uuid;

use super::{Office, XLSX, counts};

const LIST: &str = "Ficha;Nombres;Apellidos;RUT;Correo;Celular;Fecha nacimiento;Sexo;Saldo\n\
    F-1;Rosa;De la Fuente Soto;12.345.678-5;rosa@example.com;+56987654321;31/12/1985;F;0\n\
    F-2;José;Muñoz;11.111.111-1;jose@example.com;;01/02/1990;M;15000\n\
    ;Iñaki;Núñez;;;;;;\n";

#[derive(Default)]
struct Sheet {
    header: Vec<String>,
    rows: Vec<Row>,
}

impl Sink for Sheet {
    fn header(&mut self, header: Vec<String>) -> ControlFlow<()> {
        self.header = header;
        ControlFlow::Continue(())
    }

    fn row(&mut self, row: Row) -> ControlFlow<()> {
        self.rows.push(row);
        ControlFlow::Continue(())
    }
}

/// What a link gives to whoever comes first.
async fn fetched(office: &Office, url: &Value) -> Option<std::fs::File> {
    let url = url.as_str().unwrap_or_else(|| panic!("no link: {url}"));
    let path = &url[url.find("/f/").unwrap()..];
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = office.app.router.clone().oneshot(request).await.unwrap();
    if !response.status().is_success() {
        return None;
    }
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    Some(file)
}

fn sheet(file: &std::fs::File) -> Sheet {
    let mut sheet = Sheet::default();
    let layout = Layout { sheet: None, header_row: 1 };
    sheets::read(file, &layout, &Bounds::default(), &mut sheet).unwrap();
    sheet
}

#[tokio::test]
async fn a_list_as_centres_keep_it_becomes_patients_and_the_same_list_again_changes_nothing() {
    let office = Office::open().await;
    let before = office.patients().await;
    let (western, _, _) = encoding_rs::WINDOWS_1252.encode(LIST);
    let file = office.bring_text(&western).await;
    let job = office.imported(&file, json!({})).await;
    assert_eq!(counts(&job), (&json!("SUCCEEDED"), 3, 0, 0), "{job:#}");
    assert_eq!((&job["total"], &job["resultUrl"], &job["kind"]), (&json!(3), &Value::Null, &json!("patients.import")));
    assert_eq!(office.patients().await, before + 3);
    let rosa: Value = office.one("SELECT to_jsonb(p) FROM patients p WHERE email = 'rosa@example.com'").await;
    assert_eq!(
        (&rosa["paternal_surname"], &rosa["maternal_surname"], &rosa["birth_date"], &rosa["sex"], &rosa["phones"]),
        (&json!("De la Fuente"), &json!("Soto"), &json!("1985-12-31"), &json!("FEMALE"), &json!(["+56987654321"]))
    );
    let events = "SELECT count(*) FROM events e JOIN audit_entries a USING (subject_id, request_id)
        WHERE e.type = 'patient.created' AND a.action = 'importPatients'";
    assert_eq!(office.centre.count(events).await, 3);

    // The centre changes somebody; the list, in another encoding or as another file, knows better than to overwrite it.
    office
        .centre
        .run(
            "UPDATE patients SET given_names = 'Rosa María', email = NULL, document_kind = NULL,
        document_number = NULL, document_country = NULL, file_number = NULL WHERE email = 'rosa@example.com'",
            vec![],
        )
        .await;
    for again in [file, office.bring_text(LIST.as_bytes()).await] {
        let job = office.imported(&again, json!({})).await;
        assert_eq!(counts(&job), (&json!("SUCCEEDED"), 3, 0, 3), "{job:#}");
    }
    assert_eq!(office.patients().await, before + 3);
    assert_eq!(office.centre.count("SELECT count(*) FROM patients WHERE given_names = 'Rosa María'").await, 1);
}

#[tokio::test]
async fn bad_rows_are_reported_in_a_sheet_that_is_corrected_and_imported_again() {
    let office = Office::open().await;
    let before = office.patients().await;
    let mut writer = SheetWriter::begin("Hoja1", ["Nombre", "RUT", "Correo", "Nacimiento", "Observaciones"]).unwrap();
    writer.row(["Ana", "12345678-5", "ana@example.com", "31/12/1985", "+ control"]).unwrap();
    writer.row(["=HYPERLINK(\"http://x\";\"y\")", "", "sin arroba", "1985", "=1+1"]).unwrap();
    writer.row(["", "", "eva@example.com", "", ""]).unwrap();
    writer.row(["Luz", "", "luz@example.com", "", "@nota"]).unwrap();
    let written = tempfile::tempfile().unwrap();
    writer.finish(&written).unwrap();
    let file = office.bring(XLSX, written).await;
    let job = office.imported(&file, json!({})).await;
    assert_eq!(counts(&job), (&json!("SUCCEEDED"), 4, 2, 0), "{job:#}");
    assert_eq!(office.patients().await, before + 2);

    let report = fetched(&office, &job["resultUrl"]).await.unwrap();
    assert!(fetched(&office, &job["resultUrl"]).await.is_none(), "a link gives once");
    let bad = sheet(&report);
    assert_eq!(bad.header, ["Nombre", "RUT", "Correo", "Nacimiento", "Observaciones", "Error"]);
    assert_eq!(bad.rows.len(), 2);
    let [first, second] = [&bad.rows[0].cells, &bad.rows[1].cells];
    assert_eq!(first[..5], ["=HYPERLINK(\"http://x\";\"y\")", "", "sin arroba", "1985", "=1+1"]);
    for column in ["Nombre:", "Correo:", "Nacimiento:"] {
        assert!(first[5].contains(column), "{}", first[5]);
    }
    assert!(second[5].starts_with("Nombre:"), "{}", second[5]);

    // Corrected in place, with the column of errors still there.
    let mut writer = SheetWriter::begin("Hoja1", bad.header.iter().map(String::as_str)).unwrap();
    writer.row(["Sol", "", "sol@example.com", "31/12/1985", "=1+1", &first[5]]).unwrap();
    writer.row(["", "", "eva@example.com", "", "", "todavía"]).unwrap();
    let written = tempfile::tempfile().unwrap();
    writer.finish(&written).unwrap();
    let file = office.bring(XLSX, written).await;
    let job = office.imported(&file, json!({})).await;
    assert_eq!(counts(&job), (&json!("SUCCEEDED"), 2, 1, 0), "{job:#}");
    let report = sheet(&fetched(&office, &job["resultUrl"]).await.unwrap());
    assert_eq!((report.header.len(), report.rows.len()), (6, 1));
    assert!(report.rows[0].cells[5].starts_with("Nombre:"));
    assert_eq!(office.patients().await, before + 3);
}

#[tokio::test]
async fn a_birth_in_a_year_of_two_digits_is_a_problem_and_no_patient_of_long_ago() {
    let office = Office::open().await;
    let before = office.patients().await;
    let text = "Nombre;Fecha nacimiento\nRosa;05-06-15\nLuis;0015-06-05\nEva;15-06-2005\n";
    let file = office.bring_text(text.as_bytes()).await;
    let job = office.imported(&file, json!({})).await;
    assert_eq!(counts(&job), (&json!("SUCCEEDED"), 3, 2, 0), "{job:#}");
    assert_eq!(office.patients().await, before + 1);
    assert_eq!(office.centre.count("SELECT count(*) FROM patients WHERE birth_date = '2005-06-15'").await, 1);
    let report = sheet(&fetched(&office, &job["resultUrl"]).await.unwrap());
    for row in &report.rows {
        assert!(row.cells[2].contains("four digits"), "{row:?}");
    }
}

#[tokio::test]
async fn a_preview_tells_columns_and_problems_and_changes_nothing() {
    let office = Office::open().await;
    let text = "Paciente;Mail;Nota\nRosa;rosa@example.com;x\nLuis;no;y\n";
    let file = office.bring_text(text.as_bytes()).await;
    let preview = "query($file: ID!, $mapping: Json) { importPreview(attachmentId: $file, mapping: $mapping) {
        columns { name target } rows { number cells problems { column message } } } }";
    let before = office.patients().await;
    let answer = office.clerk.send(preview, json!({"file": file, "mapping": {}})).await;
    assert_eq!(answer["errors"][0]["extensions"]["field"], json!(["mapping", "columns"]), "{answer:#}");
    let mapping = json!({"columns": {"Paciente": "givenNames", "mail": "email"}});
    let found = office.clerk.ok(preview, json!({"file": file, "mapping": mapping})).await["importPreview"].clone();
    let targets: Vec<&Value> = found["columns"].as_array().unwrap().iter().map(|column| &column["target"]).collect();
    assert_eq!(targets, [&json!("givenNames"), &json!("email"), &Value::Null]);
    let rows = &found["rows"];
    assert_eq!((&rows[0]["problems"], &rows[0]["number"]), (&json!([]), &json!(2)));
    assert_eq!((&rows[1]["problems"][0]["column"], &rows[1]["cells"][1]), (&json!("Mail"), &json!("no")));
    assert_eq!(office.patients().await, before);
}

#[tokio::test]
async fn what_cannot_be_imported_is_refused_at_once_and_names_its_place() {
    let office = Office::open().await;
    let good = office.bring_text(LIST.as_bytes()).await;
    let old = office.bring_text(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1 a workbook of 1997").await;
    let broken = {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"PK\x03\x04 no workbook").unwrap();
        office.bring(XLSX, file).await
    };
    let picture = {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"x").unwrap();
        office.bring("image/png", file).await
    };
    let mut sheet = SheetWriter::begin("Hoja1", ["Nombre"]).unwrap();
    sheet.row(["Ana"]).unwrap();
    let written = tempfile::tempfile().unwrap();
    sheet.finish(&written).unwrap();
    let workbook = office.bring(XLSX, written).await;
    for (file, mapping, field) in [
        (&old, json!({}), "attachmentId"),
        (&broken, json!({}), "attachmentId"),
        (&picture, json!({}), "attachmentId"),
        (&good, json!([]), "mapping"),
        (&good, json!({"columns": {"Edad": "birthDate"}}), "mapping.columns.Edad"),
        (&good, json!({"columns": {"RUT": "document.number"}}), "mapping.columns"),
        (&good, json!({"headerRow": 99}), "mapping.headerRow"),
        (&good, json!({"defaultCountry": "Chile"}), "mapping.defaultCountry"),
        (&workbook, json!({"sheet": "Pacientes"}), "mapping.sheet"),
    ] {
        let payload = office.import(file, mapping.clone()).await;
        let path: Vec<String> = serde_json::from_value(payload["userErrors"][0]["field"].clone()).unwrap_or_default();
        assert_eq!((path.join(".").as_str(), &payload["job"]), (field, &Value::Null), "{mapping} {payload:#}");
    }
    // A file that another has brought is none, and so is one that is none.
    let other = office.app.user("alfa", BuiltinRole::Receptionist).await;
    let document = super::IMPORT;
    for (client, file) in [(&other, good), (&office.clerk, json!("x"))] {
        let variables = json!({"file": file, "mapping": {}, "key": Uuid::new_v4()});
        let payload = client.ok(document, variables).await["importPatients"].clone();
        assert_eq!(payload["userErrors"][0]["code"], "NOT_FOUND", "{payload:#}");
    }
    assert_eq!(office.centre.count("SELECT count(*) FROM background_jobs").await, 0);
}

#[tokio::test]
async fn one_key_is_one_import_and_a_file_that_is_gone_fails_its_job_in_words() {
    let office = Office::open().await;
    let file = office.bring_text(LIST.as_bytes()).await;
    let variables = json!({"file": file, "mapping": {}, "key": Uuid::new_v4()});
    let first = office.clerk.ok(super::IMPORT, variables.clone()).await["importPatients"].clone();
    let again = office.clerk.ok(super::IMPORT, variables).await["importPatients"].clone();
    assert_eq!(first, again);
    assert_eq!(office.centre.count("SELECT count(*) FROM background_jobs").await, 1);
    std::fs::remove_dir_all(office.folder.path()).unwrap();
    office.app.run_jobs().await;
    let job = office.job(&first["job"]["id"]).await;
    assert_eq!(job["status"], "FAILED");
    assert!(job["problem"].as_str().unwrap().contains("upload it again"), "{job:#}");
}

#[tokio::test]
async fn a_centre_imports_as_many_patients_a_day_as_it_may_and_no_more() {
    let office = Office::open().await;
    let before = office.patients().await;
    office.centre.run("UPDATE centre_profile SET daily_import_quota = 2", vec![]).await;
    let file = office.bring_text(LIST.as_bytes()).await;
    let job = office.imported(&file, json!({})).await;
    assert_eq!(counts(&job), (&json!("SUCCEEDED"), 3, 1, 0), "{job:#}");
    assert_eq!(office.patients().await, before + 2);
    let refused = office.import(&file, json!({})).await;
    let error = &refused["userErrors"][0];
    assert_eq!(
        (&error["__typename"], &error["quota"], &error["limit"], &error["used"]),
        (&json!("QuotaError"), &json!("patients.imported.daily"), &json!(2), &json!(2))
    );
    // Tomorrow the rest comes in, and only the rest.
    office.app.clock.set(office.app.now() + chrono::TimeDelta::days(1));
    let office = Office {
        clerk: office
            .app
            .login("alfa", &office.one::<String>("SELECT email FROM users WHERE email LIKE 'receptionist%'").await)
            .await,
        ..office
    };
    let job = office.imported(&file, json!({})).await;
    assert_eq!(counts(&job), (&json!("SUCCEEDED"), 3, 0, 2), "{job:#}");
    // And nobody queues more than a few.
    for n in 0..6 {
        let payload = office.import(&file, json!({})).await;
        let refused = payload["userErrors"][0]["quota"] == json!("imports.open");
        assert_eq!(refused, n == 5, "{payload:#}");
    }
}
