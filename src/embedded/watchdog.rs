//! Stops the server when this process is gone, however it went.
//!
//! A child process that waits on a pipe: while we live the pipe stays open; when we end, even by `kill -9`, it reads
//! the end of file and asks the server to shut down. (A parent-death signal would need `unsafe`, exists on Linux alone,
//! and fires when the spawning *thread* ends, which a runtime's threads do at any time.)

use std::{
    io::Write as _,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Stdio},
};

use super::{EmbeddedError, account::Account};

/// `$1` is the server's process, `$2` its pid file, which must still name it: process numbers are reused.
const SCRIPT: &str = r#"trap "" HUP INT TERM
read -r word && exit 0
[ "$(head -n 1 "$2" 2>/dev/null)" = "$1" ] && kill -INT "$1""#;

/// Dropping it shuts the server down; [`Watchdog::dismiss`] does not.
#[derive(Debug)]
pub(super) struct Watchdog {
    child: Child,
}

impl Watchdog {
    pub(super) fn over(process: u32, pid_file: &Path, account: Account) -> Result<Self, EmbeddedError> {
        let mut command = account.command("sh", Path::new("/")).into_std();
        command.args(["-c", SCRIPT, "sh"]).arg(process.to_string()).arg(pid_file);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // Out of our own group, so that a Ctrl-C at the terminal or a kill of the group leaves it to its work.
        command.process_group(0);
        let child = command.spawn().map_err(EmbeddedError::io("start the watchdog of", pid_file))?;
        Ok(Self { child })
    }

    /// Ends it without touching the server.
    pub(super) fn dismiss(mut self) {
        if let Some(mut pipe) = self.child.stdin.take() {
            let _ = pipe.write_all(b"done\n");
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It ends within milliseconds of the pipe; waiting leaves no zombie and has the signal surely sent.
        let _ = self.child.wait();
    }
}
