//! A Docker engine of a test's own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{children, namespaces::Namespace, service::Service, tools};

/// A running `dockerd`.
pub struct Engine {
    /// Its process.
    pub service: Service,
    /// Its `/etc/docker`, for it alone.
    pub etc: PathBuf,
    socket: String,
}

impl Engine {
    /// Starts one that keeps everything in a directory; on a network, or on
    /// this process's.
    pub fn start(directory: &Path, network: Option<&Namespace>) -> Self {
        let etc = directory.join("etc");
        fs::create_dir_all(etc.join("certs.d")).unwrap();
        fs::create_dir_all("/etc/docker").unwrap();
        let socket = format!("unix://{}", directory.join("docker.sock").display());
        let unshare = tools::find("unshare");
        let mut command = match network {
            Some(network) => network.command(unshare),
            None => children::command(unshare),
        };
        // The mount is seen by the engine alone, and ends with it.
        command
            .args(["--mount", "--", "sh", "-ec", r#"mount --bind "$1" /etc/docker; shift; exec "$@""#, "sh"])
            .arg(&etc)
            .arg(tools::find("dockerd"))
            .args(["--bridge=none", "--iptables=false", "--ip6tables=false", "--storage-driver=vfs"])
            .args(["--config-file", &directory.join("none.json").display().to_string()])
            .args(["--host", &socket])
            .arg("--data-root")
            .arg(directory.join("data"))
            .arg("--exec-root")
            .arg(directory.join("exec"))
            .arg("--pidfile")
            .arg(directory.join("docker.pid"));
        fs::write(directory.join("none.json"), "{}").unwrap();
        let service = Service::start("dockerd", command);
        service.wait_for("that it listens", |line| line.contains("API listen on").then_some(()));
        Self { service, socket, etc }
    }

    /// A command of its client.
    pub fn docker(&self, arguments: &[&str]) -> Command {
        let mut command = tools::tool("docker");
        command.args(["--host", &self.socket]).args(arguments).env("HOME", self.etc.parent().unwrap());
        command.env_remove("DOCKER_HOST").env_remove("DOCKER_CONTEXT").env_remove("DOCKER_TLS_VERIFY");
        command
    }

    /// A command of Compose.
    pub fn compose(&self) -> Command {
        let mut command = tools::tool("docker-compose");
        command.args(["--host", &self.socket]).env("HOME", self.etc.parent().unwrap());
        command.env_remove("DOCKER_HOST").env_remove("DOCKER_CONTEXT").env_remove("DOCKER_TLS_VERIFY");
        command
    }

    /// Runs one to its end, and expects success.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> String {
        tools::succeed(self.docker(arguments))
    }
}
