//! What belongs to the process and not to a route: its logs, its state directory, its limits, its memory.

use crate::harness::{Proxy, on_workers, poll, run};
use std::process::Command;

const ONE: &str = "routes: { t.test: { respond: one } }\n";

#[test]
fn logs_go_elsewhere() {
    on_workers(|workers| {
        let proxy = Proxy::start(workers, &format!("log: {{ level: error }}\n{ONE}"));
        assert_eq!(proxy.get("t.test", "/first").status(), 200);
        proxy.wait_access_of("/first");
        let (access, log) = (proxy.dir().file("access.log"), proxy.dir().file("proxy.log"));
        let to = |level: &str| {
            format!("log: {{ level: {level}, to: {} }}\naccess_log: {}\n{ONE}", log.display(), access.display())
        };
        proxy.write_config(&to("info"));
        let lines = |path| std::fs::read_to_string(path).unwrap_or_default();
        poll("the own log in its file", || lines(&log).contains("is in force").then_some(()));
        assert!(!proxy.log().iter().any(|line| line.contains("is in force")), "{:?}", proxy.log());
        assert_eq!(proxy.get("t.test", "/second").status(), 200);
        poll("the access line in its file", || lines(&access).contains("/second").then_some(()));
        assert!(proxy.access().iter().all(|line| line["path"] != "/second"));
    });
}

#[test]
fn a_log_that_cannot_be_opened_changes_nothing() {
    let proxy = Proxy::start(1, ONE);
    for key in ["access_log", "log"] {
        proxy
            .write_config(&format!("{key}: {{ to: /nowhere/at/all.log }}\nroutes: {{ t.test: {{ respond: two }} }}\n"));
        proxy.wait_log(&format!("not reloaded: {key}:"));
        assert_eq!(proxy.get("t.test", "/").text(), "one");
    }
}

#[test]
fn a_state_directory_has_one_proxy_and_survives_a_kill() {
    let mut proxy = Proxy::start(1, ONE);
    let config = proxy.config().display().to_string();
    let second = run(proxy.dir().path(), &["run", "-c", &config]);
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("belongs to a running proxy (process {})", proxy.pid())), "{said}");
    proxy.signal("KILL");
    proxy.wait_exit();
    // The socket of the dead one is still there, and in nobody's way.
    assert!(proxy.dir().file("state/control.sock").exists());
    let text = std::fs::read_to_string(proxy.config()).unwrap();
    let again = Proxy::start_with(1, ONE, |command| {
        std::fs::write(command.get_args().last().unwrap(), &text).unwrap();
    });
    assert_eq!(again.get("t.test", "/").text(), "one");
    let reload = run(proxy.dir().path(), &["reload", "-c", &config]);
    assert!(reload.status.success(), "{reload:?}");
}

#[test]
fn a_port_that_is_taken_names_its_holder() {
    let proxy = Proxy::start(1, ONE);
    let listen = format!("listen: {}\nstate_dir: other\n", proxy.address());
    proxy.dir().write("second.yaml", &listen);
    let second = run(proxy.dir().path(), &["run", "-c", "second.yaml"]);
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("switchboard (process {}) has it", proxy.pid())), "{said}");
}

#[test]
fn too_few_descriptors_are_refused_with_the_number() {
    let proxy = Proxy::start(1, ONE);
    let binary = std::fs::read_link(format!("/proc/{}/exe", proxy.pid())).unwrap();
    proxy.dir().write("few.yaml", "listen: 127.0.0.1:0\nstate_dir: few\n");
    let script = format!("ulimit -n 64; exec {} run -c few.yaml", binary.display());
    let output = Command::new("sh").args(["-c", &script]).current_dir(proxy.dir().path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("is 64") && said.contains("at least 256"), "{said}");
}

/// Reloads without end between two configurations that have no endpoint in common. (2,000 of them, tried by hand, end
/// where they began as well.)
#[test]
fn old_generations_are_freed() {
    let routes = |n: usize| -> String {
        let route = |i: usize| format!("  r{i}.test: {{ to: \"127.0.0.1:{}\", max_body: 1MB }}\n", 20_000 + 2 * i + n);
        format!("access_log: off\nlog: {{ level: error }}\nroutes:\n  g.test: {{ respond: \"{n}\" }}\n")
            + &(0..200).map(route).collect::<String>()
    };
    let proxy = Proxy::start(2, &routes(0));
    let link = proxy.config();
    for n in 0..2 {
        proxy.dir().write(&format!("{n}.yaml"), &proxy.text(&routes(n)));
    }
    let mut after_warm_up = 0;
    for n in 1..=200 {
        // A link is swapped: what it leads to was written long ago.
        let new = proxy.dir().file("new");
        std::os::unix::fs::symlink(format!("{}.yaml", n % 2), &new).unwrap();
        std::fs::rename(&new, &link).unwrap();
        proxy.signal("HUP");
        let expect = (n % 2).to_string();
        poll("the new generation", || (proxy.get("g.test", "/").text() == expect).then_some(()));
        if n == 50 {
            after_warm_up = proxy.resident();
        }
    }
    let grown = proxy.resident().saturating_sub(after_warm_up);
    // One generation of this size is about 250 KiB.
    assert!(grown < 6 * 1024, "{grown} KiB more after 150 reloads");
}
