//! Who may call what: one line per operation, written by hand. It is what was decided, not what the code computes.
//!
//! **A new operation needs** a line in [`TABLE`], under its type and in the order of the contract, and an arm in
//! [`reads::call`](super::reads::call) (a query, a subscription's is in [`streams`](super::streams), a field with `@auth`)
//! or in [`changes::call`](super::changes::call) (a mutation; one that the audit trail's test knows how to send needs no
//! arm of its own). A field below the root has a line when it has an `@auth`, under the name of its type.
//!
//! A line has a cell for each caller of its header:
//!
//! | cell  | means | and is tried by |
//! |-------|-------|-----------------|
//! | `ADM` | allowed | a call that succeeds, and for a list shows what it is about |
//! | `pro` | allowed for the own only: the own column, the own branch, in what is a person's the own person | a call about another's, which is FORBIDDEN, NOT_FOUND or not shown, and one about the own, which succeeds |
//! | `---` | refused: no login, or none of the permissions in `@auth` | FORBIDDEN, without a login of staff UNAUTHENTICATED |
//! | `xxx` | refused for another reason than permissions: this is for people, for pages, for staff, for the whole centre | the same |
//!
//! What was refused has changed nothing in the database. Keys that expired or were revoked (`EXP`, `REV`) have no column,
//! because they are UNAUTHENTICATED everywhere; they are called too. A line `name/variant` calls an operation in a second
//! way.
//!
//! Callers: the nine built-in roles by their first letters, the professional and the technician with a column of their own
//! each. `BRA` is an administrator of another branch only. `MFA` may everything, once there is a second factor, and there is
//! none. `NOB` is nobody, `PAG` a booking page. `K..` are keys with one permission: AR AGENDA_READ, OW AGENDA_READ_OWN, AW
//! AGENDA_WRITE, PR PATIENT_READ, CW CONFIG_WRITE, UA USER_ADMIN, CR CRM_READ, AU AUDIT_READ; `KXX` has all others.

use super::cell::Cell;

const TABLE: &str = "
[Query]                     ADM MAN REC PRO CAS SUP TEC OPE PAT BRA MFA NOB PAG KAR KOW KAW KPR KCW KUA KCR KAU KXX
agenda                      ADM MAN REC pro CAS SUP tec OPE --- bra --- --- --- KAR kow --- --- --- --- --- --- ---
apiKeys                     ADM --- --- --- --- --- --- --- --- xxx --- --- --- --- --- --- --- --- KUA --- --- ---
appointment                 ADM MAN REC pro CAS SUP tec OPE --- bra --- --- --- KAR kow --- --- --- --- --- --- ---
appointments                ADM MAN REC pro CAS SUP tec OPE --- bra --- --- --- KAR kow --- --- --- --- --- --- ---
auditEntries                ADM MAN --- --- --- --- --- --- --- xxx --- --- --- --- --- --- --- --- --- --- KAU ---
availability                ADM MAN REC pro CAS SUP tec OPE --- bra --- --- --- KAR kow --- --- --- --- --- --- ---
branches                    ADM MAN REC PRO CAS SUP TEC OPE xxx bra --- --- --- KAR KOW KAW KPR KCW KUA KCR KAU KXX
emailMessages               ADM MAN REC --- CAS SUP --- OPE --- bra --- --- --- KAR --- --- --- --- --- KCR --- ---
equipment                   ADM MAN REC PRO CAS SUP TEC OPE xxx bra --- --- --- KAR KOW KAW KPR KCW KUA KCR KAU KXX
explainUnavailable          ADM MAN REC pro CAS SUP tec OPE --- bra --- --- --- KAR kow --- --- --- --- --- --- ---
importPreview               ADM MAN REC --- --- --- --- OPE --- xxx --- --- --- --- --- --- --- --- --- --- --- KXX
job                         ADM MAN REC xxx xxx xxx xxx OPE xxx xxx --- --- --- xxx xxx xxx xxx xxx xxx xxx xxx KXX
node                        ADM MAN REC pro CAS SUP tec OPE xxx bra --- --- --- KAR kow xxx xxx xxx xxx xxx xxx xxx
nodes                       ADM MAN REC pro CAS SUP tec OPE xxx bra --- --- --- KAR kow xxx xxx xxx xxx xxx xxx xxx
patient                     ADM MAN REC pro CAS SUP --- OPE --- bra --- --- --- --- --- --- KPR --- --- --- --- ---
patientCategories           ADM MAN REC PRO CAS SUP --- OPE --- BRA --- --- --- --- --- --- KPR --- --- --- --- ---
patientDuplicates           ADM MAN REC pro CAS SUP --- OPE --- bra --- --- --- --- --- --- KPR --- --- --- --- ---
patientFields               ADM MAN REC PRO CAS SUP TEC OPE xxx BRA --- --- --- KAR KOW KAW KPR KCW KUA KCR KAU KXX
patients                    ADM MAN REC pro CAS SUP --- OPE --- bra --- --- --- --- --- --- KPR --- --- --- --- ---
professionals               ADM MAN REC PRO CAS SUP TEC OPE xxx BRA --- --- --- KAR KOW KAW KPR KCW KUA KCR KAU KXX
publicAvailability          ADM MAN REC PRO CAS SUP TEC OPE PAT BRA --- --- PAG KAR KOW KAW KPR KCW KUA KCR KAU KXX
publicBookingPage           ADM MAN REC PRO CAS SUP TEC OPE PAT BRA --- --- PAG KAR KOW KAW KPR KCW KUA KCR KAU KXX
recordTemplates             ADM --- --- PRO --- --- --- --- --- BRA --- --- --- --- --- --- --- --- --- --- --- KXX
roles                       ADM --- --- --- --- --- --- --- --- BRA --- --- --- --- --- --- --- --- KUA --- --- ---
rooms                       ADM MAN REC PRO CAS SUP TEC OPE xxx bra --- --- --- KAR KOW KAW KPR KCW KUA KCR KAU KXX
schedules                   ADM MAN REC pro CAS SUP tec OPE --- bra --- --- --- KAR kow --- --- --- --- --- --- ---
sessions                    ADM man rec pro cas sup tec ope pat bra --- --- --- kar kow kaw kpr kcw KUA kcr kau kxx
suppressions                ADM MAN REC --- --- --- --- --- --- BRA --- --- --- --- --- --- --- --- --- KCR --- ---
timeZones                   ADM MAN REC PRO CAS SUP TEC OPE PAT BRA --- --- PAG KAR KOW KAW KPR KCW KUA KCR KAU KXX
treatmentCategories         ADM MAN REC PRO CAS SUP TEC OPE xxx BRA --- --- --- KAR KOW KAW KPR KCW KUA KCR KAU KXX
treatments                  ADM MAN REC PRO CAS SUP TEC OPE xxx BRA --- --- --- KAR KOW KAW KPR KCW KUA KCR KAU KXX
users                       ADM --- --- --- --- --- --- --- --- bra --- --- --- --- --- --- --- --- KUA --- --- ---
verifyAuditChain            ADM MAN --- --- --- --- --- --- --- xxx --- --- --- --- --- --- --- --- --- --- KAU ---
viewer                      ADM MAN REC PRO CAS SUP TEC OPE PAT BRA --- --- --- KAR KOW KAW KPR KCW KUA KCR KAU KXX

[Mutation]                  ADM MAN REC PRO CAS SUP TEC OPE PAT BRA MFA NOB PAG KAR KOW KAW KPR KCW KUA KCR KAU KXX
acceptInvite                ADM MAN REC PRO CAS SUP TEC OPE PAT BRA MFA NOB PAG KAR KOW KAW KPR KCW KUA KCR KAU KXX
addScheduleException        ADM MAN REC --- --- --- --- --- --- bra --- --- --- --- --- KAW --- --- --- --- --- ---
anonymisePatient            ADM xxx --- --- --- --- --- --- --- xxx --- --- --- --- --- --- --- --- --- --- --- xxx
amendRecordEntry            ADM --- --- pro --- --- --- --- --- bra --- --- --- --- --- --- --- --- --- --- --- xxx
bookAppointment             ADM MAN REC --- --- --- --- --- --- bra --- --- --- --- --- KAW --- --- --- --- --- ---
changePassword              ADM MAN REC PRO CAS SUP TEC OPE PAT BRA --- --- --- xxx xxx xxx xxx xxx xxx xxx xxx xxx
completeMfa                 ADM MAN REC PRO CAS SUP TEC OPE PAT BRA MFA NOB PAG KAR KOW KAW KPR KCW KUA KCR KAU KXX
completeUpload              ADM MAN REC pro --- --- --- OPE --- bra --- --- --- --- --- --- --- --- --- --- --- KXX
createApiKey                ADM --- --- --- --- --- --- --- --- xxx --- --- --- --- --- --- --- --- xxx --- --- ---
createPatient               ADM MAN REC --- --- --- --- OPE --- BRA --- --- --- --- --- --- --- --- --- --- --- KXX
deactivateResource          ADM MAN --- --- --- --- --- --- --- bra --- --- --- --- --- --- --- KCW --- --- --- ---
disableMfa                  ADM man rec pro cas sup tec ope pat bra --- --- --- kar kow kaw kpr kcw KUA kcr kau kxx
enrolMfa                    ADM MAN REC PRO CAS SUP TEC OPE PAT BRA MFA --- --- xxx xxx xxx xxx xxx xxx xxx xxx xxx
exportPatientData           ADM MAN REC --- --- --- --- OPE --- BRA --- --- --- --- --- --- --- --- --- --- --- xxx
holdSlot                    ADM MAN REC --- --- --- --- --- --- bra --- --- PAG --- --- KAW --- --- --- --- --- ---
importPatients              ADM MAN REC --- --- --- --- OPE --- xxx --- --- --- --- --- --- --- --- --- --- --- KXX
inviteUser                  ADM --- --- --- --- --- --- --- --- bra --- --- --- --- --- --- --- --- KUA --- --- ---
issueCapability             ADM MAN REC pro CAS SUP tec OPE --- bra --- --- --- KAR kow --- --- --- --- --- --- ---
issueCapability/appointment ADM MAN REC --- --- --- --- --- --- bra --- --- --- --- --- --- --- --- --- --- --- ---
login                       ADM MAN REC PRO CAS SUP TEC OPE PAT BRA MFA NOB PAG KAR KOW KAW KPR KCW KUA KCR KAU KXX
logout                      ADM MAN REC PRO CAS SUP TEC OPE PAT BRA MFA --- --- KAR KOW KAW KPR KCW KUA KCR KAU KXX
mergePatients               ADM MAN --- --- --- --- --- --- --- BRA --- --- --- --- --- --- --- --- --- --- --- KXX
patientCancel               ADM MAN REC PRO CAS SUP TEC OPE PAT BRA MFA NOB PAG KAR KOW KAW KPR KCW KUA KCR KAU KXX
patientConfirm              ADM MAN REC PRO CAS SUP TEC OPE PAT BRA MFA NOB PAG KAR KOW KAW KPR KCW KUA KCR KAU KXX
publicBook                  xxx xxx xxx xxx xxx xxx xxx xxx xxx xxx --- --- PAG xxx xxx xxx xxx xxx xxx xxx xxx xxx
redeemCapability            ADM MAN REC PRO CAS SUP TEC OPE PAT BRA MFA NOB PAG KAR KOW KAW KPR KCW KUA KCR KAU KXX
refreshSession              ADM MAN REC PRO CAS SUP TEC OPE PAT BRA MFA NOB PAG KAR KOW KAW KPR KCW KUA KCR KAU KXX
releaseHold                 ADM MAN REC --- --- --- --- --- --- bra --- --- PAG --- --- KAW --- --- --- --- --- ---
removeScheduleException     ADM MAN REC --- --- --- --- --- --- bra --- --- --- --- --- KAW --- --- --- --- --- ---
requestPasswordReset        ADM MAN REC PRO CAS SUP TEC OPE PAT BRA MFA NOB PAG KAR KOW KAW KPR KCW KUA KCR KAU KXX
requestUpload               ADM MAN REC pro --- --- --- OPE --- bra --- --- --- --- --- --- --- --- --- --- --- KXX
requestUpload/import        ADM MAN REC xxx --- --- --- OPE --- xxx --- --- --- --- --- --- --- --- --- --- --- KXX
rescheduleAppointment       ADM MAN REC --- --- --- --- --- --- bra --- --- --- --- --- kaw --- --- --- --- --- ---
resendEmail                 ADM MAN REC --- --- --- --- --- --- bra --- --- --- --- --- KAW --- --- --- --- --- ---
resetPassword               ADM MAN REC PRO CAS SUP TEC OPE PAT BRA MFA NOB PAG KAR KOW KAW KPR KCW KUA KCR KAU KXX
revokeApiKey                ADM --- --- --- --- --- --- --- --- xxx --- --- --- --- --- --- --- --- KUA --- --- ---
revokeCapability            ADM MAN REC pro CAS SUP tec OPE --- bra --- --- --- KAR kow --- --- --- --- --- --- ---
revokeSession               ADM man rec pro cas sup tec ope pat bra --- --- --- kar kow kaw kpr kcw KUA kcr kau kxx
saveRecordEntry             ADM --- --- pro --- --- --- --- --- bra --- --- --- --- --- --- --- --- --- --- --- xxx
setPatientFields            ADM MAN --- --- --- --- --- --- --- xxx --- --- --- --- --- --- --- KCW --- --- --- ---
signRecordEntry             ADM --- --- pro --- --- --- --- --- bra --- --- --- --- --- --- --- --- --- --- --- xxx
transitionAppointment       ADM MAN REC pro cas sup tec ope --- bra --- --- --- kar kow kaw --- --- --- --- --- ---
updatePatient               ADM MAN REC --- --- --- --- OPE --- BRA --- --- --- --- --- --- --- --- --- --- --- KXX
updateTenantProfile         ADM MAN --- --- --- --- --- --- --- xxx --- --- --- --- --- --- --- KCW --- --- --- ---
updateUser                  ADM --- --- --- --- --- --- --- --- bra --- --- --- --- --- --- --- --- KUA --- --- ---
upsertBranch                ADM MAN --- --- --- --- --- --- --- bra --- --- --- --- --- --- --- KCW --- --- --- ---
upsertEquipment             ADM MAN --- --- --- --- --- --- --- bra --- --- --- --- --- --- --- KCW --- --- --- ---
upsertPatientCategory       ADM MAN --- --- --- --- --- --- --- xxx --- --- --- --- --- --- --- KCW --- --- --- ---
upsertProfessional          ADM MAN --- --- --- --- --- --- --- xxx --- --- --- --- --- --- --- KCW --- --- --- ---
upsertRecordTemplate        ADM --- --- --- --- --- --- --- --- xxx --- --- --- --- --- --- --- --- --- --- --- KXX
upsertRole                  ADM --- --- --- --- --- --- --- --- xxx --- --- --- --- --- --- --- --- KUA --- --- ---
upsertRoom                  ADM MAN --- --- --- --- --- --- --- bra --- --- --- --- --- --- --- KCW --- --- --- ---
upsertSchedule              ADM MAN --- --- --- --- --- --- --- bra --- --- --- --- --- --- --- KCW --- --- --- ---
upsertTreatment             ADM MAN --- --- --- --- --- --- --- xxx --- --- --- --- --- --- --- KCW --- --- --- ---
upsertTreatmentCategory     ADM MAN --- --- --- --- --- --- --- xxx --- --- --- --- --- --- --- KCW --- --- --- ---
voidRecordEntry             ADM --- --- pro --- --- --- --- --- bra --- --- --- --- --- --- --- --- --- --- --- xxx

[Subscription]              ADM MAN REC PRO CAS SUP TEC OPE PAT BRA MFA NOB PAG KAR KOW KAW KPR KCW KUA KCR KAU KXX
agendaChanged               ADM MAN REC pro CAS SUP tec OPE --- bra --- --- --- KAR kow --- --- --- --- --- --- ---
bookingReceived             ADM MAN REC pro CAS SUP tec OPE --- bra --- --- --- KAR kow --- --- --- --- --- --- ---
jobProgress                 ADM MAN REC xxx xxx xxx xxx OPE xxx xxx --- --- --- xxx xxx xxx xxx xxx xxx xxx xxx KXX

[Appointment]               ADM MAN REC PRO CAS SUP TEC OPE PAT BRA MFA NOB PAG KAR KOW KAW KPR KCW KUA KCR KAU KXX
emails                      ADM MAN REC --- CAS SUP --- OPE --- bra --- --- --- KAR --- --- --- --- --- --- --- ---
patient                     ADM MAN REC pro CAS SUP --- OPE --- bra --- --- --- --- --- --- --- --- --- --- --- ---

[Patient]                   ADM MAN REC PRO CAS SUP TEC OPE PAT BRA MFA NOB PAG KAR KOW KAW KPR KCW KUA KCR KAU KXX
record                      ADM --- --- pro --- --- --- --- --- bra --- --- --- --- --- --- --- --- --- --- --- ---

[AuditEntry]                ADM MAN REC PRO CAS SUP TEC OPE PAT BRA MFA NOB PAG KAR KOW KAW KPR KCW KUA KCR KAU KXX
ip                          ADM MAN --- --- --- --- --- --- --- xxx --- --- --- --- --- --- --- --- --- --- --- ---

";

/// One line.
pub struct Line {
    /// `Query.agenda`, without the variant.
    pub field: String,
    /// The same with the variant.
    pub name: String,
    /// In the order of the header.
    pub cells: Vec<(&'static str, Cell)>,
}

impl Line {
    /// `Query`, `Mutation`, `Subscription`, or the type of a field below the root.
    pub fn parent(&self) -> &str {
        self.field.split('.').next().unwrap()
    }

    /// Whether it is no operation but a field of an object.
    pub fn is_below_the_root(&self) -> bool {
        !matches!(self.parent(), "Query" | "Mutation" | "Subscription")
    }

    /// What is called, without its type.
    pub fn operation(&self) -> &str {
        self.field.split('.').nth(1).unwrap()
    }

    pub fn cell(&self, caller: &str) -> Cell {
        self.cells.iter().find(|(code, _)| *code == caller).unwrap_or_else(|| panic!("no column {caller}")).1
    }
}

/// The codes of the callers, in the order of the header.
pub fn header() -> Vec<&'static str> {
    let first = TABLE.lines().find(|line| line.starts_with('[')).unwrap();
    first.split_whitespace().skip(1).collect()
}

/// Names of operations, with commas between, to which the calls are narrowed: `bookAppointment,agenda`.
const ONLY: &str = "HORAE_TEST_OPERATIONS";

/// The lines to try of those that `of` chooses: all, unless [`ONLY`] names operations. None: it names none of these.
pub fn tried(of: impl Fn(&Line) -> bool) -> Option<Vec<Line>> {
    let chosen = |lines: Vec<Line>| -> Vec<Line> { lines.into_iter().filter(&of).collect() };
    let Ok(only) = std::env::var(ONLY) else { return Some(chosen(lines())) };
    let named: Vec<Vec<Line>> = only.split(',').map(operation).collect();
    assert!(named.iter().all(|lines| !lines.is_empty()), "{ONLY} names an operation that is none: {only}");
    Some(chosen(named.into_iter().flatten().collect())).filter(|lines| !lines.is_empty())
}

fn operation(name: &str) -> Vec<Line> {
    lines().into_iter().filter(|line| line.operation() == name).collect()
}

/// All lines.
pub fn lines() -> Vec<Line> {
    let header = header();
    let mut parent = "";
    let mut lines = Vec::new();
    for text in TABLE.lines().filter(|text| !text.trim().is_empty()) {
        let mut words = text.split_whitespace();
        let name = words.next().unwrap();
        let cells: Vec<&str> = words.collect();
        if let Some(title) = name.strip_prefix('[') {
            parent = title.trim_end_matches(']');
            assert_eq!(cells, header, "every header names the same callers: {text}");
            continue;
        }
        assert_eq!(cells.len(), header.len(), "a cell for each caller: {text}");
        let cell = |(code, word): (&&'static str, &&str)| (*code, Cell::parse(code, word, text));
        let field = format!("{parent}.{}", name.split('/').next().unwrap());
        lines.push(Line {
            field,
            name: format!("{parent}.{name}"),
            cells: header.iter().zip(&cells).map(cell).collect(),
        });
    }
    lines
}
