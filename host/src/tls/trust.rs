//! What clients need to trust an authority: which file goes where.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use x509_parser::prelude::{FromDer, X509Certificate};

use super::{check::Target, error::TlsError, files, pem};

/// Who is to trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// The Docker engine.
    Docker,
    /// podman, buildah, skopeo and what else is made of their libraries.
    Podman,
    /// The system's store.
    System,
}

/// Whom to make trust what.
#[derive(Debug, Clone)]
pub struct Trust {
    /// PEM of the authority.
    pub authority: PathBuf,
    /// The registry, as it is named in references.
    pub names: Vec<Target>,
    /// Who is to trust it.
    pub clients: Vec<Client>,
    /// The user's own directory, for what needs no root; none for root.
    pub home: Option<PathBuf>,
    /// Where `/` is, if not at `/`.
    pub root: Option<PathBuf>,
}

/// Files to be written, and a program to be run after that.
#[derive(Debug)]
pub struct Steps {
    authority: PathBuf,
    pem: Vec<u8>,
    root: Option<PathBuf>,
    groups: Vec<Group>,
}

#[derive(Debug)]
struct Group {
    title: &'static str,
    files: Vec<PathBuf>,
    /// Whether only root may write there.
    privileged: bool,
    /// What makes the files count.
    then: Option<&'static str>,
}

/// Where a family of systems has authorities of the operator's own, and what
/// takes them from there. The first that is there counts.
const STORES: [(&str, &str, &str); 4] = [
    ("/usr/local/share/ca-certificates", "crt", "update-ca-certificates"), // Debian, Ubuntu, Alpine
    ("/etc/pki/ca-trust/source/anchors", "pem", "update-ca-trust"),        // Fedora, RHEL
    ("/etc/ca-certificates/trust-source/anchors", "pem", "update-ca-trust"), // Arch
    ("/etc/pki/trust/anchors", "pem", "update-ca-certificates"),           // SUSE
];

/// What is to be done.
///
/// # Errors
/// The authority cannot be read, or is none.
pub fn trust(asked: &Trust) -> Result<Steps, TlsError> {
    let Trust { authority, names, clients, home, root } = asked;
    let pem = files::read(authority)?;
    let certificates = pem::certificates(authority, &pem)?;
    for (index, der) in certificates.iter().enumerate() {
        if X509Certificate::from_der(der).is_err() {
            return Err(TlsError::BadCertificate(authority.clone(), index + 1));
        }
    }
    // What lies beside it in the file, such as a key, is not copied.
    let pem = pem::write(&certificates);
    let below = |directory: &str| match root {
        Some(root) => root.join(directory.trim_start_matches('/')),
        None => PathBuf::from(directory),
    };
    let each = |directory: &Path| names.iter().map(|name| directory.join(name.authority()).join("ca.crt")).collect();
    let own = home.as_ref().filter(|_| root.is_none());
    let groups = clients.iter().map(|client| match client {
        Client::Docker => {
            Group { title: "docker", files: each(&below("/etc/docker/certs.d")), privileged: true, then: None }
        }
        Client::Podman => Group {
            title: "podman, buildah, skopeo",
            files: each(
                &own.map_or_else(|| below("/etc/containers/certs.d"), |home| home.join(".config/containers/certs.d")),
            ),
            privileged: own.is_none(),
            then: None,
        },
        Client::System => {
            let there = STORES.iter().find(|(directory, _, _)| below(directory).is_dir());
            let [first, ..] = &STORES;
            let (directory, suffix, program) = there.unwrap_or(first);
            Group {
                title: "the system: curl, crane, oras, regctl, …",
                files: vec![below(directory).join(format!("skerry-local-authority.{suffix}"))],
                privileged: true,
                then: Some(program),
            }
        }
    });
    Ok(Steps { authority: authority.clone(), groups: groups.collect(), pem, root: root.clone() })
}

impl Steps {
    /// The commands that do it, for a shell.
    pub fn commands(&self) -> String {
        let mut text = String::new();
        let authority = std::path::absolute(&self.authority).unwrap_or_else(|_| self.authority.clone());
        for group in &self.groups {
            let sudo = if group.privileged { "sudo " } else { "" };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "# {}", group.title);
            for file in &group.files {
                let _ = writeln!(text, "{sudo}install -Dm644 {} {}", quoted(&authority), quoted(file));
            }
            if let Some(program) = group.then {
                let _ = writeln!(text, "{sudo}{program}");
            }
        }
        text
    }

    /// Does it, and says what was done.
    ///
    /// # Errors
    /// A sentence: a file cannot be written, or the program fails.
    pub fn write(&self) -> Result<String, String> {
        let mut text = String::new();
        for group in &self.groups {
            for file in &group.files {
                self.place(file).map_err(|error| match group.privileged {
                    true => format!("{error}; run it as root, or without --write to see the commands"),
                    false => error.to_string(),
                })?;
                let _ = writeln!(text, "wrote {}", file.display());
            }
            match (group.then, &self.root) {
                (None, _) => {}
                // What would be run is that of another system.
                (Some(program), Some(root)) => {
                    let _ = writeln!(text, "to do: run {program} in {}", root.display());
                }
                (Some(program), None) => {
                    let ended = Command::new(program).output().map_err(|error| {
                        format!("{program} cannot be run: {error}; install ca-certificates, and run it")
                    })?;
                    if !ended.status.success() {
                        let said = String::from_utf8_lossy(&ended.stderr);
                        return Err(format!("{program} failed ({}): {}", ended.status, said.trim()));
                    }
                    let _ = writeln!(text, "ran {program}");
                }
            }
        }
        Ok(text)
    }

    fn place(&self, file: &Path) -> Result<(), TlsError> {
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent).map_err(TlsError::unwritable(parent))?;
        }
        files::write(file, 0o644, &self.pem)
    }
}

/// A path as a shell takes it.
pub fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn asked(directory: &Path, clients: &[Client]) -> Trust {
        let local = crate::tls::local(
            &directory.join("tls dir"),
            &["localhost".to_owned()],
            true,
            std::time::SystemTime::now(),
        );
        Trust {
            authority: local.unwrap().ca,
            names: vec!["localhost:5000".parse().unwrap(), "[::1]:5000".parse().unwrap()],
            clients: clients.to_vec(),
            home: Some("/home/ann".into()),
            root: None,
        }
    }

    #[test]
    fn commands() {
        let directory = tempfile::tempdir().unwrap();
        let mut asked = asked(directory.path(), &[Client::Docker, Client::Podman]);
        let from = format!("'{}'", asked.authority.display());
        let expected = format!(
            "# docker\n\
             sudo install -Dm644 {from} /etc/docker/certs.d/localhost:5000/ca.crt\n\
             sudo install -Dm644 {from} '/etc/docker/certs.d/[::1]:5000/ca.crt'\n\
             # podman, buildah, skopeo\n\
             install -Dm644 {from} /home/ann/.config/containers/certs.d/localhost:5000/ca.crt\n\
             install -Dm644 {from} '/home/ann/.config/containers/certs.d/[::1]:5000/ca.crt'\n"
        );
        assert_eq!(trust(&asked).unwrap().commands(), expected);
        asked.home = None;
        asked.clients.push(Client::System);
        let text = trust(&asked).unwrap().commands();
        assert!(text.contains("/etc/containers/certs.d/localhost:5000/ca.crt\n"), "{text}");
        assert!(text.contains("\nsudo update-ca-"), "{text}");
    }

    #[test]
    fn files_below_a_root() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        let mut asked = asked(directory.path(), &[Client::Docker, Client::Podman, Client::System]);
        asked.root = Some(root.clone());
        // A key beside the certificate stays where it is.
        let both = directory.path().join("both.pem");
        let certificate = fs::read_to_string(&asked.authority).unwrap();
        let key = fs::read_to_string(asked.authority.with_file_name("ca.key")).unwrap();
        fs::write(&both, format!("{key}{certificate}")).unwrap();
        asked.authority = both.clone();
        for (store, suffix, program) in STORES.into_iter().rev() {
            // The first of the table counts where several are there.
            fs::create_dir_all(root.join(&store[1..])).unwrap();
            let said = trust(&asked).unwrap().write().unwrap();
            assert!(said.contains(&format!("to do: run {program} in {}", root.display())), "{said}");
            let mut written = vec![root.join(&store[1..]).join(format!("skerry-local-authority.{suffix}"))];
            for client in ["docker", "containers"] {
                let directory = root.join("etc").join(client).join("certs.d");
                written.extend(["localhost:5000", "[::1]:5000"].map(|name| directory.join(name).join("ca.crt")));
            }
            for file in written {
                let text = fs::read_to_string(&file).unwrap();
                assert_eq!(pem::certificates(&file, text.as_bytes()).unwrap().len(), 1);
                assert!(!text.contains("PRIVATE"), "{text}");
                assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644);
            }
        }
        fs::write(&both, "nothing").unwrap();
        assert!(matches!(trust(&asked), Err(TlsError::NoCertificate(..))));
    }
}
