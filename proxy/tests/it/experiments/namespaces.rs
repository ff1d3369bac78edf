//! Containers as the proxy sees them: Node origins in network namespaces on one bridge, and a resolver (dnsmasq) that says
//! TTL 600, as Docker's does. Needs root, `ip` and dnsmasq; skipped aloud where one is missing.

use crate::harness::{Proxy, TempDir, poll};
use std::io::{BufRead, BufReader, Write};
use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const COUNTER: &str = include_str!("../node/counter.cjs");

fn ip(arguments: &str) -> bool {
    let output = Command::new("ip").args(arguments.split_whitespace()).output();
    output.is_ok_and(|output| output.status.success())
}

/// A bridge with an address of a network that nobody else has; gone when dropped.
struct Bridge {
    name: String,
    network: String,
}

impl Bridge {
    /// `None` with a loud line where this machine has no bridges for us.
    fn new(test: &str) -> Option<Self> {
        let process = std::process::id();
        let bridge = Self { name: format!("sbb{process}"), network: format!("10.213.{}", process % 250) };
        let made = ip(&format!("link add {} type bridge", bridge.name))
            && ip(&format!("addr add {}.1/24 dev {}", bridge.network, bridge.name))
            && ip(&format!("link set {} up", bridge.name))
            && ["node", "dnsmasq"].iter().all(|program| {
                Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
            });
        if !made {
            let _ = writeln!(std::io::stderr(), "SKIPPED {test}: it needs root, iproute2, node and dnsmasq");
        }
        made.then_some(bridge)
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        ip(&format!("link del {}", self.name));
    }
}

/// A Node origin in a namespace of its own, as a container would be.
struct Container {
    namespace: String,
    link: String,
    child: Child,
    _dir: TempDir,
}

impl Container {
    fn start(bridge: &Bridge, name: &str, last: u8) -> Self {
        let process = std::process::id();
        let (namespace, link) = (format!("sbn{process}{name}"), format!("sbv{process}{name}"));
        let address = format!("{}.{last}", bridge.network);
        for step in [
            format!("netns add {namespace}"),
            format!("link add {link} type veth peer name eth0 netns {namespace}"),
            format!("link set {link} master {}", bridge.name),
            format!("link set {link} up"),
            format!("-n {namespace} addr add {address}/24 dev eth0"),
            format!("-n {namespace} link set eth0 up"),
            format!("-n {namespace} link set lo up"),
        ] {
            assert!(ip(&step), "ip {step}");
        }
        let dir = TempDir::new();
        let script = dir.write("counter.cjs", COUNTER);
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &namespace, "node"]).arg(script).args([name, &address]).env("PORT", "3000");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "3000", "the origin in {namespace}");
        Self { namespace, link, child, _dir: dir }
    }
}

impl Drop for Container {
    /// As `docker rm -f`: the process first, its network then.
    fn drop(&mut self) {
        // `ip netns exec` becomes the program: the child is Node itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        ip(&format!("link del {}", self.link));
        ip(&format!("netns del {}", self.namespace));
    }
}

/// The network's resolver: names and addresses are what its file of hosts says, each for ten minutes.
struct Resolver {
    address: String,
    child: Child,
    dir: TempDir,
}

impl Resolver {
    fn start(bridge: &Bridge, hosts: &str) -> Self {
        let dir = TempDir::new();
        let hosts = dir.write("hosts", hosts);
        let address = format!("{}.1", bridge.network);
        let mut command = Command::new("dnsmasq");
        command.args(["--keep-in-foreground", "--no-resolv", "--no-hosts", "--bind-interfaces", "--local-ttl=600"]);
        command.args(["--user=root", "--conf-file=/dev/null", "--pid-file="]);
        command.arg(format!("--addn-hosts={}", hosts.display())).arg(format!("--listen-address={address}"));
        let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let resolver = Self { address: format!("{address}:53"), child, dir };
        poll("the resolver", || resolver.ttl("a.test"));
        resolver
    }

    /// Says something else from now on.
    fn set(&self, hosts: &str) {
        self.dir.write("hosts", hosts);
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    }

    /// The TTL in seconds of the first address that it gives for a name.
    fn ttl(&self, name: &str) -> Option<u32> {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let mut question = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            question.push(u8::try_from(label.len()).unwrap());
            question.extend(label.bytes());
        }
        question.extend([0, 0, 1, 0, 1]);
        socket.send_to(&question, &self.address).ok()?;
        let mut answer = [0; 512];
        let length = socket.recv(&mut answer).ok()?;
        // Behind the question: a pointer to the name, the type and the class.
        let ttl = answer[..length].get(question.len() + 6..question.len() + 10)?;
        (answer[7] > 0).then(|| u32::from_be_bytes(ttl.try_into().unwrap()))
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One of two is made anew at another address. The proxy reaches it there within two seconds, though the resolver had
/// said that the old address holds for ten minutes, and no request fails meanwhile.
#[test]
fn a_container_made_anew_at_another_address_is_reached_within_two_seconds() {
    let Some(bridge) = Bridge::new("experiments::namespaces") else { return };
    let hosts = |a: u8| format!("{0}.{a} a.test\n{0}.3 b.test\n", bridge.network);
    let (a, b) = (Container::start(&bridge, "a", 2), Container::start(&bridge, "b", 3));
    let resolver = Resolver::start(&bridge, &hosts(2));
    assert_eq!(resolver.ttl("a.test"), Some(600));
    let text = format!(
        "dns: {{ servers: [\"{}\"], max_ttl: 1h }}\nroutes: {{ t.test: app, a.test: \"a.test:3000\" }}\n\
         upstreams: {{ app: {{ endpoints: [\"a.test:3000\", \"b.test:3000\"] }} }}\n",
        resolver.address
    );
    let proxy = Proxy::start(2, &text);
    poll("both", || {
        let answers = [proxy.get("t.test", "/").text(), proxy.get("t.test", "/").text()];
        (answers.contains(&"a".to_owned()) && answers.contains(&"b".to_owned())).then_some(())
    });
    drop(a);
    // In Docker's order: the name moves with the new container.
    let _a = Container::start(&bridge, "a", 7);
    resolver.set(&hosts(7));
    let back = Instant::now();
    let mut asked = 0;
    let mut slowest = Duration::ZERO;
    poll("the container at its new address", || {
        asked += 1;
        let start = Instant::now();
        let answer = proxy.get("a.test", "/").text();
        slowest = slowest.max(start.elapsed());
        (answer == "a").then_some(())
    });
    let took = back.elapsed();
    eprintln!("reached again after {took:?} and {asked} requests; the slowest took {slowest:?}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    // And by those who share their requests among both.
    for _ in 0..20 {
        assert_eq!(proxy.get("t.test", "/").status(), 200);
    }
    drop(b);
    proxy.stop();
}
