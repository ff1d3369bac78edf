//! A public authority, spoken to by ACME (RFC 8555): the account, and one order at a time for one name.
//!
//! The keeper calls it on the control thread and decides when; nothing here tries a second time, but for the other
//! challenge. What it gets it writes to the store before it returns: a crash loses at most what the next start resumes.

mod failure;
mod http;
mod order;
mod suggestion;

use instant_acme::{Account, ExternalAccountKey, NewAccount};
use rcgen::KeyPair;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use switchboard_core::config;
use tokio::sync::Mutex;

use super::issued::Issued;
use super::store::Store;

pub use failure::Failure;
pub(crate) use failure::chain;
use http::client;
pub(crate) use http::{Client, client_for};
pub use suggestion::Suggestion;

/// What an authority is to us.
pub struct Acme {
    settings: config::Acme,
    /// Its part of the store: one for each directory, so that changing it leaves what others gave alone.
    place: String,
    store: Store,
    /// Made or opened by the first order; others wait for it.
    account: Mutex<Option<Account>>,
    /// Whether a plain listener could answer HTTP-01.
    plain: bool,
}

impl Acme {
    /// Makes it; nobody is asked for anything yet. `plain` says whether there is a listener for HTTP-01.
    #[must_use]
    pub fn new(settings: config::Acme, store: Store, plain: bool) -> Self {
        let place = format!("acme/{}", place(&settings.directory));
        Self { settings, place, store, account: Mutex::default(), plain }
    }

    /// The certificate of a name that was stored, if there is one.
    pub fn stored(&self, name: &str) -> Option<Issued> {
        let found = self.store.read(&self.certificate(name), Issued::from_pem);
        found.unwrap_or_else(|error| {
            tracing::error!("a stored certificate can't be read: {error}");
            None
        })
    }

    fn certificate(&self, name: &str) -> String {
        format!("{}/{name}/certificate.pem", self.place)
    }

    fn unfinished(&self, name: &str) -> String {
        format!("{}/{name}/order.pem", self.place)
    }

    /// The account: that of the store, or a new one.
    async fn account(&self) -> Result<Account, Failure> {
        let mut account = self.account.lock().await;
        if let Some(account) = &*account {
            return Ok(account.clone());
        }
        let file = format!("{}/account.pem", self.place);
        let client = client(self.settings.ca.as_ref().map(|ca| ca.path.as_path())).map_err(Failure::ours)?;
        let builder = Account::builder_with_http(Box::new(client));
        let directory = self.settings.directory.clone();
        let opened = match self.store.read(&file, read_account).map_err(Failure::ours)? {
            Some((url, key)) => builder.from_parts(url, key, directory).await.map_err(|e| self.failed(&e))?,
            None => {
                let contact = self.settings.email.as_ref().map(|address| format!("mailto:{address}"));
                let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
                let wanted =
                    NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
                let eab = self.settings.eab.as_ref().map(|eab| ExternalAccountKey::new(eab.kid.clone(), &eab.key));
                let (made, credentials) =
                    builder.create(&wanted, directory, eab.as_ref()).await.map_err(|e| self.failed(&e))?;
                let key = KeyPair::try_from(credentials.private_key().secret_pkcs8_der());
                let pem = key.map_err(|error| Failure::ours(error.to_string()))?.serialize_pem();
                let text = format!("account: {}\n{pem}", made.id());
                self.write(&file, text.as_bytes())?;
                tracing::info!("an account was made at {}", self.settings.directory);
                made
            }
        };
        Ok(account.insert(opened).clone())
    }

    /// Lets go of an account that the authority doesn't know: the next order makes another.
    async fn forget_account(&self) {
        *self.account.lock().await = None;
        self.store.remove(&format!("{}/account.pem", self.place));
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let turn = self.store.turn().map_err(Failure::ours)?;
        self.store.write(&turn, name, bytes).map_err(Failure::ours)
    }

    fn failed(&self, error: &instant_acme::Error) -> Failure {
        Failure::of(error, &self.settings.directory)
    }
}

fn read_account(text: &[u8]) -> Result<(String, PrivatePkcs8KeyDer<'static>), String> {
    keyed(text, "account: ")
}

/// Reads a URL from the first line and a key from those below.
fn keyed(text: &[u8], word: &str) -> Result<(String, PrivatePkcs8KeyDer<'static>), String> {
    let first = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let url = std::str::from_utf8(first).ok().and_then(|line| line.strip_prefix(word));
    let url = url.ok_or("its first line is not what it should be")?;
    match PrivateKeyDer::from_pem_slice(text) {
        Ok(PrivateKeyDer::Pkcs8(key)) => Ok((url.to_owned(), key)),
        _ => Err("it holds no private key".to_owned()),
    }
}

/// A directory's URL as a name for a directory of files.
fn place(url: &str) -> String {
    let bare = url.strip_prefix("https://").unwrap_or(url);
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '-' };
    // A URL begins with a host: never with a dot alone.
    bare.chars().take(150).map(plain).collect()
}
