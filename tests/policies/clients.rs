//! The clients that people use, with users and passwords.

use std::{fs, process::Command};

use skerry_tests::{
    image::{Layout, Packing},
    tools,
};

use super::host::{Host, htpasswd};

struct Target {
    directory: tempfile::TempDir,
    host: Host,
}

impl Target {
    /// Everybody pulls from `public/…`, and `ann` does everything.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        htpasswd(&directory.path().join("users"), &[("ann", "a secret")]);
        let host = Host::start(&format!(
            "policies:\n- module: htpasswd\n  directory: {}\n  settings: {{realm: Registry, file: users, anonymous: true}}\n- module: access\n  settings:\n    rules:\n    - {{repositories: ['public/**'], anonymous: true, actions: [pull]}}\n    - {{repositories: ['**'], subjects: [ann], actions: [pull, push, delete, catalog]}}\n",
            directory.path().display()
        ));
        let certificates = directory.path().join("certificates");
        fs::create_dir_all(&certificates).unwrap();
        fs::copy(&host.registry.trust().ca, certificates.join("ca.crt")).unwrap();
        fs::write(directory.path().join("policy.json"), r#"{"default":[{"type":"insecureAcceptAnything"}]}"#).unwrap();
        fs::create_dir_all(directory.path().join("config")).unwrap();
        Self { directory, host }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    fn reference(&self, name: &str) -> String {
        format!("{}/{name}", self.host.registry.localhost())
    }

    fn tool(&self, name: &str) -> Command {
        let mut command = tools::tool(name);
        command
            .env("HOME", self.directory.path())
            .env("DOCKER_CONFIG", self.path("config"))
            .env("XDG_RUNTIME_DIR", self.directory.path())
            .env("SSL_CERT_FILE", &self.host.registry.trust().ca);
        command
    }

    fn layout(&self) -> Layout {
        let layout = Layout::create(&self.path("layout"));
        let image = layout.image("amd64", &[layout.layer(Packing::Gzip, 10_000, 1)]);
        layout.name("v1", &image);
        layout
    }
}

#[test]
#[ignore = "needs skopeo: run by .ci/run"]
fn skopeo() {
    let target = Target::new();
    let layout = target.layout();
    let copy = |login: &[&str], from: &str, to: &str| {
        let mut command = target.tool("skopeo");
        command.arg("--policy").arg(target.path("policy.json")).arg("copy").args(login);
        for side in ["--src-cert-dir", "--dest-cert-dir"] {
            command.arg(side).arg(target.path("certificates"));
        }
        command.args([from, to]);
        command
    };
    let local = format!("oci:{}:v1", layout.path().display());
    let public = format!("docker://{}:v1", target.reference("public/app"));
    let private = format!("docker://{}:v1", target.reference("private/app"));
    for remote in [&public, &private] {
        tools::fail(copy(&[], &local, remote));
        let said = tools::fail(copy(&["--dest-creds", "ann:wrong"], &local, remote));
        assert!(said.contains("unauthorized") || said.contains("authentication"), "{said}");
        tools::succeed(copy(&["--dest-creds", "ann:a secret"], &local, remote));
    }
    let pulled = |name: &str| format!("oci:{}:v1", target.path(name).display());
    tools::succeed(copy(&[], &public, &pulled("anonymous")));
    tools::fail(copy(&[], &private, &pulled("refused")));
    tools::succeed(copy(&["--src-creds", "ann:a secret"], &private, &pulled("known")));
}

#[test]
#[ignore = "needs crane: run by .ci/run"]
fn crane() {
    let target = Target::new();
    let layout = target.layout();
    let crane = |arguments: &[&str]| {
        let mut command = target.tool("crane");
        command.args(arguments);
        command
    };
    let local = layout.path().display().to_string();
    let public = format!("{}:v1", target.reference("public/app"));
    tools::fail(crane(&["push", &local, &public]));
    tools::succeed(crane(&["auth", "login", &target.host.registry.localhost(), "-u", "ann", "-p", "a secret"]));
    tools::succeed(crane(&["push", &local, &public]));
    assert_eq!(tools::succeed(crane(&["ls", &target.reference("public/app")])).trim(), "v1");
    assert_eq!(tools::succeed(crane(&["catalog", &target.host.registry.localhost()])).trim(), "public/app");
    fs::remove_dir_all(target.path("config")).unwrap();
    fs::create_dir_all(target.path("config")).unwrap();
    tools::succeed(crane(&["digest", &public]));
    let other = format!("{}:v2", target.reference("public/app"));
    tools::fail(crane(&["push", &local, &other]));
    tools::fail(crane(&["catalog", &target.host.registry.localhost()]));
}

#[test]
#[ignore = "needs curl: run by .ci/run"]
fn curl() {
    let target = Target::new();
    let ask = |arguments: &[&str]| {
        let mut command = target.tool("curl");
        command.args(["--silent", "--show-error", "--include", "--cacert"]).arg(&target.host.registry.trust().ca);
        command.args(arguments).arg(format!("https://{}", target.reference("v2/")));
        tools::succeed(command)
    };
    let asked = ask(&[]).to_lowercase();
    assert!(asked.contains(" 401") && asked.contains("www-authenticate: basic realm=\"registry\""), "{asked}");
    let known = ask(&["--user", "ann:a secret"]);
    assert!(known.contains(" 200"), "{known}");
}
