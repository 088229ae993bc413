//! Before the request line: which known word somebody probably meant.

/// The known word nearest to `word`, if one is near enough to be what was meant.
///
/// Case, `-` and `_` do not count; beyond that one slip is forgiven per three letters, and always at
/// least one. Among equally near words the first one wins.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = letters(word);
    let allowed = (word.len() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (distance(&word, &letters(candidate)), candidate))
        .filter(|(slips, candidate)| *slips <= allowed && *slips < candidate.len())
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, candidate)| candidate)
}

/// Bounds what a word of an attacker's or a machine's making can cost.
const MAX_LETTERS: usize = 64;

fn letters(word: &str) -> Vec<char> {
    let plain = word.chars().filter(|c| !matches!(c, '-' | '_'));
    plain
        .flat_map(char::to_lowercase)
        .take(MAX_LETTERS)
        .collect()
}

/// Insertions, deletions, replacements and swaps of neighbours between two words.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut rows = [
        vec![0; b.len() + 1],
        (0..=b.len()).collect(),
        vec![0; b.len() + 1],
    ];
    for i in 1..=a.len() {
        rows[2][0] = i;
        for j in 1..=b.len() {
            let replaced = rows[1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(rows[1][j] + 1).min(rows[2][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[0][j - 2] + 1);
            }
            rows[2][j] = least;
        }
        rows.rotate_left(1);
    }
    rows[1][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 4] = ["backend", "backends", "maxTokens", "id"];

    #[test]
    fn a_slip_finds_the_word_meant() {
        assert_eq!(nearest("backnd", KEYS), Some("backend"));
        assert_eq!(nearest("bakcend", KEYS), Some("backend"));
        assert_eq!(nearest("max_tokens", KEYS), Some("maxTokens"));
    }

    #[test]
    fn a_different_word_finds_nothing() {
        assert_eq!(nearest("listeners", KEYS), None);
        assert_eq!(nearest("", KEYS), None);
        assert_eq!(nearest("xy", KEYS), None);
    }
}
