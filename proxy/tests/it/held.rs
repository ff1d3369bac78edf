//! As many connections as the hard limit of open files allows: it holds them, says that it is full, and recovers.
//!
//! Long, so `./check --long` runs it. The connections are held by another process, which has a limit of its own.

use crate::harness::{Proxy, poll};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// Opens connections from several addresses of loopback until one is not answered within a second; prints their number,
/// and holds them until its input ends.
const HOLDER: &str = "
import resource, socket, sys
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
port, held = int(sys.argv[1]), []
while len(held) < hard - 100:
    s = socket.socket()
    s.settimeout(1)
    s.bind(('127.0.0.%d' % (2 + len(held) // 20000), 0))
    try:
        s.connect(('127.0.0.1', port))
        s.sendall(b'GET / HTTP/1.1\\r\\nHost: t.test\\r\\n\\r\\n')
        if not s.recv(4096).startswith(b'HTTP/1.1 200 '):
            break
    except OSError:
        break
    held.append(s)
print(len(held), flush=True)
sys.stdin.read()
";

#[test]
#[ignore = "long: ten thousand connections"]
fn as_many_connections_as_the_limit_allows() {
    let proxy = Proxy::start(2, "access_log: off\nroutes: { t.test: { respond: hi } }\n");
    let get = "GET / HTTP/1.1\r\nHost: t.test\r\n\r\n";
    let mut established = proxy.send(get);
    assert_eq!(established.response().status(), 200);
    let before = proxy.resident();
    let mut command = Command::new("python3");
    command.args(["-c", HOLDER]).arg(proxy.port().to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut holder = command.spawn().unwrap();
    let line = BufReader::new(holder.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    let held: u64 = line.parse().unwrap();
    eprintln!("held {held} connections at {} KiB of memory", proxy.resident() - before);
    assert!(held > 100, "{held}");
    proxy.wait_log("no more connections are accepted");
    let spent = proxy.ticks();
    for _ in 0..50 {
        established.send(get);
        assert_eq!(established.response().status(), 200, "who was there before is served");
    }
    assert!(proxy.ticks() - spent < 100, "{} ticks for fifty requests: it spins", proxy.ticks() - spent);
    // An idle connection holds no buffer; what remains is its task.
    let each = (proxy.resident() - before) * 1024 / held;
    assert!(each < 8192, "{each} bytes for each idle connection");
    drop(holder.stdin.take());
    holder.wait().unwrap();
    let last = get.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    poll("room for others", || proxy.send(&last).rest().starts_with(b"HTTP/1.1 200 ").then_some(()));
    proxy.stop();
}
