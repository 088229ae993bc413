//! Fuzzes [`portcullis_fuzz::targets::route`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| portcullis_fuzz::targets::route::run(data));
