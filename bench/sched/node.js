// SPDX-License-Identifier: MIT
// node. MODE_=immediate (default): setImmediate(); MODE_=microtask: queueMicrotask(); MODE_=promise: async
// functions that await undefined (node does not poll for I/O between the last two). call: an async
// function is awaited.
'use strict';
const bench = require('../common/bench.js');

const [workload, peer, mode, ...counts] = process.argv.slice(2);
const tasks = mode === 'yield' ? Number(counts.shift()) : 1;
const ofEach = Number(counts[0]);
const schedule = process.env.MODE_ === 'microtask' ? queueMicrotask : setImmediate;
let live = tasks;
const start = bench.usageNow();

function end() {
  if (--live === 0) bench.emitOps(workload, peer, tasks * ofEach, start, bench.usageNow());
}

function runCallbacks() {
  let left = ofEach;
  const step = () => (--left === 0 ? end() : schedule(step));
  schedule(step);
}

async function awaits() {
  for (let i = 0; i < ofEach; i++) await undefined;
  end();
}

async function addOne(to) {
  return to + 1;
}

async function calls() {
  for (let sum = 0; sum < ofEach; ) sum = await addOne(sum);
  end();
}

for (let i = 0; i < tasks; i++) {
  if (mode === 'call') calls();
  else if (process.env.MODE_ === 'promise') awaits();
  else runCallbacks();
}
