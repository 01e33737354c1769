//! A centre to measure: made by the command line and the API, as every centre is.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use crate::{
    fail::{Fail, Result},
    http::{self, Connection},
    node::Program,
};

/// A zone without summer time, so that the grid of the filled appointments is the same every day.
pub const ZONE: &str = "America/Lima";
/// Professionals and rooms of a centre.
pub const PEOPLE: usize = 12;
/// Treatments of a centre.
pub const TREATMENTS: usize = 6;

const PASSWORD: &str = "bench-password-1";

/// What is known of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Centre {
    /// Short name.
    pub slug: String,
    /// Its schema.
    pub schema: String,
    /// The branch, as the API calls it …
    pub branch: String,
    /// … and as the database does.
    pub branch_key: Uuid,
    /// A treatment of 30 minutes that needs a professional and a room, as the API calls it.
    pub treatment: String,
    /// As the database calls them.
    pub treatment_keys: Vec<Uuid>,
    /// As the API calls them.
    pub professionals: Vec<String>,
    /// As the database calls them.
    pub professional_keys: Vec<Uuid>,
    /// As the database calls them.
    pub room_keys: Vec<Uuid>,
}

/// The API, on behalf of a centre's administrator.
pub struct Desk {
    connection: Connection,
    /// The administrator's access token.
    pub token: String,
}

impl Desk {
    /// Logs in.
    pub async fn open(address: SocketAddr, slug: &str) -> Result<Self> {
        const LOGIN: &str = "mutation($email: EmailAddress!, $password: String!, $slug: String!) {
            login(email: $email, password: $password, tenantSlug: $slug) { tokens { accessToken } userErrors { code message } } }";
        let mut connection = Connection::open(address).await?;
        let variables = json!({"email": email(slug), "password": PASSWORD, "slug": slug});
        let answer = http::data(connection.call(&http::graphql(None, LOGIN, &variables)).await?.body)?;
        let token = answer.pointer("/login/tokens/accessToken").and_then(Value::as_str);
        let token = token.ok_or_else(|| Fail::new("no access token after a login"))?.to_owned();
        Ok(Self { connection, token })
    }

    /// The data that a document is answered with.
    pub async fn call(&mut self, document: &str, variables: &Value) -> Result<Value> {
        let request = http::graphql(Some(&self.token), document, variables);
        http::data(self.connection.call(&request).await?.body)
    }

    /// The id that a mutation of `kind` answers with.
    async fn id(&mut self, kind: &str, input: Value) -> Result<String> {
        let field = kind.to_lowercase();
        let document = format!(
            "mutation($input: {kind}Input!) {{ upsert{kind}(input: $input) {{ {field} {{ id }} userErrors {{ code message field }} }} }}"
        );
        let answer = self.call(&document, &json!({ "input": input })).await?;
        let id = answer.pointer(&format!("/upsert{kind}/{field}/id")).and_then(Value::as_str);
        id.map(str::to_owned).ok_or_else(|| Fail::new(format!("upsert{kind} answered without an id")))
    }
}

fn email(slug: &str) -> String {
    format!("admin@{slug}.example")
}

fn week(start: &str, end: &str) -> Value {
    ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]
        .iter()
        .map(|day| json!({"day": day, "start": start, "end": end}))
        .collect()
}

/// Creates the centre, its branch, people, rooms and treatments.
pub async fn create(program: &Program, address: SocketAddr, admin: &mut PgConnection, slug: &str) -> Result<Centre> {
    let (mail, name) = (email(slug), format!("Centro {slug}"));
    let arguments = [
        "tenant",
        "create",
        slug,
        "--name",
        &name,
        "--country",
        "PE",
        "--currency",
        "PEN",
        "--zone",
        ZONE,
        "--admin-email",
        &mail,
        "--password-stdin",
    ];
    program.run(&arguments, &format!("{PASSWORD}\n")).await?;
    let mut desk = Desk::open(address, slug).await?;
    let branch = desk
        .id("Branch", json!({"name": "Miraflores", "timeZone": ZONE, "openingHours": week("08:00", "21:00")}))
        .await?;
    let requirements = json!([{"kind": "PROFESSIONAL", "quantity": 1}, {"kind": "ROOM", "quantity": 1}]);
    let mut treatments = Vec::new();
    for number in 1..=TREATMENTS {
        let price = json!({"amount": "120.00", "currency": "PEN"});
        let input = json!({"name": format!("Consulta {number}"), "durationMinutes": 30, "price": price, "requirements": requirements});
        treatments.push(desk.id("Treatment", input).await?);
    }
    let mut professionals = Vec::new();
    for number in 1..=PEOPLE {
        desk.id("Room", json!({"branchId": branch, "name": format!("Consultorio {number:02}")})).await?;
        let input = json!({"name": format!("Profesional {number:02}"), "branchIds": [branch], "specialties": ["Medicina general"]});
        let professional = desk.id("Professional", input).await?;
        let windows = week("09:00", "20:00");
        desk.id(
            "Schedule",
            json!({"resourceId": professional, "branchId": branch, "name": "Horario", "windows": windows}),
        )
        .await?;
        professionals.push(professional);
    }
    let schema: String = sqlx::query_scalar("SELECT schema_name FROM catalogue.tenants WHERE slug = $1")
        .bind(slug)
        .fetch_one(&mut *admin)
        .await?;
    let keys = async |admin: &mut PgConnection, rest: &str| -> Result<Vec<Uuid>> {
        let sql = format!("SELECT id FROM {schema}.{rest}");
        Ok(sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(admin).await?)
    };
    let branch_keys = keys(admin, "branches").await?;
    Ok(Centre {
        slug: slug.to_owned(),
        branch,
        branch_key: branch_keys.first().copied().unwrap_or_default(),
        treatment: treatments.first().cloned().unwrap_or_default(),
        treatment_keys: keys(admin, "treatments ORDER BY name").await?,
        professionals,
        professional_keys: keys(admin, "resources WHERE kind = 'PROFESSIONAL' ORDER BY name").await?,
        room_keys: keys(admin, "resources WHERE kind = 'ROOM' ORDER BY name").await?,
        schema,
    })
}
