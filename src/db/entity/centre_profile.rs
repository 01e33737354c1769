//! Who the centre is: one row.
#![expect(missing_docs, reason = "the columns are described in the migration")]

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "centre_profile")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub only_row: bool,
    pub trade_name: String,
    pub legal_name: String,
    pub country: String,
    pub currency: String,
    pub locale: String,
    pub default_time_zone: String,
    pub vertical: String,
    pub operating_mode: String,
    pub logo_url: Option<String>,
    pub booking_policies: Option<String>,
    pub daily_appointment_quota: i32,
    pub clinical_record: bool,
    pub version: i32,
    pub updated_at: ChronoDateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
