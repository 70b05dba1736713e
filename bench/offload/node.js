// SPDX-License-Identifier: MIT
// node: an addon's work on libuv's pool, as large as UV_THREADPOOL_SIZE says; MODE=worker: worker_threads
// and postMessage().
'use strict';
const { Worker, isMainThread, parentPort } = require('worker_threads');
const bench = require('../common/bench.js');

function beWorker() {
  const never = new Int32Array(new SharedArrayBuffer(4));
  parentPort.on('message', ([slot, sleepUs]) => {
    if (sleepUs) Atomics.wait(never, 0, 0, sleepUs / 1000);
    parentPort.postMessage(slot);
  });
}

// Both return how to submit a job, and how to end.
function useAddon(sleepUs, complete) {
  const addon = bench.addon('offload');
  addon.setCallback(complete);
  return [(slot) => addon.submit(slot, sleepUs), () => {}];
}

function useWorkers(threads, sleepUs, complete) {
  const workers = Array.from({ length: threads }, () => new Worker(__filename));
  let next = 0;
  for (const worker of workers) worker.on('message', complete);
  const submit = (slot) => workers[next++ % threads].postMessage([slot, sleepUs]);
  return [submit, () => workers.forEach((worker) => worker.terminate())];
}

function main() {
  const [workload, peer, ...counts] = process.argv.slice(2);
  const [threads, inFlight, jobs, sleepUs] = counts.map(Number);
  let total, done, submitted, start;

  const phase = (count) => {
    total = count;
    done = 0;
    submitted = Math.min(inFlight, count);
    for (let slot = 0, first = submitted; slot < first; slot++) submit(slot);
  };
  const phaseDone = () => {
    if (start) {
      bench.emitOps(workload, peer, jobs, start, bench.usageNow());
      stop();
    } else {
      start = bench.usageNow();
      phase(jobs);
    }
  };
  const complete = (slot) => {
    if (++done === total) {
      phaseDone();
    } else if (submitted < total) {
      submitted++;
      submit(slot);
    }
  };
  const [submit, stop] =
    process.env.MODE === 'worker'
      ? useWorkers(threads, sleepUs, complete)
      : useAddon(sleepUs, complete);
  phase(sleepUs ? jobs : Math.max(1, Math.floor(jobs / 10)));
}

if (isMainThread) main();
else beWorker();
