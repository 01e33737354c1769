//! `script/sabotage` names checks by their text, which changes with the code.

use std::process::Command;

#[test]
fn the_sabotage_finds_every_check_that_it_names() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/script/sabotage");
    let python = std::env::var_os("HORAE_TEST_PYTHON").unwrap_or_else(|| "python3".into());
    let listed = Command::new(python).args([script, "--list"]).output().expect("python starts");
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    assert!(String::from_utf8(listed.stdout).unwrap().lines().count() > 50);
}
