// SPDX-License-Identifier: MIT
//! tokio: a current_thread runtime is the loop, spawn_blocking() does the work.
#[path = "../common/bench.rs"]
mod bench;
use bench::*;
use std::time::Duration;

fn job(sleep_us: u64) {
    if sleep_us > 0 {
        std::thread::sleep(Duration::from_micros(sleep_us));
    }
}

async fn run_jobs(count: u64, sleep_us: u64) {
    for _ in 0..count {
        tokio::task::spawn_blocking(move || job(sleep_us)).await.unwrap();
    }
}

async fn phase(in_flight: u64, jobs: u64, sleep_us: u64) {
    let runners = in_flight.min(jobs);
    let share = |i| jobs / runners + u64::from(i < jobs % runners);
    let handles: Vec<_> =
        (0..runners).map(|i| tokio::spawn(run_jobs(share(i), sleep_us))).collect();
    for handle in handles {
        handle.await.unwrap();
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (threads, in_flight) = (number(&args[3]) as usize, number(&args[4]));
    let (jobs, sleep_us) = (number(&args[5]), number(&args[6]));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(threads)
        .build()
        .unwrap();
    runtime.block_on(async move {
        phase(in_flight, if sleep_us > 0 { jobs } else { (jobs / 10).max(1) }, sleep_us).await;
        let start = usage_now();
        phase(in_flight, jobs, sleep_us).await;
        emit_ops(&args[1], &args[2], jobs as f64, &start, &usage_now());
    });
    std::process::exit(0);
}
