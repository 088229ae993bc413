//! Fuzzes [`portcullis_fuzz::targets::usage`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| portcullis_fuzz::targets::usage::run(data));
