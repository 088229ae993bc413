//! Fuzzes [`portcullis_fuzz::targets::json`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| portcullis_fuzz::targets::json::run(data));
