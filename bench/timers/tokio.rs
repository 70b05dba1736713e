// SPDX-License-Identifier: MIT
//! tokio: a pinned Sleep for each timer. The first poll inserts it, the drop takes it back. Those that
//! expire wake a waker that counts, as a callback would.
#[path = "../common/bench.rs"]
mod bench;
use bench::*;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};
use tokio::time::Sleep;

struct Counter(AtomicU64);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
    fn wake_by_ref(self: &Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

fn random(state: &mut u64) -> u64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    state.wrapping_mul(2685821657736338717)
}

fn shuffled(count: usize, state: &mut u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    for i in (1..count).rev() {
        order.swap(i, (random(state) % (i as u64 + 1)) as usize);
    }
    order
}

fn insert(times_ms: &[u64], context: &mut Context<'_>) -> Vec<Option<Pin<Box<Sleep>>>> {
    let mut sleeps = Vec::with_capacity(times_ms.len());
    for &ms in times_ms {
        let mut sleep = Box::pin(tokio::time::sleep(Duration::from_millis(ms)));
        let mut unlimited = tokio::task::unconstrained(sleep.as_mut());
        assert!(Pin::new(&mut unlimited).poll(context).is_pending());
        sleeps.push(Some(sleep));
    }
    sleeps
}

async fn measure(args: &[String]) {
    let count = number(&args[3]) as usize;
    let mut state = 88172645463325252;
    let ms: Vec<u64> = (0..count).map(|_| 1000 + random(&mut state) % 3599000).collect();
    let soon: Vec<u64> = ms.iter().map(|ms| 1 + ms % 1000).collect();
    let order = shuffled(count, &mut state);
    let counter = Arc::new(Counter(AtomicU64::new(0)));
    let waker = Waker::from(counter.clone());
    let mut context = Context::from_waker(&waker);
    let print = |metric: &str, from: Instant, to: Instant| {
        let ns = to.duration_since(from).as_nanos() as f64 / count as f64;
        emit(&args[1], &args[2], metric, ns, "ns");
    };

    let start = Instant::now();
    let mut sleeps = insert(&ms, &mut context);
    let inserted = Instant::now();
    for &i in &order {
        sleeps[i] = None;
    }
    let cancelled = Instant::now();
    print("insert", start, inserted);
    print("cancel", inserted, cancelled);
    print("pair", start, cancelled);

    let _expiring = insert(&soon, &mut context);
    std::thread::sleep(Duration::from_millis(1100));
    let start = Instant::now();
    while counter.0.load(Relaxed) < count as u64 {
        tokio::task::yield_now().await;
    }
    print("expire", start, Instant::now());
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    runtime().block_on(measure(&args));
}
