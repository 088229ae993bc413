//! Fake upstreams, scripted faults and a test client for the Portcullis AI gateway.
