//! How many files the process may have open: each connection and each socket is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Config;

/// macOS calls its limit infinite and refuses more than this (`OPEN_MAX`).
const MOST: Option<u64> = if cfg!(target_os = "macos") { Some(10_240) } else { None };

/// Room for what is neither connection nor socket: pools of the database, files on their way, the log.
const REST: u64 = 1_000;

/// Raises the limit to what the system allows this process, because shells and service managers begin low for the sake of
/// programs that use `select`. Tells the limit that holds then; none: there is none.
pub(super) fn raise() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let current = [limit.maximum, MOST].into_iter().flatten().min();
    if limit.current.is_none_or(|soft| current.is_some_and(|most| soft >= most)) {
        return limit.current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current, ..limit }) {
        Ok(()) => current,
        Err(error) => {
            tracing::warn!(%error, "The limit of open files cannot be raised.");
            limit.current
        }
    }
}

/// Warns of a limit that is below what the settings promise.
pub(super) fn check(limit: Option<u64>, config: &Config) {
    let promised = config.max_connections.saturating_add(config.socket_places.node);
    let needed = u64::try_from(promised).unwrap_or(u64::MAX).saturating_add(REST);
    if let Some(limit) = limit.filter(|limit| *limit < needed) {
        tracing::warn!(
            limit,
            needed,
            "The limit of open files is too low for HORAE_MAX_CONNECTIONS and HORAE_MAX_SOCKETS: raise it \
             (LimitNOFILE of the service, `ulimit -Hn` of a shell) or lower them."
        );
    }
}
