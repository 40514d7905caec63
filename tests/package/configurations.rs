//! Files that are read by others, or by us.

use std::{
    fs,
    process::{Command, Stdio},
};

use skerry_tests::{binary, command::ended, tools};

use crate::package;

/// The image's configuration says nothing that is not meant.
#[test]
fn of_the_image() {
    let mut check = Command::new(binary::skerry());
    check.args(["config", "check"]).arg(package("config.yml")).env_clear();
    let ended = ended(&mut check);
    assert_eq!(ended.code, 0, "{ended:?}");
    // A port without TLS is all that it may be warned of.
    assert!(ended.err.lines().all(|line| line.contains("is plain HTTP")), "{}", ended.err);
    assert!(ended.out.contains("rootdirectory: /var/lib/registry"), "{}", ended.out);
}

#[test]
#[ignore = "needs docker-compose: run by .ci/run"]
fn of_compose() {
    for name in ["compose.yaml", "compose.nginx.yaml"] {
        let mut compose = tools::tool("docker-compose");
        compose.arg("--file").arg(package(name)).arg("config").env("DOMAIN", "registry.example.net");
        let said = tools::succeed(compose);
        assert!(said.contains("/etc/letsencrypt/live/registry.example.net/fullchain.pem"), "{name}: {said}");
        // The files that it takes from beside it are there.
        for line in fs::read_to_string(package(name)).unwrap().lines() {
            if let Some(file) = line.trim().strip_prefix("- ./") {
                assert!(package(file.split(':').next().unwrap()).is_file(), "{line}");
            }
        }
    }
}

/// As they are shipped, but for what only the place where they run has.
#[test]
#[ignore = "needs nginx and its stream module: run by .ci/run"]
fn of_nginx() {
    for name in ["proxy.conf", "passthrough.conf"] {
        let directory = tempfile::tempdir().unwrap();
        let trust = skerry_tests::authority::Authority::new(directory.path(), &["localhost"]);
        let text = fs::read_to_string(package("nginx").join(name)).unwrap();
        let text = text.replace("registry:5000", "127.0.0.1:5000");
        let text = text.replace("/etc/nginx/tls/fullchain.pem", &trust.certificate.display().to_string());
        let text = text.replace("/etc/nginx/tls/privkey.pem", &trust.key.display().to_string());
        let stream = "load_module /usr/lib/nginx/modules/ngx_stream_module.so;";
        fs::write(directory.path().join("nginx.conf"), format!("pid nginx.pid;\n{stream}\n{text}")).unwrap();
        let mut nginx = Command::new(tools::find("nginx"));
        nginx.arg("-p").arg(directory.path()).args(["-e", "stderr", "-t", "-c", "nginx.conf"]).stdin(Stdio::null());
        let said = tools::succeed(nginx);
        assert!(!said.contains("[warn]"), "{said}");
    }
}
