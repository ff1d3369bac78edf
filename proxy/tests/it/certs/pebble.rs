//! A real ACME server of our own: Debian's `pebble` with its DNS, in strict mode, on ports of its own.

use crate::harness::{TempDir, poll};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// The server; killed when dropped.
pub(super) struct Pebble {
    dir: TempDir,
    directory: u16,
    management: u16,
    dns: Child,
    dns_port: u16,
    server: Option<Child>,
    /// The ports of the server while it doesn't run.
    reserved: Vec<Reserved>,
    config: String,
}

/// A port that is taken, so that nobody else gets it, and that refuses connections until it is let go.
struct Reserved(socket2::Socket);

impl Reserved {
    fn at(port: u16) -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], port)).into()).unwrap();
        Self(socket)
    }

    fn port(&self) -> u16 {
        self.0.local_addr().unwrap().as_socket().unwrap().port()
    }
}

impl Pebble {
    /// Makes it, with a certificate of its own; it doesn't answer before `start`. Certificates hold for `life` seconds; with
    /// a `key` it serves those alone who have the account of that name (RFC 8555 §7.3.4).
    pub(super) fn new(life: u64, key: Option<&str>) -> Self {
        let dir = TempDir::new();
        let openssl = |line: &str| {
            let output = Command::new("openssl").args(line.split(' ')).current_dir(dir.path()).output().unwrap();
            assert!(output.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&output.stderr));
        };
        dir.write("names", "subjectAltName=IP:127.0.0.1\n");
        openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=ca",
        );
        openssl("req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout own.key -out own.csr -subj /CN=pebble");
        openssl("x509 -req -in own.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out own.pem");
        let reserved = [Reserved::at(0), Reserved::at(0)];
        let [directory, management] = [0, 1].map(|n: usize| reserved[n].port());
        let [dns_port, dns_management] = [Reserved::at(0), Reserved::at(0)].map(|port| port.port());
        let dns = Command::new("pebble-challtestsrv")
            .args(["-defaultIPv6", "", "-defaultIPv4", "127.0.0.1", "-http01", "", "-https01", "", "-tlsalpn01", ""])
            .args(["-management", &format!("127.0.0.1:{}", dns_management), "-dns01", &format!("127.0.0.1:{dns_port}")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (required, key) = (key.is_some(), key.unwrap_or("bm9uZQ"));
        let config = format!(
            r#"{{"pebble": {{"listenAddress": "127.0.0.1:{directory}", "managementListenAddress": "127.0.0.1:{management}",
            "certificate": "own.pem", "privateKey": "own.key", "httpPort": HTTP, "tlsPort": TLS, "ocspResponderURL": "",
            "externalAccountBindingRequired": {required}, "externalAccountMACKeys": {{"customer": "{key}"}},
            "certificateValidityPeriod": {life}}}}}"#
        );
        Self { dir, directory, management, dns, dns_port, server: None, reserved: reserved.into(), config }
    }

    /// What `acme:` says about it.
    pub(super) fn settings(&self) -> String {
        format!("directory: \"https://127.0.0.1:{}/dir\", ca: {}", self.directory, self.dir.file("ca.pem").display())
    }

    /// A file of its directory: `ca.pem`, `own.pem`, `own.key`.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.dir.file(name)
    }

    /// Where its directory is served.
    pub(super) const fn port(&self) -> u16 {
        self.directory
    }

    /// Starts it, with nothing in its memory; it looks for proofs on these ports.
    pub(super) fn start(&mut self, http: u16, tls: u16) {
        let config = self.config.replace("HTTP", &http.to_string()).replace("TLS", &tls.to_string());
        self.dir.write("pebble.json", &config);
        let log = std::fs::File::options().create(true).append(true).open(self.dir.file("log")).unwrap();
        self.reserved.clear();
        let mut command = Command::new("pebble");
        command.args(["-config", "pebble.json", "-strict", "-dnsserver"]);
        command.arg(format!("127.0.0.1:{}", self.dns_port)).current_dir(self.dir.path());
        command.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_AUTHZREUSE", "0");
        self.server = Some(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap());
        poll("pebble to answer", || std::net::TcpStream::connect(("127.0.0.1", self.directory)).ok());
    }

    /// Ends it, with all that it knew.
    pub(super) fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
            self.reserved = [self.directory, self.management].map(Reserved::at).into();
        }
    }

    /// What it wrote so far.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.file("log")).unwrap_or_default()
    }

    /// The root of what it issues, in a file.
    pub(super) fn root(&self) -> PathBuf {
        let file = self.dir.file("root.pem");
        let url = format!("https://127.0.0.1:{}/roots/0", self.management);
        let output = Command::new("curl")
            .args(["-sS", "--fail", "--cacert"])
            .arg(self.dir.file("ca.pem"))
            .arg("-o")
            .arg(&file)
            .arg(url)
            .output();
        let output = output.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        file
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        self.stop();
        let _ = self.dns.kill();
        let _ = self.dns.wait();
        if std::thread::panicking() {
            eprintln!("── pebble ──\n{}", self.log());
        }
    }
}
