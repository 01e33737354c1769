//! The folder transport on a real folder.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use super::FolderMailer;
use crate::mail::SendError;
use crate::mail::message::tests::mail;

fn scratch(name: &str) -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("horae-mail-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

fn names(folder: &std::path::Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn files_are_whole_sorted_by_date_and_repeats_are_kept() {
    let folder = scratch("order");
    let mailer = FolderMailer::new(folder.join("created/on demand"));
    let mut later = mail();
    later.date += chrono::TimeDelta::hours(1);
    mailer.send(&later).await.unwrap();
    let first = mailer.send(&mail()).await.unwrap().reply;
    let second = mailer.send(&mail()).await.unwrap().reply;
    let found = names(mailer.directory());
    assert_eq!(found.len(), 3, "{found:?}");
    assert_ne!(first, second);
    assert_eq!(found.first(), Some(&first));
    assert!(found.last().unwrap().starts_with("20260715T130000.000000Z-"));
    assert!(found.iter().all(|name| name.ends_with(".eml")));
    let text = std::fs::read_to_string(mailer.directory().join(first)).unwrap();
    assert!(text.contains(&mail().message_id));
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_unreachable() {
    let file = scratch("file");
    std::fs::write(&file, "not a folder").unwrap();
    let refused = FolderMailer::new(file.join("inside")).send(&mail()).await;
    assert!(matches!(refused, Err(SendError::Unreachable { .. })));
    std::fs::remove_file(file).unwrap();
}
