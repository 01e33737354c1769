//! Changes who the centre is: names, logo, language, zone and way of working. Country and currency are not the centre's
//! to change. The last writer wins; the trail keeps both.

use chrono_tz::Tz;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, ExprTrait, QueryFilter, sea_query::Expr};

use super::{
    Patch,
    check::Check,
    facts,
    model::{CentreProfile, OperatingMode},
    patch::column,
    query,
};
use crate::{
    auth::{Actor, Permission, Scope},
    db::{DbError, entity::centre_profile},
    domain::{
        change::{Change, Changes},
        cx::Cx,
        refusal::Failure,
    },
};

/// What to change; absent values stay.
#[derive(Clone, Debug, Default)]
pub struct Input {
    /// The name that patients know.
    pub trade_name: Option<String>,
    /// The name on invoices.
    pub legal_name: Option<String>,
    /// Where the logo is; an absolute address, checked by its scalar.
    pub logo_url: Patch<String>,
    /// BCP 47, checked by its scalar.
    pub locale: Option<String>,
    /// For what concerns no branch. Branches keep theirs.
    pub default_zone: Option<Tz>,
    /// What `bookAppointment` must name.
    pub operating_mode: Option<OperatingMode>,
    /// Whether the centre keeps clinical records; those that there are stay, whoever may not see them meanwhile.
    pub clinical_record: Option<bool>,
}

/// Changes it.
///
/// # Errors
/// Values that do not fit, a missing permission, faults of the database.
pub async fn run(cx: &Cx, actor: &Actor, input: Input) -> Result<CentreProfile, Failure> {
    actor.require(Permission::ConfigWrite, Scope::Centre)?;
    let mut check = Check::default();
    let trade_name = input.trade_name.as_deref().map(|name| check.name("tradeName", name));
    let legal_name = input.legal_name.as_deref().map(|name| check.name("legalName", name));
    check.done()?;
    let row = centre_profile::ActiveModel {
        trade_name: column(trade_name),
        legal_name: column(legal_name),
        logo_url: input.logo_url.column(),
        locale: column(input.locale),
        default_time_zone: column(input.default_zone.map(|zone| zone.name().to_owned())),
        operating_mode: column(input.operating_mode.map(|mode| mode.as_str().to_owned())),
        clinical_record: column(input.clinical_record),
        updated_at: Set(cx.now()),
        ..Default::default()
    };
    let tx = cx.write(actor).await?;
    // Before it is read: what another changes meanwhile would otherwise stand in the trail as this actor's doing.
    tx.run("SELECT 1 FROM centre_profile FOR NO KEY UPDATE", []).await?;
    let before = query::profile(&tx).await?;
    centre_profile::Entity::update_many()
        .set(row)
        .col_expr(centre_profile::Column::Version, Expr::col(centre_profile::Column::Version).add(1))
        .filter(centre_profile::Column::OnlyRow.eq(true))
        .exec(&tx)
        .await
        .map_err(DbError::from)?;
    let after = query::profile(&tx).await?;
    let change = Change {
        before: Some(facts::profile(&before)),
        after: Some(facts::profile(&after)),
        ..Change::event("tenant.profile_changed", "updateTenantProfile", "Tenant", actor.tenant.id.0)
    };
    cx.commit(tx, Changes::one(actor, change)).await?;
    Ok(after)
}
