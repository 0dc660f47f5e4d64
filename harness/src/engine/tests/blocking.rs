//! Checks that block their threads: with real threads and real time.

use std::time::Instant;

use super::*;
use crate::engine::Threads;

#[test]
fn checks_that_block_their_threads_hold_up_neither_the_others_nor_the_end() {
    /// As many as there are jobs, each for much longer than the test takes.
    fn blocks(_: &crate::Ctx) -> futures::future::BoxFuture<'_, Checked> {
        Box::pin(async {
            std::thread::sleep(Duration::from_secs(20));
            Ok(())
        })
    }
    let stuck = ["TST-001", "TST-002", "TST-003", "TST-004"].map(|id| made_up(id, blocks).within(Seconds(1)));
    let busy = ["TST-005", "TST-006", "TST-007", "TST-008"].map(|id| {
        made_up(id, |_| {
            Box::pin(async {
                let (mut one, mut other) = tokio::io::duplex(64);
                for _ in 0..20 {
                    tokio::io::AsyncWriteExt::write_all(&mut one, b"x").await.unwrap();
                    tokio::io::AsyncReadExt::read_u8(&mut other).await.unwrap();
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                Ok(())
            })
        })
    });
    let suite = suite("one", stuck.into_iter().chain(busy).collect());
    let start = Instant::now();
    let threads = Threads::start(8).unwrap();
    let environment = Environment { jobs: 8, checks_on: Some(threads.checks()), ..environment() };
    let results = threads.engine().block_on(async { results_of(&[suite], environment).await });
    threads.shut_down();
    assert!(start.elapsed() < secs(8), "{:?}", start.elapsed());
    for id in ["TST-001", "TST-004"] {
        let Outcome::Errored(problem) = outcome(&results, id) else { panic!("{:?}", outcome(&results, id)) };
        assert!(problem.message.contains("blocks its thread"), "{}", problem.message);
    }
    for id in ["TST-005", "TST-008"] {
        assert_eq!(outcome(&results, id), &Outcome::Passed);
        assert!(entry(&results, id).duration_ms < 1_000, "{} ms", entry(&results, id).duration_ms);
    }
}
