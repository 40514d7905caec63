//! Modules of one's own in a build that has no compiler.

use std::fs;

use skerry_tests::{
    Client, binary, children,
    command::{called, ended},
    service::Service,
    sha256,
};

use crate::image::built;

#[test]
#[ignore = "needs a static build without the compiler: run by .ci/run"]
fn run_where_they_are_compiled_already() {
    let directory = tempfile::tempdir().unwrap();
    let (module, code) = (binary::guest("misbehave"), directory.path().join("module.cwasm"));
    let (from, to) = (module.display().to_string(), code.display().to_string());
    assert_eq!(called("skerry", &["guest", "compile", &from, "-o", &to]).code, 0);
    let digest = sha256(fs::read(&code).unwrap());
    let serve = |module: &str| {
        let config = directory.path().join("config.yml");
        let volume = directory.path().join("volume");
        fs::create_dir_all(&volume).unwrap();
        let text = format!(
            "version: 0.1\nlog: {{formatter: json}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: \"127.0.0.1:0\"}}\n\
             sandbox: {{registry: {module}, precompiled: [\"{digest}\"]}}\n",
            volume.display()
        );
        fs::write(&config, text).unwrap();
        let mut command = children::command(built());
        command.arg("serve").arg(config);
        command
    };
    let service = Service::start("skerry", serve(&to));
    let answer = Client::plain(&service.address()).get("/well");
    assert_eq!((answer.status, answer.text().as_str()), (200, "well"));
    let refused = ended(&mut serve(&from));
    assert!(refused.code == 1 && (refused.out + &refused.err).contains("has no compiler"));
}
