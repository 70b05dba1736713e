// SPDX-License-Identifier: MIT
//! bench.h for Rust: what the process has used so far, and the lines that a program prints.
#![allow(dead_code)]
use std::time::Instant;

pub struct Usage {
    pub wall: Instant,
    pub cpu: f64, // ns
    pub switches: f64,
}

pub fn number(text: &str) -> u64 {
    text.parse().expect("a number")
}

pub fn is_set(name: &str, value: &str) -> bool {
    std::env::var(name).map_or(false, |found| found == value)
}

fn ns(time: libc::timeval) -> f64 {
    time.tv_sec as f64 * 1e9 + time.tv_usec as f64 * 1e3
}

pub fn usage_now() -> Usage {
    let mut used: libc::rusage = unsafe { std::mem::zeroed() };
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut used) };
    Usage {
        wall: Instant::now(),
        cpu: ns(used.ru_utime) + ns(used.ru_stime),
        switches: (used.ru_nvcsw + used.ru_nivcsw) as f64,
    }
}

pub fn emit(workload: &str, peer: &str, metric: &str, value: f64, unit: &str) {
    println!("{} {} {} {:.4} {}", workload, peer, metric, value, unit);
}

pub fn emit_ops(workload: &str, peer: &str, count: f64, start: &Usage, end: &Usage) {
    let wall = end.wall.duration_since(start.wall).as_nanos() as f64;
    emit(workload, peer, "ns_per_op", wall / count, "ns");
    emit(workload, peer, "ops_per_s", count * 1e9 / wall, "1/s");
    emit(workload, peer, "cpu_ns_per_op", (end.cpu - start.cpu) / count, "ns");
    emit(workload, peer, "ctxsw_per_op", (end.switches - start.switches) / count, "1");
    emit(workload, peer, "wall", wall / 1e6, "ms");
}

/// A line of /proc/self/status: VmHWM is the most memory that the process has had.
pub fn status_kb(key: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc/self/status");
    let line = status.lines().find(|line| line.starts_with(key)).expect(key);
    line.split_whitespace().nth(1).map_or(-1.0, |value| number(value) as f64)
}

/// The runtime of every program here: one thread, the loop.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}
