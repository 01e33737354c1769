//! Who meets which need, when several needs want the same few resources.

use std::collections::BTreeMap;

/// A different resource for every need, preferring earlier choices; none if that is impossible. Augmenting paths: exact
/// also where needs compete for the same resources, and polynomial.
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
