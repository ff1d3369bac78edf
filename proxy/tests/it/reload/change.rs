//! The ways in which a new configuration arrives, and what happens to one that is refused.

use crate::harness::ws::{CLOSE, TEXT, agree, frame, next_frame, open};
use crate::harness::{Origin, Proxy, Wire, on_workers, poll, run};
use std::time::{Duration, Instant};

const ONE: &str = "routes: { t.test: { respond: one } }\n";
const TWO: &str = "routes: { t.test: { respond: two } }\n";

#[track_caller]
fn wait_answer(proxy: &Proxy, expect: &str) {
    poll(&format!("the answer {expect:?}"), || (proxy.get("t.test", "/").text() == expect).then_some(()));
}

#[test]
fn file_that_is_written() {
    on_workers(|workers| {
        let proxy = Proxy::start(workers, ONE);
        wait_answer(&proxy, "one");
        proxy.write_config(TWO);
        wait_answer(&proxy, "two");
        proxy.write_config(ONE);
        wait_answer(&proxy, "one");
    });
}

#[test]
fn file_that_is_renamed_into_place() {
    on_workers(|workers| {
        let proxy = Proxy::start(workers, ONE);
        for (n, (yaml, expect)) in [(TWO, "two"), (ONE, "one"), (TWO, "two")].into_iter().enumerate() {
            let new = proxy.dir().write(&format!("new-{n}"), &proxy.text(yaml));
            std::fs::rename(new, proxy.config()).unwrap();
            wait_answer(&proxy, expect);
        }
    });
}

#[test]
fn symbolic_link_that_is_swapped() {
    on_workers(|workers| {
        // As Kubernetes does it: the file is a link to `data/…`, and `data` a link to a directory.
        let proxy = Proxy::start_with(workers, ONE, |command| {
            let config = std::path::PathBuf::from(command.get_args().last().unwrap());
            let dir = config.parent().unwrap();
            let text = std::fs::read_to_string(&config).unwrap();
            for (name, text) in [("v1", text.clone()), ("v2", text.replace("one", "two"))] {
                std::fs::create_dir(dir.join(name)).unwrap();
                std::fs::write(dir.join(name).join("switchboard.yaml"), text).unwrap();
            }
            std::fs::remove_file(&config).unwrap();
            std::os::unix::fs::symlink("v1", dir.join("data")).unwrap();
            std::os::unix::fs::symlink("data/switchboard.yaml", &config).unwrap();
        });
        wait_answer(&proxy, "one");
        let dir = proxy.dir().path();
        std::os::unix::fs::symlink("v2", dir.join("data-new")).unwrap();
        std::fs::rename(dir.join("data-new"), dir.join("data")).unwrap();
        wait_answer(&proxy, "two");
    });
}

#[test]
fn included_file_that_changes() {
    on_workers(|workers| {
        let proxy = Proxy::start_with(workers, "include: [conf.d/*.yaml]\n", |command| {
            let config = std::path::PathBuf::from(command.get_args().last().unwrap());
            let folder = config.parent().unwrap().join("conf.d");
            std::fs::create_dir(&folder).unwrap();
            std::fs::write(folder.join("a.yaml"), ONE).unwrap();
        });
        wait_answer(&proxy, "one");
        std::fs::write(proxy.dir().file("conf.d/a.yaml"), TWO).unwrap();
        wait_answer(&proxy, "two");
    });
}

#[test]
fn file_that_is_added_to_a_folder() {
    on_workers(|workers| {
        let proxy = Proxy::start_with(workers, "include: [conf.d/*.yaml]\n", |command| {
            let config = std::path::PathBuf::from(command.get_args().last().unwrap());
            std::fs::create_dir(config.parent().unwrap().join("conf.d")).unwrap();
        });
        assert_eq!(proxy.get("t.test", "/").status(), 404);
        std::fs::write(proxy.dir().file("conf.d/a.yaml"), ONE).unwrap();
        wait_answer(&proxy, "one");
        std::fs::remove_file(proxy.dir().file("conf.d/a.yaml")).unwrap();
        poll("the route gone", || (proxy.get("t.test", "/").status() == 404).then_some(()));
    });
}

#[test]
fn file_that_is_half_written_is_not_put_in_force() {
    on_workers(|workers| {
        // Truncated, and only later written: as slow editors and `>` do it. Cut off, it would be a sound file.
        let proxy = Proxy::start(workers, ONE);
        for n in 0..30 {
            let text =
                proxy.text(&format!("routes: {{ t.test: {{ respond: one }}, n.test: {{ respond: \"{n}\" }} }}\n"));
            let mut file = std::fs::File::create(proxy.config()).unwrap();
            // The moment in which there is nothing in the file, made long enough to be hit by chance.
            crate::harness::poll_for(std::time::Duration::from_millis(10), || {
                assert_eq!(proxy.get("t.test", "/").text(), "one");
                None::<()>
            });
            std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
            if n % 3 == 0 {
                poll("the whole file in force", || {
                    assert_eq!(proxy.get("t.test", "/").text(), "one");
                    (proxy.get("n.test", "/").text() == n.to_string()).then_some(())
                });
            }
        }
    });
}

#[test]
fn file_that_stays_empty_is_not_put_in_force() {
    let proxy = Proxy::start(1, ONE);
    std::fs::write(proxy.config(), "").unwrap();
    let said = proxy.wait_log("is empty");
    assert!(said.contains("not reloaded") && said.contains("switchboard reload"), "{said}");
    assert_eq!(proxy.get("t.test", "/").text(), "one");
    proxy.write_config(TWO);
    wait_answer(&proxy, "two");
}

#[test]
fn included_file_that_stays_empty_is_not_put_in_force() {
    let proxy = Proxy::start(1, ONE);
    let part = proxy.dir().write("part.yaml", "routes: { u.test: { respond: two } }\n");
    let whole = |text: &str| format!("include: [part.yaml, none.yaml]\nroutes: {{ t.test: {{ respond: {text} }} }}\n");
    // One that was never more than empty is no news.
    proxy.dir().write("none.yaml", "");
    proxy.write_config(&whole("one"));
    poll("the part in force", || (proxy.get("u.test", "/").text() == "two").then_some(()));
    std::fs::write(&part, "").unwrap();
    assert!(proxy.wait_log("is empty").contains("part.yaml"));
    // Nor does it come into force with the next change of another file.
    proxy.write_config(&whole("new"));
    poll("a second refusal", || {
        (proxy.log().iter().filter(|line| line.contains("is empty")).count() > 1).then_some(())
    });
    assert_eq!(
        (proxy.get("u.test", "/").text(), proxy.get("t.test", "/").text()),
        ("two".to_owned(), "one".to_owned())
    );
    let answer = run(proxy.dir().path(), &["reload", "-c", proxy.config().to_str().unwrap()]);
    assert!(answer.status.success(), "{answer:?}");
    assert_eq!((proxy.get("u.test", "/").status(), proxy.get("t.test", "/").text()), (404, "new".to_owned()));
}

#[test]
fn signal_and_command() {
    on_workers(|workers| {
        let proxy = Proxy::start(workers, ONE);
        proxy.write_config(TWO);
        proxy.signal("HUP");
        wait_answer(&proxy, "two");
        proxy.write_config(ONE);
        let config = proxy.config().display().to_string();
        let output = run(proxy.dir().path(), &["reload", "-c", &config]);
        assert!(output.status.success(), "{output:?}");
        // The command returns when the new one is in force.
        assert_eq!(proxy.get("t.test", "/").text(), "one");
    });
}

#[test]
fn refused_file_changes_nothing_and_names_the_place() {
    on_workers(|workers| {
        let proxy = Proxy::start(workers, ONE);
        let mut held = proxy.send("GET / HTTP/1.1\r\nHost: t.test\r\n\r\n");
        assert_eq!(held.response().text(), "one");
        // Line 5 of the file: `workers`, `state_dir`, `listen` and `admin` stand before it.
        for bad in ["routes: { t.test: { respnd: two } }\n", "routes: { t.test: [ }\n", "\u{1}\n"] {
            proxy.write_config(bad);
            let config = proxy.config().display().to_string();
            let output = run(proxy.dir().path(), &["reload", "-c", &config]);
            assert_eq!(output.status.code(), Some(1), "{output:?}");
            let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
            assert!(said.contains("switchboard.yaml:5:"), "no place in {said:?}");
            assert_eq!(proxy.get("t.test", "/").text(), "one");
        }
        proxy.wait_log("switchboard.yaml:5:");
        held.send("GET / HTTP/1.1\r\nHost: t.test\r\n\r\n");
        assert_eq!(held.response().text(), "one");
        proxy.write_config(TWO);
        wait_answer(&proxy, "two");
    });
}

#[test]
fn what_cannot_change_says_so_and_stays() {
    on_workers(|workers| {
        let proxy = Proxy::start(workers, ONE);
        let text = proxy.text(TWO).replace(&format!("workers: {workers}"), "workers: 7");
        std::fs::write(proxy.config(), text).unwrap();
        wait_answer(&proxy, "two");
        proxy.wait_log("workers");
    });
}

#[test]
fn listeners_come_and_go() {
    on_workers(|workers| {
        let proxy = Proxy::start(workers, ONE);
        let head = proxy.text("");
        let both = "listen: [127.0.0.1:0, { bind: \"127.0.0.2:0\", name: second }]\n";
        // The same first listener stays as it is: port 0 was chosen once.
        let mut held = proxy.send("GET / HTTP/1.1\r\nHost: t.test\r\n\r\n");
        assert_eq!(held.response().text(), "one");
        std::fs::write(proxy.config(), head.replace("listen: 127.0.0.1:0\n", both) + TWO).unwrap();
        let line = poll("the new listener", || {
            proxy.log().into_iter().find(|l| l.starts_with("listening on ") && l.contains("second"))
        });
        let address = line.trim_start_matches("listening on ").split(' ').next().unwrap().parse().unwrap();
        let mut client = Wire::connect(address);
        client.send("GET / HTTP/1.1\r\nHost: t.test\r\n\r\n");
        assert_eq!(client.response().text(), "two");
        wait_answer(&proxy, "two");
        held.send("GET / HTTP/1.1\r\nHost: t.test\r\n\r\n");
        assert_eq!(held.response().text(), "two", "an open connection takes the new routes");
        // Removed: closed to the new, kept for those who are in.
        proxy.write_config(ONE);
        poll("the second listener closed", || std::net::TcpStream::connect(address).is_err().then_some(()));
    });
}

#[test]
fn listeners_of_one_bind_are_told_apart() {
    on_workers(|workers| {
        let text = |names: [&str; 2]| {
            let [a, b] = names.map(|name| format!("{{ bind: \"127.0.0.1:0\", name: {name} }}"));
            let rules = names.map(|name| format!("{{ when: {{ listener: {name} }}, respond: {name} }}")).join(", ");
            format!("listen: [{a}, {b}]\nroutes: {{ t.test: [{rules}] }}\n")
        };
        let proxy = Proxy::start(workers, &text(["one", "two"]));
        let addresses = ["one", "two"].map(|name| proxy.address_of(name));
        let ask = |n: usize| {
            let mut client = Wire::connect(addresses[n]);
            client.send("GET / HTTP/1.1\r\nHost: t.test\r\n\r\n");
            client.response().text()
        };
        assert_eq!((ask(0), ask(1)), ("one".into(), "two".into()));
        // Another order is no other socket, and another name is none either.
        for (names, expect) in
            [(["two", "one"], ["one", "two"]), (["new", "one"], ["one", "new"]), (["a", "b"], ["a", "b"])]
        {
            proxy.write_config(&text(names));
            poll(&format!("{expect:?}"), || ([ask(0), ask(1)] == expect).then_some(()));
        }
    });
}

#[test]
fn a_listener_may_become_wider() {
    on_workers(|workers| {
        let proxy = Proxy::start(workers, ONE);
        let port = proxy.port();
        for (bind, expect) in [(format!("127.0.0.1:{port}"), "two"), (format!(":{port}"), "one")] {
            let text = proxy.text(if expect == "one" { ONE } else { TWO });
            std::fs::write(proxy.config(), text.replace("127.0.0.1:0", &format!("\"{bind}\""))).unwrap();
            wait_answer(&proxy, expect);
        }
    });
}

#[test]
fn request_under_way_keeps_its_generation() {
    on_workers(|workers| {
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let gone = std::sync::Mutex::new(gone);
        let origin = Origin::start(move |wire, _| {
            if wire.request().is_some() {
                gone.lock().unwrap().recv().unwrap();
                wire.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nold");
            }
        });
        let proxy = Proxy::start(workers, &crate::harness::route_to(&origin));
        let mut client = proxy.send("GET / HTTP/1.1\r\nHost: t.test\r\n\r\n");
        origin.wait_request(0);
        // Another host tells when the new one is in force: asking this one would occupy the origin.
        proxy.write_config("routes: { t.test: { respond: two }, new.test: { respond: new } }\n");
        poll("the new configuration", || (proxy.get("new.test", "/").text() == "new").then_some(()));
        go.send(()).unwrap();
        assert_eq!(client.response().text(), "old");
        client.send("GET / HTTP/1.1\r\nHost: t.test\r\n\r\n");
        assert_eq!(client.response().text(), "two");
    });
}

#[test]
fn tunnels_of_other_routes_stay_and_removed_ones_are_drained() {
    on_workers(|workers| {
        let origin = Origin::start(|wire, _| {
            if agree(wire).is_some() {
                while let Some(byte) = wire.at_least(1) {
                    wire.send(byte);
                }
            }
        });
        let a = origin.address();
        let proxy = Proxy::start(
            workers,
            &format!(
                "routes:\n  keep.test: {a}\n  change.test: {a}\n  kept.test: {{ to: {a}, on_remove: keep }}\n  \
                 gone.test: {{ to: {a}, on_remove: {{ drain: 500ms }} }}\n"
            ),
        );
        let tunnel = |host: &str| {
            let mut client = proxy.connect();
            open(&mut client, host, "/ws");
            client
        };
        let echoes = |client: &mut Wire| {
            client.send(frame(TEXT, b"x", true));
            client.expect(frame(TEXT, b"x", true));
        };
        let (mut keep, mut change) = (tunnel("keep.test"), tunnel("change.test"));
        let (mut kept, mut gone) = (tunnel("kept.test"), tunnel("gone.test"));
        let start = Instant::now();
        proxy.write_config(&format!(
            "routes:\n  keep.test: {a}\n  change.test: {{ to: {a}, max_body: 1KiB }}\n  t.test: {{ respond: two }}\n"
        ));
        wait_answer(&proxy, "two");
        for client in [&mut keep, &mut change, &mut kept] {
            echoes(client);
        }
        // A Close first, then the end.
        assert_eq!(next_frame(&mut gone), Some((CLOSE, 1012_u16.to_be_bytes().to_vec())));
        gone.send(frame(CLOSE, &1012_u16.to_be_bytes(), true));
        gone.gone();
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(6), "{took:?}");
        for client in [&mut keep, &mut change, &mut kept] {
            echoes(client);
        }
    });
}
