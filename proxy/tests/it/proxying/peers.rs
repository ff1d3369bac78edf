//! Origins that many people run: Python's server, which answers in HTTP/1.0 and ends each connection, and nginx.

use crate::harness::{Proxy, TempDir, on_workers, poll_for};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A process that is killed when the test ends.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A folder with a small file and a large one.
fn site() -> (TempDir, String) {
    let dir = TempDir::new();
    dir.write("small.txt", "small");
    let large = "0123456789abcdef".repeat(70_000);
    dir.write("large.txt", &large);
    (dir, large)
}

#[track_caller]
fn serves(proxy: &Proxy, large: &str) {
    for _ in 0..3 {
        let mut client = proxy.connect();
        for (path, text) in [("/small.txt", "small"), ("/large.txt", large), ("/small.txt", "small")] {
            client.send(format!("GET {path} HTTP/1.1\r\nHost: t.test\r\n\r\n"));
            let answer = client.response();
            assert_eq!((answer.status(), answer.text() == text), (200, true), "{path}: {:#?}", answer.fields);
        }
        client.send("HEAD /large.txt HTTP/1.1\r\nHost: t.test\r\n\r\n");
        assert_eq!(client.response_to("HEAD").field("content-length"), Some(large.len().to_string().as_str()));
        client.send("GET /none HTTP/1.1\r\nHost: t.test\r\nConnection: close\r\n\r\n");
        let answer = client.response();
        assert_eq!((answer.status(), answer.reason()), (404, ""), "the origin's own 404");
    }
}

#[test]
fn pythons_server() {
    let (dir, large) = site();
    let script = "import functools, http.server, sys\n\
        h = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])\n\
        s = http.server.ThreadingHTTPServer(('127.0.0.1', 0), h)\n\
        print(s.server_address[1], flush=True)\ns.serve_forever()\n";
    let mut command = Command::new("python3");
    command.args(["-c", script]).arg(dir.path()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut server = Server(command.spawn().unwrap());
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(server.0.stdout.take().unwrap()));
    let port = lines.next().unwrap().unwrap();
    on_workers(|workers| serves(&Proxy::start(workers, &format!("routes: {{ t.test: \":{port}\" }}\n")), &large));
}

#[test]
fn nginx_on_a_unix_socket() {
    let (dir, large) = site();
    let root = dir.path().display();
    let config = format!(
        "daemon off; worker_processes 1; pid {root}/pid; error_log {root}/error.log;\nevents {{}}\nhttp {{ access_log off; \
         client_body_temp_path {root}/a; proxy_temp_path {root}/b; fastcgi_temp_path {root}/c; uwsgi_temp_path {root}/d; \
         scgi_temp_path {root}/e; keepalive_requests 5; server {{ listen unix:{root}/n.sock; root {root}; }} }}\n"
    );
    let file = dir.write("nginx.conf", &config);
    // Where it is started as root it gives its workers to `nobody`, who may not look into the folder.
    let mut command = Command::new("nginx");
    command.arg("-c").arg(file).arg("-g").arg("user root;").stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(child) = command.spawn() else {
        assert!(std::env::var_os("CI").is_none_or(|v| v != "true"), "CI has no nginx: ./check installs it");
        let _ = std::io::Write::write_all(&mut std::io::stderr(), b"SKIPPED nginx as an origin: it is not installed\n");
        return;
    };
    let _server = Server(child);
    let socket = dir.file("n.sock");
    poll_for(crate::harness::PATIENCE, || socket.exists().then_some(())).expect("nginx did not start");
    poll_for(Duration::from_secs(5), || std::os::unix::net::UnixStream::connect(&socket).ok()).expect("nginx is deaf");
    let yaml = format!("routes: {{ t.test: \"unix:{}\" }}\n", socket.display());
    on_workers(|workers| serves(&Proxy::start(workers, &yaml), &large));
}
