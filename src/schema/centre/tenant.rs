//! Who the centre is.

use std::sync::Arc;

use async_graphql::{Enum, ID, Object};

use super::loader::ProfileKey;
use crate::{
    db::TenantStatus as TenantState,
    domain::{
        centre::model::CentreProfile,
        refusal::{Code, Failure, Refusal},
    },
    schema::{
        error::ApiError,
        id::Kind,
        identity::types::{TenantStatus, tenant_status},
        request::Reader,
        scalar::{CountryCode, CurrencyCode, Locale, TimeZone, Url},
    },
};

/// What `bookAppointment` must name.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::domain::centre::model::OperatingMode")]
pub enum OperatingMode {
    /// A professional; a room is found for treatments that need one.
    ByProfessional,
    /// A room; a professional may be named.
    ByRoom,
}

/// Who the centre is.
#[derive(Clone, Debug)]
pub struct TenantSummary {
    reader: Arc<Reader>,
    /// None in a disabled centre, which tells its status and nothing else.
    profile: Option<CentreProfile>,
}

impl TenantSummary {
    /// The API's form of the reader's centre.
    #[must_use]
    pub fn new(reader: Arc<Reader>, profile: CentreProfile) -> Self {
        Self { reader, profile: Some(profile) }
    }

    /// The reader's centre.
    ///
    /// # Errors
    /// Faults of the database.
    pub async fn load(reader: &Arc<Reader>) -> Result<Self, ApiError> {
        if reader.actor.tenant.status == TenantState::Disabled {
            return Ok(Self { reader: Arc::clone(reader), profile: None });
        }
        let profile = reader.loader.load_one(ProfileKey).await?;
        let profile = profile.ok_or_else(|| ApiError::from(Failure::fault("the centre has no profile")))?;
        Ok(Self::new(Arc::clone(reader), profile))
    }

    fn profile(&self) -> Result<&CentreProfile, ApiError> {
        let closed = || {
            Refusal::new(Code::Forbidden, format!("the centre `{}` is DISABLED", self.reader.actor.tenant.slug)).into()
        };
        self.profile.as_ref().ok_or_else(closed)
    }
}

/// Who the centre is.
#[Object]
impl TenantSummary {
    /// Opaque identifier.
    async fn id(&self) -> ID {
        self.reader.ids.encode(Kind::Tenant, self.reader.actor.tenant.id.0)
    }

    /// The name in addresses and at login.
    async fn slug(&self) -> String {
        self.reader.actor.tenant.slug.clone()
    }

    /// The name that patients know.
    async fn trade_name(&self) -> Result<String, ApiError> {
        Ok(self.profile()?.trade_name.clone())
    }

    /// The name on invoices.
    async fn legal_name(&self) -> Result<String, ApiError> {
        Ok(self.profile()?.legal_name.clone())
    }

    /// Currency of every amount.
    async fn currency(&self) -> Result<CurrencyCode, ApiError> {
        Ok(CurrencyCode(self.profile()?.currency.clone()))
    }

    /// Decides wall-clock questions that concern no branch.
    async fn default_time_zone(&self) -> Result<TimeZone, ApiError> {
        Ok(TimeZone(self.profile()?.default_zone))
    }

    /// Country.
    async fn country(&self) -> Result<CountryCode, ApiError> {
        Ok(CountryCode(self.profile()?.country.clone()))
    }

    /// Language of mails.
    async fn locale(&self) -> Result<Locale, ApiError> {
        Ok(Locale(self.profile()?.locale.clone()))
    }

    /// What `bookAppointment` must name.
    async fn operating_mode(&self) -> Result<OperatingMode, ApiError> {
        Ok(self.profile()?.operating_mode.into())
    }

    /// Whether the centre keeps clinical records.
    async fn clinical_record(&self) -> Result<bool, ApiError> {
        Ok(self.profile()?.clinical_record)
    }

    /// The logo, as in every mail.
    async fn logo_url(&self) -> Option<Url> {
        self.profile.as_ref()?.logo_url.clone().map(Url)
    }

    /// Whether the centre may be used.
    async fn status(&self) -> TenantStatus {
        tenant_status(self.reader.actor.tenant.status)
    }
}
