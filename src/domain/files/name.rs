//! Names of files as clients give them: shown to people, never used to find anything.

use super::FileType;

/// Most characters.
const LONGEST: usize = 200;

/// The name as it is kept.
///
/// # Errors
/// What is wrong with it, for people.
pub(super) fn checked(name: &str, kind: FileType) -> Result<String, String> {
    let name = name.trim();
    if name.contains(['/', '\\']) {
        return Err("give the name alone, without the folders before it".to_owned());
    }
    if name.is_empty() || name.chars().all(|letter| letter == '.') {
        return Err("give the file a name".to_owned());
    }
    if name.chars().count() > LONGEST {
        return Err(format!("give at most {LONGEST} characters"));
    }
    if name.chars().any(|letter| letter.is_control() || misleads(letter)) {
        return Err("leave out control characters and marks that turn the direction of writing".to_owned());
    }
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_lowercase());
    if !ending.is_some_and(|ending| kind.endings().contains(&ending.as_str())) {
        let endings: Vec<String> = kind.endings().iter().map(|ending| format!(".{ending}")).collect();
        return Err(format!("the name of a file of type {} ends with {}", kind.mime(), endings.join(" or ")));
    }
    Ok(name.to_owned())
}

/// Characters that are not seen, or that show `gpj.exe` as `exe.jpg`.
fn misleads(letter: char) -> bool {
    matches!(letter,
        '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_are_kept() {
        for name in ["foto.jpg", " Radiografía 2026.JPEG ", "año.final.v2.jpg", "..ok.jpg", "照片.jpg"] {
            assert_eq!(checked(name, FileType::Jpeg).as_deref(), Ok(name.trim()));
        }
    }

    #[test]
    fn paths_tricks_and_wrong_endings_are_refused() {
        let long = format!("{}.jpg", "x".repeat(197));
        let bad = [
            "../../etc/passwd.jpg",
            "C:\\fotos\\a.jpg",
            "",
            "..",
            "a\u{0}.jpg",
            "a\n.jpg",
            "a\u{202E}gpj.jpg",
            "a\u{200B}.jpg",
            "photo.exe",
            "jpg",
            "photo.jpg.",
            "photo.png",
            &long,
        ];
        for name in bad {
            assert!(checked(name, FileType::Jpeg).is_err(), "{name:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_kept_is_one_line_and_no_path(name in ".{0,250}") {
            if let Ok(kept) = checked(&format!("{name}.csv"), FileType::Csv) {
                proptest::prop_assert!(kept.chars().count() <= LONGEST && !kept.contains(['/', '\\', '\n', '\0']));
                proptest::prop_assert_eq!(checked(&kept, FileType::Csv), Ok(kept));
            }
        }
    }
}
