//! A private authority and the certificate of a server on loopback, as files.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// Writes `public.crt` and `private.key`, for 127.0.0.1 and `localhost`, into `folder`; gives the
/// path of the authority's own certificate.
pub fn write(folder: &Path) -> Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.distinguished_name.push(DnType::CommonName, "a private authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate()?;
    let trusted = authority.self_signed(&authority_key)?.pem();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate()?;
    let server = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()])?;
    fs::write(folder.join("public.crt"), server.signed_by(&key, &issuer)?.pem())?;
    fs::write(folder.join("private.key"), key.serialize_pem())?;
    let path = folder.join("authority.pem");
    fs::write(&path, trusted)?;
    Ok(path)
}
