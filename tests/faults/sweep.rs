//! Each operation, with something wrong at each of its calls.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rustix::fs::FlockOperation;
use skerry_tests::{
    Client, Options,
    client::Failure,
    content::Noise,
    supervisor::{Fault, Kind, Supervised},
};

use crate::{
    judge,
    operation::{Operation, Scene, must},
    operations, seed, setting,
};

/// Calls of one kind in one operation, more or less.
const MOST: u64 = 1_000;
/// What went wrong is shown up to here.
const SHOWN: usize = 40;

const END: Duration = Duration::from_secs(60);

struct Sweep {
    supervised: Supervised,
    noise: Noise,
    /// Of so many things that can happen, one does.
    one_in: u64,
    /// Of the last operation: what was not done again yet.
    left: Vec<(Scene, bool, String)>,
    wrong: Vec<String>,
    count: usize,
}

impl Sweep {
    fn new(one_in: u64) -> Self {
        let mut noise = Noise::new(seed());
        // After one that failed each file is synced by itself.
        let syncfs = if noise.below(2) == 0 { "always" } else { "never" };
        println!("syncfs: {syncfs}");
        let options = Options { tls: false, syncfs, ..Options::default() };
        let supervised = Supervised::start(env!("CARGO_BIN_EXE_supervise"), false, options);
        Self { supervised, noise, one_in, left: Vec::new(), wrong: Vec::new(), count: 0 }
    }

    fn client(&self) -> Client {
        self.supervised.registry.client()
    }

    /// All calls of an operation, one after the other.
    fn operation(&mut self, operation: &Operation) {
        for kind in Kind::ALL {
            for action in kind.actions() {
                for nth in 0..MOST {
                    let fault = Fault::Nth { kind, nth, action: *action, lasting: false };
                    if self.noise.below(self.one_in) == 0 && !self.one(operation, fault) {
                        break;
                    }
                    // Where not all happen, how many there are is not known.
                    if self.one_in > 1 && nth > 20 {
                        break;
                    }
                }
                if action.errno().is_some() && self.noise.below(self.one_in) == 0 {
                    self.one(operation, Fault::Nth { kind, nth: 0, action: *action, lasting: true });
                }
            }
        }
        self.restart(operation);
    }

    /// Returns whether anything happened.
    fn one(&mut self, operation: &Operation, fault: Fault) -> bool {
        let client = self.client();
        let mut scene = Scene::new(operation, &mut self.noise);
        (operation.prepare)(&client, &mut scene);
        let from = self.supervised.registry.service().lines().len();
        self.supervised.arm(fault.clone());
        let answer = (operation.act)(&client, &scene);
        let fired = self.supervised.disarm();
        let what = format!("{}, {fault:?}, at {fired:?}", operation.name);
        let result = (|| {
            let done = judge::judge(operation, &scene, &answer, &fired)?;
            must(done || !fired.is_empty(), "it fails with no fault")?;
            if !done {
                judge::logged(self.supervised.registry.service(), from, &fired)?;
            }
            (operation.check)(&client, &scene, done)?;
            Ok(done)
        })();
        match result {
            // Some are left alone until after a restart.
            Ok(done) if self.count.is_multiple_of(3) => self.left.push((scene, done, what)),
            Ok(done) => self.note(&what, again(operation, &client, &scene, done)),
            Err(error) => self.note(&what, Err(error)),
        }
        self.count += 1;
        !fired.is_empty()
    }

    fn note(&mut self, what: &str, result: Result<(), Failure>) {
        if let Err(error) = result {
            self.wrong.push(format!("{what}: {error}"));
        }
        assert!(self.wrong.len() < SHOWN, "{}", self.wrong.join("\n"));
    }

    /// After a restart, what was so is so, and everything works.
    fn restart(&mut self, operation: &Operation) {
        if self.noise.below(2) == 0 {
            self.supervised.registry.stop();
        } else {
            self.supervised.registry.kill9();
            self.wait_for_the_end();
        }
        self.supervised.registry.restart();
        let client = self.client();
        for (scene, done, what) in std::mem::take(&mut self.left) {
            let result = (operation.check)(&client, &scene, done);
            let result = result.and_then(|()| again(operation, &client, &scene, done));
            self.note(&format!("after a restart: {what}"), result);
        }
        let rubbish = self.rubbish();
        self.note(operation.name, must(rubbish.is_empty(), &format!("rubbish is left: {rubbish:?}")));
    }

    /// It is the supervisor that was killed, and its end that ends the
    /// registry: that takes a moment.
    fn wait_for_the_end(&self) {
        let lock = fs::File::open(self.supervised.registry.volume().join(".skerry/use.lock")).unwrap();
        let deadline = Instant::now() + END;
        while rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            assert!(Instant::now() < deadline, "it does not end");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Temporary files that nobody uses. What is kept for the next upload is
    /// none: a directory with a start's time.
    fn rubbish(&self) -> Vec<String> {
        let mut found = Vec::new();
        let tmp = self.supervised.registry.volume().join(".skerry/tmp");
        let parts: Vec<_> = fs::read_dir(&tmp).unwrap().map(|entry| entry.unwrap().path()).collect();
        if parts.len() != 1 {
            found.push(format!("{} processes' files", parts.len()));
        }
        for part in parts {
            let kept = |name: &str| name.starts_with("u-") && names(&part.join(name)) == ["startedat"];
            found.extend(names(&part).into_iter().filter(|name| name != "lock" && !kept(name)));
        }
        found
    }

    fn end(mut self) {
        self.supervised.registry.stop();
        println!("{} faults", self.count);
        assert!(self.wrong.is_empty(), "{} wrong:\n{}", self.wrong.len(), self.wrong.join("\n"));
    }
}

fn names(directory: &Path) -> Vec<String> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn again(operation: &Operation, client: &Client, scene: &Scene, done: bool) -> Result<(), Failure> {
    if !done {
        (operation.again)(client, scene).map_err(|error| format!("again: {error}"))?;
        // An upload that was given up is another one now.
        let (check, same) = (operation.check, operation.success != 202 || !operation.name.contains("patch"));
        check(client, scene, same).map_err(|error| format!("after that: {error}"))?;
    }
    Ok(())
}

#[test]
fn one_thing_goes_wrong() {
    let mut sweep = Sweep::new(setting("SKERRY_FAULTS_ONE_IN").unwrap_or(24));
    for operation in operations() {
        sweep.operation(&operation);
    }
    sweep.end();
}

#[test]
fn many_things_go_wrong() {
    let mut sweep = Sweep::new(1);
    let operations = operations();
    for _ in 0..setting("SKERRY_FAULTS_ROUNDS").unwrap_or(100) {
        let operation = &operations[sweep.noise.below(operations.len() as u64) as usize];
        let fault = Fault::Random { seed: sweep.noise.number(), permille: 20 + sweep.noise.below(100) };
        sweep.one(operation, fault);
        if sweep.noise.below(50) == 0 {
            sweep.left.clear();
            sweep.restart(operation);
        }
    }
    sweep.end();
}
