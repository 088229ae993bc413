//! The vocabulary of the Portcullis AI gateway: bodies, errors, protocols, policies, routes and configuration.

pub mod route;
