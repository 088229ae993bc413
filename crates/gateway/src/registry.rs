//! Everything this build of the gateway knows by name.

use portcullis_core::assemble::Registry;
use portcullis_core::error::{Code, codes};
use portcullis_core::protocol::Http;

use crate::backend::{self, DirectResponseBackend, ForwardBackend, StaticBackend};
use crate::listener;

/// A registry of all policies, dialects, vendors and backends of the crates this one was built with. Add
/// your own before handing it to [`GatewayBuilder::registry`](crate::GatewayBuilder::registry).
pub fn registry() -> Registry {
    let mut registry = Registry::new();
    #[cfg(feature = "providers")]
    portcullis_providers::register(&mut registry);
    #[cfg(feature = "aws")]
    crate::credentials::register(&mut registry);
    #[cfg(feature = "policies")]
    portcullis_policies::register(&mut registry);
    registry.backend::<Http, _>(DirectResponseBackend);
    registry.backend::<Http, _>(StaticBackend);
    registry.backend::<Http, _>(ForwardBackend);
    registry
}

/// Every code an error of this build of the gateway can have, as listed in `docs/errors.md`.
pub fn error_codes() -> Vec<&'static Code> {
    let tables = [
        codes::ALL,
        #[cfg(feature = "policies")]
        portcullis_policies::codes::CODES,
        #[cfg(feature = "providers")]
        portcullis_providers::codes::CODES,
        backend::CODES,
        listener::CODES,
    ];
    tables.concat()
}

#[cfg(test)]
mod tests {
    use portcullis_core::error;

    use super::*;
    use crate::generated;

    #[test]
    fn errors_page_is_what_the_code_tables_say() {
        generated::check("../../docs/errors.md", &error::document(&error_codes()));
    }

    #[test]
    fn codes_on_the_errors_page_differ_in_name() {
        let mut names: Vec<_> = error_codes().iter().map(|code| code.name).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
