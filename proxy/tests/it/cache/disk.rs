//! The tier on disk: there again after a restart, and whatever breaks on it is a miss. Case 142, faults 27 and 32.

use crate::harness::{Origin, Proxy, Wire, on_workers, poll};
use std::path::PathBuf;
use std::time::Duration;

/// An origin whose answers tell by their bytes whether they are whole.
fn origin() -> Origin {
    Origin::start(|wire, _| {
        while let Some(request) = wire.request() {
            let body = body_of(request.target());
            let head =
                format!("HTTP/1.1 200 OK\r\nCache-Control: max-age=6000\r\nContent-Length: {}\r\n\r\n", body.len());
            wire.offer(head + &body);
        }
    })
}

fn body_of(target: &str) -> String {
    format!("{target}|").repeat(3000)
}

fn start(workers: usize, origin: &Origin, disk: &str) -> Proxy {
    Proxy::start(workers, &yaml(origin, disk))
}

fn yaml(origin: &Origin, disk: &str) -> String {
    format!(
        "listen: \"127.0.0.1:0\"\ncache: {{ memory: 1MiB, disk: {disk} }}\nroutes: {{ t.test: {{ to: \"{}\", cache: true }} }}\n",
        origin.address()
    )
}

/// Another process in the place of one that has ended, with its state.
fn again(before: &Proxy, workers: usize) -> Proxy {
    let text = std::fs::read_to_string(before.config()).unwrap();
    Proxy::start_with(workers, "listen: \"127.0.0.1:0\"\n", |command| {
        std::fs::write(command.get_args().last().unwrap(), &text).unwrap();
    })
}

fn files(proxy: &Proxy) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(proxy.dir().file("state/cache")).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.extension().is_none()).collect()
}

fn get(proxy: &Proxy, target: &str, lines: &str) -> (u16, String) {
    let got = proxy.ask(format!("GET {target} HTTP/1.1\r\nHost: t.test\r\n{lines}\r\n"));
    (got.status(), got.text())
}

const STORED: &str = "Cache-Control: only-if-cached\r\n";

#[test]
fn answers_outlive_a_restart_and_memory() {
    on_workers(|workers| {
        let origin = origin();
        let mut first = start(workers, &origin, "64MiB");
        // More than memory takes.
        let targets: Vec<String> = (0..120).map(|number| format!("/file-{number:03}")).collect();
        for target in &targets {
            assert_eq!(get(&first, target, ""), (200, body_of(target)));
        }
        poll("all files", || (files(&first).len() == targets.len()).then_some(()));
        first.signal("KILL");
        first.wait_exit();
        let second = again(&first, workers);
        poll("the files to be found", || (get(&second, &targets[119], STORED).0 == 200).then_some(()));
        for target in &targets {
            assert_eq!(get(&second, target, STORED), (200, body_of(target)), "{target}");
        }
        assert_eq!(origin.requests().len(), targets.len());
    });
}

#[test]
fn case_142_what_is_broken_is_a_miss() {
    let origin = origin();
    let mut first = start(1, &origin, "64MiB");
    for number in 0..8 {
        get(&first, &format!("/{number}"), "");
    }
    poll("all files", || (files(&first).len() == 8).then_some(()));
    first.signal("KILL");
    first.wait_exit();
    for (number, path) in files(&first).iter().enumerate() {
        let mut bytes = std::fs::read(path).unwrap();
        match number % 4 {
            0 => bytes.truncate(number * 100),
            1 => bytes[number * 50] ^= 4,
            2 => bytes.extend_from_slice(b"more"),
            _ => bytes.clear(),
        }
        std::fs::write(path, bytes).unwrap();
    }
    let second = again(&first, 1);
    poll("the files to go", || files(&first).is_empty().then_some(()));
    for number in 0..8 {
        let target = format!("/{number}");
        assert_eq!(get(&second, &target, STORED).0, 504);
        assert_eq!(get(&second, &target, ""), (200, body_of(&target)));
    }
}

#[test]
fn case_142_a_full_or_missing_disk_serves_all_the_same() {
    let origin = origin();
    // Room for about ten of them.
    let proxy = start(1, &origin, "100KB");
    for number in 0..20 {
        let target = format!("/{number}");
        assert_eq!(get(&proxy, &target, ""), (200, body_of(&target)));
    }
    let used = || files(&proxy).iter().filter_map(|path| path.metadata().ok()).map(|file| file.len()).sum::<u64>();
    poll("room", || (used() <= 100_000 && used() > 50_000).then_some(()));
    // A file may still come while the directory is emptied.
    poll("the directory", || std::fs::remove_dir_all(proxy.dir().file("state/cache")).ok());
    for number in 20..40 {
        let target = format!("/{number}");
        assert_eq!(get(&proxy, &target, ""), (200, body_of(&target)));
    }
}

#[test]
fn what_is_purged_is_gone_from_disk() {
    let origin = origin();
    let mut first = start(1, &origin, "64MiB");
    get(&first, "/a", "");
    poll("the file", || (files(&first).len() == 1).then_some(()));
    let config = first.config();
    let output = crate::harness::run(first.dir().path(), &["purge", "http://t.test/a", "-c", config.to_str().unwrap()]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "1 URL is no longer kept\n");
    poll("the file to go", || files(&first).is_empty().then_some(()));
    first.signal("KILL");
    first.wait_exit();
    assert_eq!(get(&again(&first, 1), "/a", STORED).0, 504);
}

/// Kills the proxy while it writes, `rounds` times: every answer that is stored afterwards is whole.
fn kill_and_look(rounds: usize) {
    let origin = origin();
    let mut proxy = start(1, &origin, "16MiB");
    let mut ended = Vec::new();
    let mut found = 0;
    for round in 0..rounds {
        let address = proxy.address();
        let writer = std::thread::spawn(move || {
            for number in 0..2000 {
                let mut wire = Wire::connect(address);
                wire.offer(format!("GET /{round}-{number} HTTP/1.1\r\nHost: t.test\r\nConnection: close\r\n\r\n"));
                if wire.at_least(1).is_none() {
                    return;
                }
            }
        });
        std::thread::park_timeout(Duration::from_millis(30 + (round as u64 * 17) % 90));
        proxy.signal("KILL");
        proxy.wait_exit();
        let _ = writer.join();
        let next = again(&proxy, 1);
        for number in 0..60 {
            let target = format!("/{round}-{number}");
            let (status, text) = get(&next, &target, STORED);
            assert!(status == 504 || text == body_of(&target), "{target} is not whole");
            found += usize::from(status == 200);
        }
        // The state is that of the first one; the directory of the second is its own.
        ended.push(std::mem::replace(&mut proxy, next));
    }
    assert!(found > 0, "nothing was stored at all");
}

#[test]
fn a_kill_in_the_midst_of_writes_leaves_whole_answers() {
    kill_and_look(4);
}

#[test]
#[ignore = "long: a hundred starts"]
fn a_hundred_kills_leave_whole_answers() {
    kill_and_look(100);
}

/// A 304 that tells answers further apart leaves no file of before, which would be for everybody.
#[test]
fn what_a_renewal_has_replaced_is_gone_from_the_disk() {
    let origin = Origin::start(|wire, _| {
        while let Some(request) = wire.request() {
            wire.offer(match request.has("if-none-match") {
                true => "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nCache-Control: max-age=60\r\nVary: Cookie\r\n\r\n",
                false => "HTTP/1.1 200 OK\r\nETag: \"a\"\r\nCache-Control: max-age=0\r\nContent-Length: 2\r\n\r\nok",
            });
        }
    });
    let proxy = start(1, &origin, "64MiB");
    assert_eq!(get(&proxy, "/", "Cookie: ann\r\n").0, 200);
    let before = poll("a file", || Some(files(&proxy)).filter(|files| files.len() == 1));
    assert_eq!(get(&proxy, "/", "Cookie: ann\r\n").0, 200);
    poll("another in its place", || Some(files(&proxy)).filter(|files| files.len() == 1 && *files != before));
}

#[test]
fn a_changed_size_holds_at_once() {
    on_workers(|workers| {
        let origin = origin();
        let proxy = start(workers, &origin, "64MiB");
        for number in 0..5 {
            get(&proxy, &format!("/{number}"), "");
        }
        poll("all files", || (files(&proxy).len() == 5).then_some(()));
        // Room for two of them: the newest.
        proxy.write_config(&yaml(&origin, "24KiB"));
        poll("room to be made", || (files(&proxy).len() == 2).then_some(()));
        for number in 5..8 {
            assert_eq!(get(&proxy, &format!("/{number}"), "").0, 200);
        }
        poll("the others to go", || (files(&proxy).len() <= 2 && get(&proxy, "/7", STORED).0 == 200).then_some(()));
    });
}
