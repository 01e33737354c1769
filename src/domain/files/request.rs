//! Announces a file: reserves its place and gives a ticket to send its bytes with.

use chrono::{DateTime, Duration, Utc};

use super::{FileRules, FileType, Owner, model, name, owner};
use crate::{
    auth::{Actor, word},
    db::TenantTx,
    domain::{
        change::{Change, Changes},
        cx::Cx,
        facts::{facts, masked},
        identity::capability::{NewToken, Purpose, put},
        patients::query::kept,
        refusal::{Code, Detail, Failure, Refusal},
    },
};
use uuid::Uuid;

/// How long a ticket is good for.
const TICKET_TTL: Duration = Duration::minutes(15);

/// Name of the quota of files.
pub const FILES_PER_OWNER: &str = "files.per_owner";
/// Name of the quota of storage; it counts mebibytes.
pub const STORAGE: &str = "files.storage_mib";

/// A file to come.
#[derive(Clone, Debug)]
pub struct Announced {
    /// Whose it will be; none: there is no such owner.
    pub owner: Option<Owner>,
    /// Its name, for people.
    pub file_name: String,
    /// Its media type.
    pub mime_type: String,
    /// Its exact size.
    pub size_bytes: i32,
    /// Its SHA-256 in hexadecimal, if it is known already.
    pub sha256: Option<String>,
}

/// What a client sends the bytes with.
#[derive(Clone)]
pub struct Ticket {
    /// The file's id.
    pub attachment: Uuid,
    /// The secret word of the address that takes the bytes.
    pub word: String,
    /// Until when.
    pub expires_at: DateTime<Utc>,
    /// The type they are to be sent as.
    pub kind: FileType,
    /// Their exact number.
    pub size_bytes: i32,
}

struct Checked {
    kind: FileType,
    file_name: String,
    sha256: Option<Vec<u8>>,
}

/// Announces it.
///
/// # Errors
/// FORBIDDEN, NOT_FOUND, INVALID, FILE_TOO_LARGE, FILE_TYPE_NOT_ALLOWED, QUOTA_EXCEEDED; faults of the database.
pub async fn run(cx: &Cx, actor: &Actor, input: &Announced) -> Result<Ticket, Failure> {
    owner::require_write(actor)?;
    let checked = validate(&cx.file_rules, input)?;
    let now = cx.now();
    let tx = cx.write(actor).await?;
    let owner = input.owner.ok_or_else(|| Refusal::not_found("ownerId"))?;
    owner::writable(&tx, actor, owner, "ownerId").await?;
    // An old id of a patient who was merged leads to the one who was kept.
    let owner = match owner {
        Owner::Patient(id) => Owner::Patient(kept(&tx, id, "ownerId").await?),
        Owner::Centre => Owner::Centre,
    };
    reserve(&tx, &cx.file_rules, actor, owner, i64::from(input.size_bytes)).await?;
    let (id, expires_at) = (cx.new_id(), now + TICKET_TTL);
    let Checked { kind, file_name, sha256 } = checked;
    tx.run(
        "INSERT INTO attachments (id, patient_id, requested_by, status, file_name, mime_type, size_bytes, announced_sha256,
             expires_at, created_at)
         VALUES ($1, $2, $3, 'PENDING', $4, $5, $6, $7, $8, $9)",
        [
            id.into(),
            owner.patient().into(),
            actor.id.into(),
            file_name.clone().into(),
            kind.mime().into(),
            i64::from(input.size_bytes).into(),
            sha256.into(),
            expires_at.into(),
            now.into(),
        ],
    )
    .await?;
    let word = word::routed(word::CAPABILITY, actor.tenant.key);
    let token = NewToken { word: &word, purpose: Purpose::FileUpload, resource: id, max_uses: 1, expires_at };
    put(cx, &tx, &[token]).await?;
    let after = facts!({
        "patientId": owner.patient(), "fileName": masked(&file_name), "mimeType": kind.mime(), "sizeBytes": input.size_bytes,
        "expiresAt": expires_at,
    });
    let change = Change { after: Some(after), ..Change::audited("requestUpload", "Attachment", id) };
    cx.commit(tx, Changes::one(actor, change)).await?;
    Ok(Ticket { attachment: id, word, expires_at, kind, size_bytes: input.size_bytes })
}

fn validate(rules: &FileRules, input: &Announced) -> Result<Checked, Failure> {
    let mut refusals = Vec::new();
    let kind = FileType::parse(&input.mime_type);
    if kind.is_none() {
        let known: Vec<&str> = FileType::ALL.iter().map(|kind| kind.mime()).collect();
        let message = format!("files of this type are not taken; taken are {}", known.join(", "));
        refusals.push(Refusal::new(Code::FileTypeNotAllowed, message).at("mimeType"));
    }
    let file_name = match kind.map(|kind| name::checked(&input.file_name, kind)).transpose() {
        Ok(name) => name,
        Err(problem) => {
            refusals.push(Refusal::invalid("fileName", problem));
            None
        }
    };
    if input.size_bytes < 1 {
        refusals.push(Refusal::invalid("sizeBytes", "say how many bytes the file has; an empty one is not kept"));
    } else if input.size_bytes > rules.max_bytes {
        let message = format!("a file may have {} bytes, not {}", rules.max_bytes, input.size_bytes);
        refusals.push(Refusal::new(Code::FileTooLarge, message).at("sizeBytes"));
    }
    let sha256 = input.sha256.as_deref().map(model::parse_sha256);
    if sha256 == Some(None) {
        refusals.push(Refusal::invalid("sha256", "write the SHA-256 as 64 hexadecimal digits"));
    }
    match (kind, file_name) {
        (Some(kind), Some(file_name)) if refusals.is_empty() => {
            Ok(Checked { kind, file_name, sha256: sha256.flatten() })
        }
        _ => Err(refusals.into()),
    }
}

/// Makes sure that there is room for one more, and that whoever asks at the same time waits for the answer.
pub(super) async fn reserve(
    tx: &TenantTx,
    rules: &FileRules,
    actor: &Actor,
    owner: Owner,
    size: i64,
) -> Result<(), Failure> {
    let used: Option<i64> = tx.scalar("SELECT bytes FROM attachment_usage FOR UPDATE", []).await?;
    let used = used.ok_or_else(|| Failure::fault("the row that counts files is missing"))?;
    if used + size > rules.storage_bytes() {
        let message = format!("the centre's files have {} MiB together, as many as they may", rules.storage_mib);
        let used = i32::try_from(used / super::MIB).unwrap_or(i32::MAX);
        return Err(exceeded(STORAGE, rules.storage_mib, used, message).at("sizeBytes").into());
    }
    // A statement of its own: it begins after the lock was given, and sees what those before have reserved.
    let there: Option<i32> = tx
        .scalar(
            "SELECT count(*)::int FROM attachments
             WHERE NOT made AND CASE WHEN $1::uuid IS NULL THEN patient_id IS NULL AND requested_by IS NOT DISTINCT FROM $2
                 ELSE patient_id = $1 END",
            [owner.patient().into(), actor.id.into()],
        )
        .await?;
    let there = there.unwrap_or_default();
    if there >= rules.per_owner {
        let message = format!("there are {there} files here already, those that are on their way included");
        return Err(exceeded(FILES_PER_OWNER, rules.per_owner, there, message).at("ownerId").into());
    }
    Ok(())
}

fn exceeded(quota: &str, limit: i32, used: i32, message: String) -> Refusal {
    let detail = Detail::Quota { quota: quota.to_owned(), limit, used, resets_at: None };
    Refusal { detail, ..Refusal::new(Code::QuotaExceeded, message) }
}
