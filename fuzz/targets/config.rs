//! Configurations: any bytes give a configuration or errors with places, and what is accepted compiles.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::Path;
use switchboard_core::config::{NoSource, diff, load_bytes};
use switchboard_core::snapshot::Snapshot;

fuzz_target!(|bytes: &[u8]| {
    let load = || load_bytes(Path::new("switchboard.yaml"), bytes, &mut NoSource);
    let loaded = load();
    for warning in &loaded.warnings {
        assert!(!warning.rendered().is_empty());
    }
    match loaded.config {
        Err(errors) => {
            assert!(!errors.is_empty(), "a refusal says why");
            for error in &errors {
                assert!(!error.rendered().is_empty());
            }
        }
        Ok(config) => {
            assert!(!config.listeners.is_empty());
            let again = load().config.expect("the same bytes are as good as before");
            assert!(config == again && diff(&config, &again).is_empty());
            Snapshot::compile(&config).expect("what check accepts compiles");
        }
    }
});
