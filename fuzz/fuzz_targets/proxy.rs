//! Fuzzes [`portcullis_fuzz::targets::proxy`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| portcullis_fuzz::targets::proxy::run(data));
