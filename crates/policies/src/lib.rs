//! Policies of the Portcullis AI gateway, each a tower layer.
