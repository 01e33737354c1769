//! The Python that the tests use: second readers of what Horae writes, and servers that can misbehave.

use std::{
    ffi::OsString,
    io::Write as _,
    process::{Command, Stdio},
};

/// The program, with the packages of `tests/python/requirements.txt` when `script/test` has named it.
pub fn program() -> OsString {
    std::env::var_os("HORAE_TEST_PYTHON").unwrap_or_else(|| "python3".into())
}

/// What a script writes about what it is given.
pub fn told(script: &str, given: &[u8]) -> String {
    let mut python = Command::new(program())
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    python.stdin.take().unwrap().write_all(given).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "`script/test` installs tests/python/requirements.txt and names its Python in HORAE_TEST_PYTHON"
    );
    String::from_utf8(output.stdout).unwrap()
}
