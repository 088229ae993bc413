//! Before the request line: what models cost, read from where the configuration says.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use portcullis_core::config::{
    ConfigError, ModelPrice, Pointer, PriceCatalog, Prices, SourceMap, decode,
};
use portcullis_core::context;
use portcullis_providers::catalog::Catalog;

use crate::source::document;

/// The largest price file read.
const MAX_FILE: u64 = 8 << 20;

/// The catalog a configuration asks for. Places in the error are relative to `prices`; what is wrong in a file is
/// told with its place there.
pub(in crate::snapshot) fn load(prices: &Prices) -> Result<Arc<dyn context::Prices>, ConfigError> {
    let at = Pointer::root().key("catalog");
    let catalog = match &prices.catalog {
        PriceCatalog::Inline(list) => Catalog::new(list, prices.built_in).map_err(|e| e.under(&at)),
        PriceCatalog::File(from) => {
            read(&from.file, prices.built_in).map_err(|what| ConfigError::new(at.key("file"), what))
        }
    };
    Ok(Arc::new(catalog?))
}

/// The prices there are where a configuration asks for none.
pub(in crate::snapshot) fn published() -> Arc<dyn context::Prices> {
    Arc::new(Catalog::default())
}

fn read(path: &Path, built_in: bool) -> Result<Catalog, String> {
    let shown = path.display();
    let mut text = String::new();
    let read = File::open(path).and_then(|f| f.take(MAX_FILE + 1).read_to_string(&mut text));
    let length = read.map_err(|e| format!("cannot read the prices in `{shown}`: {}", e.kind()))?;
    if length as u64 > MAX_FILE {
        return Err(format!("the price file `{shown}` is larger than 8 MiB"));
    }
    let (value, map) = match document::read(&shown.to_string(), &text, &|_| None) {
        Ok(document) => (document.value, document.map),
        Err(failed) => return Err(told(&failed.0, &failed.1)),
    };
    let list: Vec<ModelPrice> = decode(&value, &Pointer::root()).map_err(|e| told(&e, &map))?;
    Catalog::new(&list, built_in).map_err(|e| told(&e, &map))
}

/// An error in a price file, in one line.
fn told(error: &ConfigError, map: &SourceMap) -> String {
    let place = map.find(&error.at, false).map(|excerpt| {
        let (line, column) = excerpt.line_column();
        format!("{}:{line}:{column}: ", excerpt.file)
    });
    format!("{}{}", place.unwrap_or_default(), error.what)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use portcullis_core::config::{ConfigError, Pointer, decode};
    use portcullis_core::context::{Prices, Tokens};
    use serde_json::{Value, json};

    use super::*;

    fn catalog(text: &str) -> Result<Arc<dyn Prices>, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("prices.yaml");
        std::fs::write(&path, text).unwrap();
        of(&json!({"catalog": {"file": path}}))
    }

    fn of(prices: &Value) -> Result<Arc<dyn Prices>, ConfigError> {
        load(&decode(prices, &Pointer::root()).unwrap())
    }

    fn million(catalog: &Arc<dyn Prices>, model: &str) -> Option<String> {
        let price = catalog.price("own", model)?;
        Some(price.of(Tokens::new(1_000_000, 1_000_000)).to_string())
    }

    #[test]
    fn prices_are_read_from_a_file_or_stand_in_place() {
        let file = catalog("- {model: fast-*, input: 0.25, output: 2}\n").unwrap();
        assert_eq!(million(&file, "fast-1").as_deref(), Some("2.25"));
        let inline = of(&json!({"catalog": [{"model": "a", "input": 1}]})).unwrap();
        assert_eq!(million(&inline, "a").as_deref(), Some("1"));
        assert_eq!(million(&inline, "b"), None);
    }

    #[test]
    fn a_mistake_in_a_price_file_is_told_with_its_line() {
        let e = catalog("- {model: a, input: 1}\n- {model: b, inptu: 2}\n").unwrap_err();
        assert_eq!(e.at.to_string(), "/catalog/file");
        assert!(e.what.contains("prices.yaml:2:"), "{}", e.what);
        let e = catalog("- {model: a, input: -1}\n").unwrap_err();
        assert!(e.what.contains("prices.yaml:1:"), "{}", e.what);
        let e = of(&json!({"catalog": {"file": "/no/such/prices.yaml"}})).unwrap_err();
        assert!(e.what.contains("cannot read"), "{}", e.what);
    }
}
