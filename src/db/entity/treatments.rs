//! What is booked and sold. Decimals travel as text, exactly.
#![expect(missing_docs, reason = "the columns are described in the migration")]

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "treatments")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub name: String,
    pub category_id: Option<Uuid>,
    pub duration_minutes: i32,
    pub buffer_before_minutes: i32,
    pub buffer_after_minutes: i32,
    pub price_minor: i64,
    pub currency: String,
    #[sea_orm(column_type = "Decimal(None)", select_as = "text", save_as = "numeric")]
    pub tax_rate: String,
    pub online_bookable: bool,
    pub requires_approval: bool,
    pub capacity: i32,
    #[sea_orm(column_type = "Decimal(None)", nullable, select_as = "text", save_as = "numeric")]
    pub deposit_percent: Option<String>,
    pub deposit_fixed_minor: Option<i64>,
    pub deposit_refundable_until_s: Option<i32>,
    pub active: bool,
    pub version: i32,
    pub created_at: ChronoDateTimeUtc,
    pub updated_at: ChronoDateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
