//! A disk that takes its time: who waits for it waits alone.

use std::thread;

use skerry_tests::{
    Options,
    content::{self, IMAGE, Noise},
    push,
    supervisor::{Action, Fault, Kind, Supervised},
};

/// While one push waits for the disk, others push and pull; then it succeeds.
#[test]
fn a_push_that_waits_for_the_disk_holds_up_nobody() {
    let options = Options { tls: false, ..Options::default() };
    let mut supervised = Supervised::start(env!("CARGO_BIN_EXE_supervise"), false, options);
    let client = supervised.registry.client();
    push::image(&client, "here", Some("t"), 1);
    let large = Noise::new(2).bytes(5 << 20);
    let image = content::image(b"{}", &[&large]);
    for (kind, nth) in [(Kind::Sync, 0), (Kind::Sync, 1), (Kind::Sync, 4), (Kind::Write, 1), (Kind::Rename, 0)] {
        let name = format!("slow/{kind:?}{nth}").to_lowercase();
        push::blob(&client, &name, b"{}");
        if kind == Kind::Rename {
            push::blob(&client, &name, &large);
        }
        supervised.arm(Fault::Nth { kind, nth, action: Action::Hold, lasting: false });
        thread::scope(|scope| {
            let pushing = scope.spawn(|| {
                push::blob(&client, &name, &large);
                push::manifest(&client, &name, "t", IMAGE, &image);
            });
            supervised.wait_held();
            push::whole(&client, "here", "t").unwrap();
            push::image(&client, &format!("{name}/meanwhile"), Some("t"), 3 + nth);
            push::whole(&client, &format!("{name}/meanwhile"), "t").unwrap();
            assert!(!pushing.is_finished(), "a push did not wait for the disk");
            assert_eq!(supervised.disarm().len(), 1);
        });
        push::whole(&client, &name, "t").unwrap();
    }
    supervised.registry.stop();
}
