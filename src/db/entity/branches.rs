//! Places of a centre.
#![expect(missing_docs, reason = "the columns are described in the migration")]

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "branches")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub name: String,
    pub time_zone: String,
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub address: Option<Json>,
    pub phone: Option<String>,
    pub email: Option<String>,
    pub active: bool,
    pub reminder_local_time: ChronoTime,
    pub birthday_local_time: ChronoTime,
    pub cash_auto_close_local_time: Option<ChronoTime>,
    pub cash_auto_open_local_time: Option<ChronoTime>,
    pub confirmation_delay_s: i32,
    pub copy_confirmations_to: Vec<String>,
    pub backup_window_start: ChronoTime,
    pub slot_grid_minutes: i32,
    pub min_booking_notice_s: i32,
    pub max_booking_advance_s: i32,
    pub min_cancel_notice_s: i32,
    pub hold_ttl_s: i32,
    pub online_booking_enabled: bool,
    pub version: i32,
    pub created_at: ChronoDateTimeUtc,
    pub updated_at: ChronoDateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
