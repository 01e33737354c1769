#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| horae::foreign::files(data));
