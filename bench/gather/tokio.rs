// SPDX-License-Identifier: MIT
//! tokio: a JoinSet of tasks, on one thread.
#[path = "../common/bench.rs"]
mod bench;
use bench::*;
use tokio::task::JoinSet;

async fn child(number: u64) -> u64 {
    tokio::task::yield_now().await;
    number
}

async fn run_round(tasks: u64) -> u64 {
    let mut set = JoinSet::new();
    for i in 0..tasks {
        set.spawn(child(i));
    }
    let mut sum = 0;
    while let Some(value) = set.join_next().await {
        sum += value.unwrap();
    }
    sum
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (tasks, rounds) = (number(&args[3]), number(&args[4]));
    runtime().block_on(async {
        let start = usage_now();
        for _ in 0..rounds {
            assert_eq!(run_round(tasks).await, tasks * (tasks - 1) / 2);
        }
        emit_ops(&args[1], &args[2], (tasks * rounds) as f64, &start, &usage_now());
    });
}
