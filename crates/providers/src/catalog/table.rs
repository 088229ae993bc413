//! Beside the line: the prices providers published, as a table that is searched where it lies.
//!
//! A line of `prices.tsv` is a provider and a model, the longest conversation in tokens, then US dollars per
//! million tokens: input, output, input read from the cache, input written to it. If long calls cost another
//! price, the number of input tokens above which they do and the same four amounts follow. Lines are in the
//! order of their bytes. What is not known is left empty.

use std::cmp::Ordering;

use portcullis_core::context::{Money, Price, Rates};

/// As published in November 2026.
static TABLE: &str = include_str!("prices.tsv");

/// The price of a model, if it is in the table.
pub(super) fn find(provider: &str, model: &str) -> Option<Price> {
    price(search(TABLE, provider, model)?)
}

/// The price of the first provider that has a model of this name.
pub(super) fn find_any(model: &str) -> Option<Price> {
    if model.is_empty() || model.contains(['\t', '\n']) {
        return None;
    }
    let at = TABLE.find(&format!("\t{model}\t"))?;
    let start = TABLE[..at].rfind('\n').map_or(0, |end| end + 1);
    price(TABLE[start..].lines().next()?)
}

fn price(line: &str) -> Option<Price> {
    let mut columns = line.split('\t').skip(3);
    let rates = rates(&mut columns)?;
    let above = columns.next().and_then(|above| above.parse().ok());
    let tier = above.and_then(|above| Some((above, self::rates(&mut columns)?)));
    Some(Price {
        rates,
        tiers: tier.into_iter().collect(),
    })
}

/// The next four columns as what a token costs.
fn rates<'t>(columns: &mut impl Iterator<Item = &'t str>) -> Option<Rates> {
    let mut next = || columns.next().and_then(each);
    let [input, output, cache_read, cache_write] = [next(), next(), next(), next()];
    Some(Rates {
        input: input?,
        output: output.unwrap_or_default(),
        cache_read,
        cache_write,
    })
}

/// What one token costs, at so many dollars for a million: a number without exponent.
fn each(dollars: &str) -> Option<Money> {
    let dollars: f64 = dollars.parse().ok()?;
    Some(Money::from_picodollars((dollars * 1e6).round() as u64))
}

/// The line of a model, by halving what is left of the table.
fn search<'t>(mut table: &'t str, provider: &str, model: &str) -> Option<&'t str> {
    while !table.is_empty() {
        let middle = table.floor_char_boundary(table.len() / 2);
        let start = table[..middle].rfind('\n').map_or(0, |at| at + 1);
        let end = table[middle..]
            .find('\n')
            .map_or(table.len(), |at| middle + at);
        let line = &table[start..end];
        let mut columns = line.split('\t');
        let key = (columns.next()?, columns.next()?);
        table = match key.cmp(&(provider, model)) {
            Ordering::Equal => return Some(line),
            Ordering::Greater => &table[..start],
            Ordering::Less => table.get(end + 1..).unwrap_or_default(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_found_and_says_a_price() {
        let mut before = ("", "");
        for line in TABLE.lines() {
            let columns: Vec<_> = line.split('\t').collect();
            let key = (columns[0], columns[1]);
            assert!(before < key, "out of order: {line}");
            before = key;
            assert!(columns.len() <= 12, "{line}");
            assert!(
                columns[2].is_empty() || columns[2].parse::<u64>().is_ok(),
                "{line}"
            );
            let price = find(columns[0], columns[1]).unwrap_or_else(|| panic!("not found: {line}"));
            assert_eq!(price.rates.input, each(columns[3]).unwrap(), "{line}");
            assert_eq!(price.tiers.len(), usize::from(columns.len() > 7), "{line}");
        }
    }

    #[test]
    fn what_is_not_in_the_table_is_not_found() {
        for (provider, model) in [("", ""), ("a", "a"), ("openai", ""), ("zzz", "z")] {
            assert!(find(provider, model).is_none());
        }
        for model in ["", "z", "\t", "claude\n"] {
            assert!(find_any(model).is_none());
        }
    }
}
