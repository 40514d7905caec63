//! One after the other is restarted while clients push and pull: nobody is
//! told anything but what they would be told in peace.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use skerry_tests::{Client, Options, Registry, client::Failure, content::Noise, ports::Port, push, sha256};

use crate::nginx::{Front, Nginx};

const CLIENTS: u64 = 6;
const RESTARTS: usize = 6;

/// An image that is pushed, in pieces too, and pulled.
fn image(client: &Client, name: &str, seed: u64) -> Result<(), Failure> {
    let bytes = Noise::new(seed).bytes(150_000);
    let pieces: Vec<&[u8]> = bytes.chunks(50_000).collect();
    let layer = push::try_pieces(client, name, &pieces)?;
    push::whole_blob(client, name, &layer)?;
    let config = format!("{{\"seed\":{seed}}}");
    push::try_blob(client, name, config.as_bytes())?;
    let image = skerry_tests::content::image(config.as_bytes(), &[&bytes]);
    let tag = format!("t{}", seed % 7);
    push::try_manifest(client, name, &tag, skerry_tests::content::IMAGE, &image)?;
    push::whole(client, name, &tag)?;
    let head = push::demand(client.request("HEAD", &format!("/v2/{name}/manifests/{tag}")).try_send()?, 200)?;
    assert_eq!(head.header("docker-content-digest"), sha256(&image));
    Ok(())
}

fn restarted_under_load(front: Front) {
    let volume = tempfile::tempdir().unwrap();
    let ports = [Port::free(), Port::free()];
    let mut registries = ports.each_ref().map(|port| {
        let port = Some(port.number());
        Registry::start(Options { volume: Some(volume.path().to_owned()), port, ..front.options() })
    });
    if front == Front::Passthrough {
        // The same certificate on both, as one name demands.
        let pair = registries[0].trust().clone();
        registries[1].stop();
        registries[1] = Registry::start(Options {
            volume: Some(volume.path().to_owned()),
            port: Some(ports[1].number()),
            pair: Some((pair.certificate, pair.key)),
            ..front.options()
        });
    }
    let nginx = Nginx::before(front, &[&registries[0], &registries[1]]);
    let (stop, pushed) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for n in 0..CLIENTS {
            let (client, stop, pushed, nginx) = (nginx.client(), &stop, &pushed, &nginx);
            scope.spawn(move || {
                let name = format!("load/{n}");
                for round in 0.. {
                    if stop.load(Ordering::SeqCst) {
                        break;
                    }
                    if let Err(error) = image(&client, &name, n * 1_000_000 + round) {
                        stop.store(true, Ordering::SeqCst);
                        panic!("client {n}, image {round}: {error}; nginx: {:?}", nginx.complaints());
                    }
                    pushed.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let more = |count: u64| {
            let goal = pushed.load(Ordering::SeqCst) + count;
            while pushed.load(Ordering::SeqCst) < goal && !stop.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(5));
            }
        };
        for round in 0..RESTARTS {
            more(2 * CLIENTS);
            let registry = &mut registries[round % 2];
            registry.stop();
            more(CLIENTS);
            registry.restart();
        }
        more(CLIENTS);
        stop.store(true, Ordering::SeqCst);
    });
    let pushed = pushed.load(Ordering::SeqCst);
    println!("{front:?}: {pushed} images pushed and pulled around {RESTARTS} restarts");
    for registry in &mut registries {
        registry.stop();
    }
}

#[test]
#[ignore = "needs nginx: run by .ci/run"]
fn under_load_behind_a_proxy() {
    restarted_under_load(Front::Proxy);
}

#[test]
#[ignore = "needs nginx and its stream module: run by .ci/run"]
fn under_load_behind_a_passthrough() {
    restarted_under_load(Front::Passthrough);
}
