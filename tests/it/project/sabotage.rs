//! `script/sabotage` names checks by their text, which changes with the code.

use std::process::Command;

use crate::support::python;

#[test]
fn the_sabotage_finds_every_check_that_it_names() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/script/sabotage");
    let listed = Command::new(python::program()).args([script, "--list"]).output().expect("python starts");
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    assert!(String::from_utf8(listed.stdout).unwrap().lines().count() > 50);
}
