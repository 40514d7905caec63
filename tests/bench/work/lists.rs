//! A page of a long list: asked for the first time, again, and again after
//! something else has changed.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use skerry_tests::{content::Noise, layout, push};

use super::{Context, Row, Run, Unit, Workload};
use crate::{
    ask::{Ask, Checker, Expect},
    ground::Small,
    link::{Link, Protocol},
    load::Sample,
    servers::{Ground, Server, Who},
};

const SERVERS: [Who; 4] = [Who::Skerry, Who::Computed, Who::Registry3, Who::Registry2];
/// Names in a page.
const PAGE: usize = 100;
/// Requests that a figure is made of, and the time after which fewer do.
const TIMES: usize = 20;
const LONG: Duration = Duration::from_secs(1);
/// How old the directories are, at least.
const AGE: Duration = Duration::from_millis(2500);
/// Repositories below one name.
const BRANCH: usize = 1000;
/// Names of one file that a filesystem allows without ado.
const LINKS: usize = 30_000;

/// Which list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    Tags,
    Catalog,
}

pub fn workloads(sizes: &crate::options::Sizes) -> Vec<Workload> {
    let listed = sizes.listed;
    [(List::Tags, "tags", "a page of 100 tags of"), (List::Catalog, "catalog", "a page of 100 repositories of")]
        .into_iter()
        .map(|(list, name, title)| Workload {
            rows: vec![
                Row::new(format!("{name}-first"), format!("{title} {listed}, first"), Unit::Milliseconds),
                Row::new(format!("{name}-again"), "… again", Unit::Milliseconds),
                Row::new(format!("{name}-changed"), "… again, after a push elsewhere", Unit::Milliseconds),
            ],
            servers: SERVERS.to_vec(),
            once: true,
            run: Run::Alone(Box::new(move |context, who| pages(context, who, list))),
        })
        .collect()
}

fn tag(index: usize) -> String {
    format!("t{index:06}")
}

fn repository(index: usize) -> String {
    format!("o{:03}/r{:03}", index / BRANCH, index % BRANCH)
}

/// The volume of a list, made when it is first asked for.
fn ground(context: &Context<'_>, list: List) -> Ground {
    let of = &context.fixtures.ground;
    let volume = of.directory.join(format!("{list:?}"));
    let ground = Ground { directory: of.directory.clone(), volume, www: of.www.clone(), trust: of.trust.clone() };
    if !ground.volume.exists() {
        match list {
            List::Tags => tags(&ground, context.sizes.listed),
            List::Catalog => catalog(&ground, context.sizes.listed),
        }
        // Nobody may trust the times of directories that were just made.
        thread::sleep(AGE);
    }
    ground
}

fn tags(ground: &Ground, count: usize) {
    let manifest = Small::new(r#"{"schemaVersion":2}"#);
    ground.manifest("list", &tag(0), &manifest.digest, &manifest.bytes);
    fs::create_dir_all(layout::repository(&ground.volume, "list").join("_layers")).unwrap();
    let mut file = layout::tag_link(&ground.volume, "list", &tag(0));
    for index in 1..count {
        let link = layout::tag_link(&ground.volume, "list", &tag(index));
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        if index % LINKS == 0 {
            fs::write(&link, &manifest.digest).unwrap();
            file = link;
        } else {
            fs::hard_link(&file, &link).unwrap();
        }
    }
}

/// Repositories as listings recognise them: 2.8 by the one directory, 3 by the
/// other.
fn catalog(ground: &Ground, count: usize) {
    for index in 0..count {
        let repository = layout::repository(&ground.volume, &repository(index));
        fs::create_dir_all(repository.join("_layers")).unwrap();
        fs::create_dir(repository.join("_manifests")).unwrap();
    }
}

fn pages(context: &Context<'_>, who: Who, list: List) -> Vec<Sample> {
    let ground = ground(context, list);
    let server = Server::start(who, &ground);
    // 2.8 has no pages of tags: it gives them all.
    let count = match (who, list) {
        (Who::Registry2, List::Tags) => context.sizes.listed,
        _ => PAGE.min(context.sizes.listed),
    };
    let (target, expected) = match list {
        List::Tags => {
            let tags: Vec<_> = (0..count).map(tag).collect();
            (format!("/v2/list/tags/list?n={PAGE}"), json!({ "name": "list", "tags": tags }))
        }
        List::Catalog => {
            let names: Vec<_> = (0..count).map(repository).collect();
            (format!("/v2/_catalog?n={PAGE}"), json!({ "repositories": names }))
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut link = runtime.block_on(server.place.link(Protocol::One)).unwrap();
    let mut page = |sample: &mut Sample| runtime.block_on(page(&server, &mut link, &target, &expected, sample));

    let mut first = Sample::default();
    page(&mut first);
    let (mut again, mut changed) = (Sample::default(), Sample::default());
    while again.units < TIMES as f64 && again.seconds < LONG.as_secs_f64() {
        page(&mut again);
    }
    // A repository that sorts last: the page stays what it is.
    let client = server.client();
    while changed.units < TIMES as f64 && changed.seconds < LONG.as_secs_f64() {
        let noise = Noise::fresh().number();
        push::image(&client, &format!("zz/{who}-{noise:x}"), Some("new"), noise);
        page(&mut changed);
    }
    vec![first, again, changed]
}

async fn page(server: &Server, link: &mut Link, target: &str, expected: &Value, sample: &mut Sample) {
    let mut kept = Vec::new();
    let (from, cpu) = (Instant::now(), server.cpu());
    let reply = link.exchange(&Ask::new("GET", target), &mut Checker::new(Expect::Keep(&mut kept))).await;
    sample.seconds += from.elapsed().as_secs_f64();
    sample.cpu += server.cpu() - cpu;
    sample.units += 1.0;
    let wrong = match reply.and_then(|reply| reply.demand(200)) {
        Err(failure) => Some(failure.to_string()),
        Ok(_) if serde_json::from_slice::<Value>(&kept).ok().as_ref() != Some(expected) => {
            Some(format!("another page: {}", String::from_utf8_lossy(&kept).chars().take(200).collect::<String>()))
        }
        Ok(_) => None,
    };
    if let Some(wrong) = wrong {
        sample.failures += 1;
        sample.first.get_or_insert(wrong);
    }
}
