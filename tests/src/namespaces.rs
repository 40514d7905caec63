//! Networks of a test's own, for clients that trust loopback too much.

use std::{
    ffi::OsStr,
    process::Command,
    sync::{Arc, Mutex},
};

use crate::{children, service::Service, tools};

/// A network that has no name and no file: it is there as long as a process
/// that does nothing else, and that process ends with this one.
#[derive(Clone)]
pub struct Namespace {
    // Held, and asked for nothing.
    _keeper: Arc<Mutex<Service>>,
    pid: u32,
}

impl Namespace {
    fn new() -> Self {
        let mut command = children::command(tools::find("unshare"));
        command.args(["--net", "--", "sh", "-c", "echo ready; exec sleep infinity"]);
        let keeper = Service::start("a network's keeper", command);
        keeper.wait_for("that it is ready", |line| (line == "ready").then_some(()));
        let namespace = Self { pid: keeper.pid(), _keeper: Arc::new(Mutex::new(keeper)) };
        namespace.ip(&["link", "set", "lo", "up"]);
        namespace
    }

    /// A command that runs inside. By `nsenter`: `ip netns exec` would hide
    /// the cgroups, without which dockerd does not start.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = children::command(tools::find("nsenter"));
        command.arg(format!("--net=/proc/{}/ns/net", self.pid)).arg("--").arg(program);
        command
    }

    fn ip(&self, arguments: &[&str]) {
        let mut command = self.command(tools::find("ip"));
        command.args(arguments);
        tools::succeed(command);
    }
}

/// Two networks with a wire between them, and their addresses on it.
pub fn pair() -> [(Namespace, String); 2] {
    let (left, right) = (Namespace::new(), Namespace::new());
    let peer = right.pid.to_string();
    left.ip(&["link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", &peer]);
    // The network that is set aside for benchmarks (RFC 2544): in no real use.
    [(left, "198.18.0.1"), (right, "198.18.0.2")].map(|(namespace, address)| {
        namespace.ip(&["address", "add", &format!("{address}/24"), "dev", "wire"]);
        namespace.ip(&["link", "set", "wire", "up"]);
        (namespace, address.to_owned())
    })
}
