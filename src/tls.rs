//! Encryption of a connection of our own, to whatever database: what is verified follows from [`TlsMode`] alone.

use std::{fs::File, io, io::BufReader, path::Path, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime},
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    config::source::{Tls, TlsMode},
    error::{Error, Result},
};

/// Makes the cryptography that our own connections use that of the whole process, which HTTP clients look for. They verify
/// certificates with the authorities of the machine.
pub(crate) fn install_provider() {
    // It fails when there is one already, which is this one.
    let _ = ring::default_provider().install_default();
}

/// Encrypts a connection to `host`.
///
/// # Errors
/// Definite when a file cannot be read or the server's certificate or protocol is refused; disconnected when the connection is
/// lost meanwhile.
pub(crate) async fn encrypt<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    host: &str,
    tls: &Tls,
) -> Result<TlsStream<S>> {
    let name = ServerName::try_from(host.to_owned()).map_err(|error| {
        Error::definite("not a name that a certificate could have").on(host).caused_by(error)
    })?;
    let connector = TlsConnector::from(Arc::new(client_config(tls)?));
    connector.connect(name, stream).await.map_err(|error| handshake_error(error, host, tls.mode))
}

fn handshake_error(error: io::Error, host: &str, mode: TlsMode) -> Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()) {
        None => Error::disconnected("lost the connection during the TLS handshake").on(host).caused_by(error),
        Some(TlsError::InvalidCertificate(_)) => Error::definite("the server's certificate is refused")
            .on(host)
            .caused_by(error)
            .remedy(format!("check tls.ca and the certificate's names; tls.mode is {mode}")),
        Some(_) => Error::definite("the TLS handshake failed")
            .on(host)
            .caused_by(error)
            .remedy("the server has to offer TLS 1.2 or newer; where a client certificate is required, set tls.cert and tls.key"),
    }
}

fn client_config(tls: &Tls) -> Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::definite("TLS cannot be set up").caused_by(error))?
        .dangerous()
        .with_custom_certificate_verifier(verifier(tls, &provider)?);
    match (&tls.cert, &tls.key) {
        (Some(cert), Some(key)) => {
            builder.with_client_auth_cert(certificates(cert)?, private_key(key)?).map_err(|error| {
                Error::definite("the client certificate cannot be used").on(cert.display()).caused_by(error)
            })
        }
        _ => Ok(builder.with_no_client_auth()),
    }
}

fn verifier(tls: &Tls, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>> {
    let Some(ca) = tls.ca.as_ref().filter(|_| tls.mode >= TlsMode::VerifyCa) else {
        return Ok(Arc::new(AnyCertificate(Arc::clone(provider))));
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca)? {
        roots.add(certificate).map_err(|error| {
            Error::definite("not a usable certificate authority").on(ca.display()).caused_by(error)
        })?;
    }
    let webpki =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build().map_err(
            |error| Error::definite("no usable certificate authority").on(ca.display()).caused_by(error),
        )?;
    if tls.mode == TlsMode::VerifyIdentity { Ok(webpki) } else { Ok(Arc::new(AnyName(webpki))) }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read =
        || -> io::Result<Vec<_>> { rustls_pemfile::certs(&mut BufReader::new(File::open(path)?)).collect() };
    let certificates = read().map_err(|error| {
        Error::definite("cannot read the certificates").on(path.display()).caused_by(error)
    })?;
    if certificates.is_empty() {
        return Err(Error::definite("the file has no certificate in PEM form").on(path.display()));
    }
    Ok(certificates)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>> {
    let read = || rustls_pemfile::private_key(&mut BufReader::new(File::open(path)?));
    read()
        .map_err(|error| Error::definite("cannot read the private key").on(path.display()).caused_by(error))?
        .ok_or_else(|| Error::definite("the file has no private key in PEM form").on(path.display()))
}

/// Verifies a chain up to the authorities, whatever host the certificate is for.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        match self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // The name is looked at last: the chain was good.
            Err(TlsError::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Takes every certificate. Its signatures are not verified either: they would only prove who owns a certificate that
/// anybody may have made, and the self-made ones of old servers are X.509 version 1, which cannot be parsed.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
