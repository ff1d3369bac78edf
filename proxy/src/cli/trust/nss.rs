//! The stores of browsers that don't read the system's: Chromium's and Firefox's databases, by NSS' `certutil`.

use std::path::{Path, PathBuf};

use super::{NAME, Outcome, Root, command, has, home};

/// Where Chromium and its kin look, from a person's home.
const CHROMIUM: &[&str] = &[".pki/nssdb", "snap/chromium/current/.pki/nssdb"];

/// Where Firefox keeps profiles, from a person's home.
const FIREFOX: &[&str] = &[
    ".mozilla/firefox",
    ".config/mozilla/firefox",
    "snap/firefox/common/.mozilla/firefox",
    ".var/app/org.mozilla.firefox/.mozilla/firefox",
    "Library/Application Support/Firefox/Profiles",
];

/// Programs that read `~/.pki/nssdb`: where one is installed, the database is made if it is missing.
const READERS: &[&str] = &["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "brave", "vivaldi"];

const MISSING: &str = "certutil is not installed; install libnss3-tools (Debian, Ubuntu), nss-tools (Fedora) or nss (Arch, \
                       Homebrew) and run `switchboard trust` again";

/// Tells each browser of the root.
pub(super) fn add(root: &Root) -> Vec<Outcome> {
    let mut databases = databases();
    let first = home().map(|home| home.join(".pki/nssdb"));
    if let Some(first) = first.filter(|first| !databases.contains(first) && READERS.iter().any(|reader| has(reader))) {
        databases.push(first);
    }
    let to = |database: &PathBuf| Outcome { store: called(database), result: add_to(database, root) };
    databases.iter().map(to).collect()
}

fn add_to(database: &Path, root: &Root) -> Result<String, String> {
    if !has("certutil") {
        return Err(MISSING.to_owned());
    }
    let place = format!("sql:{}", database.display());
    if !database.join("cert9.db").exists() {
        std::fs::create_dir_all(database).map_err(|error| format!("{}: {error}", database.display()))?;
        command(&["certutil", "-d", &place, "-N", "--empty-password"])?;
    }
    if names(&place).contains(&root.name) {
        return Ok("it was trusted already".to_owned());
    }
    let file = root.path.display().to_string();
    command(&["certutil", "-d", &place, "-A", "-t", "C,,", "-n", &root.name, "-i", &file])?;
    Ok("trusted".to_owned())
}

/// Takes every root of ours out of each browser's store. Nothing where there is none.
pub(super) fn remove() -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for database in databases() {
        if !has("certutil") {
            outcomes.push(Outcome {
                store: called(&database),
                result: Err(MISSING.replace("trust`", "trust --uninstall`")),
            });
            continue;
        }
        let place = format!("sql:{}", database.display());
        for name in names(&place) {
            let result = command(&["certutil", "-d", &place, "-D", "-n", &name]).map(|_| format!("{name} taken out"));
            outcomes.push(Outcome { store: called(&database), result });
        }
    }
    outcomes
}

/// The databases that are there.
fn databases() -> Vec<PathBuf> {
    let Some(home) = home() else { return Vec::new() };
    let profiles = FIREFOX.iter().flat_map(|place| std::fs::read_dir(home.join(place))).flatten().flatten();
    let chromium = CHROMIUM.iter().map(|place| home.join(place));
    chromium.chain(profiles.map(|entry| entry.path())).filter(|path| path.join("cert9.db").is_file()).collect()
}

fn called(database: &Path) -> String {
    let kind = if database.ends_with(".pki/nssdb") { "Chromium's store" } else { "Firefox' store" };
    format!("{kind} {}", database.display())
}

/// The names of our roots in a database.
fn names(place: &str) -> Vec<String> {
    let list = command(&["certutil", "-d", place, "-L"]).unwrap_or_default();
    let ours = list.lines().filter(|line| line.starts_with(NAME));
    // Behind the name stand spaces and how far it is trusted.
    ours.filter_map(|line| Some(line.trim_end().rsplit_once(' ')?.0.trim_end().to_owned())).collect()
}
