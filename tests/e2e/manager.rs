//! Under a service manager: its sockets, and what it is told.

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::{
        fd::{AsFd, OwnedFd},
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram},
    },
    path::Path,
    process::Stdio,
    time::Duration,
};

use rustix::process::Signal;
use skerry_tests::{Client, binary, children, ports::Port, service::Service};
use tempfile::TempDir;

/// What a manager does: the socket as descriptor 3, and whose it is.
const PASS: &str = r#"exec 3<&0 0</dev/null; export LISTEN_PID=${OF:-$$} LISTEN_FDS=1; exec "$@""#;

fn directory(address: &str) -> TempDir {
    let directory = TempDir::with_prefix("skerry-manager-").unwrap();
    let text = format!(
        "version: 0.1\nlog: {{formatter: json}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '{address}'}}\n",
        directory.path().join("volume").display()
    );
    fs::write(directory.path().join("config.yml"), text).unwrap();
    directory
}

fn start(directory: &Path, socket: Option<OwnedFd>, environment: &[(&str, &str)]) -> Service {
    let mut command = children::command("/bin/sh");
    let script = if socket.is_some() { PASS } else { r#"exec "$@""# };
    command.args(["-c", script, "sh"]).arg(binary::skerry()).args(["serve", "config.yml"]).current_dir(directory);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("REGISTRY_")) {
        command.env_remove(name);
    }
    command.env_remove("NOTIFY_SOCKET").envs(environment.iter().copied());
    Service::start_on("skerry", command, socket.map_or_else(Stdio::null, Stdio::from))
}

#[test]
fn a_socket_outlives_the_process() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    // Somebody else's: to listen there would fail.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let directory = directory(&taken.local_addr().unwrap().to_string());
    let pass = || Some(OwnedFd::from(listener.try_clone().unwrap()));
    let mut first = start(directory.path(), pass(), &[]);
    assert_eq!(first.address(), address);
    Client::plain(&address).get("/v2/").expect(200);
    assert!(first.terminate().success());
    // Nobody is there, and nobody is refused.
    let mut waiting = TcpStream::connect(&address).unwrap();
    waiting.write_all(b"GET /v2/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut second = start(directory.path(), pass(), &[]);
    waiting.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(second.terminate().success());
}

#[test]
fn only_a_listening_socket_of_our_own_is_taken() {
    let port = Port::free();
    let directory = directory(&format!("127.0.0.1:{}", port.number()));
    let bound = tokio::net::TcpSocket::new_v4().unwrap();
    bound.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let bound = bound.as_fd().try_clone_to_owned().unwrap();
    let datagram = OwnedFd::from(UnixDatagram::unbound().unwrap());
    let file = OwnedFd::from(File::open("/dev/null").unwrap());
    for (descriptor, why) in [(bound, "it does not listen"), (datagram, "not a valid"), (file, "not a socket")] {
        let mut service = start(directory.path(), Some(descriptor), &[]);
        assert!(!service.wait().success());
        service.wait_for("why", |line| {
            (line.contains("the socket 3 that the service manager passed cannot be served: ")
                && line.contains(why)
                && line.contains("ListenStream="))
            .then_some(())
        });
    }
    // One that was meant for another process.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut service = start(directory.path(), Some(listener.into()), &[("OF", "1")]);
    assert_eq!(service.address(), format!("127.0.0.1:{}", port.number()));
    assert!(service.terminate().success());
}

#[test]
fn it_is_told_how_far_we_are() {
    let directory = directory("127.0.0.1:0");
    let path = directory.path().join("notify");
    let name = format!("skerry-notify-{}", std::process::id());
    let hidden = SocketAddr::from_abstract_name(&name).unwrap();
    for (socket, told) in [
        (UnixDatagram::bind(&path).unwrap(), path.display().to_string()),
        (UnixDatagram::bind_addr(&hidden).unwrap(), format!("@{name}")),
    ] {
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let next = || {
            let mut space = [0; 4096];
            let count = socket.recv(&mut space).expect("it is told in time");
            String::from_utf8(space[..count].to_vec()).unwrap()
        };
        let mut service = start(directory.path(), None, &[("NOTIFY_SOCKET", &told)]);
        assert!(next().starts_with("READY=1\n"));
        // Ready is ready.
        Client::plain(&service.address()).get("/v2/").expect(200);
        service.signal(Signal::HUP);
        let reloading = next();
        let time = reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
        assert!(
            reloading.starts_with("RELOADING=1\n") && time.is_some_and(|time| time.parse::<u64>().is_ok()),
            "{reloading}"
        );
        assert!(next().starts_with("READY=1\n"));
        service.signal(Signal::TERM);
        assert!(next().starts_with("STOPPING=1\n"));
        assert!(service.wait().success());
    }
}
