// SPDX-License-Identifier: MIT
// node: setTimeout() and clearTimeout().
'use strict';
const bench = require('../common/bench.js');

const [workload, peer, argument] = process.argv.slice(2);
const count = Number(argument);
let state = 12345;

function random(below) {
  state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
  return Math.floor((state / 0x80000000) * below);
}

function shuffled() {
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const other = random(i + 1);
    [order[i], order[other]] = [order[other], order[i]];
  }
  return order;
}

function print(metric, start, end) {
  bench.emit(workload, peer, metric, Number(end - start) / count, 'ns');
}

function insertAndCancel() {
  const ms = Array.from({ length: count }, () => 1000 + random(3599000));
  const order = shuffled();
  const timers = new Array(count);
  const call = () => {};
  const start = process.hrtime.bigint();
  for (let i = 0; i < count; i++) timers[i] = setTimeout(call, ms[i]);
  const inserted = process.hrtime.bigint();
  for (let i = 0; i < count; i++) clearTimeout(timers[order[i]]);
  const cancelled = process.hrtime.bigint();
  print('insert', start, inserted);
  print('cancel', inserted, cancelled);
  print('pair', start, cancelled);
}

function expire() {
  const soon = Array.from({ length: count }, () => 1 + random(1000));
  let left = count;
  let start;
  const call = () => {
    if (--left === 0) print('expire', start, process.hrtime.bigint());
  };
  for (const ms of soon) setTimeout(call, ms);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1100);
  start = process.hrtime.bigint();
}

insertAndCancel();
expire();
