//! `switchboard doctor`: what stands in the way is named, with its mend.

use crate::harness::TempDir;
use std::path::Path;

#[test]
fn doctor_names_what_is_in_the_way() {
    let dir = TempDir::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let config = |listen: &str| {
        let text = format!("listen: {listen}\nstate_dir: {}\n", dir.file("state").display());
        dir.write("doctor.yaml", &text)
    };
    let run = |path: &Path| crate::harness::run(dir.path(), &["doctor", "-c", path.to_str().unwrap()]);
    let output = run(&config(&address.to_string()));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains(&format!("BAD  ports  {address} is taken by")), "{text}");
    let output = run(&config("127.0.0.1:0"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("ok   state"), "{text}");
}

#[test]
fn doctor_takes_the_file_of_the_folder_and_names_it() {
    let dir = TempDir::new();
    let look = || String::from_utf8_lossy(&crate::harness::run(dir.path(), &["doctor"]).stdout).into_owned();
    let text = look();
    assert!(text.contains("note config there is no switchboard.yaml here"), "{text}");
    let state = dir.file("state-of-the-file");
    dir.write("switchboard.yaml", &format!("listen: 127.0.0.1:0\nstate_dir: {}\n", state.display()));
    let text = look();
    assert!(text.contains("ok   config switchboard.yaml"), "{text}");
    assert!(text.contains(&format!("ok   state  {} can be written", state.display())), "{text}");
}
