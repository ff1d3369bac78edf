//! The system's own store, which curl, wget, Git, Go, Python's ssl and most of a distribution read.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use super::{NAME, Outcome, Root, command, has};

/// How a family of systems is told of a root: a directory to put it in, and a command that takes it up.
struct Family {
    directory: &'static str,
    extension: &'static str,
    /// Takes up what was put in.
    refresh: &'static [&'static str],
    /// Takes up what was taken out, and leaves no link to it behind.
    forget: &'static [&'static str],
}

const FAMILIES: &[Family] = &[
    // Debian, Ubuntu, Alpine
    Family {
        directory: "/usr/local/share/ca-certificates",
        extension: "crt",
        refresh: &["update-ca-certificates"],
        forget: &["update-ca-certificates", "--fresh"],
    },
    // Fedora, RHEL
    Family {
        directory: "/etc/pki/ca-trust/source/anchors",
        extension: "pem",
        refresh: &["update-ca-trust", "extract"],
        forget: &["update-ca-trust", "extract"],
    },
    // Arch
    Family {
        directory: "/etc/ca-certificates/trust-source/anchors",
        extension: "crt",
        refresh: &["trust", "extract-compat"],
        forget: &["trust", "extract-compat"],
    },
    // openSUSE
    Family {
        directory: "/usr/share/pki/trust/anchors",
        extension: "pem",
        refresh: &["update-ca-certificates"],
        forget: &["update-ca-certificates"],
    },
];

const STORE: &str = "the system's store";

/// Where macOS keeps what every user trusts.
const KEYCHAIN: &str = "/Library/Keychains/System.keychain";

/// Tells the system of the root.
pub(super) fn add(root: &Root) -> Option<Outcome> {
    let outcome = |result| Some(Outcome { store: STORE.to_owned(), result });
    if cfg!(target_os = "macos") {
        let path = root.path.display().to_string();
        let line = ["security", "add-trusted-cert", "-d", "-r", "trustRoot", "-k", KEYCHAIN, &path];
        return outcome(as_root(&line).map(|()| "the system keychain trusts it".to_owned()));
    }
    let Some(family) = family() else {
        return outcome(Err(format!(
            "no tool of a known distribution is here (update-ca-certificates, update-ca-trust, trust); install the \
             package ca-certificates, or add {} by hand",
            root.path.display()
        )));
    };
    let file = Path::new(family.directory).join(format!("switchboard-{}.{}", root.id, family.extension));
    let target = file.display().to_string();
    if std::fs::read(&file).ok().is_some_and(|known| std::fs::read(&root.path).ok() == Some(known)) {
        return outcome(as_root(family.refresh).map(|()| format!("it was trusted already ({target})")));
    }
    let source = root.path.display().to_string();
    let copy = as_root(&["install", "-m", "0644", &source, &target]);
    outcome(copy.and_then(|()| as_root(family.refresh)).map(|()| target))
}

/// Takes every root of ours out of the system's store. Nothing where there is none.
pub(super) fn remove() -> Vec<Outcome> {
    let outcome = |result| Outcome { store: STORE.to_owned(), result };
    if cfg!(target_os = "macos") {
        let found =
            command(&["security", "find-certificate", "-a", "-c", NAME, KEYCHAIN]).is_ok_and(|text| !text.is_empty());
        let line = ["security", "delete-certificate", "-c", NAME, "-t", KEYCHAIN];
        return found
            .then(|| outcome(as_root(&line).map(|()| "taken out of the keychain".to_owned())))
            .into_iter()
            .collect();
    }
    let Some(family) = family() else { return Vec::new() };
    let files: Vec<PathBuf> =
        std::fs::read_dir(family.directory).into_iter().flatten().flatten().map(|e| e.path()).collect();
    let ours = files.iter().filter(|file| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("switchboard-") && name.ends_with(family.extension)
    });
    let mut outcomes: Vec<Outcome> = ours
        .map(|file| {
            let path = file.display().to_string();
            outcome(as_root(&["rm", "-f", &path]).map(|()| format!("{path} taken out")))
        })
        .collect();
    if outcomes.iter().any(|one| one.result.is_ok())
        && let Err(why) = as_root(family.forget)
    {
        outcomes.push(outcome(Err(why)));
    }
    outcomes
}

fn family() -> Option<&'static Family> {
    let here = |family: &&Family| {
        Path::new(family.directory).is_dir() && family.refresh.first().is_some_and(|program| has(program))
    };
    FAMILIES.iter().find(here)
}

/// Runs a command that needs the administrator's rights: by itself as root, else by sudo where a person can be asked.
fn as_root(line: &[&str]) -> Result<(), String> {
    if rustix::process::geteuid().is_root() {
        return command(line).map(drop);
    }
    if has("sudo") && std::io::stdin().is_terminal() {
        let with: Vec<&str> = std::iter::once("sudo").chain(line.iter().copied()).collect();
        return command(&with).map(drop);
    }
    Err(format!("it needs the administrator: run `sudo {}`, then `switchboard trust` again", line.join(" ")))
}
