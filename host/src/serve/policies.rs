//! From the policies of the configuration to what the sandbox loads: here
//! their paths become capabilities.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use cap_std::{ambient_authority, fs::Dir};
use rustix::fs::OFlags;

use super::{ServeError, artifacts::Artifacts, map};
use crate::{
    config::{self, Config, Policy, PolicyModule, Secret},
    sandbox::{self, LoadError, PolicyOrigin, PolicySource, Preopen, StartError, World},
    storage::{Grant, Opener},
};

/// The largest file of a secret, in bytes.
const SECRET: u64 = 64 << 10;

/// All of them, in order, with what the files say now.
pub fn sources(config: &Config, artifacts: &Artifacts) -> Result<Vec<PolicySource>, ServeError> {
    config.policies.iter().map(|policy| source(config, artifacts, policy)).collect()
}

/// One, with what the files say now.
pub fn source(config: &Config, artifacts: &Artifacts, policy: &Policy) -> Result<PolicySource, ServeError> {
    let module = match &policy.module {
        PolicyModule::Artifact(name) => PolicyOrigin::File(artifacts.file(config, name)),
        PolicyModule::BuiltIn(name) => PolicyOrigin::BuiltIn(name.clone()),
        PolicyModule::File(path) => {
            let read = |cause| LoadError::Read { path: path.display().to_string(), cause };
            let bytes = map::module(path).map_err(read).map_err(StartError::Load)?;
            PolicyOrigin::File(map::module_file(config, path, bytes))
        }
    };
    let told = |(name, secret): &(String, Secret)| Ok((name.clone(), told(policy, name, secret)?));
    Ok(PolicySource {
        name: policy.name.clone(),
        module,
        world: policy.world.map(|world| match world {
            config::World::Auth => World::Auth,
            config::World::Storage => World::Storage,
        }),
        settings: policy.settings.clone(),
        preopen: preopened(policy)?,
        grant: granted(policy)?,
        secrets: policy.secrets.iter().map(told).collect::<Result<_, ServeError>>()?,
        lenient: policy.lenient,
        lifetime: policy.lifetime,
        limits: sandbox::Limits {
            time: policy.time,
            memory: usize::try_from(policy.memory).unwrap_or(usize::MAX),
            ..map::limits(config)
        },
    })
}

fn told(policy: &Policy, name: &str, secret: &Secret) -> Result<String, ServeError> {
    let path = match secret {
        Secret::Value(value) => return Ok(value.clone()),
        Secret::File(path) => path,
    };
    let read = || {
        let mut bytes = Vec::new();
        open(path)?.take(SECRET + 1).read_to_end(&mut bytes)?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length > SECRET) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        String::from_utf8(bytes).map_err(|_| io::Error::other("it is no UTF-8 text"))
    };
    let text =
        read().map_err(|cause| wrong(policy, &format!("the file {} of the secret {name}", path.display()), &cause))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

fn granted(policy: &Policy) -> Result<Grant, ServeError> {
    match &policy.grant {
        config::Grant::Nothing => Ok(Grant::Nothing),
        config::Grant::Directory(path) => {
            let opened = Dir::open_ambient_dir(path, ambient_authority());
            let what = || format!("the directory {}", path.display());
            opened.map(Grant::Directory).map_err(|cause| wrong(policy, &what(), &cause))
        }
        config::Grant::Files(files) => {
            let mut openers: Vec<(String, Opener)> = Vec::new();
            for (name, path) in files {
                readable(path).map_err(|cause| missing(policy, name, path, &cause))?;
                let path = path.clone();
                openers.push((name.clone(), Box::new(move || open(&path))));
            }
            Ok(Grant::Files(openers))
        }
    }
}

fn preopened(policy: &Policy) -> Result<Option<Preopen>, ServeError> {
    let (Some(preopen), config::Grant::Directory(path)) = (policy.preopen, &policy.grant) else { return Ok(None) };
    let opened = Dir::open_ambient_dir(path, ambient_authority())
        .map_err(|cause| wrong(policy, &format!("the directory {}", path.display()), &cause))?;
    Ok(Some(map::preopen(opened, preopen)))
}

fn readable(path: &Path) -> io::Result<()> {
    match open(path)?.metadata()?.is_file() {
        true => Ok(()),
        false => Err(io::Error::other("it is no regular file")),
    }
}

/// Whoever names a file may name a link; a pipe is not waited for.
fn open(path: &Path) -> io::Result<File> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    fs::OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// distribution makes up a user and a password, which end in a log.
fn missing(policy: &Policy, name: &str, path: &Path, cause: &io::Error) -> ServeError {
    if name == "htpasswd" && cause.kind() == io::ErrorKind::NotFound {
        return ServeError::Policy(format!(
            "`auth.htpasswd.path`: there is no file {0}; make it with: skerry htpasswd -Bbn USER PASSWORD > {0}",
            path.display()
        ));
    }
    wrong(policy, &format!("the file {}", path.display()), cause)
}

fn wrong(policy: &Policy, what: &str, cause: &io::Error) -> ServeError {
    ServeError::Policy(format!("the policy {}: {what} cannot be used: {cause}", policy.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_configuration_knows_is_built_in() {
        let built_in: Vec<_> = sandbox::built_in_policies().collect();
        assert_eq!(built_in, config::BUILT_IN_POLICIES);
    }

    #[test]
    fn secrets_and_grants_are_taken_from_files() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("secret");
        fs::write(&file, "hunter2\r\n").unwrap();
        let policy = |secret: &Path, users: &Path| {
            let text = format!(
                "version: 0.1\nauth:\n  htpasswd: {{realm: r, path: {}}}\npolicies:\n- {{module: access, secrets: {{a: {{file: {}}}, b: c}}}}\n",
                users.display(),
                secret.display()
            );
            let loaded = config::load(config::Source::text("config.yml", text), std::iter::empty());
            sources(&loaded.unwrap().0, &Artifacts::default())
        };
        let sources = policy(&file, &file).unwrap();
        let [users, access] = sources.as_slice() else { panic!("two policies") };
        assert_eq!(users.grant.read("htpasswd", 100).0.unwrap(), b"hunter2\r\n");
        assert_eq!(access.secrets, [("a".into(), "hunter2".into()), ("b".into(), "c".into())]);
        for (secret, users, message) in [
            (directory.path().join("none"), file.clone(), "the policy access: the file"),
            (file.clone(), directory.path().join("none"), "make it with: skerry htpasswd -Bbn USER PASSWORD > "),
            (file.clone(), directory.path().to_owned(), "it is no regular file"),
            (directory.path().to_owned(), file.clone(), "of the secret a cannot be used"),
        ] {
            let said = policy(&secret, &users).err().unwrap().to_string();
            assert!(said.contains(message), "{said}");
        }
    }
}
