// SPDX-License-Identifier: MIT
//! tokio: OS threads post. MODE=mpsc (default): closures through an unbounded channel to one task;
//! MODE=spawn: Handle::spawn() for each, by way of the runtime's queue for other threads.
#[path = "../common/bench.rs"]
mod bench;
use bench::*;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Barrier};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, Notify};

static RAN: AtomicU64 = AtomicU64::new(0);
static LAST: AtomicU64 = AtomicU64::new(0);

type Call = Box<dyn FnOnce() + Send>;

fn send_all(count: u64, sender: mpsc::UnboundedSender<Call>) {
    for i in 0..count {
        let call = move || {
            RAN.store(RAN.load(Relaxed) + 1, Relaxed);
            LAST.store(i, Relaxed);
        };
        assert!(sender.send(Box::new(call)).is_ok());
    }
}

fn spawn_all(count: u64, total: u64, handle: Handle, finished: Arc<Notify>) {
    for _ in 0..count {
        let finished = finished.clone();
        handle.spawn(async move {
            if RAN.fetch_add(1, Relaxed) + 1 == total {
                finished.notify_one();
            }
        });
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let producers = number(&args[3]);
    let of_each = number(&args[4]) / producers;
    let total = producers * of_each;
    let spawns = is_set("MODE", "spawn");
    let runtime = runtime();
    let barrier = Arc::new(Barrier::new(producers as usize + 1));
    let finished = Arc::new(Notify::new());
    let (sender, mut receiver) = mpsc::unbounded_channel::<Call>();
    for _ in 0..producers {
        let (barrier, sender, finished) = (barrier.clone(), sender.clone(), finished.clone());
        let handle = runtime.handle().clone();
        std::thread::spawn(move || {
            barrier.wait();
            if spawns {
                spawn_all(of_each, total, handle, finished);
            } else {
                send_all(of_each, sender);
            }
        });
    }
    runtime.block_on(async {
        let start = usage_now();
        barrier.wait();
        if spawns {
            finished.notified().await;
        } else {
            for _ in 0..total {
                (receiver.recv().await.unwrap())();
            }
        }
        emit_ops(&args[1], &args[2], total as f64, &start, &usage_now());
    });
    std::process::exit(0);
}
