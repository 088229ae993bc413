//! Counts in usage objects, however they are spelled.

use portcullis_core::json::Raw;

/// Up to here every integer has an `f64` of its own.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Writes a count to `to`: `6`, `6.0` and `6e0` are the same. Returns whether `value` counts anything; what
/// does not leaves `to` as it is.
pub(super) fn note(value: Raw<'_>, to: &mut u64) -> bool {
    let counted = count(value);
    *to = counted.unwrap_or(*to);
    counted.is_some()
}

fn count(value: Raw<'_>) -> Option<u64> {
    value.as_u64().or_else(|| {
        let float = value.as_f64()?;
        let counts = (0.0..=EXACT).contains(&float) && float.fract() == 0.0;
        counts.then_some(float as u64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_whole_number_counts_and_nothing_else_does() {
        let read = |number: &str| count(Raw::parse(number.as_bytes()).unwrap());
        for spelling in ["6", "6.0", "6.0e0", "60E-1", "0.6e1"] {
            assert_eq!(read(spelling), Some(6), "{spelling}");
        }
        assert_eq!(read("18446744073709551615"), Some(u64::MAX));
        assert_eq!(read("-0.0"), Some(0));
        for other in [
            "-1", "6.5", "1e300", "1e999", "null", "\"6\"", "true", "[6]",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
