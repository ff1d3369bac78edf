//! `switchboard trust`: one root for a state directory, brought to browsers' stores and taken out again. The system's
//! own store is left alone here: it belongs to the machine that runs the tests.

use crate::harness::TempDir;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// `switchboard trust` with a home of its own.
fn trust(dir: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
    command.arg("trust").args(arguments).env("HOME", dir.file("home")).env_remove("XDG_STATE_HOME");
    command.current_dir(dir.file("")).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn openssl(arguments: &[&str], path: &Path) -> String {
    let output = Command::new("openssl").args(arguments).arg("-in").arg(path).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    text(&output)
}

#[test]
fn many_at_once_make_one_root_that_signs_for_private_names_alone() {
    let dir = TempDir::new();
    let state = dir.file("state");
    let state = state.to_str().unwrap();
    let each: Vec<_> = (0..4).map(|_| trust(&dir, &["--print", "--state-dir", state]).spawn().unwrap()).collect();
    let outputs: Vec<Output> = each.into_iter().map(|one| one.wait_with_output().unwrap()).collect();
    for output in &outputs {
        assert!(output.status.success() && output.stdout == outputs[0].stdout, "{}", text(output));
    }
    let root = dir.file("state/certs/root.crt");
    assert_eq!(std::fs::read(&root).unwrap(), outputs[0].stdout);
    for (path, mode) in [("", 0o700), ("/root.key", 0o600), ("/root.crt", 0o600), ("/lock", 0o600)] {
        let found = std::fs::metadata(format!("{state}/certs{path}")).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "case 175: {path} has mode {found:o}");
    }
    let words = openssl(&["x509", "-noout", "-text"], &root);
    for part in ["CA:TRUE, pathlen:0", "Name Constraints: critical", "DNS:localhost", "IP:10.0.0.0/255.0.0.0"] {
        assert!(words.contains(part), "{part} in {words}");
    }
    let life = |days: u64| {
        let seconds = (days * 86_400).to_string();
        Command::new("openssl").args(["x509", "-noout", "-checkend", &seconds, "-in"]).arg(&root).output().unwrap()
    };
    assert!(life(3649).status.success() && !life(3651).status.success(), "ten years");
}

#[test]
fn browsers_trust_the_root_until_it_is_taken_out() {
    if !super::has_judge("certutil", "browsers_trust_the_root_until_it_is_taken_out") {
        return;
    }
    let dir = TempDir::new();
    let chromium = dir.file("home/.pki/nssdb");
    let firefox = dir.file("home/.mozilla/firefox/abc.default");
    for database in [&chromium, &firefox] {
        std::fs::create_dir_all(database).unwrap();
        let place = format!("sql:{}", database.display());
        assert!(Command::new("certutil").args(["-N", "--empty-password", "-d", &place]).status().unwrap().success());
    }
    let roots = |database: &Path| {
        let place = format!("sql:{}", database.display());
        let list = text(&Command::new("certutil").args(["-L", "-d", &place]).output().unwrap());
        list.lines().filter(|line| line.starts_with("Switchboard local root") && line.contains("C,,")).count()
    };
    for said in ["trusted", "trusted already"] {
        let output = trust(&dir, &["--only", "browsers"]).output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
        assert_eq!(text(&output).matches(said).count(), 2, "{}", text(&output));
        assert_eq!((roots(&chromium), roots(&firefox)), (1, 1));
    }
    let output = trust(&dir, &["--only", "browsers", "--uninstall"]).output().unwrap();
    assert!(output.status.success() && text(&output).matches("taken out").count() == 2, "{}", text(&output));
    assert_eq!((roots(&chromium), roots(&firefox)), (0, 0));
    let output = trust(&dir, &["--only", "browsers", "--uninstall"]).output().unwrap();
    assert!(output.status.success() && text(&output).contains("no store"), "{}", text(&output));
}

#[test]
fn says_what_could_not_be_done_and_how_to_mend_it() {
    let dir = TempDir::new();
    let firefox = dir.file("home/.mozilla/firefox/abc.default");
    std::fs::create_dir_all(&firefox).unwrap();
    std::fs::write(firefox.join("cert9.db"), "no database").unwrap();
    let output = trust(&dir, &["--only", "browsers"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let words = text(&output);
    assert!(words.contains("NOT done: Firefox' store") && words.contains("certutil"), "{words}");
    // A damaged root is put aside and reported; another one is made.
    std::fs::write(dir.file("home/.local/state/switchboard/certs/root.key"), "nonsense").unwrap();
    let output = trust(&dir, &["--print"]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    assert!(dir.file("home/.local/state/switchboard/certs/root.key.damaged").exists());
}
