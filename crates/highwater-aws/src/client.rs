//! How the SDK speaks HTTP: with ring, with the certificates that the store trusts, and through the
//! proxy of the environment, as the store does.

use aws_sdk_s3::config::SharedHttpClient;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};
use highwater_store::{StoreError, StoreErrorKind};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Whether the proxy of `HTTPS_PROXY` and its like is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// As the environment says.
    Proxied,
    /// For addresses that only this machine can reach, such as instance metadata.
    Direct,
}

/// A client that trusts the system's certificates and those of `ca_pem`.
///
/// # Errors
/// `Invalid` when there is no certificate in `ca_pem`.
pub(crate) fn http_client(ca_pem: Option<&[u8]>, way: Way) -> Result<SharedHttpClient, StoreError> {
    let mut context = TlsContext::builder();
    if let Some(pem) = ca_pem {
        check_certificates(pem)?;
        context = context.with_trust_store(TrustStore::default().with_pem_certificate(pem.to_vec()));
    }
    let invalid = |detail: String| StoreError::new(StoreErrorKind::Invalid, "", detail);
    let context = context.build().map_err(|error| invalid(format!("TLS cannot be set up: {error}")))?;
    let proxy = match way {
        Way::Proxied => ProxyConfig::from_env(),
        Way::Direct => ProxyConfig::disabled(),
    };
    Ok(Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(context.clone())
            .proxy_config(proxy.clone());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.build()
    }))
}

/// The SDK takes for granted that they can be read.
fn check_certificates(pem: &[u8]) -> Result<(), StoreError> {
    let wrong = |why: &str| {
        let line = format!("the certificates (PEM) to trust for S3 cannot be read: {why}");
        StoreError::new(StoreErrorKind::Invalid, "", line)
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| wrong(&error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(&error.to_string()))?;
    }
    if roots.is_empty() { Err(wrong("there are none")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_refused() {
        let pem = |body: &str| format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
        for bad in [String::new(), "x".to_owned(), pem("AAAA"), pem("!!"), "-----BEGIN CERTIFICATE-----\n".to_owned()] {
            assert!(http_client(Some(bad.as_bytes()), Way::Direct).is_err(), "{bad}");
        }
        assert!(http_client(None, Way::Proxied).is_ok());
    }
}
