//! The authority of our own: a root that is made once and lasts ten years, and leaves of a week for one name each.
//!
//! Its root may sign for private names and addresses alone (RFC 5280 §4.2.1.10): who trusts it, trusts it with nothing
//! that belongs to anybody else. `switchboard trust` brings it to browsers; leaves are never written to disk.

use std::net::IpAddr;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, SanType,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use switchboard_core::certificate::{PRIVATE_NETWORKS, PRIVATE_SUFFIXES};
use switchboard_core::config::Cidr;
use x509_parser::prelude::{FromDer as _, GeneralName, ParsedExtension, X509Certificate};

use super::issued::Issued;
use super::store::Store;
use super::{chance, now};

/// The root with its key: the truth.
const KEY: &str = "root.key";

/// The root alone, for people and programs that are to trust it.
pub const ROOT: &str = "root.crt";

const DAY: u64 = 24 * 3600;
const ROOT_LIFE: u64 = 3650 * DAY;
const LEAF_LIFE: u64 = 7 * DAY;

/// Clocks of other machines may go slow by so much.
const SKEW: u64 = 3600;

/// Names of one label that a root takes into its constraints at most.
const LABELS: usize = 100;

/// The authority.
#[derive(Debug)]
pub struct Local {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
    /// The same as text, for those who are to trust it.
    pub pem: String,
    /// The names of one label that it may sign for.
    labels: Vec<String>,
    not_after: u64,
    /// Whether this very call made it.
    pub made: bool,
}

impl Local {
    /// Opens the authority of a store, or makes it. A new one may also sign for these names of one label.
    ///
    /// # Errors
    /// In words, where the store can't be used.
    pub fn open<'a>(store: &Store, labels: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let turn = store.turn()?;
        if let Some(found) = store.read(KEY, Self::parse)?
            && now() < found.not_after
        {
            if std::fs::read(store.path(ROOT)).ok().as_deref() != Some(found.pem.as_bytes()) {
                store.write(&turn, ROOT, found.pem.as_bytes())?;
            }
            return Ok(found);
        }
        let (pem, key) = make_root(labels).map_err(|error| format!("the local root can't be made: {error}"))?;
        store.write(&turn, KEY, format!("{key}{pem}").as_bytes())?;
        store.write(&turn, ROOT, pem.as_bytes())?;
        Self::parse(format!("{key}{pem}").as_bytes()).map(|made| Self { made: true, ..made })
    }

    fn parse(pem: &[u8]) -> Result<Self, String> {
        let root = CertificateDer::from_pem_slice(pem).map_err(|_| "it holds no certificate")?;
        let der = PrivateKeyDer::from_pem_slice(pem).map_err(|_| "it holds no private key")?;
        // Checks that the two belong together.
        let Issued { not_after, .. } = Issued::new(vec![root.clone()], &der, true)?;
        let key = KeyPair::try_from(der.secret_der()).map_err(|_| "its key can't be used")?;
        let labels = permitted_labels(&root)?;
        let issuer = Issuer::from_ca_cert_der(&root, key).map_err(|_| "its certificate is no root")?;
        let text = String::from_utf8_lossy(pem);
        let pem = text.find("-----BEGIN CERT").and_then(|at| text.get(at..)).unwrap_or_default().to_owned();
        Ok(Self { issuer, root, pem, labels, not_after, made: false })
    }

    /// Signs a leaf for a private name or address, with a key of its own.
    ///
    /// # Errors
    /// In words, where the root may not sign for the name.
    pub fn leaf(&self, name: &str) -> Result<Issued, String> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![match name.parse::<IpAddr>() {
            Ok(ip) => SanType::IpAddress(ip),
            Err(_) => {
                self.check_label(name)?;
                SanType::DnsName(name.try_into().map_err(|_| format!("{name:?} is no name for a certificate"))?)
            }
        }];
        // RFC 5280 §4.1.2.6: a subject may be empty where the other name is marked critical, which rcgen does.
        params.distinguished_name = DistinguishedName::new();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(chance().to_be_bytes().to_vec().into());
        holds(&mut params, (now() + LEAF_LIFE).min(self.not_after));
        let sign = || -> Result<_, rcgen::Error> {
            let key = KeyPair::generate()?;
            let leaf = params.signed_by(&key, &self.issuer)?;
            Ok((leaf.der().clone(), PrivatePkcs8KeyDer::from(key.serialize_der())))
        };
        let (leaf, key) = sign().map_err(|error| format!("no certificate could be made: {error}"))?;
        Issued::new(vec![leaf], &key.into(), true)
    }

    fn check_label(&self, name: &str) -> Result<(), String> {
        if name.contains('.') || name == "localhost" || self.labels.iter().any(|label| label == name) {
            return Ok(());
        }
        Err(format!(
            "the local root was made before a route had the host `{name}`, and may not sign for it; call it \
             {name}.internal, or take {KEY} out of the state directory's certs/ and run `switchboard trust` again"
        ))
    }

    /// What the root calls itself.
    pub fn name(&self) -> String {
        let parsed = X509Certificate::from_der(&self.root).ok();
        let name = parsed.as_ref().and_then(|(_, root)| root.subject().iter_common_name().next()?.as_str().ok());
        name.unwrap_or_default().to_owned()
    }

    /// What tells this root from others, for names of files and entries: its serial number in hex.
    pub fn serial(&self) -> String {
        let parsed = X509Certificate::from_der(&self.root);
        parsed.map(|(_, root)| hex(root.raw_serial())).unwrap_or_default()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn make_root<'a>(labels: impl Iterator<Item = &'a str>) -> Result<(String, String), rcgen::Error> {
    let mut params = CertificateParams::default();
    // A positive number of eight bytes (RFC 5280 §4.1.2.2).
    let serial = (chance() >> 1 | 1 << 62).to_be_bytes();
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "Switchboard");
    name.push(DnType::CommonName, format!("Switchboard local root {}", hex(serial.get(..4).unwrap_or_default())));
    params.distinguished_name = name;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.serial_number = Some(serial.to_vec().into());
    holds(&mut params, now() + ROOT_LIFE);
    let names = PRIVATE_SUFFIXES.iter().copied().chain(labels.take(LABELS));
    let names = names.map(|name| GeneralSubtree::DnsName(name.to_owned()));
    let networks = PRIVATE_NETWORKS.iter().map(|Cidr { address, bits }| {
        GeneralSubtree::IpAddress(match address {
            IpAddr::V4(ip) => CidrSubnet::from_v4_prefix(ip.octets(), *bits),
            IpAddr::V6(ip) => CidrSubnet::from_v6_prefix(ip.octets(), *bits),
        })
    });
    let permitted_subtrees = names.chain(networks).collect();
    params.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
    let key = KeyPair::generate()?;
    let root = params.self_signed(&key)?;
    Ok((root.pem(), key.serialize_pem()))
}

/// The names of one label among what a root may sign for.
fn permitted_labels(root: &CertificateDer<'_>) -> Result<Vec<String>, String> {
    let (_, root) = X509Certificate::from_der(root).map_err(|_| "its certificate is broken")?;
    let constraints = root.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::NameConstraints(constraints) => constraints.permitted_subtrees.as_ref(),
        _ => None,
    });
    let names = constraints.into_iter().flatten().filter_map(|subtree| match subtree.base {
        GeneralName::DNSName(name) => Some(name),
        _ => None,
    });
    Ok(names.filter(|name| !PRIVATE_SUFFIXES.contains(name)).map(str::to_owned).collect())
}

/// Lets a certificate hold from a little before now, for clocks that go slow, until a time in seconds since 1970.
pub(super) fn holds(params: &mut CertificateParams, until: u64) {
    let at = |seconds| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds);
    params.not_before = at(now().saturating_sub(SKEW));
    params.not_after = at(until);
}

#[cfg(test)]
mod tests {
    use super::super::store::Store;
    use super::{Local, ROOT};

    #[test]
    fn one_root_signs_for_private_names_alone() {
        let directory = std::env::temp_dir().join(format!("sb-local-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        let store = Store::below(&directory);
        let local = Local::open(&store, ["nas"].into_iter()).unwrap();
        assert!(local.made);
        assert_eq!(std::fs::read_to_string(store.path(ROOT)).unwrap(), local.pem);
        let again = Local::open(&store, ["other"].into_iter()).unwrap();
        assert!(!again.made && again.pem == local.pem && again.serial() == local.serial());
        for name in ["a.localhost", "localhost", "nas", "db.internal", "127.0.0.1", "::1"] {
            let leaf = again.leaf(name).unwrap();
            assert!(leaf.local && leaf.issuer.contains("Switchboard local root"), "{}", leaf.issuer);
            assert!((6 * 24 * 3600..8 * 24 * 3600).contains(&(leaf.not_after - super::now())));
        }
        assert!(again.leaf("other").unwrap_err().contains("other.internal"));
        // A root that can't be read is put aside, and another is made.
        std::fs::write(store.path("root.key"), "nonsense").unwrap();
        assert!(Local::open(&store, std::iter::empty()).unwrap().made);
        assert!(store.path("root.key.damaged").exists());
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
