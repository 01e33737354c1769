//! Capability tokens.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};

use crate::{
    domain::{
        booking::view,
        identity::capability::{Capability, Purpose, Subject, issue, redeem, revoke},
    },
    schema::{
        agenda::types::Appointment,
        auth::{P, auth},
        error::{ApiError, UserError, payload},
        id::{GlobalIds, Kind},
        node::Node,
        request::{Reader, cx, request_id, staff},
        scalar::Instant,
    },
};

/// What a token is for.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::domain::identity::capability::Purpose")]
pub enum CapabilityPurpose {
    /// See and cancel an appointment. Issued by who may change it (AGENDA_WRITE).
    AppointmentManage,
    /// Confirm an appointment. Issued by who may change it (AGENDA_WRITE).
    AppointmentConfirm,
    /// Download a file.
    FileDownload,
    /// Upload a file.
    FileUpload,
    /// Look at a quote.
    QuoteView,
    /// Leave the mailings.
    Unsubscribe,
    /// Subscribe to the agenda of a branch, professional or room. Issued by who may see it (AGENDA_READ; the own one
    /// AGENDA_READ_OWN).
    CalendarFeed,
    /// Receive one's own data.
    DataAccess,
    /// Set a new password. Goes by mail only: requestPasswordReset.
    PasswordReset,
    /// Accept an invitation. Goes by mail only: inviteUser.
    Invite,
}

/// Whether a token still opens anything.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::domain::identity::capability::Status")]
pub enum CapabilityStatus {
    /// It does.
    Issued,
    /// It has been used as often as it may.
    Used,
    /// Its time is over.
    Expired,
    /// It was taken back.
    Revoked,
}

/// A secret word for one thing and one purpose, good for some uses and some time, without a login.
#[derive(SimpleObject, Clone, Debug)]
pub struct CapabilityToken {
    /// Opaque identifier.
    #[graphql(owned)]
    pub id: ID,
    /// What for.
    pub purpose: CapabilityPurpose,
    /// The thing it opens.
    pub resource_id: ID,
    /// Whether it still opens it.
    pub status: CapabilityStatus,
    /// How often it may be used.
    pub max_uses: i32,
    /// How often it has been.
    pub uses: i32,
    /// Until when.
    pub expires_at: Instant,
}

impl CapabilityToken {
    /// The API's form of a token.
    #[must_use]
    pub fn new(reader: &Reader, token: &Capability) -> Self {
        let kind = match token.subject {
            Subject::Appointment(_) => Kind::Appointment,
            Subject::Resource(_) => Kind::Resource,
            Subject::Branch(_) => Kind::Branch,
        };
        Self {
            id: reader.ids.encode(Kind::CapabilityToken, token.id),
            purpose: token.purpose.into(),
            resource_id: reader.ids.encode(kind, token.subject.id()),
            status: token.status(reader.cx.now()).into(),
            max_uses: token.max_uses,
            uses: token.uses,
            expires_at: Instant::utc(token.expires_at),
        }
    }
}

/// A token to issue.
#[derive(InputObject)]
pub struct IssueCapabilityInput {
    /// What for.
    pub purpose: CapabilityPurpose,
    /// The thing it opens: an appointment, or for a calendar feed a branch, professional or room.
    pub resource_id: ID,
    /// For how long; at least a minute. Links to an appointment end when it begins at the latest.
    pub ttl_seconds: i32,
    /// How often it may be used: once without it, a calendar feed as often as calendars ask.
    pub max_uses: Option<i32>,
}

impl IssueCapabilityInput {
    fn into_domain(self, ids: &GlobalIds) -> issue::Issue {
        let id = &self.resource_id;
        let subject = ids
            .open(Kind::Appointment, id)
            .map(Subject::Appointment)
            .or_else(|| ids.open(Kind::Resource, id).map(Subject::Resource))
            .or_else(|| ids.open(Kind::Branch, id).map(Subject::Branch));
        let purpose = Purpose::from(self.purpose);
        issue::Issue { purpose, subject, ttl_seconds: self.ttl_seconds, max_uses: self.max_uses }
    }
}

/// Answer of `issueCapability`.
#[derive(SimpleObject)]
pub struct IssueCapabilityPayload {
    /// The token.
    pub capability: Option<CapabilityToken>,
    /// Its secret word. Shown this once.
    pub token: Option<String>,
    /// Why it did not happen; empty: it did.
    pub user_errors: Vec<UserError>,
}

/// Answer of `redeemCapability`.
#[derive(SimpleObject)]
pub struct RedeemCapabilityPayload {
    /// The token, after this use.
    pub capability: Option<CapabilityToken>,
    /// What it opened, as its holder may see it: an appointment without the patient. Null for a calendar feed.
    pub granted_resource: Option<Node>,
    /// Why it did not happen; empty: it did.
    pub user_errors: Vec<UserError>,
}

/// Answer of `revokeCapability`.
#[derive(SimpleObject)]
pub struct RevokeCapabilityPayload {
    /// The token.
    pub capability: Option<CapabilityToken>,
    /// Why it did not happen; empty: it did.
    pub user_errors: Vec<UserError>,
}

/// Mutations of capability tokens.
#[derive(Default)]
pub struct CapabilityMutation;

#[Object]
impl CapabilityMutation {
    /// Makes a token that opens one thing to whoever holds it. Needs the permission to do there what the holder may.
    #[graphql(directive = auth::apply(vec![P::AgendaRead, P::AgendaReadOwn]))]
    async fn issue_capability(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What it opens, for how long and how often.")] input: IssueCapabilityInput,
    ) -> Result<IssueCapabilityPayload, ApiError> {
        let reader = staff(ctx)?;
        let issued = issue::run(&reader.cx, &reader.actor, input.into_domain(&reader.ids)).await;
        let (issued, user_errors) = payload(issued, Some(reader))?;
        let (capability, token) =
            issued.map(|issued| (CapabilityToken::new(reader, &issued.capability), issued.word)).unzip();
        Ok(IssueCapabilityPayload { capability, token, user_errors })
    }

    /// Uses a token once and shows what it opens. Nobody needs to be logged in.
    async fn redeem_capability(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The secret word.")] token: String,
    ) -> Result<RedeemCapabilityPayload, ApiError> {
        let (redeemed, user_errors) = payload(redeem::run(cx(ctx), &token, &request_id(ctx)).await, None)?;
        let Some(redeemed) = redeemed else {
            return Ok(RedeemCapabilityPayload { capability: None, granted_resource: None, user_errors });
        };
        let reader = Reader::new(cx(ctx), redeemed.actor);
        let granted_resource = match redeemed.capability.subject {
            Subject::Appointment(id) => view::run(&reader.cx, &reader.actor, id)
                .await?
                .map(|view| Node::Appointment(Appointment::new(&reader, view))),
            Subject::Resource(_) | Subject::Branch(_) => None,
        };
        let capability = Some(CapabilityToken::new(&reader, &redeemed.capability));
        Ok(RedeemCapabilityPayload { capability, granted_resource, user_errors })
    }

    /// Takes a token back before its time. Needs the permission to issue it.
    #[graphql(directive = auth::apply(vec![P::AgendaRead, P::AgendaReadOwn]))]
    async fn revoke_capability(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which token.")] id: ID,
    ) -> Result<RevokeCapabilityPayload, ApiError> {
        let reader = staff(ctx)?;
        let revoked = async {
            let id = reader.ids.decode(Kind::CapabilityToken, &id, "id")?;
            revoke::run(&reader.cx, &reader.actor, id).await
        };
        let (token, user_errors) = payload(revoked.await, Some(reader))?;
        Ok(RevokeCapabilityPayload { capability: token.map(|token| CapabilityToken::new(reader, &token)), user_errors })
    }
}
