//! At both ends of the line: small pieces written together as one.

use std::io::IoSlice;

use smallvec::SmallVec;

/// What is longer than this is not copied.
const MOST: usize = 2048;

/// Puts the pieces of a small write one behind the other, since the system takes one piece for less than
/// several. `None` when they do not fit, or there is but one.
pub(crate) fn join(pieces: &[IoSlice<'_>]) -> Option<SmallVec<[u8; MOST]>> {
    let length: usize = pieces.iter().map(|piece| piece.len()).sum();
    if pieces.len() < 2 || length > MOST {
        return None;
    }
    let mut joined = SmallVec::new();
    for piece in pieces {
        joined.extend_from_slice(piece);
    }
    Some(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_joined_as_long_as_they_fit() {
        let long = [b'x'; MOST - 2];
        let joined = |pieces: &[&[u8]]| {
            let pieces: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
            join(&pieces).map(SmallVec::into_vec)
        };
        assert_eq!(joined(&[b"a", b"", b"bc"]).unwrap(), b"abc");
        assert_eq!(joined(&[b"a", &long, b"b"]).unwrap().len(), MOST);
        assert_eq!(joined(&[b"ab", &long, b"c"]), None);
        assert_eq!(joined(&[b"alone"]), None);
        assert_eq!(joined(&[]), None);
    }
}
