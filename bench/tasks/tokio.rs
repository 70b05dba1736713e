// SPDX-License-Identifier: MIT
//! tokio: a spawned task for each sleep, on one thread.
#[path = "../common/bench.rs"]
mod bench;
use bench::*;
use std::time::Duration;

async fn sleep_all(count: u64, ms: u64) {
    let mut handles = Vec::with_capacity(count as usize);
    for _ in 0..count {
        handles.push(tokio::spawn(tokio::time::sleep(Duration::from_millis(ms))));
    }
    for handle in handles {
        handle.await.unwrap();
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (count, ms) = (number(&args[3]), number(&args[4]));
    let runtime = runtime();
    let kb_before = status_kb("VmHWM");
    let start = usage_now();
    runtime.block_on(sleep_all(count, ms));
    let end = usage_now();
    let kb = status_kb("VmHWM");
    let wall_ms = end.wall.duration_since(start.wall).as_secs_f64() * 1e3;
    emit(&args[1], &args[2], "peak_rss", kb / 1024.0, "MiB");
    emit(&args[1], &args[2], "bytes_per_task", (kb - kb_before) * 1024.0 / count as f64, "B");
    emit(&args[1], &args[2], "overhead", wall_ms - ms as f64, "ms");
    emit(&args[1], &args[2], "cpu", (end.cpu - start.cpu) / 1e6, "ms");
}
