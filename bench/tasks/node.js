// SPDX-License-Identifier: MIT
// node: an async function that awaits a timeout for each sleep.
'use strict';
const bench = require('../common/bench.js');

const [workload, peer, ...counts] = process.argv.slice(2);
const [count, ms] = counts.map(Number);
const kbBefore = bench.statusKb('VmHWM');
const start = bench.usageNow();
let done = 0;

const sleep = (time) => new Promise((resolve) => setTimeout(resolve, time));

function report() {
  const end = bench.usageNow();
  const kb = bench.statusKb('VmHWM');
  bench.emit(workload, peer, 'peak_rss', kb / 1024, 'MiB');
  bench.emit(workload, peer, 'bytes_per_task', ((kb - kbBefore) * 1024) / count, 'B');
  bench.emit(workload, peer, 'overhead', Number(end.wall - start.wall) / 1e6 - ms, 'ms');
  bench.emit(workload, peer, 'cpu', (end.cpu - start.cpu) / 1e6, 'ms');
}

async function task() {
  await sleep(ms);
  if (++done === count) report();
}

for (let i = 0; i < count; i++) task();
