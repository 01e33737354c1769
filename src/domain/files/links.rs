//! Links that show a file once, to whoever holds them.

use std::collections::HashMap;

use chrono::Duration;
use uuid::Uuid;

use super::{Owner, owner, query};
use crate::{
    auth::{Actor, Permission, Scope, word},
    domain::{
        change::{Change, Changes},
        cx::Cx,
        facts::facts,
        identity::capability::{NewToken, Purpose, put},
        refusal::{Failure, Refusal},
    },
    files::Part,
};

/// Shortest and longest life of a link, in seconds. Rights are looked at when it is made, so it does not outlive them long.
pub const TTL_SECONDS: std::ops::RangeInclusive<i32> = 10..=3_600;
/// Life of a link of which nothing is said.
pub const USUAL_TTL_SECONDS: i32 = 300;

/// Ends the word of a link to the small picture: part of what its hash is of, so that nobody turns the one into the other.
const THUMBNAIL: &str = "-t";
/// Letters of a secret.
const SECRET: usize = 43;

/// A link that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// To which file.
    pub file: Uuid,
    /// The whole, or the small picture.
    pub part: Part,
    /// For how long.
    pub ttl_seconds: i32,
}

/// Makes links, all of them in one transaction and a constant number of statements. Who asked to see what is in the audit
/// trail. What the caller may not see, or is not there, has none.
///
/// # Errors
/// INVALID at `ttlSeconds`; FORBIDDEN; faults of the database.
pub async fn run(cx: &Cx, actor: &Actor, wanted: Vec<Wanted>) -> Result<HashMap<Wanted, String>, Failure> {
    owner::require_own(actor)?;
    for one in &wanted {
        check_ttl(one.ttl_seconds)?;
    }
    let now = cx.now();
    let tx = cx.write(actor).await?;
    let mut ids: Vec<Uuid> = wanted.iter().map(|one| one.file).collect();
    ids.sort_unstable();
    ids.dedup();
    let seen = query::visible(&tx, actor, ids).await?;
    let has =
        |one: &Wanted| seen.iter().any(|file| file.id == one.file && (one.part == Part::Whole || file.has_thumbnail()));
    let links: Vec<(Wanted, String)> = wanted
        .into_iter()
        .filter(has)
        .map(|one| {
            let ending = if one.part == Part::Thumbnail { THUMBNAIL } else { "" };
            (one, format!("{}{ending}", word::routed(word::CAPABILITY, actor.tenant.key)))
        })
        .collect();
    if links.is_empty() {
        return Ok(HashMap::new());
    }
    let tokens: Vec<NewToken<'_>> = links
        .iter()
        .map(|(one, word)| NewToken {
            word,
            purpose: Purpose::FileDownload,
            resource: one.file,
            max_uses: 1,
            expires_at: now + Duration::seconds(i64::from(one.ttl_seconds)),
        })
        .collect();
    put(cx, &tx, &tokens).await?;
    let mut changes = Changes::by(actor);
    for (one, _) in &links {
        let after = facts!({ "part": one.part.as_str(), "ttlSeconds": one.ttl_seconds });
        changes.push(Change { after: Some(after), ..Change::audited("showFile", "Attachment", one.file) });
    }
    cx.commit(tx, changes).await?;
    let address = |(one, word): (Wanted, String)| (one, format!("{}/f/{word}", cx.public_url));
    Ok(links.into_iter().map(address).collect())
}

/// Whether a link may live so long.
///
/// # Errors
/// INVALID at `ttlSeconds`.
pub fn check_ttl(seconds: i32) -> Result<(), Refusal> {
    if TTL_SECONDS.contains(&seconds) {
        return Ok(());
    }
    let message = format!("give {} to {} seconds", TTL_SECONDS.start(), TTL_SECONDS.end());
    Err(Refusal::invalid("ttlSeconds", message))
}

/// What seeing the files of this owner needs. Which of them are seen is another question.
///
/// # Errors
/// FORBIDDEN.
pub fn require_of(actor: &Actor, owner: Owner) -> Result<(), Failure> {
    match owner {
        Owner::Patient(_) => actor.require(Permission::RecordRead, Scope::Anywhere)?,
        Owner::Centre => owner::require_own(actor)?,
    }
    Ok(())
}

/// Which part a link's word opens.
#[must_use]
pub(super) fn part_of(word: &str) -> Part {
    let secret = word.split_once('.').map_or(0, |(_, secret)| secret.len());
    if secret == SECRET + THUMBNAIL.len() && word.ends_with(THUMBNAIL) { Part::Thumbnail } else { Part::Whole }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_says_which_part_it_opens() {
        let word = word::routed(word::CAPABILITY, 7);
        assert_eq!(part_of(&word), Part::Whole);
        assert_eq!(part_of(&format!("{word}{THUMBNAIL}")), Part::Thumbnail);
        // A secret may end like that by chance.
        let chance = format!("ct7.{}-t", "x".repeat(SECRET - 2));
        assert_eq!(part_of(&chance), Part::Whole);
        for strange in ["", "-t", "ct7", "ct7.-t"] {
            assert_eq!(part_of(strange), Part::Whole);
        }
    }
}
