//! A layer of 1 GB, there and back.

use std::{fs, path::Path};

use skerry_tests::{
    Registry, client,
    image::{Layout, Packing, file_digest},
    layout, tools,
};

use crate::nginx::{BOTH, Nginx};

fn curl(nginx: &Nginx, arguments: &[&str]) -> String {
    let mut command = tools::tool("curl");
    command.args(["--silent", "--show-error", "--cacert"]).arg(&nginx.trust().ca).args(arguments);
    tools::succeed(command)
}

#[test]
#[ignore = "needs nginx, its stream module and curl: run by .ci/run"]
fn of_1_gb() {
    let directory = tempfile::Builder::new().prefix("skerry-front-").tempdir().unwrap();
    let made = Layout::create(&directory.path().join("made"));
    made.image("amd64", &[made.layer(Packing::Tar, 1_000_000_000, 6000)]);
    let files = fs::read_dir(made.path().join("blobs/sha256")).unwrap().map(|entry| entry.unwrap().path());
    let file = files.max_by_key(|file| fs::metadata(file).unwrap().len()).unwrap();
    let digest = file_digest(&file);
    for front in BOTH {
        let registry = Registry::start(front.options());
        let nginx = Nginx::before(front, &[&registry]);
        let root = format!("https://{}", nginx.localhost());
        let begun = curl(
            &nginx,
            &["-X", "POST", "-o", "/dev/null", "-w", "%header{location}", &format!("{root}/v2/big/blobs/uploads/")],
        );
        let put = format!("{root}{}", client::with(client::target(&begun), &format!("digest={digest}")));
        let said = curl(&nginx, &["-T", &file.display().to_string(), "-o", "/dev/null", "-w", "%{http_code}", &put]);
        assert_eq!(said, "201", "{front:?}: {:?}", nginx.complaints());
        assert_eq!(file_digest(&layout::blob(registry.volume(), &digest)), digest);
        let pulled = directory.path().join("pulled").display().to_string();
        let said = curl(&nginx, &["-o", &pulled, "-w", "%{http_code}", &format!("{root}/v2/big/blobs/{digest}")]);
        assert_eq!(said, "200", "{front:?}: {:?}", nginx.complaints());
        assert_eq!(file_digest(Path::new(&pulled)), digest);
    }
}
