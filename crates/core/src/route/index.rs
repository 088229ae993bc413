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

/// A hash of `bytes` below `seed`, eight bytes at a time.
pub(super) fn hash(seed: u32, bytes: &[u8]) -> u32 {
    hash_words(seed, bytes, 0)
}

/// The same for host names, whatever the case of their letters.
pub(super) fn hash_host(bytes: &[u8]) -> u32 {
    // Of what a host name is made of, this bit tells upper from lower case and nothing else.
    hash_words(0, bytes, 0x2020_2020_2020_2020)
}

fn hash_words(seed: u32, bytes: &[u8], fold: u64) -> u32 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut hash = mix(u64::from(seed), bytes.len() as u64);
    for word in words {
        hash = mix(hash, u64::from_le_bytes(*word) | fold);
    }
    if !rest.is_empty() {
        hash = mix(hash, tail(rest) | fold);
    }
    (hash >> 32) as u32
}

fn mix(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(23) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// One to seven bytes as a word that differs if they do.
fn tail(bytes: &[u8]) -> u64 {
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let high = u64::from(u32::from_le_bytes(*last));
        high << 32 | u64::from(u32::from_le_bytes(*first))
    } else {
        bytes.iter().fold(0, |word, &b| word << 8 | u64::from(b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_found_and_no_other() {
        let entries: Vec<_> = (0..1000)
            .map(|n: u32| (hash(n % 3, &n.to_le_bytes()), n))
            .collect();
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
    fn hosts_hash_alike_in_either_case() {
        for host in ["a", "ab.c", "api.example.com", "a-1.very.long.example.com"] {
            let upper = host.to_ascii_uppercase();
            assert_eq!(hash_host(host.as_bytes()), hash_host(upper.as_bytes()));
        }
    }
}
