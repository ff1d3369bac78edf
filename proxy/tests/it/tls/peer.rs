//! Certificates of a test's own, and a client that can say anything in its handshake.

use crate::harness::{PATIENCE, TempDir, narrow};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned};
use socket2::{Domain, SockRef, Socket, Type};
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;

/// An authority with its directory of files.
pub(crate) struct Authority {
    pub(crate) dir: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "an authority of tests");
        let key = KeyPair::generate().unwrap();
        let own = params.self_signed(&key).unwrap();
        let dir = TempDir::new();
        dir.write("ca.pem", &own.pem());
        Self { dir, issuer: Issuer::new(params, key) }
    }

    /// The path of a file, for a configuration.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.file(name)
    }

    /// Issues a certificate for names, as `FILE.pem` and `FILE.key`.
    pub(crate) fn issue(&self, file: &str, names: &[&str]) {
        self.issue_until(file, names, 2099);
    }

    /// The same, with the year of its end.
    pub(crate) fn issue_until(&self, file: &str, names: &[&str], year: i32) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        params.distinguished_name.push(rcgen::DnType::CommonName, file);
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        self.dir.write(&format!("{file}.pem"), &leaf.pem());
        self.dir.write(&format!("{file}.key"), &key.serialize_pem());
    }

    /// The `{cert, key}` of a certificate that was issued.
    pub(crate) fn pair(&self, file: &str) -> String {
        let [cert, key] = ["pem", "key"].map(|end| self.path(&format!("{file}.{end}")).display().to_string());
        format!("{{ cert: {cert}, key: {key} }}")
    }

    /// A client that trusts this authority and shows `identity`, if any. Sessions are kept from one use to the next.
    pub(crate) fn client(&self, identity: Option<&str>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.path("ca.pem")).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots);
        Arc::new(match identity {
            None => builder.with_no_client_auth(),
            Some(file) => {
                let leaf = CertificateDer::from_pem_file(self.path(&format!("{file}.pem"))).unwrap();
                let key = PrivateKeyDer::from_pem_file(self.path(&format!("{file}.key"))).unwrap();
                builder.with_client_auth_cert(vec![leaf], key).unwrap()
            }
        })
    }
}

/// A connection over TLS.
pub(crate) struct Secure(StreamOwned<ClientConnection, TcpStream>);

/// Shakes hands as `name`.
pub(super) fn connect(at: SocketAddr, name: &str, config: &Arc<ClientConfig>) -> io::Result<Secure> {
    over(TcpStream::connect(at)?, name, config)
}

/// The same with little room for what it is sent.
pub(crate) fn connect_narrow(at: SocketAddr, name: &str, config: &Arc<ClientConfig>) -> io::Result<Secure> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    narrow(&SockRef::from(&socket));
    socket.connect(&at.into())?;
    over(socket.into(), name, config)
}

fn over(mut socket: TcpStream, name: &str, config: &Arc<ClientConfig>) -> io::Result<Secure> {
    socket.set_read_timeout(Some(PATIENCE))?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut session = ClientConnection::new(Arc::clone(config), name).unwrap();
    while session.is_handshaking() {
        session.complete_io(&mut socket)?;
    }
    Ok(Secure(StreamOwned::new(session, socket)))
}

impl Secure {
    /// Whether the handshake took up a session.
    pub(super) fn resumed(&self) -> bool {
        self.0.conn.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Asks for `/` of a host; the status and the whole answer.
    pub(super) fn get(&mut self, host: &str) -> io::Result<(u16, String)> {
        self.get_of(host, "/")
    }

    /// The same of a target.
    pub(super) fn get_of(&mut self, host: &str, target: &str) -> io::Result<(u16, String)> {
        write!(self.0, "GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")?;
        let mut bytes = Vec::new();
        let mut part = [0; 4096];
        loop {
            let read = self.0.read(&mut part)?;
            bytes.extend_from_slice(&part[..read]);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let lower = text.to_ascii_lowercase();
            let length = lower.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
            let body = text.split_once("\r\n\r\n").map(|(_, body)| body.len());
            if read == 0 || matches!((length, body), (Some(length), Some(body)) if body >= length) {
                let status = text.get(9..12).and_then(|status| status.parse().ok());
                return Ok((status.ok_or(io::ErrorKind::UnexpectedEof)?, text));
            }
        }
    }

    /// Both directions of it.
    pub(crate) const fn bytes(&mut self) -> &mut (impl io::Read + io::Write) {
        &mut self.0
    }

    /// The DER of the certificate that was shown.
    pub(super) fn shown(&self) -> Vec<u8> {
        self.0.conn.peer_certificates().unwrap()[0].to_vec()
    }
}
