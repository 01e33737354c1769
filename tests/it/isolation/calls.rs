//! How each operation that takes a word is called so that it succeeds. One line for a new one.

use serde_json::{Value, json};

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Admin,
    Page,
    Anonymous,
}

/// A call that succeeds. Texts like `#branch` are words that [`super::house::House`] makes.
pub(super) struct Call {
    pub(super) operation: &'static str,
    pub(super) who: Who,
    pub(super) variables: Value,
    /// Of an operation that is no root field: a document, and where in its answer the field is.
    pub(super) within: Option<(&'static str, &'static str)>,
    /// Why even this is refused.
    pub(super) refused: Option<&'static str>,
    /// Why the words at the places that it alone reaches make no difference.
    pub(super) unread: Option<&'static str>,
    /// Names a centre instead of being called in one: what it does there is what it is for.
    pub(super) opens: bool,
}

fn call(operation: &'static str, variables: Value) -> Call {
    Call { operation, who: Who::Admin, variables, within: None, refused: None, unread: None, opens: false }
}

fn input(operation: &'static str, variables: &Value) -> Call {
    call(operation, json!({ "input": variables }))
}

impl Call {
    fn by(self, who: Who) -> Self {
        Self { who, ..self }
    }

    fn within(self, document: &'static str, at: &'static str) -> Self {
        Self { within: Some((document, at)), ..self }
    }

    fn refused(self, why: &'static str) -> Self {
        Self { refused: Some(why), ..self }
    }

    fn unread(self, why: &'static str) -> Self {
        Self { unread: Some(why), ..self }
    }

    fn opens(self) -> Self {
        Self { opens: true, ..self }
    }
}

const GOOD: &str = crate::identity::people::GOOD;

/// Every call. An operation may have several, for places that exclude each other. Cursors of lists (`after`, `before`)
/// are added where they belong.
pub(super) fn calls() -> Vec<Call> {
    let mut all = queries();
    all.extend(subscriptions());
    all.extend(centre());
    all.extend(agenda());
    all.extend(identity());
    all.extend(portability());
    all.extend(files());
    all.extend(record());
    all
}

fn files() -> Vec<Call> {
    let announced = json!({"ownerId": "#patient", "fileName": "a.txt", "mimeType": "text/plain", "sizeBytes": 4});
    vec![
        call("completeUpload", json!({"attachmentId": "#upload", "sha256": crate::audit::files::FILE_HASH})),
        input("requestUpload", &announced),
    ]
}

/// Somebody of whom more is said than a booking may say.
fn newcomer() -> Value {
    json!({
        "givenNames": "Nora", "email": "nora@example.com", "usualProfessionalId": "#professional",
        "categoryId": "#patientCategory", "guardianIds": ["#patient"],
    })
}

fn queries() -> Vec<Call> {
    let day = json!({"from": "2026-07-14T00:00:00-04:00", "to": "2026-08-14T00:00:00-04:00"});
    let resources = json!({"first": 2, "filter": {"branchId": "#branch", "treatmentId": "#treatment"}});
    let slots = json!({
        "branchId": "#branch", "treatmentIds": ["#treatment"], "professionalId": "#professional", "roomId": "#room",
        "range": day, "limit": 3,
    });
    let wanted = json!({
        "idempotencyKey": "#key", "branchId": "#branch", "patientId": "#patient",
        "items": [{"treatmentId": "#treatment", "professionalId": "#professional", "roomId": "#room", "start": "#start"}],
    });
    vec![
        call("agenda", json!({"branchId": "#branch", "from": "2026-07-14", "to": "2026-07-14", "groupBy": "PROFESSIONAL"})),
        call("apiKeys", json!({"first": 2})),
        call("appointment", json!({"id": "#appointment"})),
        call("Appointment.history", json!({"id": "#mailed", "first": 2})).within(
            "query($id: ID!, $first: Int, $after: String, $last: Int, $before: String) { appointment(id: $id) {
                 history(first: $first, after: $after, last: $last, before: $before) { nodes { id } pageInfo { endCursor } } } }",
            "/appointment/history",
        ),
        call("Branch.professionals", json!({"id": "#appointment", "first": 2})).within(
            "query($id: ID!, $first: Int, $after: String, $last: Int, $before: String) { appointment(id: $id) { branch {
                 professionals(first: $first, after: $after, last: $last, before: $before) { nodes { id } pageInfo { endCursor } } } } }",
            "/appointment/branch/professionals",
        ),
        call("Branch.rooms", json!({"id": "#appointment", "first": 2})).within(
            "query($id: ID!, $first: Int, $after: String, $last: Int, $before: String) { appointment(id: $id) { branch {
                 rooms(first: $first, after: $after, last: $last, before: $before) { nodes { id } pageInfo { endCursor } } } } }",
            "/appointment/branch/rooms",
        ),
        call("appointments", json!({
            "first": 2, "filter": {"branchId": "#branch", "patientId": "#patient", "resourceId": "#professional", "range": day},
        })),
        call("auditEntries", json!({"first": 2, "filter": {"subjectId": "#any:ownRole", "actorId": "#any:admin"}})),
        input("availability", &slots),
        call("branches", json!({"first": 2})),
        call("emailMessages", json!({"first": 2, "filter": {"relatedId": "#mailed"}})),
        call("equipment", resources.clone()),
        input("explainUnavailable", &wanted),
        input("explainUnavailable", &json!({
            "idempotencyKey": "#key", "branchId": "#branch", "items": [], "slotToken": "#slot",
        })),
        input("explainUnavailable", &json!({
            "idempotencyKey": "#key", "branchId": "#branch", "items": wanted["items"], "holdId": "#hold",
        })),
        input("explainUnavailable", &json!({
            "idempotencyKey": "#key", "branchId": "#branch", "items": wanted["items"], "newPatient": newcomer(),
        })).unread("the patient plays no part in it"),
        call("importPreview", json!({"attachmentId": "#list", "mapping": {}})),
        call("job", json!({"id": "#job"})),
        call("node", json!({"id": "#any:appointment"})),
        call("nodes", json!({"ids": ["#any:appointment"]})),
        call("patient", json!({"id": "#patient"})),
        call("Patient.appointments", json!({"id": "#patient", "first": 1, "filter": {"branchId": "#branch", "resourceId": "#professional"}})).within(
            "query($id: ID!, $filter: AppointmentFilter, $first: Int, $after: String, $last: Int, $before: String) { patient(id: $id) {
                 appointments(filter: $filter, first: $first, after: $after, last: $last, before: $before) { nodes { id } pageInfo { endCursor } } } }",
            "/patient/appointments",
        ),
        call("Patient.appointments", json!({"id": "#patient", "first": 1, "filter": {"patientId": "#otherPatient"}})).within(
            "query($id: ID!, $filter: AppointmentFilter, $first: Int) { patient(id: $id) {
                 appointments(filter: $filter, first: $first) { nodes { id } pageInfo { endCursor } } } }",
            "/patient/appointments",
        ).refused("these are one patient's appointments"),
        call("patientDuplicates", json!({"id": "#patient"})),
        call("patients", json!({"first": 2, "filter": {"categoryId": "#patientCategory"}})),
        call("professionals", resources.clone()),
        call("publicAvailability", json!({"tenantSlug": "#slug", "input": slots})).by(Who::Page),
        call("publicBookingPage", json!({"tenantSlug": "#slug"})).by(Who::Page),
        call("rooms", resources),
        call("schedules", json!({"branchId": "#branch", "resourceId": "#professional"})),
        call("sessions", json!({"first": 2, "userId": "#user"})),
        call("suppressions", json!({"first": 2})),
        call("treatments", json!({"first": 2, "filter": {"branchId": "#branch", "categoryId": "#category"}})),
        call("users", json!({"first": 2, "filter": {"roleId": "#role", "branchId": "#branch"}})),
    ]
}

fn subscriptions() -> Vec<Call> {
    vec![
        call("agendaChanged", json!({"branchId": "#branch", "resourceIds": ["#professional"], "after": "#cursor"})),
        call("bookingReceived", json!({"branchIds": ["#branch"], "after": "#cursor"})),
        call("jobProgress", json!({"jobId": "#job"})),
    ]
}

fn centre() -> Vec<Call> {
    let price = json!({"amount": "9000", "currency": "CLP"});
    vec![
        call("deactivateResource", json!({"id": "#colleague", "version": 1, "reassignTo": "#professional"})),
        input("updateTenantProfile", &json!({"logoAttachmentId": "#branch"})).refused("no upload can be named yet"),
        input(
            "upsertBranch",
            &json!({"id": "#newBranch", "version": 1, "name": "Otra", "timeZone": "America/Santiago"}),
        ),
        input("upsertEquipment", &json!({"id": "#newEquipment", "version": 1, "name": "Otro", "branchId": "#branch"})),
        input(
            "upsertProfessional",
            &json!({
                "id": "#colleague", "version": 1, "name": "Berta", "branchIds": ["#branch"], "treatmentIds": ["#treatment"],
                "userId": "#user",
            }),
        ),
        input("upsertRoom", &json!({"id": "#newRoom", "version": 1, "name": "Box 2", "branchId": "#branch"})),
        input(
            "upsertTreatment",
            &json!({
                "id": "#newTreatment", "version": 1, "name": "Corte", "durationMinutes": 30, "price": price,
                "categoryId": "#category", "requirements": [{"kind": "ROOM", "quantity": 1, "anyOf": ["#room"]}],
            }),
        ),
        call("upsertTreatmentCategory", json!({"id": "#category", "name": "Dental"})),
        call(
            "createPatient",
            json!({"idempotencyKey": "#key", "input": {
                "givenNames": "Nora", "usualProfessionalId": "#professional", "categoryId": "#patientCategory", "guardianIds": ["#patient"],
            }}),
        ),
        call(
            "updatePatient",
            json!({"id": "#newPatient", "version": 1, "input": {
                "givenNames": "Nora", "usualProfessionalId": "#professional", "categoryId": "#patientCategory", "guardianIds": ["#patient"],
            }}),
        ),
        call("mergePatients", json!({"idempotencyKey": "#key", "keepId": "#newPatient", "mergeId": "#otherPatient"})),
        call("upsertPatientCategory", json!({"id": "#patientCategory", "name": "Club"})),
    ]
}

fn agenda() -> Vec<Call> {
    let item =
        json!({"treatmentId": "#treatment", "professionalId": "#professional", "roomId": "#room", "start": "#start"});
    let book = |more: Value| {
        let mut input = json!({"idempotencyKey": "#key", "branchId": "#branch", "patientId": "#patient", "items": []});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self::input("bookAppointment", &input)
    };
    vec![
        input(
            "addScheduleException",
            &json!({
                "branchId": "#branch", "resourceId": "#professional", "kind": "BLOCK",
                "localStart": "2026-09-01T10:00", "localEnd": "2026-09-01T11:00",
            }),
        ),
        book(json!({"items": [item]})),
        book(json!({"items": [item], "patientId": null, "newPatient": newcomer()}))
            .refused("a booking only says who the patient is"),
        book(json!({"holdId": "#hold"})),
        book(json!({"slotToken": "#slot"})),
        input("holdSlot", &json!({"idempotencyKey": "#key", "slotToken": "#slot"})),
        call("patientCancel", json!({"token": "#cancel"})).by(Who::Anonymous),
        call("patientConfirm", json!({"token": "#confirm"})).by(Who::Anonymous),
        input(
            "publicBook",
            &json!({
                "idempotencyKey": "#key", "tenantSlug": "#slug", "holdId": "#pageHold", "channel": "WEB_WIDGET",
                "acceptPolicies": true, "patient": {"givenNames": "Sara", "email": "sara@example.com"},
            }),
        )
        .by(Who::Page),
        input(
            "publicBook",
            &json!({
                "idempotencyKey": "#key", "tenantSlug": "#slug", "holdId": "#pageHold", "channel": "WEB_WIDGET",
                "acceptPolicies": true, "patient": newcomer(),
            }),
        )
        .by(Who::Page)
        .refused("a booking only says who the patient is"),
        call("releaseHold", json!({"appointmentId": "#hold"})),
        call("removeScheduleException", json!({"id": "#exception"})),
        input(
            "rescheduleAppointment",
            &json!({
                "idempotencyKey": "#key", "appointmentId": "#mailed", "version": 1, "items": [item],
            }),
        ),
        call("resendEmail", json!({"id": "#email", "idempotencyKey": "#key"})),
        call("transitionAppointment", json!({"id": "#mailed", "version": 1, "to": "CONFIRMED"})),
        input(
            "upsertSchedule",
            &json!({
                "id": "#schedule", "version": 1, "resourceId": "#scheduled", "branchId": "#branch", "name": "Otro",
                "windows": [{"day": "MON", "start": "09:00", "end": "13:00"}],
            }),
        ),
    ]
}

fn portability() -> Vec<Call> {
    vec![
        call("anonymisePatient", json!({"patientId": "#stranger", "reason": "asked for it"})),
        call("exportPatientData", json!({"patientId": "#patient"})),
        call("importPatients", json!({"attachmentId": "#list", "mapping": {}, "idempotencyKey": "#key"})),
    ]
}

fn record() -> Vec<Call> {
    let values = json!([{"key": "note", "value": "nota"}]);
    vec![
        call("recordTemplates", json!({"first": 2})),
        call("ClinicalRecord.entries", json!({"id": "#appointment", "first": 2, "templateId": "#form"})).within(
            "query($id: ID!, $templateId: ID, $first: Int, $after: String, $last: Int, $before: String) { appointment(id: $id) { patient { record {
                 entries(templateId: $templateId, first: $first, after: $after, last: $last, before: $before) { nodes { id } pageInfo { endCursor } } } } } }",
            "/appointment/patient/record/entries",
        ),
        call("ClinicalRecord.attachments", json!({"id": "#appointment", "first": 2})).within(
            "query($id: ID!, $first: Int, $after: String, $last: Int, $before: String) { appointment(id: $id) { patient { record {
                 attachments(first: $first, after: $after, last: $last, before: $before) { nodes { id } pageInfo { endCursor } } } } } }",
            "/appointment/patient/record/attachments",
        ),
        call("ClinicalRecord.accessLog", json!({"id": "#appointment", "first": 2})).within(
            "query($id: ID!, $first: Int, $after: String, $last: Int, $before: String) { appointment(id: $id) { patient { record {
                 accessLog(first: $first, after: $after, last: $last, before: $before) { nodes { id } pageInfo { endCursor } } } } } }",
            "/appointment/patient/record/accessLog",
        ),
        input("upsertRecordTemplate", &json!({"id": "#newForm", "version": 1, "name": "Otra", "fields": []})),
        input(
            "saveRecordEntry",
            &json!({
                "id": "#draft", "version": 1, "patientId": "#patient", "templateId": "#form", "appointmentId": "#appointment",
                "values": values, "attachmentIds": ["#photo"],
            }),
        ),
        call("signRecordEntry", json!({"id": "#draft", "version": 1})),
        call("voidRecordEntry", json!({"id": "#draft", "version": 1, "reason": "nada"})),
        call(
            "amendRecordEntry",
            json!({
                "id": "#signed", "reason": "nada",
                "input": {"patientId": "#patient", "templateId": "#form", "appointmentId": "#appointment", "values": values, "attachmentIds": ["#photo"]},
            }),
        ),
        call(
            "amendRecordEntry",
            json!({
                "id": "#signed", "reason": "nada",
                "input": {"id": "#draft", "version": 1, "patientId": "#patient", "templateId": "#form", "values": values},
            }),
        )
        .refused("an amendment is always new"),
    ]
}

fn identity() -> Vec<Call> {
    vec![
        call("acceptInvite", json!({"token": "#invite", "password": GOOD})).by(Who::Anonymous),
        call("completeMfa", json!({"challengeId": "#challenge", "code": "#code"})).by(Who::Anonymous),
        call("disableMfa", json!({"userId": "#secured"})),
        input("inviteUser", &json!({"email": "#mail", "name": "Eva", "roleIds": ["#role"], "branchIds": ["#branch"]})),
        input("issueCapability", &json!({"purpose": "CALENDAR_FEED", "resourceId": "#branch", "ttlSeconds": 3_600})),
        call(
            "login",
            json!({"email": "admin@alfa.test", "password": crate::support::app::PASSWORD, "tenantSlug": "#slug"}),
        )
        .by(Who::Anonymous)
        .opens(),
        call("redeemCapability", json!({"token": "#calendar"})).by(Who::Anonymous),
        call("refreshSession", json!({"refreshToken": "#refresh"})).by(Who::Anonymous),
        call("requestPasswordReset", json!({"email": "admin@alfa.test", "tenantSlug": "#slug"}))
            .by(Who::Anonymous)
            .opens(),
        call("resetPassword", json!({"token": "#reset", "newPassword": GOOD})).by(Who::Anonymous),
        call("revokeApiKey", json!({"id": "#apiKey"})),
        call("revokeCapability", json!({"id": "#capability"})),
        call("revokeSession", json!({"sessionId": "#session"})),
        input(
            "updateUser",
            &json!({
                "id": "#user", "version": "#userVersion", "name": "Eva", "roleIds": ["#role"], "branchIds": ["#branch"],
            }),
        ),
        input("upsertRole", &json!({"id": "#ownRole", "name": "Caja chica", "permissions": ["FINANCE_READ"]})),
    ]
}
