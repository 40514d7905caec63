//! What a server wrote, made fit for a screen.

use std::fmt::Write as _;

/// Characters of one field that are shown.
const LONGEST: usize = 400;

/// One line with nothing that a terminal obeys or that turns the direction of
/// writing: letters and digits of all scripts and ASCII's signs stay, all else
/// becomes `\u{…}`. What is beyond the first 400 characters is left out.
pub(super) fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len().min(LONGEST));
    for (index, character) in text.chars().enumerate() {
        if index == LONGEST {
            shown.push('…');
            break;
        }
        if character == ' ' || character.is_ascii_graphic() || character.is_alphanumeric() {
            shown.push(character);
        } else {
            // A write to a String does not fail.
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(character));
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_to_obey() {
        assert_eq!(plain("O=Café, 東京 \"x\""), "O=Café, 東京 \"x\"");
        assert_eq!(plain("a\x1b[31m\r\n\u{202e}b\u{9b}"), r"a\u{1b}[31m\u{d}\u{a}\u{202e}b\u{9b}");
        assert_eq!(plain(&"x".repeat(1000)).chars().count(), 401);
    }
}
