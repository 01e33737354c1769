//! Set arithmetic on half-open ranges: what is free is what is open minus what is taken.
//!
//! A set is a list of ranges that is sorted, without empty ranges, and in which neighbours neither overlap nor touch.
//! [`normalise`] makes one of any list; the others take sets and return sets, each in one linear pass.

use std::ops::Range;

/// Makes a set of ranges in any order: drops empty ones, joins those that overlap or touch.
pub fn normalise<T: Ord + Copy>(mut ranges: Vec<Range<T>>) -> Vec<Range<T>> {
    ranges.sort_unstable_by_key(|range| range.start);
    let mut set = Vec::with_capacity(ranges.len());
    for range in ranges {
        push(&mut set, range);
    }
    set
}

/// What lies in either set.
pub fn union<T: Ord + Copy>(one: &[Range<T>], other: &[Range<T>]) -> Vec<Range<T>> {
    let (mut ones, mut others) = (one.iter().peekable(), other.iter().peekable());
    let mut set = Vec::with_capacity(one.len() + other.len());
    loop {
        let next = match (ones.peek(), others.peek()) {
            (Some(left), Some(right)) if left.start <= right.start => ones.next(),
            (Some(_), None) => ones.next(),
            _ => others.next(),
        };
        match next {
            Some(range) => push(&mut set, range.clone()),
            None => return set,
        }
    }
}

/// What lies in both sets.
pub fn intersect<T: Ord + Copy>(one: &[Range<T>], other: &[Range<T>]) -> Vec<Range<T>> {
    let (mut ones, mut others) = (one.iter().peekable(), other.iter().peekable());
    let mut set = Vec::new();
    while let (Some(left), Some(right)) = (ones.peek(), others.peek()) {
        push(&mut set, left.start.max(right.start)..left.end.min(right.end));
        if left.end <= right.end {
            ones.next();
        } else {
            others.next();
        }
    }
    set
}

/// What lies in `from` and not in `taken`.
pub fn subtract<T: Ord + Copy>(from: &[Range<T>], taken: &[Range<T>]) -> Vec<Range<T>> {
    let mut taken = taken.iter().peekable();
    let mut set = Vec::new();
    for range in from {
        let mut free_from = range.start;
        while let Some(cut) = taken.next_if(|cut| cut.end <= range.end) {
            push(&mut set, free_from..cut.start.min(range.end));
            free_from = free_from.max(cut.end);
        }
        // A cut that reaches beyond this range stays for the next one.
        let end = taken.peek().map_or(range.end, |cut| cut.start.min(range.end));
        push(&mut set, free_from..end);
    }
    set
}

/// Appends a range that starts no earlier than the last one.
fn push<T: Ord + Copy>(set: &mut Vec<Range<T>>, range: Range<T>) {
    if range.is_empty() {
        return;
    }
    match set.last_mut() {
        Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
        _ => set.push(range),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// The naive model: every minute on its own.
    fn minutes(ranges: &[Range<u16>]) -> BTreeSet<u16> {
        ranges.iter().cloned().flatten().collect()
    }

    fn is_set(ranges: &[Range<u16>]) -> bool {
        ranges.iter().all(|range| range.start < range.end)
            && ranges.iter().zip(ranges.iter().skip(1)).all(|(one, next)| one.end < next.start)
    }

    fn any_ranges() -> impl Strategy<Value = Vec<Range<u16>>> {
        vec((0_u16..120, 0_u16..30).prop_map(|(start, length)| start..start + length), 0..12)
    }

    proptest! {
        #[test]
        fn normalise_keeps_the_minutes(ranges in any_ranges()) {
            let set = normalise(ranges.clone());
            prop_assert!(is_set(&set), "{:?}", set);
            prop_assert_eq!(minutes(&set), minutes(&ranges));
        }

        #[test]
        fn operations_agree_with_the_minutes(one in any_ranges(), other in any_ranges()) {
            let (one, other) = (normalise(one), normalise(other));
            let (ones, others) = (minutes(&one), minutes(&other));
            for (name, set, expected) in [
                ("union", union(&one, &other), &ones | &others),
                ("intersect", intersect(&one, &other), &ones & &others),
                ("subtract", subtract(&one, &other), &ones - &others),
            ] {
                prop_assert!(is_set(&set), "{}: {:?}", name, set);
                prop_assert_eq!(minutes(&set), expected, "{}", name);
            }
        }
    }

    #[test]
    #[expect(clippy::reversed_empty_ranges, clippy::single_range_in_vec_init, reason = "the cases under test")]
    fn a_reversed_range_counts_as_empty() {
        assert_eq!(normalise(vec![5..3, 7..7, 1..2]), [1..2]);
    }
}
