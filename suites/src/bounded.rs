//! A lot of work, a bounded part of it under way at once. Nothing is made before it is begun, so that a million pieces
//! take no more memory than their results.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::{BoxFuture, join_all};

/// Does the work of each number below `count`, at most `at_once` at the same time; the results, in order.
pub async fn each<'a, T: Send>(
    count: usize,
    at_once: usize,
    work: impl Fn(usize) -> BoxFuture<'a, T> + Send + Sync,
) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let workers = (0..at_once.clamp(1, count.max(1))).map(|_| worker(&next, count, &work));
    let mut done: Vec<(usize, T)> = join_all(workers).await.into_iter().flatten().collect();
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

async fn worker<'a, T>(
    next: &AtomicUsize,
    count: usize,
    work: &(impl Fn(usize) -> BoxFuture<'a, T> + Sync),
) -> Vec<(usize, T)> {
    let mut done = Vec::new();
    loop {
        let at = next.fetch_add(1, Ordering::Relaxed);
        if at >= count {
            return done;
        }
        done.push((at, work(at).await));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn results_come_in_order_and_never_too_many_are_under_way() {
        let (under_way, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let (under_way, most) = (&under_way, &most);
        let done = each(100, 7, |at| {
            Box::pin(async move {
                most.fetch_max(under_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                for _ in 0..at % 5 {
                    tokio::task::yield_now().await;
                }
                under_way.fetch_sub(1, Ordering::SeqCst);
                at * 2
            })
        })
        .await;
        assert_eq!(done, (0..100).map(|at| at * 2).collect::<Vec<_>>());
        assert_eq!(most.load(Ordering::SeqCst), 7);
    }

    #[tokio::test]
    async fn no_work_is_done_at_once() {
        assert_eq!(each(0, 3, |at| Box::pin(async move { at })).await, Vec::<usize>::new());
    }
}
