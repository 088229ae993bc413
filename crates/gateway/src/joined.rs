//! At both ends of the line: small pieces written together as one.

use std::io::IoSlice;

use smallvec::SmallVec;

/// What is longer than this is not copied.
const MOST: usize = 2048;

/// Room for a small write, on the stack.
pub(crate) type Room = SmallVec<[u8; MOST]>;

/// Puts the pieces of a small write one behind the other, since the system takes one piece for less than
/// several. False when they do not fit, or there is but one.
pub(crate) fn join(pieces: &[IoSlice<'_>], room: &mut Room) -> bool {
    let length: usize = pieces.iter().map(|piece| piece.len()).sum();
    let joins = pieces.len() > 1 && length <= MOST;
    if joins {
        for piece in pieces {
            room.extend_from_slice(piece);
        }
    }
    joins
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_joined_as_long_as_they_fit() {
        let long = [b'x'; MOST - 2];
        let joined = |pieces: &[&[u8]]| {
            let pieces: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
            let mut room = Room::new();
            join(&pieces, &mut room).then(|| room.into_vec())
        };
        assert_eq!(joined(&[b"a", b"", b"bc"]).unwrap(), b"abc");
        assert_eq!(joined(&[b"a", &long, b"b"]).unwrap().len(), MOST);
        assert_eq!(joined(&[b"ab", &long, b"c"]), None);
        assert_eq!(joined(&[b"alone"]), None);
        assert_eq!(joined(&[]), None);
    }
}
