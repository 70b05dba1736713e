// SPDX-License-Identifier: MIT
//! tokio on one thread. chain: each task spawns the next (MODE_=yield: one task that yields); yield:
//! yield_now(); call: an async function whose future is boxed, as where calls go through a trait
//! (unboxed, the compiler makes them one state machine with the caller, and MODE_=inline measures
//! nothing else); MODE_=spawn: a task for each call.
#[path = "../common/bench.rs"]
mod bench;
use bench::*;
use std::future::Future;
use std::pin::Pin;

fn step(left: u64, done: tokio::sync::oneshot::Sender<()>) {
    tokio::spawn(async move {
        if left == 0 {
            done.send(()).unwrap();
        } else {
            step(left - 1, done);
        }
    });
}

async fn chain(steps: u64) {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    step(steps, sender);
    receiver.await.unwrap();
}

async fn yields(count: u64) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}

async fn all_yield(tasks: u64, count: u64) {
    let handles: Vec<_> = (0..tasks).map(|_| tokio::spawn(yields(count))).collect();
    for handle in handles {
        handle.await.unwrap();
    }
}

async fn add_one(to: u64) -> u64 {
    // read_volatile(): the compiler must not add them all up beforehand.
    unsafe { std::ptr::read_volatile(&to) + 1 }
}

#[inline(never)]
fn boxed_add_one(to: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(add_one(to))
}

async fn calls(count: u64) {
    let mut sum = 0;
    if is_set("MODE_", "spawn") {
        while sum < count {
            sum = tokio::spawn(add_one(sum)).await.unwrap();
        }
    } else if is_set("MODE_", "inline") {
        while sum < count {
            sum = add_one(sum).await;
        }
    } else {
        while sum < count {
            sum = boxed_add_one(sum).await;
        }
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (first, last) = (number(&args[4]), number(args.last().unwrap()));
    let mut total = last;
    runtime().block_on(async {
        let start = usage_now();
        match args[3].as_str() {
            "yield" => {
                total = first * last;
                all_yield(first, last).await
            }
            "call" => calls(last).await,
            _ if is_set("MODE_", "yield") => all_yield(1, last).await,
            _ => chain(last).await,
        }
        emit_ops(&args[1], &args[2], total as f64, &start, &usage_now());
    });
}
