//! What jobs do is refused to anybody who may not do it: the use cases ask, although their only caller may everything.

use horae::{
    auth::{Actor, PermissionSet},
    domain::{
        booking::expire_hold,
        files::{
            deposit::{self, Made},
            sweep, thumbnail,
        },
        identity::{keys, send_password_reset},
        notifications::{
            delivery::{self, Decision},
            reminders,
        },
        platform::{apply_time_rules, retention},
        portability::{export, import},
        refusal::{Code, Failure},
    },
};
use uuid::Uuid;

use crate::notifications::Desk;

fn assert_denied<T: std::fmt::Debug>(what: &str, answer: Result<T, Failure>) {
    match answer {
        Err(Failure::Refused(refused)) => assert!(refused.iter().all(|one| one.code == Code::Forbidden), "{what}"),
        other => panic!("{what}: {other:?}"),
    }
}

#[tokio::test]
async fn what_jobs_do_is_refused_to_who_may_nothing() {
    let desk = Desk::open().await;
    let cx = &desk.app.app.cx;
    let powerless = Actor { permissions: PermissionSet::default(), ..desk.system.clone() };
    let nobody = &powerless;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    let booked = desk.book(&branch, "2026-08-03T14:00:00Z", "maria@example.com").await;
    let tx = desk.tx().await;
    let email: Option<Uuid> = tx
        .scalar("SELECT id FROM email_messages WHERE related_id = $1 ORDER BY due_at LIMIT 1", [booked.id.into()])
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let email = email.unwrap();
    desk.app.clock.set("2026-07-13T12:05:00Z".parse().unwrap());

    assert_denied("begin", delivery::begin(cx, nobody, &[email]).await);
    let decided = delivery::begin(cx, &desk.system, &[email]).await.unwrap().remove(&email);
    let Some(Decision::Send(mail)) = decided else { panic!("it is due") };
    assert_denied("sent", delivery::sent(cx, nobody, &[(&mail, "Hora")]).await);
    assert_denied("put_back", delivery::put_back(cx, nobody, &mail, "later").await);
    assert_denied("refused", delivery::refused(cx, nobody, &mail, "never", true).await);
    assert_denied("give_up", delivery::give_up(cx, nobody, email, "enough").await);
    assert_denied("materialise", reminders::materialise(cx, nobody).await);
    assert_denied("apply_time_rules", apply_time_rules::run(cx, nobody).await);
    assert_denied("prune_events", retention::prune_events(cx, nobody, desk.app.now()).await);
    assert_denied("prune", retention::prune(cx, nobody, retention::ENDED).await);
    assert_denied("send_password_reset", send_password_reset::run(cx, nobody, email).await);
    assert_denied("expire_hold", expire_hold::run(cx, nobody, booked.id).await);
    let sent = delivery::sent(cx, &desk.system, &[(&mail, "Hora")]).await.unwrap();
    assert_eq!(sent, [email], "nothing of it touched the mail");
}

#[tokio::test]
async fn what_the_command_line_does_is_refused_too() {
    let desk = Desk::open().await;
    let powerless = Actor { permissions: PermissionSet::default(), ..desk.system.clone() };
    let made = keys::create_publishable(&desk.app.app.cx, &powerless, "Web", Vec::new()).await;
    assert_denied("create_publishable", made);
    keys::create_publishable(&desk.app.app.cx, &desk.system, "Web", Vec::new()).await.unwrap();
}

#[tokio::test]
async fn what_jobs_do_with_files_and_lists_is_refused_too() {
    let desk = Desk::open().await;
    let cx = &desk.app.app.cx;
    let powerless = Actor { permissions: PermissionSet::default(), ..desk.system.clone() };
    let (nobody, none) = (&powerless, cx.new_id());
    assert_denied("sweep", sweep::run(cx, nobody).await);
    assert_denied("orphans", sweep::orphans(cx, nobody).await);
    assert_denied("thumbnail", thumbnail::run(cx, nobody, none).await);
    assert_denied("import", import::run::run(cx, nobody, none).await);
    assert_denied("export", export::run::run(cx, nobody, none).await);
    let made = Made {
        requested_by: none,
        file_name: "a.csv".to_owned(),
        mime_type: "text/csv",
        file: tempfile::tempfile().unwrap(),
    };
    assert_denied("deposit", deposit::run(cx, nobody, made).await);
}
