//! The world of the matrix: a centre with two branches, everybody who calls, and what each of them calls about.

use horae::{
    auth::{Actor, BuiltinRole},
    domain::booking::book,
    schema::id::Kind,
};
use sea_orm::Value as Sql;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    audit::rows::World,
    booking::Clinic,
    support::{
        app::{Client, TestApp},
        fixtures::Booking,
    },
};

/// What a call is about: a column of a branch, and what is in it.
#[derive(Clone, Debug)]
pub struct Place {
    pub branch: Uuid,
    pub professional: Uuid,
    pub rooms: Vec<Uuid>,
    pub equipment: Uuid,
    /// An appointment ahead, and when it starts.
    pub appointment: Uuid,
    pub start: String,
    /// Somebody who works in the branch.
    pub user: Uuid,
    /// Somebody who comes to that column and to no other, and somebody with the same telephone number who does too.
    pub patient: Uuid,
    pub twin: Uuid,
}

/// By what somebody is known.
#[derive(Clone, Debug)]
pub enum Credential {
    User(Uuid),
    Key(String),
    Nobody,
}

/// Somebody who calls.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The column in the table.
    pub code: &'static str,
    pub credential: Credential,
    /// The own column or branch; none: there is nothing of the agenda that is the caller's own.
    pub own: Option<Place>,
    /// What the API says that the caller may.
    pub permissions: Vec<String>,
}

/// Whose things a call is about.
#[derive(Clone, Copy)]
pub enum About<'a> {
    /// Nobody's who calls.
    Others,
    /// The caller's.
    Own(&'a Caller),
}

pub struct Stage {
    pub world: World,
    pub callers: Vec<Caller>,
    pub others: Place,
    /// A job in the background, of nobody who calls.
    pub job: Uuid,
}

/// Credentials that hold no more.
pub const DEAD: [&str; 2] = ["EXP", "REV"];

/// Permissions that keys hold alone.
const SINGLE: [(&str, &str); 8] = [
    ("KAR", "AGENDA_READ"),
    ("KOW", "AGENDA_READ_OWN"),
    ("KAW", "AGENDA_WRITE"),
    ("KPR", "PATIENT_READ"),
    ("KCW", "CONFIG_WRITE"),
    ("KUA", "USER_ADMIN"),
    ("KCR", "CRM_READ"),
    ("KAU", "AUDIT_READ"),
];

/// The built-in roles.
const ROLES: [(&str, BuiltinRole); 9] = [
    ("ADM", BuiltinRole::Administrator),
    ("MAN", BuiltinRole::Manager),
    ("REC", BuiltinRole::Receptionist),
    ("PRO", BuiltinRole::Professional),
    ("CAS", BuiltinRole::Cashier),
    ("SUP", BuiltinRole::Supervisor),
    ("TEC", BuiltinRole::Technician),
    ("OPE", BuiltinRole::Operator),
    ("PAT", BuiltinRole::Patient),
];

impl Stage {
    pub async fn open() -> Self {
        let clinic = Clinic::open().await;
        let (branch, ana, rooms) = (clinic.branch, clinic.professionals[0], clinic.rooms.clone());
        // Late enough that no reminder is due while links of mails are tried.
        let mut world = World { clinic, asker: None, used: 160 };
        let others = furnished(&mut world, branch, ana, rooms).await;
        let job = Uuid::new_v4();
        world.clinic.centre.import_job(job).await;
        let mut stage = Self { world, callers: Vec::new(), others, job };
        stage.people().await;
        stage.programs().await;
        for at in 0..stage.callers.len() {
            stage.callers[at].permissions = stage.rights(at).await;
        }
        stage.turn(About::Others);
        stage
    }

    async fn people(&mut self) {
        for (code, role) in ROLES {
            let user = self.hire(role).await;
            let own = match code {
                "PRO" => Some(self.column("Paula", user).await),
                "TEC" => Some(self.column("Teo", user).await),
                _ => None,
            };
            self.callers.push(Caller { code, credential: Credential::User(user), own, permissions: Vec::new() });
        }
        let user = self.hire(BuiltinRole::Administrator).await;
        let own = self.elsewhere().await;
        let sql = "UPDATE users SET branch_ids = ARRAY[$2] WHERE id = $1";
        self.world.clinic.centre.run(sql, vec![user.into(), own.branch.into()]).await;
        let bound = Caller { code: "BRA", credential: Credential::User(user), own: Some(own), permissions: Vec::new() };
        let user = self.hire(BuiltinRole::Administrator).await;
        let role = Uuid::new_v4();
        let sql =
            "INSERT INTO roles (id, name, permissions, mfa_required) VALUES ($1, 'With a second factor', '{}', true)";
        self.world.clinic.centre.run(sql, vec![role.into()]).await;
        let sql = "INSERT INTO user_roles (user_id, role_id) VALUES ($1, $2)";
        self.world.clinic.centre.run(sql, vec![user.into(), role.into()]).await;
        let pending = Caller { code: "MFA", credential: Credential::User(user), own: None, permissions: Vec::new() };
        let nobody = Caller { code: "NOB", credential: Credential::Nobody, own: None, permissions: Vec::new() };
        self.callers.extend([bound, pending, nobody]);
    }

    async fn programs(&mut self) {
        let page = self.world.clinic.app.page("alfa").await.token.unwrap();
        let mut keys = vec![("PAG", page)];
        for (code, permission) in SINGLE {
            keys.push((code, self.key(code, &[permission]).await));
        }
        let all: Vec<&str> = horae::auth::Permission::ALL.iter().map(|one| one.as_str()).collect();
        let rest: Vec<&str> =
            all.iter().copied().filter(|word| SINGLE.iter().all(|(_, single)| single != word)).collect();
        keys.push(("KXX", self.key("KXX", &rest).await));
        for code in DEAD {
            keys.push((code, self.key(code, &all).await));
        }
        let centre = &self.world.clinic.centre;
        let past = self.world.clinic.app.now() - chrono::TimeDelta::minutes(1);
        let ended = centre.run("UPDATE api_keys SET expires_at = $1 WHERE name = 'EXP'", vec![past.into()]).await
            + centre.run("UPDATE api_keys SET revoked_at = $1 WHERE name = 'REV'", vec![past.into()]).await;
        assert_eq!(ended, 2);
        self.callers.extend(keys.into_iter().map(|(code, key)| Caller {
            code,
            credential: Credential::Key(key),
            own: None,
            permissions: Vec::new(),
        }));
    }

    async fn hire(&self, role: BuiltinRole) -> Uuid {
        let client = self.world.clinic.app.user("alfa", role).await;
        self.world.clinic.app.actor_of(&client).await.id.unwrap()
    }

    async fn key(&self, name: &str, permissions: &[&str]) -> String {
        let create = "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret } }";
        let input = json!({"name": name, "permissions": permissions, "publishable": false});
        let made = self.world.clinic.admin.ok(create, json!({ "input": input })).await;
        made["createApiKey"]["secret"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
    }

    /// A professional of the others' branch who is this user.
    async fn column(&mut self, name: &str, user: Uuid) -> Place {
        let (branch, rooms) = (self.others.branch, self.others.rooms.clone());
        let centre = &self.world.clinic.centre;
        let professional = centre.professional(name, branch).await;
        centre.works(professional, branch, &[(1..=7, "08:00", "20:00")]).await;
        centre.is_user(professional, user).await;
        furnished(&mut self.world, branch, professional, rooms).await
    }

    async fn elsewhere(&mut self) -> Place {
        let centre = &self.world.clinic.centre;
        let branch = centre.branch("Valdivia", "America/Santiago").await;
        centre.opens(branch, &[(1..=7, "08:00", "20:00")]).await;
        let vera = centre.professional("Vera", branch).await;
        centre.works(vera, branch, &[(1..=7, "08:00", "20:00")]).await;
        let rooms = vec![centre.room("Sala 1", branch, 1).await];
        furnished(&mut self.world, branch, vera, rooms).await
    }

    async fn rights(&self, at: usize) -> Vec<String> {
        let caller = &self.callers[at];
        if matches!(caller.code, "MFA" | "NOB" | "PAG") || DEAD.contains(&caller.code) {
            return Vec::new();
        }
        let viewer = self.client(caller).await.ok("{ viewer { permissions { code } } }", json!({})).await;
        let list = viewer["viewer"]["permissions"].as_array().unwrap();
        list.iter().map(|one| one["code"].as_str().unwrap().to_owned()).collect()
    }
}

/// A column with an appointment whose booking came from an address.
async fn furnished(world: &mut World, branch: Uuid, professional: Uuid, rooms: Vec<Uuid>) -> Place {
    (world.clinic.branch, world.clinic.professionals) = (branch, vec![professional]);
    world.clinic.rooms.clone_from(&rooms);
    let start = world.start();
    let equipment = world.clinic.centre.equipment("Equipo", branch).await;
    let (_, _, user) = world.colleague().await;
    let clinic = &world.clinic;
    let desk = Actor { ip: Some([203, 0, 113, 9].into()), ..clinic.actor.as_ref().clone() };
    let booking = clinic.booking(professional, start.parse().unwrap());
    let appointment = book::run(&clinic.app.app.cx, &desk, booking).await.unwrap().id;
    let mut patients = Vec::new();
    for name in ["Una", "Otra"] {
        let patient = clinic.centre.patient(name, "Propia").await;
        let booking = Booking::new(branch, patient, clinic.treatment, "2026-01-05T12:00:00Z", 30).with(professional);
        let start = booking.start + chrono::TimeDelta::minutes(30 * i64::try_from(patients.len()).unwrap());
        clinic.centre.book(Booking { start, ..booking.status("COMPLETED") }).await;
        patients.push(patient);
    }
    let (patient, twin) = (patients[0], patients[1]);
    let sql = "UPDATE patients SET phones = ARRAY[$3] WHERE id IN ($1, $2)";
    let phone = format!("+569{:08}", patient.as_u128() % 100_000_000);
    clinic.centre.run(sql, vec![patient.into(), twin.into(), phone.into()]).await;
    Place { branch, professional, rooms, equipment, appointment, start, user, patient, twin }
}

impl Stage {
    pub fn app(&self) -> &TestApp {
        &self.world.clinic.app
    }

    pub fn id(&self, kind: Kind, id: Uuid) -> Value {
        self.world.clinic.id(kind, id)
    }

    /// Makes everything that is made from now on in that place.
    pub fn turn(&mut self, about: About<'_>) -> Place {
        let place = match about {
            About::Own(Caller { own: Some(own), .. }) => own.clone(),
            About::Own(_) | About::Others => self.others.clone(),
        };
        self.world.clinic.branch = place.branch;
        self.world.clinic.professionals = vec![place.professional];
        self.world.clinic.rooms.clone_from(&place.rooms);
        place
    }

    /// Makes what is made from now on for this caller, where it is for one alone.
    pub async fn asked_by(&mut self, caller: &Caller) {
        self.world.asker = match &caller.credential {
            Credential::User(user) => Some(*user),
            Credential::Key(_) => {
                let centre = &self.world.clinic.centre;
                let tx = centre.cx.read(&centre.system).await.unwrap();
                let sql = "SELECT id FROM api_keys WHERE name = $1";
                let key: Option<Uuid> = tx.scalar(sql, [caller.code.into()]).await.unwrap();
                tx.commit().await.unwrap();
                key
            }
            Credential::Nobody => None,
        };
    }

    /// A client with credentials that hold now. What it does to its session is nobody else's loss.
    pub async fn client(&self, caller: &Caller) -> Client {
        let token = match &caller.credential {
            Credential::Nobody => None,
            Credential::Key(key) => Some(key.clone()),
            Credential::User(user) => Some(self.login(*user).await.1),
        };
        Client { token, ..self.app().anonymous() }
    }

    /// A new session of a user, without a password, which takes long. The session and its access token.
    pub async fn login(&self, user: Uuid) -> (Uuid, String) {
        let clinic = &self.world.clinic;
        let (session, now) = (Uuid::new_v4(), clinic.app.now());
        let until = now + chrono::TimeDelta::minutes(10);
        let sql = "INSERT INTO sessions (id, user_id, refresh_hash, created_at, refreshed_at, expires_at) VALUES ($1, $2, $3, $4, $4, $5)";
        let hash: Sql = session.as_bytes().to_vec().into();
        clinic.centre.run(sql, vec![session.into(), user.into(), hash, now.into(), until.into()]).await;
        let tenant = clinic.centre.system.tenant.id.0;
        (session, clinic.app.app.cx.tokens.issue(tenant, user, session, now, until).unwrap())
    }

    /// As if every key had just been used, so that the task that notes it has nothing to change.
    pub async fn keys_were_used(&self) {
        let now = self.app().now();
        self.world.clinic.centre.run("UPDATE api_keys SET last_used_at = $1", vec![now.into()]).await;
    }
}
