//! Golden files: each `tests/config/NAME.yaml` has the reports that `check` prints for it in `NAME.txt`.
//!
//! After a change of texts run with `UPDATE_GOLDEN=1` and read the difference before it is committed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use switchboard_core::config::{Source, json_schema, load_bytes};

/// The directory of the golden files as a source, and an environment of two variables.
struct Golden;

impl Source for Golden {
    fn read(&mut self, path: &Path, limit: usize) -> Result<Vec<u8>, String> {
        let mut bytes = fs::read(directory().join(path)).map_err(|_| "no such file".to_owned())?;
        bytes.truncate(limit);
        Ok(bytes)
    }

    fn glob(&mut self, pattern: &Path) -> Result<Vec<PathBuf>, String> {
        let inside = pattern.parent().ok_or("no directory")?.to_owned();
        let list = fs::read_dir(directory().join(&inside)).map_err(|_| "no such directory".to_owned())?;
        let paths = list.filter_map(|one| Some(inside.join(one.ok()?.file_name())));
        Ok(paths.filter(|path| path.extension() == pattern.extension()).collect())
    }

    fn env(&mut self, name: &str) -> Option<String> {
        BTreeMap::from([("PORT", "3000"), ("SECRET", "hunter2"), ("HOME", "/home/ann")])
            .get(name)
            .map(|&value| value.to_owned())
    }
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config")
}

/// What a person reads about a file.
fn reports(name: &Path, bytes: &[u8], source: &mut dyn Source) -> String {
    let loaded = load_bytes(name, bytes, source);
    let mut text = String::new();
    match &loaded.config {
        Ok(_) if !loaded.warnings.is_empty() => text += "no errors\n",
        Ok(config) => text += &format!("{config:#?}\n"),
        Err(errors) => errors.iter().for_each(|error| text += &format!("{}\n", error.rendered())),
    }
    loaded.warnings.iter().for_each(|warning| text += &format!("{}\n", warning.rendered()));
    text
}

fn same_as_golden(path: &Path, text: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        assert!(fs::write(path, text).is_ok(), "{} can't be written", path.display());
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    assert_eq!(text, expected, "{} is stale; run with UPDATE_GOLDEN=1 and read the difference", path.display());
}

#[test]
fn reports_are_as_written_down() {
    let mut files: Vec<_> = fs::read_dir(directory()).unwrap().map(|one| one.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|kind| kind == "yaml"));
    files.sort();
    assert!(files.len() > 5, "the golden files are gone");
    for file in files {
        let bytes = fs::read(&file).unwrap();
        let name = PathBuf::from(file.file_name().unwrap());
        let text = reports(&name, &bytes, &mut Golden);
        assert_eq!(text, reports(&name, &bytes, &mut Golden), "{} gave two different reports", file.display());
        same_as_golden(&file.with_extension("txt"), &text);
    }
}

#[test]
fn the_json_schema_is_fresh() {
    same_as_golden(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schema.json"), &json_schema());
}
