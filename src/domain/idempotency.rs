//! Receipts: a mutation that is sent twice with one key happens once, and both get the same answer.
//!
//! The receipt is written in the business transaction. A second transaction with the same key waits on the receipt's
//! primary key until the first has ended: it then finds the answer, or, if the first was rolled back, does the work.

use chrono::{DateTime, Duration, Utc};
use sea_orm::FromQueryResult;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::refusal::{Code, Failure, Refusal};
use crate::{auth::Actor, db::TenantTx};

/// How long a key is remembered.
const KEPT: Duration = Duration::hours(24);

/// Whose key, of which mutation, for which input.
#[derive(Clone, Debug)]
pub struct Receipt {
    actor: String,
    mutation: &'static str,
    key: Uuid,
    input_hash: Vec<u8>,
}

/// Whether the work is still to be done.
#[derive(Debug)]
pub enum Claim {
    /// It is; [`Receipt::keep`] the outcome before committing.
    Fresh,
    /// It was done: this was the outcome.
    Done(Value),
}

#[derive(FromQueryResult)]
struct Kept {
    input_hash: Vec<u8>,
    outcome: Value,
}

impl Receipt {
    /// The receipt of this call. `input` is everything that makes the call what it is, without the key.
    ///
    /// # Errors
    /// When the input cannot be written as JSON.
    pub fn new(actor: &Actor, mutation: &'static str, key: Uuid, input: &impl Serialize) -> Result<Self, Failure> {
        let canonical = serde_json::to_vec(input).map_err(|error| Failure::fault(error.to_string()))?;
        Ok(Self { actor: actor.receipt_name(), mutation, key, input_hash: Sha256::digest(canonical).to_vec() })
    }

    /// Takes the key in this transaction, waiting for another that holds it.
    ///
    /// # Errors
    /// [`Code::IdempotencyKeyReused`] when the key was used for something else; faults of the database.
    pub async fn claim(&self, tx: &TenantTx, now: DateTime<Utc>) -> Result<Claim, Failure> {
        let taken = tx
            .run(
                "INSERT INTO idempotency_receipts AS r (actor, mutation, key, input_hash, outcome, created_at)
                 VALUES ($1, $2, $3, $4, 'null', $5)
                 ON CONFLICT (actor, mutation, key) DO UPDATE
                     SET input_hash = EXCLUDED.input_hash, outcome = 'null', created_at = EXCLUDED.created_at
                     WHERE r.created_at < $6",
                [
                    self.actor.clone().into(),
                    self.mutation.into(),
                    self.key.into(),
                    self.input_hash.clone().into(),
                    now.into(),
                    (now - KEPT).into(),
                ],
            )
            .await;
        match taken {
            Ok(1) => return Ok(Claim::Fresh),
            Ok(_) => {}
            // The first call has not ended in ten seconds.
            Err(error) if error.is_lock_timeout() => {
                let message = "the first request with this key is still running; send it again in a moment";
                return Err(Refusal::new(Code::Invalid, message).at("idempotencyKey").into());
            }
            Err(error) => return Err(error.into()),
        }
        let kept: Kept = tx
            .find(
                "SELECT input_hash, outcome FROM idempotency_receipts WHERE actor = $1 AND mutation = $2 AND key = $3",
                [self.actor.clone().into(), self.mutation.into(), self.key.into()],
            )
            .await?
            .ok_or_else(|| Failure::fault("a receipt vanished between two statements"))?;
        if kept.input_hash != self.input_hash {
            let message = "this key was used for another input in the last 24 hours; make a new key for a new request";
            return Err(Refusal::new(Code::IdempotencyKeyReused, message).at("idempotencyKey").into());
        }
        Ok(Claim::Done(kept.outcome))
    }

    /// Writes the outcome that a repetition will be answered with.
    ///
    /// # Errors
    /// Faults of the database.
    pub async fn keep(&self, tx: &TenantTx, outcome: Value) -> Result<(), Failure> {
        tx.run(
            "UPDATE idempotency_receipts SET outcome = $4 WHERE actor = $1 AND mutation = $2 AND key = $3",
            [self.actor.clone().into(), self.mutation.into(), self.key.into(), outcome.into()],
        )
        .await?;
        Ok(())
    }
}
