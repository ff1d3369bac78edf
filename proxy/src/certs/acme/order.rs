//! One order: from a name to a certificate in the store.

use std::sync::Arc;
use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, ChallengeType, Identifier, NewOrder, Order, OrderStatus,
    RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use switchboard_core::config::Challenge;

use super::super::challenges::Pending;
use super::super::issued::Issued;
use super::super::{Certs, now};
use super::{Acme, Failure, keyed};

/// An order that takes longer is given up; the next try resumes it where it can.
const PATIENCE: Duration = Duration::from_secs(150);

/// How often an authority is asked how far it is, and for how long.
const POLL: RetryPolicy =
    RetryPolicy::new().initial_delay(Duration::from_millis(200)).backoff(1.6).timeout(Duration::from_secs(60));

impl Acme {
    /// Gets a certificate for a name, and stores it. `replaces` is the one that it is to follow (RFC 9773 §5).
    ///
    /// # Errors
    /// Why there is none, with what to check.
    pub async fn obtain(
        &self,
        certs: &Arc<Certs>,
        name: &str,
        replaces: Option<CertificateDer<'static>>,
    ) -> Result<Issued, Failure> {
        let order = async {
            match self.order(certs, name, replaces.as_ref()).await {
                // An authority that has forgotten us, or a directory that moved: once more with a new account.
                Err(failure) if failure.unknown_account => {
                    self.forget_account().await;
                    self.order(certs, name, replaces.as_ref()).await
                }
                result => result,
            }
        };
        let late = |_| Err(Failure::too_slow(&self.settings.directory));
        tokio::time::timeout(PATIENCE, order).await.unwrap_or_else(late)
    }

    async fn order(
        &self,
        certs: &Arc<Certs>,
        name: &str,
        replaces: Option<&CertificateDer<'static>>,
    ) -> Result<Issued, Failure> {
        let account = self.account().await?;
        if let Some(issued) = self.resume(&account, name).await? {
            return Ok(issued);
        }
        let mut failure = Failure::ours("http-01 needs a listener without TLS on port 80; see acme.challenges");
        for &challenge in &self.settings.challenges {
            if challenge == Challenge::Http01 && !self.plain {
                continue;
            }
            let mut order = self.place(&account, name, replaces).await?;
            match self.prove(certs, &mut order, name, challenge).await {
                Ok(()) => {
                    let key = KeyPair::generate().map_err(|error| Failure::ours(error.to_string()))?;
                    let unfinished = format!("order: {}\n{}", order.url(), key.serialize_pem());
                    self.write(&self.unfinished(name), unfinished.as_bytes())?;
                    return self.finish(order, name, &key).await;
                }
                Err(why) if why.by_challenge => failure = why,
                Err(why) => return Err(why),
            }
        }
        Err(failure)
    }

    /// Places an order, as a replacement where the authority takes that (RFC 9773 §5), else as any other.
    async fn place(
        &self,
        account: &Account,
        name: &str,
        replaces: Option<&CertificateDer<'static>>,
    ) -> Result<Order, Failure> {
        let names = [Identifier::Dns(name.to_owned())];
        if let Some(replaced) = replaces.and_then(|leaf| CertificateIdentifier::try_from(leaf).ok())
            && let Ok(order) = account.new_order(&NewOrder::new(&names).replaces(replaced)).await
        {
            return Ok(order);
        }
        account.new_order(&NewOrder::new(&names)).await.map_err(|error| self.failed(&error))
    }

    /// Proves that we answer for the name.
    async fn prove(
        &self,
        certs: &Arc<Certs>,
        order: &mut Order,
        name: &str,
        challenge: Challenge,
    ) -> Result<(), Failure> {
        let mut proofs = Vec::new();
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization.map_err(|error| self.failed(&error))?;
            if authorization.status == AuthorizationStatus::Valid {
                continue;
            }
            let offered = authorization.challenge(match challenge {
                Challenge::TlsAlpn01 => ChallengeType::TlsAlpn01,
                Challenge::Http01 => ChallengeType::Http01,
            });
            let mut offered = offered.ok_or_else(|| Failure::not_offered(challenge))?;
            let answer = offered.key_authorization();
            let proof = match challenge {
                Challenge::Http01 => certs.prove_by_token(name, &offered.token, answer.as_str()),
                Challenge::TlsAlpn01 => proof_certificate(name, answer.digest().as_ref())
                    .map(|certificate| certs.prove_by_certificate(name, certificate)),
            };
            proofs.push(proof.ok_or_else(|| Failure::not_offered(challenge))?);
            offered.set_ready().await.map_err(|error| self.failed(&error))?;
        }
        let ready = order.poll_ready(&POLL).await;
        drop::<Vec<Pending>>(proofs);
        match ready {
            Ok(OrderStatus::Ready) => Ok(()),
            Ok(_) | Err(instant_acme::Error::Api(_)) => Err(why_not(order, name, challenge).await),
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// Asks for the certificate of an order that is ready, waits for it, and stores it.
    async fn finish(&self, mut order: Order, name: &str, key: &KeyPair) -> Result<Issued, Failure> {
        if order.state().status == OrderStatus::Ready {
            let mut params = CertificateParams::new([name.to_owned()]).map_err(|e| Failure::ours(e.to_string()))?;
            params.distinguished_name = DistinguishedName::new();
            let request = params.serialize_request(key).map_err(|error| Failure::ours(error.to_string()))?;
            order.finalize_csr(request.der()).await.map_err(|error| self.failed(&error))?;
        }
        let chain = order.poll_certificate(&POLL).await.map_err(|error| self.failed(&error))?;
        let text = format!("{}{chain}", key.serialize_pem());
        let issued = Issued::from_pem(text.as_bytes())
            .map_err(|why| Failure::ours(format!("the authority sent a certificate that can't be used: {why}")))?;
        self.write(&self.certificate(name), text.as_bytes())?;
        self.store.remove(&self.unfinished(name));
        Ok(issued)
    }

    /// Goes on with an order that a crash or a time-out left behind.
    async fn resume(&self, account: &Account, name: &str) -> Result<Option<Issued>, Failure> {
        let read = |text: &[u8]| keyed(text, "order: ");
        let Some((url, key)) = self.store.read(&self.unfinished(name), read).map_err(Failure::ours)? else {
            return Ok(None);
        };
        let fails = |error: instant_acme::Error| match self.failed(&error) {
            failure if failure.unknown_account => Err(failure),
            // It doesn't know the order any more: another one is placed.
            _ if matches!(error, instant_acme::Error::Api(_)) => Ok(None),
            failure => Err(failure),
        };
        let mut order = match account.order(url).await {
            Ok(order) => order,
            Err(error) => {
                let result = fails(error);
                self.store.remove(&self.unfinished(name));
                return result;
            }
        };
        let goes_on = matches!(order.state().status, OrderStatus::Ready | OrderStatus::Processing | OrderStatus::Valid);
        let key = KeyPair::try_from(key.secret_pkcs8_der()).ok().filter(|_| goes_on);
        let Some(key) = key else {
            self.store.remove(&self.unfinished(name));
            return Ok(None);
        };
        tracing::info!("the order for {name} that was left unfinished is taken up");
        let result = self.finish(order, name, &key).await;
        // Whatever it was, it isn't tried for ever.
        if result.is_err() {
            self.store.remove(&self.unfinished(name));
        }
        result.map(Some)
    }
}

/// Finds out which proof was not taken, and why.
async fn why_not(order: &mut Order, name: &str, challenge: Challenge) -> Failure {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        if let Ok(state) = authorization.refresh().await
            && let Some(problem) = state.challenges.iter().find_map(|challenge| challenge.error.as_ref())
        {
            return Failure::of_challenge(challenge, name, Some(problem));
        }
    }
    Failure::of_challenge(challenge, name, None)
}

/// The certificate that proves control by a handshake (RFC 8737 §3): self-signed, with the digest in it.
fn proof_certificate(name: &str, digest: &[u8]) -> Option<Arc<CertifiedKey>> {
    let mut params = CertificateParams::new([name.to_owned()]).ok()?;
    params.distinguished_name = DistinguishedName::new();
    super::super::local::holds(&mut params, now() + 24 * 3600);
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest.get(..32)?)];
    let key = KeyPair::generate().ok()?;
    let certificate = params.self_signed(&key).ok()?.der().clone();
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let signer = rustls::crypto::aws_lc_rs::sign::any_supported_type(&der).ok()?;
    // Nobody who knows no `acme-tls/1` can read it: its extension is critical.
    Some(Arc::new(CertifiedKey::new(vec![certificate], signer)))
}
