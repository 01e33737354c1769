//! The two migrators of Horae: the shared schemas of a cell ([`Catalogue`]) and the schema of one tenant ([`Tenant`]).
//!
//! A migration is one SQL file, so that it can be read as what the database will run. Rules: expand, deploy, contract
//! (the binary before must run on the schema after); never edit a file that has been released; add the next number.

pub use sea_orm_migration::MigratorTrait;
use sea_orm_migration::prelude::*;

/// One SQL file as a migration. Its name is what the migration table remembers.
struct SqlFile {
    name: &'static str,
    sql: &'static str,
}

impl MigrationName for SqlFile {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait::async_trait]
impl MigrationTrait for SqlFile {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(self.sql).await.map(drop)
    }
}

macro_rules! sql_files {
    ($folder:literal: $($name:literal),+ $(,)?) => {
        vec![$(Box::new(SqlFile { name: $name, sql: include_str!(concat!($folder, "/", $name, ".sql")) }) as Box<dyn MigrationTrait>),+]
    };
}

/// Migrates what the tenants of a cell share: catalogue, queue, extensions.
pub struct Catalogue;

#[async_trait::async_trait]
impl MigratorTrait for Catalogue {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        sql_files!["catalogue": "m0001_catalogue", "m0002_queue", "m0003_sealing", "m0004_time_rules", "m0005_ready_by_kind"]
    }

    fn migration_table_name() -> DynIden {
        Alias::new("horae_catalogue_migrations").into_iden()
    }
}

/// Migrates the schema of one tenant. The connection's search path must be that schema alone.
pub struct Tenant;

#[async_trait::async_trait]
impl MigratorTrait for Tenant {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        sql_files![
            "tenant": "m0001_centre", "m0002_agenda", "m0003_log", "m0005_users", "m0006_sessions", "m0007_keys", "m0008_audit",
            "m0009_upkeep", "m0010_mail", "m0011_patients", "m0012_files", "m0013_record", "m0014_background_jobs",
            "m0015_audit_head", "m0016_search_path", "m0017_made_files", "m0018_challenges_of_sessions", "m0019_contact"
        ]
    }

    fn migration_table_name() -> DynIden {
        Alias::new("migrations").into_iden()
    }
}
