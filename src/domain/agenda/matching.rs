//! Who meets which need, when several needs want the same few resources.

use std::collections::BTreeMap;

use super::calendar::ResourceCalendar;
use crate::domain::centre::need::Need;

/// The needs of one kind that are left when who is named meets one of them: a way for each that it could meet. None when
/// it could meet none.
pub fn ways<'n>(needs: &'n [Need], named: Option<&ResourceCalendar>) -> Vec<Vec<&'n Need>> {
    let without = |met: Option<usize>| {
        needs.iter().enumerate().filter(|(at, _)| Some(*at) != met).map(|(_, need)| need).collect::<Vec<_>>()
    };
    match named {
        None => vec![without(None)],
        Some(named) => {
            let meets =
                needs.iter().enumerate().filter(|(_, need)| need.accepts(named.resource.kind, named.resource.id));
            meets.map(|(at, _)| without(Some(at))).collect()
        }
    }
}

/// A different usable resource for each need, if there is one; earlier ones are preferred.
pub fn assign<'a>(
    needs: &[&Need],
    others: &[&'a ResourceCalendar],
    usable: impl Fn(&ResourceCalendar) -> bool,
) -> Option<Vec<&'a ResourceCalendar>> {
    let usable: Vec<&ResourceCalendar> = others.iter().copied().filter(|one| usable(one)).collect();
    let meets =
        |need: &Need, at: &usize| usable.get(*at).is_some_and(|one| need.accepts(one.resource.kind, one.resource.id));
    let choices: Vec<Vec<usize>> =
        needs.iter().map(|need| (0..usable.len()).filter(|at| meets(need, at)).collect()).collect();
    match_all(&choices).map(|found| found.into_iter().filter_map(|at| usable.get(at).copied()).collect())
}

/// A different resource for every need, preferring earlier choices; none if that is impossible. Augmenting paths: exact
/// also where needs compete for the same resources, and polynomial.
///
/// What comes first in the choices of every need that it could meet is chosen whenever all needs can be met: the first of
/// those needs takes it, and from then on it only passes from one need to another.
#[must_use]
pub fn match_all(choices: &[Vec<usize>]) -> Option<Vec<usize>> {
    fn place(need: usize, choices: &[Vec<usize>], holder: &mut BTreeMap<usize, usize>, seen: &mut Vec<usize>) -> bool {
        for one in choices.get(need).map(Vec::as_slice).unwrap_or_default() {
            if seen.contains(one) {
                continue;
            }
            seen.push(*one);
            let holds = holder.get(one).copied();
            if holds.is_none_or(|other| place(other, choices, holder, seen)) {
                holder.insert(*one, need);
                return true;
            }
        }
        false
    }
    let mut holder = BTreeMap::new();
    for need in 0..choices.len() {
        if !place(need, choices, &mut holder, &mut Vec::new()) {
            return None;
        }
    }
    let mut chosen: Vec<(usize, usize)> = holder.into_iter().map(|(one, need)| (need, one)).collect();
    chosen.sort_unstable();
    Some(chosen.into_iter().map(|(_, one)| one).collect())
}
