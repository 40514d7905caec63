#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{fs, net::SocketAddr, path::Path, time::SystemTime};

use clap::{CommandFactory, Parser};

use super::*;

/// Surroundings with nothing in them but a home.
fn ambient(home: &Path) -> Ambient {
    Ambient {
        env: vec![("HOME".to_owned(), home.to_str().unwrap().to_owned())],
        configs: vec![home.join("etc/config.yml")],
        volume: home.join("volume"),
        host_name: "My-Host".to_owned(),
        root: false,
    }
}

fn serve(line: &[&str]) -> Serve {
    match Cli::parse_from(["skerry", "serve"].iter().chain(line)).command {
        Command::Serve(serve) => serve,
        other => panic!("{other:?}"),
    }
}

fn planned(line: &[&str], ambient: &Ambient) -> Result<Plan, String> {
    plan(&serve(line), ambient, SystemTime::now()).map_err(|error| error.to_string())
}

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
    for line in [
        &["serve", "--tls-cert", "x"][..],
        &["serve", "--plain-http", "--tls-cert", "a", "--tls-key", "b"],
        &["serve", "a.yml", "--no-config"],
        &["x"],
        &[],
    ] {
        assert!(Cli::try_parse_from(["skerry"].iter().chain(line)).is_err(), "{line:?}");
    }
}

#[test]
fn first_run() {
    let home = tempfile::tempdir().unwrap();
    let ambient = ambient(home.path());
    let plan = planned(&[], &ambient).unwrap();
    assert_eq!(plan.config.http.listen.to_string(), "127.0.0.1:5000");
    assert_eq!(plan.config.storage.root, home.path().join(".local/share/skerry"));
    assert!(plan.config.storage.delete && plan.warnings.is_empty());
    let names = &plan.tls.as_ref().unwrap().loaded.leaves[0].names;
    assert_eq!(names, &["localhost", "127.0.0.1", "::1", "my-host"]);
    let ca = plan.first_run.as_ref().unwrap().ca.clone().unwrap();
    assert!(ca.exists());
    let banner = plan.banner("127.0.0.1:5000".parse().unwrap()).unwrap();
    for part in [
        "https://localhost:5000".to_owned(),
        "from this machine only".to_owned(),
        format!("sudo install -Dm644 {} /etc/docker/certs.d/localhost:5000/ca.crt", ca.display()),
        format!("curl --cacert {} https://localhost:5000/v2/_catalog", ca.display()),
        "docker push localhost:5000/busybox".to_owned(),
    ] {
        assert!(banner.contains(&part), "{part}: {banner}");
    }
    assert!(banner.lines().count() <= 24);
}

#[test]
fn first_run_with_flags() {
    let home = tempfile::tempdir().unwrap();
    let ambient = ambient(home.path());
    let data = home.path().join("my data");
    let data = data.to_str().unwrap();
    let plan = planned(&["--addr", "0.0.0.0:0", "--data", data], &ambient).unwrap();
    assert_eq!(plan.config.storage.root.to_str(), Some(data));
    let banner = plan.banner("0.0.0.0:8443".parse().unwrap()).unwrap();
    assert!(banner.contains("https://my-host:8443") && banner.contains("ANYONE WHO REACHES THIS MACHINE"), "{banner}");
    assert!(banner.contains(&format!("'{data}/.skerry/tls/ca.pem'")), "{banner}");

    let plan = planned(&["--plain-http", "--addr", "localhost:0"], &ambient).unwrap();
    assert!(plan.tls.is_none() && plan.warnings.is_empty());
    assert_eq!(plan.url("127.0.0.1:81".parse::<SocketAddr>().unwrap()), "http://localhost:81");
    let plan = planned(&["--plain-http", "--addr", ":0"], &ambient).unwrap();
    assert!(plan.warnings[0].to_string().starts_with("--addr: :0 is plain HTTP"), "{:?}", plan.warnings);
    assert!(
        planned(&["--log-level", "loud"], &ambient)
            .unwrap_err()
            .starts_with("--log-level: `log.level` is to be one of")
    );
}

#[test]
fn where_data_goes() {
    let home = tempfile::tempdir().unwrap();
    let mut ambient = ambient(home.path());
    assert_eq!(ambient.data(), home.path().join(".local/share/skerry"));
    ambient.env.push(("XDG_DATA_HOME".to_owned(), "/xdg".to_owned()));
    assert_eq!(ambient.data(), Path::new("/xdg/skerry"));
    ambient.env.clear();
    assert_eq!(ambient.data(), Path::new("skerry-data"));
    ambient.root = true;
    assert_eq!(ambient.data(), Path::new("/var/lib/skerry"));
    fs::create_dir(&ambient.volume).unwrap();
    assert_eq!(ambient.data(), ambient.volume);
}

#[test]
fn where_the_configuration_is() {
    let home = tempfile::tempdir().unwrap();
    let mut ambient = ambient(home.path());
    let write = |name: &str, addr: &str| {
        let path = home.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("version: 0.1\nhttp: {{addr: '{addr}'}}\n")).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let addr =
        |line: &[&str], ambient: &Ambient| planned(line, ambient).map(|plan| plan.config.http.listen.to_string());
    write("etc/config.yml", "localhost:1");
    assert_eq!(addr(&[], &ambient).unwrap(), "localhost:1");
    assert!(planned(&[], &ambient).unwrap().first_run.is_none());
    let named = write("named.yml", "localhost:2");
    ambient.env.push(("REGISTRY_CONFIGURATION_PATH".to_owned(), named));
    assert_eq!(addr(&[], &ambient).unwrap(), "localhost:2");
    let given = write("given.yml", "localhost:3");
    assert_eq!(addr(&[&given], &ambient).unwrap(), "localhost:3");
    assert_eq!(addr(&["--addr", ":0", &given], &ambient).unwrap(), ":0");
    assert_eq!(addr(&["--no-config"], &ambient).unwrap(), "127.0.0.1:5000");
    let missing = home.path().join("missing.yml");
    let error = addr(&[missing.to_str().unwrap()], &ambient).unwrap_err();
    assert!(error.contains("missing.yml: cannot be read: No such file"), "{error}");
}

#[test]
fn configured_runs() {
    let home = tempfile::tempdir().unwrap();
    let mut ambient = ambient(home.path());
    ambient.env.push(("REGISTRY_PORT".to_owned(), "tcp://10.0.0.1:5000".to_owned()));
    // Kubernetes' variables configure nothing.
    assert!(planned(&[], &ambient).unwrap().first_run.is_some());
    ambient.env.push(("REGISTRY_HTTP_ADDR".to_owned(), ":5000".to_owned()));
    let plan = planned(&[], &ambient).unwrap();
    assert!(plan.first_run.is_none() && plan.tls.is_none() && !plan.config.storage.delete);
    assert!(plan.banner("[::]:5000".parse().unwrap()).is_none());
    assert!(
        plan.warnings.iter().any(|warning| warning.to_string().starts_with("REGISTRY_HTTP_ADDR: :5000 is plain HTTP"))
    );
    ambient.env.push(("REGISTRY_HTTP_TLS_CERTIFICATE".to_owned(), "/nowhere/tls.crt".to_owned()));
    ambient.env.push(("REGISTRY_HTTP_TLS_KEY".to_owned(), "/nowhere/tls.key".to_owned()));
    assert_eq!(
        planned(&[], &ambient).unwrap_err(),
        "REGISTRY_HTTP_TLS_CERTIFICATE: /nowhere/tls.crt: there is no such file, nor a directory /nowhere; in a container, mount it"
    );
    assert!(plan::checked(&args::File::default(), &ambient).is_err());
    assert!(planned(&["--plain-http"], &ambient).unwrap().tls.is_none());
}
