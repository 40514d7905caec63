//! What a server costs before and beside its work: its start, its memory.

use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use skerry_tests::content::Noise;

use super::{
    Context, Row, Run, Unit, Workload,
    pushes::{How, push},
    small::Call,
};
use crate::{
    blob::Blob,
    link::Protocol,
    load::{self, Sample},
    options::Sizes,
    servers::{Server, Who},
};

const SERVERS: [Who; 4] = [Who::Skerry, Who::Nginx, Who::Registry3, Who::Registry2];
/// Pushes at once, where memory is looked at.
const PUSHES: usize = 8;
/// How long they are looked at: what a server keeps of a push, it keeps soon.
const PUSHING: Duration = Duration::from_secs(12);
/// Time between two looks at memory.
const LOOK: Duration = Duration::from_millis(20);

pub fn workloads(sizes: &Sizes) -> Vec<Workload> {
    let start = Workload {
        rows: vec![Row::new("cold-start", "from exec to the first 200 over TLS", Unit::Milliseconds)],
        servers: SERVERS.to_vec(),
        once: false,
        run: Run::Alone(Box::new(|context, who| vec![starts(context, who)])),
    };
    let idle = sizes.idle;
    let memory = Workload {
        rows: vec![
            Row::new("memory-idle", "resident memory, idle", Unit::Mib),
            Row::new("memory-connections", format!("… with {idle} idle TLS connections"), Unit::Mib),
        ],
        servers: SERVERS.to_vec(),
        once: true,
        run: Run::Alone(Box::new(|context, who| {
            let server = Server::start(who, &context.fixtures.ground);
            thread::sleep(Duration::from_millis(300));
            vec![memory(server.processes.resident()), connected(context, &server)]
        })),
    };
    let heavy = sizes.heavy >> 20;
    let title = format!("resident memory, at most, in {PUSHES} pushes of {heavy} MiB at once");
    let pushes = Workload {
        rows: vec![Row::new("memory-pushes", title, Unit::Mib)],
        servers: SERVERS.into_iter().filter(|who| who.registry()).collect(),
        once: true,
        run: Run::Alone(Box::new(|context, who| vec![pushing(context, &Server::start(who, &context.fixtures.ground))])),
    };
    vec![start, memory, pushes]
}

fn memory(bytes: u64) -> Sample {
    Sample { units: bytes as f64, seconds: 1.0, ..Sample::default() }
}

fn starts(context: &Context<'_>, who: Who) -> Sample {
    let mut sample = Sample::default();
    for _ in 0..context.sizes.starts {
        let server = Server::start(who, &context.fixtures.ground);
        sample.units += 1.0;
        sample.seconds += server.started.as_secs_f64();
        sample.cpu += server.cpu();
    }
    sample
}

/// Memory while all connections are open, each after a request of its own.
fn connected(context: &Context<'_>, server: &Server) -> Sample {
    let idle = context.sizes.idle;
    let resident = Arc::new(AtomicU64::new(0));
    let open = Arc::new(AtomicU64::new(0));
    let processes = server.processes.clone();
    let sample = load::whole(
        || 0.0,
        idle,
        1.0,
        |index, shared| {
            let (place, open, resident, processes) =
                (server.place.clone(), Arc::clone(&open), Arc::clone(&resident), processes.clone());
            let call = Call::new(server, "GET", "/v2/", &Bytes::from_static(b"{}"), None);
            Box::pin(async move {
                // Not all at the same moment: they are to be idle, not a flood.
                tokio::time::sleep(Duration::from_millis(2) * u32::try_from(index).unwrap()).await;
                let opened = async {
                    let (mut link, _) = place.one().await?;
                    link.fast(call.request(), false, &mut call.check()).await.map(|()| link)
                };
                let link = opened.await;
                if let Err(failure) = &link {
                    shared.failed(failure);
                }
                // Whoever is last looks; nobody leaves before that.
                if open.fetch_add(1, Ordering::SeqCst) + 1 == idle as u64 {
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    resident.store(processes.resident(), Ordering::SeqCst);
                }
                while resident.load(Ordering::SeqCst) == 0 {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                drop(link);
            })
        },
    );
    Sample { failures: sample.failures, first: sample.first, ..memory(resident.load(Ordering::SeqCst)) }
}

/// The most memory while large blobs are pushed: to their end, or for a time
/// in which a slow server shows all that it keeps of them.
fn pushing(context: &Context<'_>, server: &Server) -> Sample {
    let size = context.sizes.heavy;
    let blobs: Vec<_> = (0..PUSHES).map(|_| Blob::new(size, Noise::fresh().below(1 << 32))).collect();
    let (done, begun) = (AtomicBool::new(false), Barrier::new(2));
    let (peak, sample) = thread::scope(|scope| {
        let looking = scope.spawn(|| {
            begun.wait();
            let mut peak = 0;
            while !done.load(Ordering::SeqCst) {
                peak = peak.max(server.processes.resident());
                thread::sleep(LOOK);
            }
            peak
        });
        begun.wait();
        let sample = load::until(PUSHING, PUSHES, |index, shared| {
            let (place, blob) = (server.place.clone(), Arc::clone(&blobs[index]));
            Box::pin(async move {
                let pushed = async {
                    let mut link = place.link(Protocol::One).await?;
                    push(&mut link, &format!("bench/heavy-{index}"), &blob, How::Monolithic).await
                };
                if let Err(failure) = pushed.await {
                    shared.failed(&failure);
                }
            })
        });
        done.store(true, Ordering::SeqCst);
        (looking.join().unwrap(), sample)
    });
    for blob in blobs {
        let file = skerry_tests::layout::blob(&context.fixtures.ground.volume, &blob.digest);
        let _ = std::fs::remove_dir_all(file.parent().unwrap());
    }
    Sample { failures: sample.failures, first: sample.first, ..memory(peak) }
}
