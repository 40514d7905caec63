//! What policies export.

use wasmtime::component::InstancePre;

use super::{
    super::{
        bindings::{AuthPolicyPre, KeeperPre, StoragePolicyPre},
        function::Function,
    },
    load::World,
    rights::State,
};

/// What a policy of each world exports.
pub const AUTH: &str = "skerry:registry/auth@0.1.0";
pub const STORAGE: &str = "skerry:registry/storage-rules@0.1.0";
/// What a storage policy may export beside it.
pub const RETENTION: &str = "skerry:registry/retention@0.1.0";

/// What one exports; by itself what is asked for requests.
pub enum Pre {
    Auth(AuthPre),
    Storage(StoragePre),
}

/// What is asked who may do what.
pub struct AuthPre {
    pub pre: AuthPolicyPre<State>,
    pub authenticate: Function,
    pub authorize: Function,
    pub challenges: Function,
}

/// What is asked what may be stored.
pub struct StoragePre {
    pub pre: StoragePolicyPre<State>,
    pub admit: Function,
}

impl AuthPre {
    fn new(pre: InstancePre<State>) -> wasmtime::Result<Self> {
        let pre = AuthPolicyPre::new(pre)?;
        let function = |name| Function::of(pre.instance_pre().component(), AUTH, name);
        Ok(Self {
            authenticate: function("authenticate")?,
            authorize: function("authorize")?,
            challenges: function("challenges")?,
            pre,
        })
    }
}

impl StoragePre {
    fn new(pre: InstancePre<State>) -> wasmtime::Result<Self> {
        let pre = StoragePolicyPre::new(pre)?;
        let admit = Function::of(pre.instance_pre().component(), STORAGE, "admit")?;
        Ok(Self { pre, admit })
    }
}

/// The functions of a world, and those of one that keeps tags: all of them are
/// there, and of the types that this host calls.
pub fn fitted(pre: InstancePre<State>, world: World, keeps: bool) -> wasmtime::Result<(Pre, Option<KeeperPre<State>>)> {
    match world {
        World::Auth => Ok((Pre::Auth(AuthPre::new(pre)?), None)),
        World::Storage => {
            let keeper = keeps.then(|| KeeperPre::new(pre.clone())).transpose()?;
            Ok((Pre::Storage(StoragePre::new(pre)?), keeper))
        }
    }
}
