//! Route stretch: a hash table of small numbers whose keys live elsewhere.

/// Finds numbers by the hash of what they stand for.
///
/// Built once, open addressing, at most half full. The hash is fast and unkeyed: all keys come
/// from configuration, so a request cannot make them collide.
#[derive(Clone, Debug)]
pub(super) struct Index {
    slots: Box<[Slot]>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: u32,
    /// The number plus one; zero if the slot is empty.
    number: u32,
}

impl Index {
    /// Holds each number under its hash.
    pub(super) fn new(entries: &[(u32, u32)]) -> Self {
        let size = (2 * entries.len()).next_power_of_two();
        let mut slots = vec![Slot { hash: 0, number: 0 }; size].into_boxed_slice();
        for &(hash, number) in entries {
            let mut at = hash as usize & (size - 1);
            while slots[at].number != 0 {
                at = (at + 1) & (size - 1);
            }
            slots[at] = Slot {
                hash,
                number: number + 1,
            };
        }
        Self { slots }
    }

    /// The number under `hash` for which `is` holds.
    pub(super) fn find(&self, hash: u32, is: impl Fn(u32) -> bool) -> Option<u32> {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at & mask];
            let number = slot.number.checked_sub(1)?;
            if slot.hash == hash && is(number) {
                return Some(number);
            }
            at += 1;
        }
    }
}

/// The length of the first segment of `path`, and its hash below `seed`.
///
/// Looks for the slash and hashes eight bytes at a time.
pub(super) fn hash_segment(seed: u32, path: &[u8]) -> (usize, u32) {
    let mut hash = u64::from(seed);
    let mut rest = path;
    loop {
        let word = word(rest, b'/');
        let slashes = zeros(word ^ (EACH * u64::from(b'/')));
        if slashes != 0 {
            let bits = slashes.trailing_zeros() & !7;
            let length = path.len() - rest.len() + bits as usize / 8;
            return (length, finish(mix(hash, word & !(u64::MAX << bits))));
        }
        hash = mix(hash, word);
        rest = &rest[8..];
    }
}

/// The hash of a host name, whatever the case of its letters.
pub(super) fn hash_host(name: &[u8]) -> u32 {
    // Of what a host name is made of, this bit tells upper from lower case and nothing else.
    const CASE: u64 = EACH * 0x20;
    let (words, rest) = name.as_chunks();
    let words = words.iter().map(|word| u64::from_le_bytes(*word));
    let hash = words.fold(name.len() as u64, |hash, word| mix(hash, word | CASE));
    finish(mix(hash, word(rest, 0) | CASE))
}

/// A word with a one in each byte.
const EACH: u64 = 0x0101_0101_0101_0101;

/// The first eight bytes, or fewer and `padding`.
fn word(bytes: &[u8], padding: u8) -> u64 {
    if let Some(word) = bytes.first_chunk() {
        return u64::from_le_bytes(*word);
    }
    let mut word = [padding; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(word)
}

/// Has the highest bit of the first byte set that is zero, and of none before it.
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(EACH) & !word & (EACH << 7)
}

fn mix(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(23) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn finish(hash: u64) -> u32 {
    (hash >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_found_and_no_other() {
        let entries: Vec<_> = (0..1000).map(|n: u32| (n % 300, n)).collect();
        let index = Index::new(&entries);
        for &(hash, n) in &entries {
            assert_eq!(index.find(hash, |m| m == n), Some(n));
            assert_eq!(index.find(hash, |_| false), None);
        }
        assert_eq!(Index::new(&[]).find(0, |_| true), None);
    }

    #[test]
    fn numbers_of_one_hash_are_told_apart() {
        let index = Index::new(&[(7, 1), (7, 2), (7, 3)]);
        assert!((1..=3).all(|n| index.find(7, |m| m == n) == Some(n)));
    }

    #[test]
    fn a_segment_ends_at_its_slash_and_hashes_as_if_alone() {
        for length in 0..40 {
            let segment = &b"/abcdefghijklmnopqrstuvwxyz.ABCDEFGHIJKLM"[1..=length];
            let (end, alone) = hash_segment(7, segment);
            assert_eq!(end, length);
            let path = [segment, b"/rest/of/the/path"].concat();
            assert_eq!(hash_segment(7, &path), (length, alone));
            assert_ne!(hash_segment(8, &path).1, alone);
        }
    }

    #[test]
    fn hosts_hash_alike_in_either_case() {
        for host in ["a", "ab.c", "api.example.com", "a-1.very.long.example.com"] {
            let upper = host.to_ascii_uppercase();
            assert_eq!(hash_host(host.as_bytes()), hash_host(upper.as_bytes()));
        }
    }
}
