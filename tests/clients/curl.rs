//! curl, by both versions of HTTP.

use std::{fs, path::Path, process::Command};

use skerry_tests::{
    image::{Layout, Packing, file_digest},
    layout, tools,
    wire::Wire,
};

use crate::target::Target;

fn curl(target: &Target, arguments: &[&str]) -> Command {
    let mut command = target.tool("curl");
    command.args(["--silent", "--show-error", "--cacert"]).arg(&target.ca).args(arguments);
    command
}

fn run(target: &Target, arguments: &[&str]) -> String {
    tools::succeed(curl(target, arguments))
}

/// A blob of that size in a file; its digest.
fn blob(target: &Target, size: u64, seed: u64) -> (std::path::PathBuf, String) {
    let layout = Layout::create(&target.path("blob"));
    layout.image("amd64", &[layout.layer(Packing::Tar, size, seed)]);
    let files = fs::read_dir(layout.path().join("blobs/sha256")).unwrap().map(|entry| entry.unwrap().path());
    let file = files.max_by_key(|file| fs::metadata(file).unwrap().len()).unwrap();
    let digest = file_digest(&file);
    (file, digest)
}

fn push(target: &Target, version: &str, file: &Path, digest: &str) {
    let root = format!("https://{}", target.localhost);
    let begun = run(
        target,
        &[
            version,
            "-X",
            "POST",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code} %header{location}",
            &format!("{root}/v2/curl/blobs/uploads/"),
        ],
    );
    let (status, location) = begun.split_once(' ').unwrap();
    assert_eq!(status, "202");
    let location = skerry_tests::client::with(skerry_tests::client::target(location), &format!("digest={digest}"));
    let file = file.display().to_string();
    let url = format!("{root}{location}");
    assert_eq!(run(target, &[version, "-T", &file, "-o", "/dev/null", "-w", "%{http_code}", &url]), "201");
    assert_eq!(file_digest(&layout::blob(&target.volume, digest)), digest);
}

#[test]
#[ignore = "needs curl: run by .ci/run"]
fn both_versions() {
    let target = Target::new();
    let (file, digest) = blob(&target, 500_000_000, 4000);
    let url = format!("https://{}/v2/curl/blobs/{digest}", target.localhost);
    for (option, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        push(&target, option, &file, &digest);
        let pulled = target.path("pulled").display().to_string();
        let said =
            run(&target, &[option, "-o", &pulled, "-w", "%{http_code} %{http_version} %{ssl_verify_result}", &url]);
        assert_eq!(said, format!("200 {version} 0"));
        assert_eq!(file_digest(Path::new(&pulled)), digest);
    }
    for option in ["--tlsv1.3", "--tls-max 1.2"] {
        let mut arguments: Vec<&str> = option.split(' ').collect();
        arguments.extend(["--head", &url]);
        assert!(run(&target, &arguments).contains(" 200"));
    }
    let mut stranger = target.tool("curl");
    stranger.args(["--silent", "--show-error", &url]);
    stranger.env_remove("SSL_CERT_FILE").env_remove("SSL_CERT_DIR");
    assert!(tools::fail(stranger).contains("certificate"));
}

/// A pull over a bad link goes on where it broke off.
#[test]
#[ignore = "needs curl: run by .ci/run"]
fn a_cut_pull_resumes() {
    let target = Target::new();
    let (file, digest) = blob(&target, 40_000_000, 4100);
    push(&target, "--http2", &file, &digest);
    for option in ["--http2", "--http1.1"] {
        let wire = Wire::to(&target.address);
        let url = format!("https://{}/v2/curl/blobs/{digest}", wire.localhost());
        let pulled = target.path("resumed");
        let _ = fs::remove_file(&pulled);
        let path = pulled.display().to_string();
        wire.cut_after(15_000_000);
        tools::fail(curl(&target, &[option, "-o", &path, &url]));
        let first = fs::metadata(&pulled).unwrap().len();
        assert!(first > 1_000_000 && first < 16_000_000, "{first}");
        let before = wire.received();
        let said = run(&target, &[option, "-C", "-", "-o", &path, "-w", "%{http_code}", &url]);
        assert_eq!(said, "206");
        assert_eq!(file_digest(&pulled), digest);
        assert!(wire.received() - before < 40_000_000 - first + 1_000_000);
    }
}
