//! Lists within messages: a centre may have hundreds of options and a file hundreds of columns, and each bad row says them.

/// Characters of a list.
const MOST: usize = 300;

/// The words with commas between them, as many as fit into a message, and how many more there are.
pub(in crate::domain) fn listed(words: &[String]) -> String {
    let mut list = String::new();
    let mut length = 0;
    for (at, word) in words.iter().enumerate() {
        length += word.chars().count() + 2;
        if at > 0 {
            if length > MOST {
                return format!("{list}, and {} more", words.len() - at);
            }
            list.push_str(", ");
        }
        list.push_str(word);
    }
    list
}

#[cfg(test)]
mod tests {
    use super::listed;

    #[test]
    fn a_long_list_ends_with_how_many_more_there_are() {
        let words = |count: usize| (0..count).map(|n| format!("opción {n:03}")).collect::<Vec<_>>();
        assert_eq!(listed(&words(0)), "");
        assert_eq!(listed(&words(2)), "opción 000, opción 001");
        let long = listed(&words(200));
        assert!(long.ends_with("opción 024, and 175 more"), "{long}");
        assert!(long.chars().count() < 320, "{long}");
        assert_eq!(listed(&["x".repeat(400), "y".to_owned()]), format!("{}, and 1 more", "x".repeat(400)));
    }
}
