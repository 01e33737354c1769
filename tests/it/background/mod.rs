//! Work in the background, as those who watch it see it.

mod watch;

use std::sync::Arc;

use horae::{
    auth::{Actor, Permission},
    domain::{
        background::{self, JobKind, NewJob},
        change::Changes,
    },
    schema::id::{GlobalIds, Kind},
};
use serde_json::json;
use uuid::Uuid;

use crate::support::app::TestApp;

/// A job that this actor asked for.
pub async fn put(app: &TestApp, actor: &Actor, permission: Permission, shared: bool) -> Uuid {
    let cx = &app.app.cx;
    let tx = cx.write(actor).await.unwrap();
    let mut changes = Changes::by(actor);
    let new = NewJob { kind: JobKind::PatientImport, permission, shared, input: json!({}), action: "test" };
    let id = background::put(cx, &tx, actor, new, &mut changes).await.unwrap();
    cx.commit(tx, changes).await.unwrap();
    id
}

pub fn word(app: &TestApp, actor: &Arc<Actor>, id: Uuid) -> String {
    GlobalIds::new(app.app.cx.seal.clone(), &actor.tenant).encode(Kind::BackgroundJob, id).to_string()
}
